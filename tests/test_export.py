"""Exported modules give the numbers of the module, for batches of another size than the example's."""
from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import l2ogen
from l2ogen.cli import main
from l2ogen.runtime import Run, Trained, train

ROOT = Path(__file__).resolve().parent.parent
FEW: dict[str, Any] = {"m": 6, "n": 10, "steps": 1, "batch": 2, "validate": "every = 1, batch = 2", "quiet": True}
LASSO = l2ogen.load("lasso").compile()


def trained(name: str, folder: Path, **settings: Any) -> Trained:
    few = {key: value for key, value in FEW.items() if key != "steps" or "search" not in settings}
    return l2ogen.load_run(train(Run.create(folder, ROOT / f"generated/{name}_train.py", **(few | settings))).folder)


def drawn(run: Trained, batch: int) -> Any:
    return run.training.sample(run.settings, batch, torch.Generator().manual_seed(7), run.shared)


def loaded(file: Path) -> Any:
    return torch.export.load(file).module()


def assert_same(file: Path, model: Any, problem: Any, iterations: int, data: tuple[Any, ...]) -> None:
    with torch.no_grad():
        expected = model(problem, iterations)
    assert expected.abs().max() > 0
    tolerance = 1e-12 if expected.dtype == torch.float64 else 1e-7
    torch.testing.assert_close(loaded(file)(*data), expected, rtol=10 * tolerance, atol=tolerance)


@pytest.mark.parametrize(("name", "settings"), [("lista_cpss", {"layers": 3, "density": 0.5}), ("hyperlista", {"layers": 3, "density": 0.5, "search": "grid(c1 in [0.05, 0.1], points = 2)", "dtype": "float64"})])
def test_recovery_networks(name: str, settings: dict[str, Any], tmp_path: Path) -> None:
    run = trained(name, tmp_path / "run", **settings)
    file = run.export(tmp_path / "out.pt2")
    for batch in (1, 5):
        problem = drawn(run, batch)
        assert_same(file, run.model, problem, 3, (problem.b,))
        torch.testing.assert_close(run.solve(problem.b), loaded(file)(problem.b).detach(), rtol=1e-6, atol=1e-7)


def test_a_network_that_predicts_steps(tmp_path: Path) -> None:
    """Its hidden state is as long as all coordinates of the batch; m and n are free, as long as m < n."""
    run = trained("l2o_pa", tmp_path / "run", sparsity=2, horizon=4, truncate=2)
    file = run.export(tmp_path / "out.pt2", iterations=2)
    for batch, m, n in ((1, 6, 10), (5, 7, 12)):
        problem = LASSO.sample(batch, m=m, n=n, sparsity=2)
        lam = problem.lam.expand(batch, 1)
        assert_same(file, run.model, problem, 2, (problem.A, problem.b, lam))
    wide = LASSO.sample(2, m=12, n=7, sparsity=2)
    with pytest.raises(AssertionError, match="Guard failed"):
        loaded(file)(wide.A, wide.b, wide.lam.expand(2, 1))


def test_an_algorithm_without_weights_from_the_command_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["export", "fista", "-o", str(tmp_path / "out.pt2"), "--iterations", "3"])
    assert (done.exit_code, done.output) == (0, f"{tmp_path / 'out.pt2'}\n")
    problem = LASSO.sample(4, m=20, n=30, sparsity=4)
    lam = torch.tensor([[0.1], [0.2], [0.3], [0.4]])
    assert_same(tmp_path / "out.pt2", l2ogen.load("fista").compile()(), LASSO(problem.A, problem.b, lam), 3,
                (problem.A, problem.b, lam))


def test_an_example_of_ones_own_in_float64(tmp_path: Path) -> None:
    example = LASSO.sample(2, m=3, n=5, sparsity=1, dtype=torch.float64)
    file = l2ogen.load("ista").export(tmp_path / "out.pt2", iterations=2, example=example)
    problem = LASSO.sample(3, m=4, n=9, sparsity=1, dtype=torch.float64)
    assert_same(file, l2ogen.load("ista").compile()(), problem, 2, (problem.A, problem.b, problem.lam.expand(3, 1)))


@pytest.mark.parametrize(("words", "code", "message"), [
    (["fista", "-o", "out.txt"], 1, r"out.txt must end in .pt2 \(torch.export\) or .onnx"),
    (["lista", "-o", "out.pt2"], 1, "`lista` has weights: train it, and name its run folder"),
    (["lasso", "-o", "out.pt2"], 1, "`lasso` is a problem"),
    (["nothing", "-o", "out.pt2"], 2, "no spec nothing"),
    (["fista"], 2, "Missing option '-o'"),
])
def test_what_is_not_exported(words: list[str], code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["export", *words])
    assert done.exit_code == code
    assert not list(tmp_path.iterdir())
    assert re.search(message, done.output), done.output


def test_onnx_without_its_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'l2ogen\[onnx\]'"):
        l2ogen.load("ista").export(tmp_path / "out.onnx", iterations=1)


# ---- ONNX --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["lista_cpss", "hyperlista"])
def test_onnx(name: str, tmp_path: Path) -> None:
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package)
    onnxruntime = pytest.importorskip("onnxruntime")
    run = trained(name, tmp_path / "run", layers=2, density=0.5)
    session = onnxruntime.InferenceSession(run.export(tmp_path / "out.onnx"))
    assert {path.name for path in tmp_path.iterdir()} == {"run", "out.onnx"}
    for batch in (1, 5):
        problem = drawn(run, batch)
        (x,) = session.run(["x"], {"b": problem.b.numpy()})
        np.testing.assert_allclose(x, run.solve(problem.b).numpy(), rtol=1e-4, atol=1e-6)


def test_an_operator_that_onnx_lacks(tmp_path: Path) -> None:
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package)
    with pytest.raises(ValueError, match=r"FISTA cannot be written as \.onnx: it has no operator for aten\._linalg_eigh; \.pt2 has"):
        l2ogen.load("fista").export(tmp_path / "out.onnx", iterations=1)
    assert not list(tmp_path.iterdir())
