"""Training runs: what is written, resumed, refused; evaluation, plots and data.

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

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from l2ogen.runtime import (
    Diverged,
    Interrupted,
    Run,
    RunError,
    Settings,
    bsds_patches,
    evaluate,
    evaluate_recovery,
    load_module,
    load_run,
    plot_comparisons,
    solve,
    train,
)
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


# ---- settings ------------------------------------------------------------------------------------
def test_settings_survive_json() -> None:
    settings = Settings(algorithm="X", problem="lasso", sizes={"m": 20, "density": 0.1}, layers=16,
                        clip_norm=0.5, patience=3, rate="step(every = 3, factor = 0.5)", warm="runs/x",
                        schedule="layerwise(steps = 5, rates = (1e-2, 1e-3), decay = 0.3), joint(steps = 7)")
    assert Settings.from_json(settings.to_json()) == settings


def test_settings_override_takes_text_and_sizes() -> None:
    settings = Settings(algorithm="X", problem="lasso", sizes={"m": 20, "n": 40}, horizon=100)
    changed = settings.override(rate="1e-2", steps="7", m="8", clip_norm=None, sizes={"n": 9})
    assert (changed.learning_rate, changed.steps, changed.sizes) == (0.01, 7, {"m": 8, "n": 9})
    assert settings.sizes == {"m": 20, "n": 40}


@pytest.mark.parametrize(("changes", "message"), [
    ({"stepz": 5}, "unknown setting `stepz` .did you mean 'steps'"),
    ({"optimizer": "adan"}, "`optimizer` cannot be 'adan' .did you mean 'adam"),
    ({"rate": "cosin"}, "did you mean 'cosine'"),
    ({"dtype": "float16"}, "did you mean 'bfloat16'"),
    ({"sizes": {"sparcity": 3}}, "unknown size `sparcity` .there is m"),
    ({"rate": 0}, "`rate` takes a positive number"),
    ({"rate": math.nan}, "`rate` takes a positive number"),
    ({"steps": 2.5}, "`steps` must be a positive whole number, not 2.5"),
    ({"steps": True}, "`steps` must be a positive whole number, not True"),
    ({"batch": "many"}, "`batch` must be a positive whole number, not 'many'"),
    ({"seed": -1}, "`seed` must be a whole number, not -1"),
    ({"truncate": 200}, "`truncate` is longer than `horizon`: take at most 100"),
    ({"layers": 16, "horizon": 8}, "`layers` and `horizon` both say"),
    ({"device": "gpu"}, "`device` cannot be 'gpu'"),
])
def test_settings_that_make_no_sense(changes: dict[str, Any], message: str) -> None:
    settings = Settings(algorithm="X", problem="lasso", sizes={"m": 20}, horizon=100)
    with pytest.raises(ValueError, match=message):
        settings.override(**changes)


def test_settings_from_json_with_an_unknown_name() -> None:
    with pytest.raises(ValueError, match="unknown setting `rates`"):
        Settings.from_json('{"algorithm": "X", "problem": "lasso", "horizon": 5, "rates": 1}')
    with pytest.raises(ValueError, match="settings without problem"):
        Settings.from_json('{"algorithm": "X", "horizon": 5}')


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


# ---- evaluation ----------------------------------------------------------------------------------
class ProximalGradient(nn.Module):
    """x+ = prox_r,a(x - a*grad f(x)) with a = scale/L, written by hand"""

    name, reported = "ISTA", "x"

    def __init__(self, scale: float = 1.0):
        super().__init__()
        self.scale = scale

    def init_state(self, problem: Any) -> Any:
        from types import SimpleNamespace
        return SimpleNamespace(k=0, x=problem.zeros(problem.n))

    def step(self, problem: Any, state: Any) -> Any:
        a = self.scale / problem.L
        return type(state)(k=state.k + 1, x=problem.prox_r(state.x - a * problem.grad_f(state.x), a))


@pytest.fixture
def lasso(generated: Path) -> Any:
    return load_module(generated / "l2o_pa.py").Lasso.sample(
        32, m=8, n=16, sparsity=3, generator=torch.Generator().manual_seed(3))


def test_solve_meets_the_optimality_conditions(lasso: Any) -> None:
    solution = solve(lasso)
    A, b, x = (np.asarray(value, dtype=np.float64) for value in (lasso.A, lasso.b, solution.x))
    lam = float(np.float64(np.float32(0.1)))
    correlation = np.einsum("bmn,bm->bn", A, b - np.einsum("bmn,bn->bm", A, x))
    assert np.abs(correlation).max() <= lam * (1 + 1e-9)
    assert np.abs(correlation - lam * np.sign(x))[x != 0].max() < 1e-9
    assert solution.residual <= 1e-12
    assert solution.duality_gap is not None
    assert 0 <= solution.duality_gap < 1e-9


def test_solve_says_how_far_it_came(lasso: Any) -> None:
    short = solve(lasso, iterations=20)
    assert short.iterations == 20
    assert short.residual > 1e-9
    gap = ((short.F - solve(lasso).F) / solve(lasso).F).max().item()
    assert short.duality_gap is not None
    assert short.duality_gap >= gap     # an upper bound


def test_curves_of_the_gap(lasso: Any) -> None:
    comparison = evaluate({"ISTA": ProximalGradient(), "too long": ProximalGradient(3.0)}, lasso, 40)
    curve = comparison.curves["ISTA"]
    solution = solve(lasso)
    zero = 0.5 * lasso.b.double().square().sum(-1)      # F(0)
    assert torch.allclose(curve.values[0], zero / solution.F[:, 0] - 1, rtol=1e-12)
    assert (curve.values.diff(dim=0) <= 1e-12).all()    # proximal gradient descends
    assert (curve.values >= -1e-12).all()
    assert curve.diverged == 0
    assert comparison.curves["too long"].diverged > 0
    assert curve.mean[10].item() == pytest.approx(curve.values[10].mean().item())
    assert curve.worst[10] >= curve.quantile(0.9)[10] >= curve.median[10]


class Cycling(ProximalGradient):
    """Goes down for ten iterations, then back and forth between two points"""

    def step(self, problem: Any, state: Any) -> Any:
        if state.k < 10:
            return super().step(problem, state)
        return type(state)(k=state.k + 1, x=state.x * (1.1 if state.k % 2 else 1 / 1.1))


def test_a_cycle_is_told_from_slow_progress(lasso: Any) -> None:
    curves = evaluate({"ISTA": ProximalGradient(), "cycle": Cycling()}, lasso, 40).curves
    assert (curves["ISTA"].diverged, curves["ISTA"].stalled) == (0, 0)
    assert (curves["cycle"].diverged, curves["cycle"].stalled) == (0, 32)


def test_evaluation_in_float32_is_measured_in_float64(lasso: Any) -> None:
    one, two = (evaluate({"ISTA": ProximalGradient()}, lasso, 20, dtype=dtype).curves["ISTA"].values
                for dtype in (torch.float32, torch.float64))
    assert two.dtype == one.dtype == torch.float64
    assert not torch.equal(one, two)
    assert torch.allclose(one, two, atol=1e-5)


def test_flat_instances_are_counted(lasso: Any) -> None:
    flat = type(lasso)(lasso.A, lasso.b * (torch.arange(32) > 1).unsqueeze(-1), 0.1)
    comparison = evaluate({"ISTA": ProximalGradient()}, flat, 5)
    assert "F* = 0 for 2 instances: their gap is not divided" in comparison.notes
    assert comparison.curves["ISTA"].values.isfinite().all()
    assert comparison.instances == 32


def test_a_comparison_as_text_and_json(lasso: Any) -> None:
    comparison = evaluate({"ISTA": ProximalGradient(), "wild": ProximalGradient(1e3)}, lasso, 200, title="small lasso")
    document = json.loads(comparison.to_json())
    assert document["instances"] == 32
    assert document["algorithms"]["ISTA"]["mean"][10] == comparison.curves["ISTA"].mean[10].item()
    assert document["algorithms"]["wild"]["worst"][200] is None     # overflowed, which JSON cannot say
    assert document["algorithms"]["wild"]["diverged"] == 32
    text = comparison.markdown((10, 20))
    assert "| algorithm |  | k=10 | k=20 | div. | stall | ms |" in text
    assert "certified: relative gap <= " in text
    assert comparison.table().row_count == 8    # mean, median, p99 and worst of two algorithms
    assert document["algorithms"]["ISTA"]["p99"][10] == comparison.curves["ISTA"].p99[10].item()


def test_curves_of_recovery(generated: Path, tmp_path: Path) -> None:
    run = train(Run.create(tmp_path / "run", generated / "lista_train.py", quiet=True, **LISTA))
    problem = run.training.sample(run.settings, 50, run.settings.generator(7), run.shared)
    comparison = evaluate_recovery({"LISTA": run.model}, problem)
    x = run.model(problem, 2)
    nmse = (x - problem.x_true).square().sum() / problem.x_true.square().sum()
    curve = comparison.curves["LISTA"]
    assert curve.mean.shape == (4,)
    assert curve.mean[0].item() == pytest.approx(1.0)   # x_0 = 0 is 0 dB
    assert curve.mean[2].item() == pytest.approx(nmse.item(), rel=1e-5)
    assert f"{10 * math.log10(nmse.item()):.1f}" in comparison.markdown((2,))


def test_plots_are_written(lasso: Any, tmp_path: Path) -> None:
    comparison = evaluate({"ISTA": ProximalGradient(), "wild": ProximalGradient(1e3)}, lasso, 60)
    file = plot_comparisons([comparison, comparison], tmp_path / "gap.png")
    assert file.read_bytes().startswith(b"\x89PNG")


# ---- data ----------------------------------------------------------------------------------------
def write_patches(folder: Path, **arrays: Any) -> None:
    random = np.random.default_rng(0)
    content: dict[str, Any] = {"W": random.normal(size=(64, 128)), "Y": random.normal(size=(9, 64)), "rho": 0.5}
    np.savez(folder / "bsds_patches_lasso.npz", **(content | arrays))


def test_patches_from_a_named_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_patches(tmp_path)
    monkeypatch.setenv("L2OGEN_DATA", str(tmp_path))
    for patches in (bsds_patches(tmp_path, 5), bsds_patches(None, 5)):
        assert (patches.A.shape, patches.b.shape, patches.lam.item()) == ((64, 128), (5, 64), 0.5)
        assert patches.source == "8x8 patches of BSDS500, 128 learnt atoms, lam 0.5"


def test_patches_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no bsds_patches_lasso\.npz in"):
        bsds_patches(tmp_path)
    write_patches(tmp_path, Y=np.zeros((9, 63)))
    with pytest.raises(ValueError, match="do not fit together"):
        bsds_patches(tmp_path)


def test_patches_from_photographs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("L2OGEN_DATA", raising=False)
    patches = bsds_patches(count=20)
    assert patches.b.shape == (20, 64)
    assert torch.allclose(patches.A.norm(dim=0), torch.ones(144, dtype=torch.float64))
    assert torch.allclose(patches.b.mean(-1), torch.zeros(20, dtype=torch.float64), atol=1e-12)
    assert np.linalg.matrix_rank(patches.A.numpy()) == 64
    assert torch.equal(patches.b, bsds_patches(count=20).b)
