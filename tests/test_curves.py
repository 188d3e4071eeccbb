"""Minima, curves of algorithms on the same instances, their tables and plots; the data of image patches."""
from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from l2ogen.runtime import Run, bsds_patches, evaluate, evaluate_recovery, load_module, plot_comparisons, solve, train

GENERATED = Path(__file__).resolve().parent.parent / "generated"
LISTA: dict[str, Any] = {"m": 6, "n": 10, "layers": 3, "steps": 4, "batch": 8, "validate_every": 2,
                         "validate_batch": 8}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


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
def lasso() -> Any:
    return load_module(GENERATED / "l2o_pa.py").Lasso.sample(
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


def test_curves_of_recovery(tmp_path: Path) -> None:
    run = train(Run.create(tmp_path / "run", GENERATED / "lista_train.py", quiet=True, **LISTA))
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
