"""Training runs: what is written, resumed, refused.

`generated` is the one place that says where the generated code comes from.
"""
from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from l2ogen.runtime import Diverged, Interrupted, Run, RunError, load_module, load_run, train
from l2ogen.runtime import checkpoint as files

ROOT = Path(__file__).resolve().parent.parent

SMALL: dict[str, Any] = {"m": 6, "n": 10, "sparsity": 2, "horizon": 6, "truncate": 3, "steps": 7, "batch": 3,
                         "validate_every": 2, "validate_batch": 4, "clip_norm": 1.0, "rate": "cosine"}
LISTA: dict[str, Any] = {"m": 6, "n": 10, "layers": 3, "steps": 4, "batch": 8, "validate_every": 2,
                         "validate_batch": 8}


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the generated l2o_pa.py, l2o_pa_train.py, lista.py and lista_train.py"""
    folder = tmp_path_factory.mktemp("generated")
    for file in (ROOT / "generated").glob("*.py"):    # copied: nothing here may write beside the originals
        shutil.copy(file, folder)
    return folder


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)    # two threads on a busy pair of cores wait for each other


@pytest.fixture
def start(generated: Path, tmp_path: Path) -> Callable[..., Run]:
    def create(name: str = "run", **changes: Any) -> Run:
        return Run.create(tmp_path / name, generated / "l2o_pa_train.py", quiet=True, **(SMALL | changes))
    return create


def metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl without the wall time"""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def assert_same_end(one: Path, other: Path) -> None:
    """Weights, optimizer, random state and metrics agree bit for bit."""
    assert metrics(one) == metrics(other)
    for name in ("checkpoint.safetensors", "weights.safetensors"):
        a, b = load_file(one / name), load_file(other / name)
        assert a.keys() == b.keys()
        assert all(torch.equal(a[key], b[key]) for key in a), name
    assert not list(other.glob(".*"))   # no half-written file is left


# ---- loading -------------------------------------------------------------------------------------
def test_loading_leaves_no_trace(generated: Path) -> None:
    path, modules = list(sys.path), set(sys.modules)
    training = load_module(generated / "l2o_pa_train.py")
    assert training.SETTINGS.algorithm == "L2O_PA"
    assert sys.path == path
    assert not {"l2o_pa", "l2o_pa_train"} & (set(sys.modules) - modules)
    assert not (generated / "__pycache__").exists()


def test_loading_takes_the_neighbour(generated: Path, tmp_path: Path) -> None:
    """Two folders with modules of the same names stay apart."""
    for file in generated.glob("l2o_pa*.py"):
        (tmp_path / file.name).write_text(file.read_text().replace('name = "L2O_PA"', 'name = "OTHER"'))
    first, second = load_module(generated / "l2o_pa_train.py"), load_module(tmp_path / "l2o_pa_train.py")
    assert (first.L2O_PA.name, second.L2O_PA.name) == ("L2O_PA", "OTHER")


# ---- a run and its folder ------------------------------------------------------------------------
def test_a_run_writes_its_folder(start: Callable[..., Run], tmp_path: Path) -> None:
    run = train(start())
    assert {path.name for path in run.folder.iterdir()} == {
        "l2o_pa.py", "l2o_pa_train.py", "settings.json", "metrics.jsonl",
        "checkpoint.safetensors", "weights.safetensors"}
    lines = metrics(run.folder)
    assert [line["step"] for line in lines] == list(range(1, 8))
    assert [line["rate"] for line in lines] == pytest.approx(
        [1e-2 * (1 + math.cos(math.pi * step / 7)) / 2 for step in range(7)])
    assert [line["step"] for line in lines if "validation" in line] == [2, 4, 6, 7]


def test_the_best_weights_are_kept(start: Callable[..., Run]) -> None:
    run = train(start())
    values = {line["step"]: line["validation"] for line in metrics(run.folder) if "validation" in line}
    assert run.best == min([run.first, *values.values()])
    model, _, settings, training = load_run(run.folder)
    validation = training.solved(settings, settings.validate_batch, settings.generator(2), {})
    with torch.no_grad():
        again = [value.item() for value in training.segments(settings, model, validation, settings.iterations)]
    assert sum(again) / len(again) == run.best
    for name, value in run.model.state_dict().items():
        assert torch.equal(value, model.state_dict()[name])


def test_training_lowers_the_validation(start: Callable[..., Run]) -> None:
    run = train(start(steps=20, batch=16, rate=2e-2))
    assert run.first is not None
    assert run.best < 0.97 * run.first


