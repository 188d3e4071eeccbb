"""Training in two processes of torchrun (gloo) ends where one process does, stops, fails and resumes together."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from l2ogen.runtime import Run, distributed, load_module, train

ROOT = Path(__file__).resolve().parent.parent
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
LAYERED: dict[str, Any] = {"m": 6, "n": 10, "layers": 3, "samples": "fixed(13)", "batch": 5, "dtype": "float64", "clip_norm": 1.0,
           "schedule": "layerwise(steps = 3), joint(steps = 4)", "validate": "every = 2, batch = 7"}
"""The batches of 5, 5, 3 and the validation of 7 do not divide by two."""
PA: dict[str, Any] = {"m": 6, "n": 10, "sparsity": 2, "horizon": 6, "truncate": 3, "steps": 6, "batch": 5, "rate": "cosine",
      "validate": "every = 2, batch = 7"}


def torchrun(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """A deadlock ends after two minutes, and with it the processes that torchrun started: they get its SIGTERM."""
    process = subprocess.Popen([*TORCHRUN, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder,
                               env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)})
    timer = threading.Timer(120, process.terminate)
    timer.start()
    out, err = process.communicate()
    timer.cancel()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def options(settings: dict[str, Any]) -> list[str]:
    return [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]


def metrics(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def assert_same_within_rounding(one: Path, two: Path, rtol: float) -> None:
    a, b = load_file(one / "checkpoint.safetensors"), load_file(two / "checkpoint.safetensors")
    assert a.keys() == b.keys()
    for name, value in a.items():
        torch.testing.assert_close(b[name], value, rtol=rtol, atol=rtol, msg=f"{name}: {b[name]} and {value}")
    for line, other in zip(metrics(one), metrics(two), strict=True):
        assert line["step"] == other["step"]
        assert other["loss"] == pytest.approx(line["loss"], rel=10 * rtol)
        assert ("validation" in other) == ("validation" in line)
        assert other.get("validation", 0) == pytest.approx(line.get("validation", 0), rel=10 * rtol)
    assert not list(two.glob(".*"))


@pytest.mark.parametrize(("name", "settings", "rtol"), [("lista", LAYERED, 1e-10), ("l2o_pa", PA, 1e-5)])
def test_two_processes_give_what_one_gives(name: str, settings: dict[str, Any], rtol: float, tmp_path: Path) -> None:
    """The command line in float64, the generated loop in float32."""
    loop = ROOT / f"generated/{name}_train.py"
    if name == "lista":
        done = torchrun(["-m", "--", "l2ogen", "train", name, "-o", "two", *options(settings)], tmp_path)
    else:
        done = torchrun(["--", str(loop), "--run", "two", *options(settings)], tmp_path)
    assert done.returncode == 0, done.stderr
    one = train(Run.create(tmp_path / "one", loop, quiet=True, **settings))
    assert_same_within_rounding(one.folder, tmp_path / "two", rtol)
    assert (done.stdout + done.stderr).count(f"{one.result}; weights in two") == 1     # one of them speaks
    assert (done.stdout + done.stderr).count(f"step {one.step}/{one.step}") == 1


TOGETHER = '''
import atexit, json, math, os, sys, time
from pathlib import Path
import torch
from l2ogen.runtime import Diverged, Interrupted, Run, RunError, distributed, train
loop, settings = sys.argv[1], json.loads(sys.argv[2])
said = []

def threads():
    """Those of gloo get two seconds: a thread that was joined is listed for a moment more, one that lives stays."""
    for _ in range(200):
        found = []
        for thread in os.listdir("/proc/self/task"):
            try:
                found.append(Path("/proc/self/task", thread, "comm").read_text().strip())
            except (FileNotFoundError, ProcessLookupError):     # ended since
                pass
        if not any("gloo" in name for name in found):
            break
        time.sleep(0.01)
    return found

# The first to register is the last to run: after the processes have left each other.
atexit.register(lambda: Path("left" + os.environ["RANK"] + ".json").write_text(json.dumps(threads())))

def begin(name, change=None, **changes):
    run = Run.create(name, loop, quiet=True, **(settings | changes))
    if change is not None and distributed.rank() == 1:      # the other process learns of it
        log, calls = run.log, []
        def changed(loss):
            calls.append(0)
            change(run, len(calls), loss)
            log(loss)
        run.log = changed
    try:
        train(run)
    except (Interrupted, Diverged) as error:
        said.append(type(error).__name__ + ": " + str(error))
    return run

def asked(run, count, loss):
    run._asked = run._asked or count == 5

def poisoned(run, count, loss):
    if count >= 5:
        loss.data.fill_(math.nan)       # and with it the gradient, which is the loss times something
        for weight in run.model.parameters():
            weight.register_hook(lambda gradient: gradient * math.nan)

begin("whole")
begin("stopped", asked)
train(Run.resume("stopped", quiet=True))
begin("diverged", poisoned)
try:
    begin("whole")
except RunError as error:
    said.append("RunError: " + str(error))
Path(f"said{distributed.rank()}.json").write_text(json.dumps(said))
'''


def test_processes_stop_fail_and_resume_together(tmp_path: Path) -> None:
    """What happens to one of them happens to both: Ctrl-C, a gradient that is not finite, a folder in use."""
    (tmp_path / "together.py").write_text(TOGETHER)
    loop = ROOT / "generated/l2o_pa_train.py"
    done = torchrun(["together.py", str(loop), json.dumps(PA)], tmp_path)
    assert done.returncode == 0, done.stderr
    said = [json.loads((tmp_path / f"said{rank}.json").read_text()) for rank in (0, 1)]
    assert said[0] == said[1]
    for rank in (0, 1):     # a thread of gloo that outlives the interpreter aborts the process, now and then
        left = json.loads((tmp_path / f"left{rank}.json").read_text())
        assert left and not [name for name in left if "gloo" in name]
    stopped, diverged, refused = said[0]
    assert stopped.startswith("Interrupted: stopped after step 3 of 6; resume the run in stopped")
    assert diverged.startswith("Diverged: training diverged in step 3: the loss is nan")
    assert refused.startswith("RunError: whole is not empty")
    for name in ("checkpoint.safetensors", "weights.safetensors"):      # bit for bit
        a, b = load_file(tmp_path / "whole" / name), load_file(tmp_path / "stopped" / name)
        assert a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a), name
    kept = load_file(tmp_path / "diverged/weights.safetensors")
    assert all(value.isfinite().all() for value in kept.values())


# ---- parts of a batch --------------------------------------------------------------------------------
@pytest.fixture
def third_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Play one of three processes"""
    def play(rank: int) -> None:
        monkeypatch.setenv("WORLD_SIZE", "3")
        monkeypatch.setenv("RANK", str(rank))
    return play


