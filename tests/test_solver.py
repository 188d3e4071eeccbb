"""F* against solvers that others wrote, and its certificates: no point beats them, and a wrong point is not certified."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize, nnls
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression

import l2ogen
from l2ogen import pipeline
from l2ogen.runtime import batches, solve, solver
from l2ogen.source import Source

LIKE: dict[str, Any] = {"dtype": torch.float64}
SIZES: dict[str, dict[str, int]] = {
    "lasso": {"m": 20, "n": 40, "sparsity": 5}, "elastic_net": {"m": 20, "n": 40, "sparsity": 5},
    "logistic_l1": {"m": 60, "n": 12, "sparsity": 4}, "logistic": {"m": 60, "n": 12},
    "group_lasso": {"m": 20, "n": 40, "sparsity": 5}, "huber_regression": {"m": 60, "n": 8},
    "nonneg_least_squares": {"m": 30, "n": 12}, "quadratic": {"n": 12},
}  # fmt: skip
Array = Any


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def sampled(name: str, batch: int = 4, **more: Any) -> Any:
    made = l2ogen.load(name).compile()
    return made.sample(batch, **SIZES[name], generator=torch.Generator().manual_seed(5), **{**LIKE, **more})


def compiled(text: str) -> Any:
    return l2ogen.Spec(pipeline.check(Source("spec.l2o", text))).check().compile()


def _huber(E: dict[str, Array]) -> Array:
    def F(x: Array) -> tuple[float, Array]:
        u, d = E["A"] @ x - E["b"], E["delta"].item()
        value = np.where(np.abs(u) <= d, u**2 / 2, d * (np.abs(u) - d / 2))
        return value.mean(), E["A"].T @ np.clip(u, -d, d) / len(u)
    return minimize(F, np.zeros(E["A"].shape[1]), jac=True, method="BFGS", options={"gtol": 1e-13}).x


def _logistic_l1(E: dict[str, Array]) -> Array:
    rho, (m, _) = E["rho"].item(), E["W"].shape
    made = LogisticRegression(l1_ratio=1, C=1 / (m * rho), solver="saga", fit_intercept=False, tol=1e-13, max_iter=100_000)
    return made.fit(E["W"], E["y"]).coef_[0]


def _elastic_net(E: dict[str, Array]) -> Array:
    lam, mu, m = E["lam"].item(), E["mu"].item(), len(E["b"])
    made = ElasticNet((lam + mu) / m, l1_ratio=lam / (lam + mu), fit_intercept=False, tol=1e-14, max_iter=1_000_000)
    return made.fit(E["A"], E["b"]).coef_


OTHERS = {
    "lasso": lambda E: Lasso(E["lam"].item() / len(E["b"]), fit_intercept=False, tol=1e-14, max_iter=1_000_000).fit(
        E["A"], E["b"]).coef_,
    "elastic_net": _elastic_net,
    "logistic_l1": _logistic_l1,
    "logistic": lambda E: LogisticRegression(
        C=1 / (len(E["y"]) * E["mu"].item()), solver="newton-cholesky", fit_intercept=False, tol=1e-12).fit(
        E["W"], E["y"]).coef_[0],
    "huber_regression": _huber,
    "nonneg_least_squares": lambda E: nnls(E["A"], E["b"])[0],
    "quadratic": lambda E: np.linalg.solve(E["Q"], -E["c"]),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_solvers_find_the_same_minimum(name: str) -> None:
    problem = sampled(name)
    found = solve(problem)
    assert not found.uncertified and found.gaps.max() <= 1e-12
    for i in range(4):
        E = {d: (v[i] if v.dim() else v).numpy() for d in problem.data for v in [getattr(problem, d)]}
        other = torch.zeros(4, problem.n, **LIKE)
        other[i] = torch.as_tensor(OTHERS[name](E))
        F = problem.F(other)[i].item()
        assert found.F[i].item() - 2e-12 * abs(F) <= F, "the certificate is wrong"
        assert pytest.approx(found.F[i].item(), rel=1e-8) == F


def test_group_lasso_against_its_dual() -> None:
    problem = sampled("group_lasso")
    found = solve(problem)
    assert not found.uncertified
    residual = problem.b - (problem.A @ found.x.unsqueeze(-1)).squeeze(-1)
    products = (problem.A.mT @ residual.unsqueeze(-1)).squeeze(-1).unflatten(-1, (-1, 5))
    nu = residual * (problem.lam / products.norm(dim=-1).amax(-1, keepdim=True)).clamp(max=1)
    dual = 0.5 * (problem.b.square() - (problem.b - nu).square()).sum(-1, keepdim=True)
    assert ((found.F - dual).abs() <= 1e-9 * found.F).all()


@pytest.mark.parametrize("name", SIZES)
def test_a_wrong_point_has_a_gap_of_at_least_its_own(name: str) -> None:
    problem, random = sampled(name), torch.Generator().manual_seed(1)
    best = solve(problem)
    tightest = torch.full((4, 1), torch.inf, **LIKE)
    for scale in np.geomspace(1e-4, 10, 30):
        x = best.x + scale * torch.randn(4, problem.n, generator=random, **LIKE)
        g = problem.grad_f(x)
        q = problem.prox_r(x - g / problem.L, 1 / problem.L)
        s = problem.L * (x - q) - g + problem.grad_f(q)
        off, true = solver.bound(problem, q, problem.F(q), s), problem.F(q) - best.F
        assert (off >= true - 1e-11 * best.F.abs()).all()
        tightest = torch.minimum(tightest, off / best.F.abs())
    assert tightest.max() < 0.1     # and it is not the useless bound


@pytest.mark.parametrize("name", SIZES)
def test_modulus_and_radius_hold(name: str) -> None:
    problem, random = sampled(name), torch.Generator().manual_seed(2)
    best = solve(problem)
    assert hasattr(problem, "modulus") or hasattr(problem, "radius")
    for scale in (0.01, 0.3, 3.0):
        x = problem.prox_r(best.x + scale * torch.randn(4, problem.n, generator=random, **LIKE), 1e-9)
        if hasattr(problem, "radius"):
            assert (best.x.norm(dim=-1, keepdim=True) <= problem.radius(problem.F(x))).all()
        if hasattr(problem, "modulus"):
            grown = problem.F(best.x) + problem.modulus / 2 * (x - best.x).square().sum(-1, keepdim=True)
            assert (problem.F(x) >= grown - 1e-9 * grown.abs()).all()


FORMULAS = {
    # objective -> which of (modulus, radius) is known, and for these data positive or finite
    "f(x) = ||2*(A*x) - b||_2^2; r(x) = lam*||w .* x||_1": (True, True),
    "f(x) = 1/2*||B*x - c||_2^2; r(x) = indicator(-1 <= x <= 2)": (False, True),
    "f(x) = 1/2*||B*x - c||_2^2; r(x) = indicator(lo <= x <= w)": (False, True),
    "f(x) = 1/2*||B*x - c||_2^2; r(x) = indicator(x >= 0)": (False, False),
    "f(x) = 1/2*||B*x - c||_2^2; r(x) = lam*||x - w||_2": (False, True),
    "f(x) = 1/2*||B*x - c||_2^2; r(x) = lam*||3*x - w||_1 + indicator(x >= 0)": (False, True),
    "f(x) = 1/2*||B*x - c||_2^2 + <w, x>; r(x) = lam*||x||_1": (False, False),
    "f(x) = sum(huber(2*(A*x) - b, lam)); r(x) = 0.1*||x||_2^2": (True, True),
    "f(x) = sum(huber(B*x - c, lam))": (False, False),
    "f(x) = sum(softplus(A*x))": (False, False),
    "f(x) = 1/2*||A*x - b||_2^2 + lam*||x||_2^2": (True, False),
}


@pytest.mark.parametrize("objective", FORMULAS)
def test_what_is_known_of_a_formula(objective: str) -> None:
    goal = " + ".join(part.strip()[:4] for part in objective.split(";"))
    lines = objective.replace(";", "\n")
    used = [f"{name} in {space}" for name, space in {
        "A": "R^(m, n)", "b": "R^m", "B": "R^(p, n)", "c": "R^p", "lam": "R with lam > 0", "w": "R^n with w > 0",
        "lo": "R^n"}.items() if name in objective.replace("lam", "") or (name == "lam" and "lam" in objective)]
    made = compiled(f"problem q\ndata {{ {'; '.join(used)} }}\nvariable {{ x in R^n }}\n{lines}\nminimize {goal}\n")
    random = torch.Generator().manual_seed(3)
    draw = lambda *shape: torch.randn(*shape, generator=random, **LIKE)   # noqa: E731
    data = {"A": draw(3, 9, 5), "b": draw(3, 9), "B": draw(3, 4, 5), "c": draw(3, 4), "lam": draw(3, 1).abs() + 0.5,
            "w": draw(3, 5).abs() + 0.2, "lo": -draw(3, 5).abs()}
    problem = made(**{name: data[name] for name in made.data})
    x = problem.prox_r(draw(3, 5), 1e-9)
    mu = getattr(problem, "modulus", torch.zeros(1))
    R = problem.radius(problem.F(x)) if hasattr(problem, "radius") else torch.full((1,), torch.inf)
    assert (bool((mu > 0).all()), bool(R.isfinite().all())) == FORMULAS[objective]
    best = solve(problem, iterations=5000)
    if any(FORMULAS[objective]):
        assert not best.uncertified and "certified: relative gap" in str(best)
        assert (best.x.norm(dim=-1, keepdim=True) <= R).all()
        grown = best.F + mu / 2 * (x - best.x).square().sum(-1, keepdim=True)
        assert (problem.F(x) >= grown - 1e-9).all()
    else:
        assert best.uncertified == [0, 1, 2] and best.duality_gap is None
        assert "NOT certified (no bound is known for this problem): fixed-point" in str(best)


def test_a_solution_in_parts_is_the_solution(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = sampled("lasso", 23)
    problem.lam = torch.linspace(0.05, 0.5, 23, **LIKE).unsqueeze(-1)   # ends at different times
    whole = solve(problem)
    monkeypatch.setattr(batches, "MEMORY", 5 * 8 * (20 * 40 + 20 + 1))
    assert [r.stop - r.start for r in batches.parts(problem) if r] == [5, 5, 5, 5, 3]
    told: list[int] = []
    inside = solve(problem, report=told.append)
    assert told == [5, 5, 5, 5, 3] and not inside.uncertified
    torch.testing.assert_close(inside.x, whole.x, rtol=1e-9, atol=1e-10)
    one = [solve(batches.take(problem, slice(i, i + 1))).F.item() for i in range(23)]
    np.testing.assert_allclose(whole.F[:, 0].numpy(), one, rtol=1e-12)


def test_what_instances_share_is_not_cut() -> None:
    made = l2ogen.load("lasso").compile()
    A, b = torch.randn(4, 6, **LIKE), torch.randn(4, 4, **LIKE)     # as many instances as rows
    problem = made(A, b, 0.1)
    problem.x0, problem.x_star = torch.randn(4, 6, **LIKE), torch.randn(4, 6, **LIKE)
    problem.minibatch, problem.generator = 2, torch.Generator()
    part = batches.take(problem, slice(1, 3))
    assert part.A is problem.A and torch.equal(part.b, b[1:3]) and torch.equal(part.x0, problem.x0[1:3])
    assert torch.equal(part.x_star, problem.x_star[1:3])
    assert part.minibatch == 2 and part.generator is problem.generator
    x = torch.randn(4, 6, **LIKE)
    torch.testing.assert_close(part.F(x[1:3]), problem.F(x)[1:3])
    assert not solve(problem).uncertified and not solve(made(A, b[0], 0.1)).uncertified


def test_data_that_do_not_say_their_axes_are_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = sampled("lasso", 3)
    monkeypatch.setattr(type(problem), "data", tuple(problem.data))     # as in modules of old run folders
    assert list(batches.parts(problem)) == [None]
    with pytest.raises(ValueError, match="the instances of `lasso` can't be taken apart"):
        batches.take(problem, slice(1))


def test_a_minimum_of_zero() -> None:
    made = l2ogen.load("nonneg_least_squares").compile()
    A = torch.rand(3, 8, 4, generator=torch.Generator().manual_seed(4), **LIKE)
    found = solve(made(A, A.sum(-1)))       # A*x = b at x = 1
    assert (found.F == 0).all() and not found.uncertified
    torch.testing.assert_close(found.x, torch.ones(3, 4, **LIKE), rtol=1e-6, atol=0)


def test_too_few_iterations_are_said() -> None:
    found = solve(sampled("lasso"), iterations=20)
    assert found.iterations == 20 and found.uncertified == [0, 1, 2, 3]
    assert "NOT certified to 1e-10 for 4 of 4 instances (0, 1, 2, 3): relative gap <= " in str(found)
    assert found.duality_gap is not None and found.duality_gap > 1e-10