def test_tensorboard_has_the_metrics(generated: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    run = Run.create(tmp_path / "run", generated / "l2o_pa_train.py", quiet=True, tensorboard=True, **SMALL)
    train(run)
    found = EventAccumulator(str(run.folder / "tensorboard")).Reload()
    for name in ("loss", "rate", "validation"):
        expected = {line["step"]: line[name] for line in metrics(run.folder) if name in line}
        assert {each.step: each.value for each in found.Scalars(name)} == pytest.approx(expected, rel=1e-6)


def test_tensorboard_that_is_not_installed(start: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(RunError, match=r"TensorBoard is not installed: pip install 'l2ogen\[tensorboard\]'"):
        start(tensorboard=True)


def test_the_spec_is_kept(generated: Path, tmp_path: Path) -> None:
    (tmp_path / "pa.l2o").write_text("algorithm L2O_PA\n")
    run = Run.create(tmp_path / "run", generated / "l2o_pa_train.py", spec=tmp_path / "pa.l2o", quiet=True, **SMALL)
    assert (run.folder / "spec.l2o").read_text() == "algorithm L2O_PA\n"


def test_a_folder_in_use_is_refused(start: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("years of work")
    with pytest.raises(RunError, match="not empty"):
        start()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.tex"]


def test_wrong_settings_leave_no_folder(start: Callable[..., Run], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="did you mean 'batch'"):
        start(bach=5)
    assert not (tmp_path / "run").exists()


def test_resume_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no run to resume"):
        Run.resume(tmp_path)


# ---- resuming ------------------------------------------------------------------------------------
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_ctrl_c_and_resume_end_where_an_uninterrupted_run_does(start: Callable[..., Run], optimizer: str) -> None:
    whole = train(start("whole", optimizer=optimizer))
    run = start("stopped", optimizer=optimizer)
    log, calls = run.log, []

    def press_ctrl_c(loss: Tensor) -> None:     # in the middle of step 4
        calls.append(0)
        if len(calls) == 7:
            os.kill(os.getpid(), signal.SIGINT)
        log(loss)

    run.log = press_ctrl_c  # type: ignore[method-assign]
    with pytest.raises(Interrupted, match="stopped after step 4 of 7; resume"):
        train(run)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert_same_end(whole.folder, train(Run.resume(run.folder, quiet=True)).folder)


class Killed(BaseException):
    pass


def test_a_kill_at_any_moment_leaves_a_run_that_resumes(
        start: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped before the n-th file is put in place, for every n; each time the end is the same."""
    few = {"steps": 3, "horizon": 4, "truncate": 2}
    whole = train(start("whole", **few))
    rename = os.replace
    for n in range(1, 100):
        calls: list[object] = []

        def dying(*names: Any, calls: list[object] = calls, n: int = n) -> None:
            calls.append(names)
            if len(calls) == n:
                raise Killed
            rename(*names)

        folder = tmp_path / f"killed{n}"
        monkeypatch.setattr(files.os, "replace", dying)
        try:
            train(start(folder.name, **few))
            assert n == 9   # settings, the folder, then checkpoint and weights three times: one more than there are
            break
        except Killed:
            monkeypatch.setattr(files.os, "replace", rename)
        if n <= 2:      # nothing was put in place: the same command starts again
            assert not folder.exists() and not list(tmp_path.glob(".killed*"))
            assert_same_end(whole.folder, train(start(folder.name, **few)).folder)
            continue
        assert_same_end(whole.folder, train(Run.resume(folder, quiet=True)).folder)


def test_resuming_a_finished_run_changes_nothing(start: Callable[..., Run], tmp_path: Path) -> None:
    run = train(start())
    shutil.copytree(run.folder, tmp_path / "copy")
    again = train(Run.resume(run.folder, quiet=True))
    assert_same_end(tmp_path / "copy", again.folder)
    assert again.step == 7


def test_patience_ends_a_run(start: Callable[..., Run]) -> None:
    run = train(start(optimizer="sgd(rate = 1e-30)", steps=50, patience=2))   # nothing gets better
    assert run.step == 4


# ---- divergence ----------------------------------------------------------------------------------
def test_divergence_names_the_step_and_keeps_the_best_weights(start: Callable[..., Run]) -> None:
    run = start()
    log, calls = run.log, []

    def poisoned(loss: Tensor) -> None:
        calls.append(0)
        log(loss if len(calls) < 6 else loss * math.nan)

    run.log = poisoned  # type: ignore[method-assign]
    with pytest.raises(Diverged, match=r"diverged in step 3: the loss is nan, and 5 updates .* The weights of step \d"):
        train(run)
    assert run.best < math.inf
    kept = load_run(run.folder).model.state_dict()
    assert all(torch.equal(kept[name], value) and value.isfinite().all()
               for name, value in run.model.state_dict().items())


def begun(run: Run) -> torch.optim.Optimizer:
    """The run in its first step, and its optimizer"""
    stage = next(run.stages())
    optimizer = run.optimizer(stage)
    next(run.steps(stage, optimizer))
    return optimizer


def update(run: Run, optimizer: torch.optim.Optimizer, loss: float, gradient: float) -> bool:
    """One update as the generated loop makes it; whether it changed the weights"""
    before = [weight.detach().clone() for weight in run.model.parameters()]
    run.log(torch.tensor(loss))
    for weight in run.model.parameters():
        weight.grad = torch.full_like(weight, gradient)
    run.clip()
    optimizer.step()
    return not all(torch.equal(old, new) for old, new in zip(before, run.model.parameters(), strict=True))


@pytest.mark.parametrize(("loss", "gradient", "clip_norm", "made"), [
    (1.0, 1.0, None, True),
    (1e20, 1.0, None, False),       # would spoil Adam's moments for a thousand steps
    (1e20, 1.0, 0.1, True),         # shortened, it teaches
    (math.nan, math.nan, 0.1, False),
    (1.0, math.inf, 0.1, False),
    (1.0, math.nan, None, False),
])
def test_an_update_that_would_do_harm_is_dropped(start: Callable[..., Run], loss: float, gradient: float,
                                                 clip_norm: float | None, made: bool) -> None:
    run = start()
    run.settings = replace(run.settings, clip_norm=clip_norm)
    optimizer = begun(run)
    assert update(run, optimizer, 1.0, 1.0)     # so that Adam has a momentum to go on with
    assert update(run, optimizer, loss, gradient) is made
    assert run.dropped == (not made)
    if loss == gradient == 1.0:
        return
    with pytest.raises(Diverged, match="5 updates in a row"):
        for _ in range(4):
            update(run, optimizer, loss, gradient)


def test_failures_now_and_then_do_not_end_a_run(start: Callable[..., Run]) -> None:
    run = start()
    optimizer = begun(run)
    for count in range(20):
        update(run, optimizer, 1.0 if count % 5 == 4 else math.nan, 1.0)
    assert run.dropped == 0     # the gradient was finite, and is clipped


def test_clip_shortens_the_gradient_only_when_asked(start: Callable[..., Run]) -> None:
    run = start()
    for limit, expected in ((1.0, 1.0), (None, 2.0)):
        run.settings = replace(run.settings, clip_norm=limit)
        weights = list(run.model.parameters())
        for weight in weights:
            weight.grad = torch.full_like(weight, 2 / math.sqrt(sum(each.numel() for each in weights)))
        run.clip()
        norm = torch.cat([weight.grad.view(-1) for weight in weights if weight.grad is not None]).norm()
        assert norm.item() == pytest.approx(expected, rel=1e-5)


# ---- data shared by all instances ----------------------------------------------------------------
def test_shared_data_come_back_with_the_weights(generated: Path, tmp_path: Path) -> None:
    run = train(Run.create(tmp_path / "run", generated / "lista_train.py", quiet=True, **LISTA))
    A = run.shared["A"].clone()
    settings = json.loads((run.folder / "settings.json").read_text())
    (run.folder / "settings.json").write_text(json.dumps(settings | {"seed": 5}))
    resumed = Run.resume(run.folder, quiet=True)
    assert not torch.equal(resumed.shared["A"], A)      # the seed alone would give another A
    assert torch.equal(train(resumed).shared["A"], A)
    loaded = load_run(run.folder)
    assert torch.equal(loaded.shared["A"], A)
    assert torch.equal(loaded.training.sample(loaded.settings, 2, loaded.settings.generator(), loaded.shared).A, A)


# ---- the command line of a generated loop --------------------------------------------------------
def test_the_generated_loop_runs_as_a_program(generated: Path, tmp_path: Path) -> None:
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]
    program = ("import runpy, sys\n"
               "sys.path[0] = sys.argv[1]\ndel sys.argv[:2]\n"     # as `python l2o_pa_train.py` in that folder
               "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
               "except SystemExit as end:\n    print('code', end.code)\n"
               "print('heavy', sorted({'matplotlib', 'sklearn', 'scipy', 'pandas'} & set(sys.modules)))\n")
    done = subprocess.run(
        [sys.executable, "-c", program, str(generated), str(generated / "l2o_pa_train.py"),
         "--run", str(tmp_path / "run"), *arguments],
        env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["code 0", "heavy []"], done.stderr
    assert "step 7/7" in done.stderr
    assert "best validation" in done.stderr
    assert load_run(tmp_path / "run").settings.sizes == {"m": 6, "n": 10, "sparsity": 2}