@pytest.mark.parametrize("module", ["problems/lasso", "problems/elastic_net", "problems/quadratic", "sparse"])
def test_the_parts_make_up_the_batch(module: str, third_of: Any) -> None:
    if module == "sparse":
        made = load_module(ROOT / "generated/problems/sparse_coding.py").SparseCoding
        whole = made.sample(8, **made.sample_shared(m=4, n=6), m=4, n=6)
    else:
        code = load_module(ROOT / f"generated/{module}.py")
        made = next(value for value in vars(code).values() if isinstance(value, type) and hasattr(value, "sample"))
        whole = made.sample(8)
    whole.x_star = whole.zeros() + torch.arange(8.0).unsqueeze(-1)
    parts = []
    for rank in range(3):
        third_of(rank)
        parts.append(distributed.part(whole))
    assert [share * 8 for _, share in parts] == [3, 3, 2]
    assert [part.batch for part, _ in parts] == [(3,), (3,), (2,)]
    for name in [*made.data, "x_true", "x_star"]:
        values, expected = [getattr(part, name) for part, _ in parts], getattr(whole, name)
        if expected is None:
            continue
        if expected.shape[:1] == (8,):
            assert torch.equal(torch.cat(values), expected), name
        else:
            assert all(torch.equal(value, expected) for value in values), name      # shared by all


def test_one_process_works_on_the_problem_itself() -> None:
    problem = load_module(ROOT / "generated/problems/lasso.py").Lasso.sample(4, m=3, n=5, sparsity=1)
    assert distributed.part(problem) == (problem, 1.0)
    assert distributed.total(0.1, 3.0) == [0.1, 3.0]


@pytest.mark.parametrize("changes", [{"batch": 2}, {"samples": "fixed(11)"}, {"validate": "every = 1, batch = 2"}])
def test_a_process_without_problems_is_refused(changes: dict[str, Any], third_of: Any, monkeypatch: pytest.MonkeyPatch,
                                               tmp_path: Path) -> None:
    third_of(0)
    monkeypatch.setattr(distributed, "join", lambda device: None)
    with pytest.raises(ValueError, match=r"`(batch|samples|validate)` has \d problems for 3 processes"):
        Run.create(tmp_path / "run", ROOT / "generated/l2o_pa_train.py", quiet=True, **(PA | changes))
    assert not (tmp_path / "run").exists()
