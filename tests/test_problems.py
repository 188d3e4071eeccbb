"""Problems: derived gradients, bounds and proxes against NumPy and search; minibatches; what is refused."""
from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import l2ogen
from l2ogen import pipeline
from l2ogen.core import ir
from l2ogen.core.constants import constant
from l2ogen.runtime import solve
from l2ogen.source import Source

SHIPPED = Path(__file__).resolve().parent.parent / "specs" / "problems"
Array = Any
LIKE: dict[str, Any] = {"dtype": torch.float64}
SMALL = {
    "lasso": {"m": 6, "n": 9, "sparsity": 3}, "logistic_l1": {"m": 12, "n": 5, "sparsity": 2}, "logistic": {"m": 12, "n": 5},
    "elastic_net": {"m": 6, "n": 9, "sparsity": 3}, "nonneg_least_squares": {"m": 8, "n": 5}, "quadratic": {"n": 6},
    "huber_regression": {"m": 12, "n": 5}, "group_lasso": {"m": 6, "n": 10, "sparsity": 4},
}  # fmt: skip


def check(text: str) -> l2ogen.Spec:
    return l2ogen.Spec(pipeline.check(Source("spec.l2o", text)))


def sampled(name: str, batch: int = 3, **more: Any) -> Any:
    made = l2ogen.load(name).compile()
    return made.sample(batch, **SMALL[name], generator=torch.Generator().manual_seed(7), **{**LIKE, **more})


def numbers(problem: Any) -> dict[str, Array]:
    """The data as NumPy arrays, scalars (batch, 1)."""
    return {name: getattr(problem, name).numpy() for name in problem.data}


def mv(M: Array, v: Array) -> Array:
    return np.einsum("...ij,...j->...i", M, v)


def mtv(M: Array, v: Array) -> Array:
    return np.einsum("...ij,...i->...j", M, v)


def total(v: Array) -> Array:
    return v.sum(-1, keepdims=True)


def sigmoid(u: Array) -> Array:
    return 1 / (1 + np.exp(-u))


def huber(u: Array, d: Array) -> Array:
    return np.where(np.abs(u) <= d, u**2 / 2, d * (np.abs(u) - d / 2))


def soft(v: Array, t: Array) -> Array:
    return np.sign(v) * np.maximum(np.abs(v) - t, 0)


# ---- the shipped problems, written out by hand --------------------------------------------------------

Value = Callable[[dict[str, Array], Array], Array]
LEAST_SQUARES: tuple[Value, Value] = (
    lambda E, x: total((mv(E["A"], x) - E["b"]) ** 2) / 2, lambda E, x: mtv(E["A"], mv(E["A"], x) - E["b"]))
HAND: dict[str, tuple[Value, Value, Value, Callable[[dict[str, Array], Array, Array], Array]]] = {
    # f, grad f, r, prox_r(E, v, P)
    "lasso": (*LEAST_SQUARES, lambda E, x: E["lam"] * total(np.abs(x)), lambda E, v, P: soft(v, E["lam"] * P)),
    "logistic_l1": (
        lambda E, x: np.mean(np.logaddexp(0, mv(E["W"], x)) - E["y"] * mv(E["W"], x), -1, keepdims=True),
        lambda E, x: mtv(E["W"], sigmoid(mv(E["W"], x)) - E["y"]) / E["W"].shape[-2],
        lambda E, x: E["rho"] * total(np.abs(x)), lambda E, v, P: soft(v, E["rho"] * P)),
    "logistic": (
        lambda E, x: np.mean(np.log1p(np.exp(-E["y"] * mv(E["W"], x))), -1, keepdims=True) + E["mu"] / 2 * total(x**2),
        lambda E, x: -mtv(E["W"], E["y"] * sigmoid(-E["y"] * mv(E["W"], x))) / E["W"].shape[-2] + E["mu"] * x,
        lambda E, x: 0 * total(x), lambda E, v, P: v),
    "elastic_net": (
        *LEAST_SQUARES, lambda E, x: E["lam"] * total(np.abs(x)) + E["mu"] / 2 * total(x**2),
        lambda E, v, P: soft(v, E["lam"] * P) / (1 + E["mu"] * P)),
    "nonneg_least_squares": (
        *LEAST_SQUARES, lambda E, x: np.where((x < 0).any(-1, keepdims=True), np.inf, 0.0),
        lambda E, v, P: np.maximum(v, 0)),
    "quadratic": (
        lambda E, x: total(x * mv(E["Q"], x)) / 2 + total(E["c"] * x), lambda E, x: mv(E["Q"], x) + E["c"],
        lambda E, x: 0 * total(x), lambda E, v, P: v),
    "huber_regression": (
        lambda E, x: np.mean(huber(mv(E["A"], x) - E["b"], E["delta"]), -1, keepdims=True),
        lambda E, x: mtv(E["A"], np.clip(mv(E["A"], x) - E["b"], -E["delta"], E["delta"])) / E["A"].shape[-2],
        lambda E, x: 0 * total(x), lambda E, v, P: v),
    "group_lasso": (
        *LEAST_SQUARES, lambda E, x: E["lam"] * total(np.linalg.norm(x.reshape(*x.shape[:-1], -1, 5), axis=-1)),
        lambda E, v, P: np.concatenate([
            g * np.maximum(1 - E["lam"] * P / np.linalg.norm(g, axis=-1, keepdims=True), 0)
            for g in np.split(v, v.shape[-1] // 5, -1)], -1)),
}  # fmt: skip


def test_every_shipped_problem_is_held_to_a_reference() -> None:
    files = {"published_coding", "published_test", "bsds_lasso", "ionosphere"}
    others = {"sparse_coding", "external"} | files  # recovery; below
    assert {p.stem for p in SHIPPED.glob("*.l2o")} == set(HAND) | others
    assert all(len(p.read_text().splitlines()) <= 40 for p in SHIPPED.glob("*.l2o"))


@pytest.mark.parametrize("name", HAND)
def test_shipped_problems_equal_their_references(name: str) -> None:
    problem = sampled(name)
    E, (f, grad_f, r, prox_r) = numbers(problem), HAND[name]
    x, v = (torch.randn(3, problem.n, **LIKE) for _ in range(2))
    step = torch.rand(3, 1, **LIKE) + 0.3
    for found, expected in (
        (problem.f(x), f(E, x.numpy())), (problem.grad_f(x), grad_f(E, x.numpy())),
        (problem.prox_r(v, step), prox_r(E, v.numpy(), step.numpy())), (problem.F(x), f(E, x.numpy()) + r(E, x.numpy())),
    ):  # fmt: skip
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", HAND)
def test_a_batch_equals_single_instances(name: str) -> None:
    problem = sampled(name)
    x = torch.randn(3, problem.n, **LIKE)
    for i in range(3):
        data = [getattr(problem, d) for d in problem.data]
        one = type(problem)(*(d[i] if d.dim() else d for d in data))
        for method in ("f", "grad_f", "F"):
            torch.testing.assert_close(getattr(one, method)(x[i]), getattr(problem, method)(x)[i], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(one.prox_r(x[i], 0.7), problem.prox_r(x, 0.7)[i], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(one.L.expand(1), problem.L[i], rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", HAND)
def test_the_first_data_may_be_shared_without_a_leading_dimension(name: str) -> None:
    problem = sampled(name)
    data = [getattr(problem, d) for d in problem.data]
    one, copies = type(problem)(data[0][0], *data[1:]), type(problem)(data[0][:1].expand(3, *data[0].shape[1:]), *data[1:])
    x = torch.randn(3, problem.n, **LIKE)
    torch.testing.assert_close(one.grad_f(x), copies.grad_f(x), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(one.F(x), copies.F(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", [n for n in HAND if n != "huber_regression"])
def test_the_solver_ends_at_a_fixed_point(name: str) -> None:
    problem = sampled(name)
    solution = solve(problem, iterations=4000)
    assert solution.residual < 1e-9
    for _ in range(20):
        assert (problem.F(solution.x + 1e-2 * torch.randn(3, problem.n, **LIKE)) >= solution.F - 1e-12).all()


# ---- many smooth functions ----------------------------------------------------------------------------

HEAD = """problem q
data {
  A in R^(m, n); B in R^(m, m); b, z in R^m; y, w in R^m with 0 <= y <= 1, w >= 0; c in R^n; d in R^n with d > 0
  Q in sym(n) with Q >= 0; lam, delta in R with lam > 0, delta > 0
}
variable { x in R^n }
"""
SAMPLE = """sample (m = 5, n = 4) {
  A ~ gaussian(m, n); B ~ gaussian(m, m); b ~ gaussian(m); z ~ gaussian(m); y ~ uniform(m); w ~ uniform(m, high = 2)
  c ~ gaussian(n); d ~ uniform(n, low = 0.5, high = 2); G ~ gaussian(n, n); Q = G'*G; lam ~ uniform(low = 0.2, high = 1); delta = 0.3
}
"""


def made(f: str = "", r: str = "") -> l2ogen.Spec:
    """A problem with these functions, and terms that use all data but change nothing."""
    unused = "0*<c, x> + 0*sum(b + z + y + w) + 0*<d, d> + 0*(lam + delta) + 0*||A||_F + 0*||B||_F + 0*<c, Q*c>"
    f = f or "1/2*||A*x - b||_2^2"
    functions = f"f(x) = {f} + {unused}\n" + (f"r(x) = {r}\n" if r else "")
    return check(f"{HEAD}{functions}minimize f(x){' + r(x)' if r else ''}\n{SAMPLE}")


def instance(f: str = "", r: str = "", batch: int = 3) -> Any:
    generator = torch.Generator().manual_seed(3)
    return made(f, r).compile().sample(batch, generator=generator, **LIKE)


SMOOTH: dict[str, tuple[Callable[[dict[str, Array], Array], Array], bool]] = {
    # formula: (value, whether L is the largest curvature at 0, or everywhere)
    "1/2*||A*x - b||_2^2": (lambda E, x: total((mv(E["A"], x) - E["b"]) ** 2) / 2, True),
    "1/(2*m)*||A*x - b||_2^2": (lambda E, x: total((mv(E["A"], x) - E["b"]) ** 2) / 10, True),
    "mean(softplus(A*x))": (lambda E, x: np.mean(np.logaddexp(0, mv(E["A"], x)), -1, keepdims=True), True),
    "sum(log(1 + exp(A*x)))": (lambda E, x: total(np.logaddexp(0, mv(E["A"], x))), True),
    "lam*sum(softplus(-A*x)) - <y, A*x>": (
        lambda E, x: E["lam"] * total(np.logaddexp(0, -mv(E["A"], x))) - total(E["y"] * mv(E["A"], x)), True),
    "mean(softplus(A*x) - y .* (A*x))": (
        lambda E, x: np.mean(np.logaddexp(0, mv(E["A"], x)) - E["y"] * mv(E["A"], x), -1, keepdims=True), True),
    "mean(softplus(-z .* (A*x)))": (lambda E, x: np.mean(np.logaddexp(0, -E["z"] * mv(E["A"], x)), -1, keepdims=True), False),
    "sum(w .* softplus(A*x - b))": (lambda E, x: total(E["w"] * np.logaddexp(0, mv(E["A"], x) - E["b"])), False),
    "sum(w .* (A*x - b) .^ 2)/n": (lambda E, x: total(E["w"] * (mv(E["A"], x) - E["b"]) ** 2) / 4, False),
    "sum(huber(A*x - b, delta))": (lambda E, x: total(huber(mv(E["A"], x) - E["b"], E["delta"])), False),
    "2*mean(huber(x, 0.5)) - 3*<c, x>": (lambda E, x: 2 * np.mean(huber(x, 0.5), -1, keepdims=True) - 3 * total(E["c"] * x), True),
    "1/2*<x, Q*x> + <c, x>": (lambda E, x: total(x * mv(E["Q"], x)) / 2 + total(E["c"] * x), True),
    "<x - c, Q*(x - c)> - mean(x)": (lambda E, x: total((x - E["c"]) * mv(E["Q"], x - E["c"])) - np.mean(x, -1, keepdims=True), True),
    "<x, (A'*A + lam*I)*x>": (lambda E, x: total(mv(E["A"], x) ** 2) + E["lam"] * total(x**2), True),
    "||B*(z .* (A*(x ./ d))) - b||_2^2": (lambda E, x: total((mv(E["B"], E["z"] * mv(E["A"], x / E["d"])) - E["b"]) ** 2), False),
    "||(B*A)*x - b||_2^2 + ||x - c||_2^2/lam": (
        lambda E, x: total((mv(E["B"], mv(E["A"], x)) - E["b"]) ** 2) + total((x - E["c"]) ** 2) / E["lam"], True),
    "||2*A*x + b||_2^2 - sum(3*(A*x))": (lambda E, x: total((2 * mv(E["A"], x) + E["b"]) ** 2) - 3 * total(mv(E["A"], x)), True),
    "sum(softplus(A*x) + softplus(-A*x))": (
        lambda E, x: total(np.logaddexp(0, mv(E["A"], x)) + np.logaddexp(0, -mv(E["A"], x))), True),
    "<A*x - b, w .* (A*x - b)> + <x, 3*x>": (lambda E, x: total(E["w"] * (mv(E["A"], x) - E["b"]) ** 2) + 3 * total(x**2), False),
    "sum(huber(A*x - b, 0.1 + w))": (lambda E, x: total(huber(mv(E["A"], x) - E["b"], 0.1 + E["w"])), False),
    "(mean((x - 1) .* (x - 1)) + <x, x>)/2": (lambda E, x: (np.mean((x - 1) ** 2, -1, keepdims=True) + total(x**2)) / 2, True),
}  # fmt: skip


@pytest.mark.parametrize("f", SMOOTH)
def test_smooth_functions(f: str) -> None:
    problem = instance(f)
    E, (value, exact) = numbers(problem), SMOOTH[f]
    x = torch.randn(3, 4, **LIKE, requires_grad=True)
    np.testing.assert_allclose(problem.f(x).detach().numpy(), value(E, x.detach().numpy()), rtol=1e-11, atol=1e-12)
    (automatic,) = torch.autograd.grad(problem.f(x).sum(), x)
    torch.testing.assert_close(problem.grad_f(x).detach(), automatic, rtol=1e-11, atol=1e-12)
    at, h = x.detach().numpy(), 1e-6  # and differences of what was written by hand
    differences = [(value(E, at + h * e) - value(E, at - h * e))[:, 0] / (2 * h) for e in np.eye(4)]
    np.testing.assert_allclose(automatic.numpy(), np.stack(differences, -1), rtol=1e-6, atol=1e-6)
    bound = problem.L.expand(3, 1).numpy()[:, 0]
    for point in (torch.zeros(3, 4, **LIKE), *torch.randn(5, 3, 4, **LIKE)):
        largest = np.linalg.eigvalsh(hessians(problem, point))[:, -1]
        assert (largest <= bound * (1 + 1e-12)).all()
        if exact and not point.any():
            assert (bound <= largest * (1 + 1e-9)).all()
    assert problem.L.shape == (3, 1)


def hessians(problem: Any, x: torch.Tensor) -> Array:
    whole = torch.autograd.functional.jacobian(problem.grad_f, x)  # (3, 4, 3, 4)
    return np.stack([whole[i, :, i].numpy() for i in range(len(x))])


def program(f: str = "", r: str = "") -> ir.Problem:
    found = made(f, r).check().checked.program
    assert isinstance(found, ir.Problem)
    return found


def proximable(r: str) -> ir.ProxPart:
    found = program(r=r).prox
    assert found is not None
    return found


@pytest.mark.parametrize(("f", "r", "coercive", "strong"), [
    ("1/2*||A*x - b||_2^2", "lam*||x||_1", True, False), ("1/2*||A*x - b||_2^2", "", False, False),
    ("||A*x - b||_2^2 + lam*||x||_2^2", "", True, True), ("||A*x - b||_2^2", "lam*||x||_2^2", True, True),
    ("mean(softplus(A*x) - y .* (A*x))", "lam*||x||_1", True, False),      # 0 <= y <= 1: the loss is nonnegative
    ("mean(softplus(A*x) - z .* (A*x))", "lam*||x||_1", False, False),     # z may be anything
    ("mean(softplus(A*x) - 2*(y .* (A*x)))", "lam*||x||_1", False, False),
    ("mean(softplus(A*x) - y .* (A*x) - y .* (A*x))", "lam*||x||_1", False, False),
    ("||A*x - b||_2^2 - <c, x>", "lam*||x||_1", False, False), ("||A*x - b||_2^2 - <c, x>", "indicator(-1 <= x <= 1)", True, False),
    ("||A*x - b||_2^2", "indicator(x >= 0)", False, False), ("<x, Q*x>", "", False, False),
    ("<x, (Q + I)*x>", "", False, False), ("sum(huber(x, delta)) + ||A*x||_2^2", "", True, False),
    ("||A*x - b||_2^2", "lam*||x - c||_2", True, False), ("||A*x - b||_2^2", "0*||x||_1", False, False),
])  # fmt: skip
def test_what_is_known_of_growth(f: str, r: str, coercive: bool, strong: bool) -> None:
    found = program(f, r)
    assert found.convex
    assert (found.coercive, found.strong is not None) == (coercive, strong)


def test_the_modulus_of_strong_convexity_is_one() -> None:
    """Every eigenvalue of the Hessian is at least what is recorded: 2*(lam + 1/2)."""
    text = "||A*x - b||_2^2 + lam*||x||_2^2 + 1/2*||x - c||_2^2"
    problem, modulus = instance(text), program(text).strong
    assert modulus is not None and {n.name for n in modulus.walk() if n.role} == {"lam"}
    smallest = np.linalg.eigvalsh(hessians(problem, problem.zeros()))[:, 0]
    assert (smallest >= 2 * problem.lam.numpy()[:, 0] + 1 - 1e-9).all()
    shipped = l2ogen.load("quadratic").checked.program
    assert isinstance(shipped, ir.Problem) and constant(shipped.strong) == 0.1


# ---- proxes -------------------------------------------------------------------------------------------

Coordinate = Callable[[dict[str, Array], Array], Array]
SEPARABLE: dict[str, tuple[Coordinate, Callable[[dict[str, Array]], tuple[Any, Any]]]] = {
    # r: (its terms, entry by entry; the box)
    "lam*||x||_1": (lambda E, z: E["lam"] * np.abs(z), lambda E: (-9, 9)),
    "||-2*x||_1/3": (lambda E, z: 2 * np.abs(z) / 3, lambda E: (-9, 9)),
    "lam*||x - c||_1": (lambda E, z: E["lam"] * np.abs(z - E["c"]), lambda E: (-9, 9)),
    "||lam*x - c||_1": (lambda E, z: np.abs(E["lam"] * z - E["c"]), lambda E: (-30, 30)),
    "||d .* x||_1": (lambda E, z: E["d"] * np.abs(z), lambda E: (-9, 9)),
    "||c .* x||_1 + ||x||_1": (lambda E, z: (np.abs(E["c"]) + 1) * np.abs(z), lambda E: (-9, 9)),
    "sum(abs(x))": (lambda E, z: np.abs(z), lambda E: (-9, 9)),
    "lam/2*||x||_2^2": (lambda E, z: E["lam"] / 2 * z**2, lambda E: (-9, 9)),
    "||d .* x - c||_2^2 + <c, x>": (lambda E, z: (E["d"] * z - E["c"]) ** 2 + E["c"] * z, lambda E: (-9, 9)),
    "lam*||x||_1 + 3/2*||x||_2^2": (lambda E, z: E["lam"] * np.abs(z) + 1.5 * z**2, lambda E: (-9, 9)),
    "lam*||x - c||_1 + ||x - 1||_2^2": (lambda E, z: E["lam"] * np.abs(z - E["c"]) + (z - 1) ** 2, lambda E: (-9, 9)),
    "indicator(-0.5 <= x <= lam)": (lambda E, z: 0 * z, lambda E: (-0.5, E["lam"])),
    "indicator(1 >= x)": (lambda E, z: 0 * z, lambda E: (-9, 1)),
    "indicator(c - d <= x <= c)": (lambda E, z: 0 * z, lambda E: (E["c"] - E["d"], E["c"])),
    "lam*||x - c||_1 + lam*||x||_2^2 + indicator(0 <= x <= d)": (
        lambda E, z: E["lam"] * np.abs(z - E["c"]) + E["lam"] * z**2, lambda E: (0, E["d"])),
    "indicator(x >= 0) + indicator(x <= d) + indicator(c - 3 <= x)": (
        lambda E, z: 0 * z, lambda E: (np.maximum(0, E["c"] - 3), E["d"])),
    "0*||x||_1": (lambda E, z: 0 * z, lambda E: (-9, 9)),
}  # fmt: skip


@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize("r", SEPARABLE)
def test_prox_equals_a_search_in_each_coordinate(r: str, diagonal: bool) -> None:
    problem = instance(r=r)
    E, (value, box) = numbers(problem), SEPARABLE[r]
    v, P = 2 * torch.randn(3, 4, **LIKE), torch.rand(3, 4 if diagonal else 1, **LIKE) * 2 + 0.1
    low, high = (np.broadcast_to(end, (3, 4)).astype(float) for end in box(E))
    for _ in range(300):  # a convex function of one number, by thirds
        left, right = low + (high - low) / 3, high - (high - low) / 3
        at = [value(E, z) + (z - v.numpy()) ** 2 / (2 * P.numpy()) for z in (left, right)]
        low, high = np.where(at[0] > at[1], left, low), np.where(at[0] > at[1], high, right)
    np.testing.assert_allclose(problem.prox_r(v, P).numpy(), low, rtol=0, atol=2e-7)
    inside = problem.prox_r(v, P)
    expected = total(np.broadcast_to(value(E, inside.numpy()), (3, 4)))
    np.testing.assert_allclose(problem.r(inside).numpy(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("r", "size", "scale", "center", "ridge"), [
    ("lam*||x||_2", 4, 1, 0, 0), ("lam*||2*(x - c)||_2", 4, 2, 1, 0), ("lam*||x||_2 + 3/2*||x||_2^2 + <c, x>", 4, 1, 0, 3),
    ("lam*group_l2(x, 2)", 2, 1, 0, 0), ("3*lam*group_l2(x - c, 2)", 2, 3, 1, 0), ("lam*group_l2(x, 1) + ||x||_2^2", 1, 1, 0, 2),
])  # fmt: skip
def test_prox_of_norms_of_groups(r: str, size: int, scale: float, center: int, ridge: float) -> None:
    """(v - z)/P lies in the subdifferential of r at z, written out."""
    problem = instance(r=r)
    assert proximable(r).metrics == ("scalar",)
    E = numbers(problem)
    seen = set()
    for spread in (0.05, 3.0):
        P = torch.rand(3, 1, **LIKE) + 0.2
        v = center * problem.c + (P * problem.c if "<c" in r else 0) + spread * torch.randn(3, 4, **LIKE)
        z = problem.prox_r(v, P)
        pull = (v - z).numpy() / P.numpy() - ridge * z.numpy() - (E["c"] if "<c" in r else 0)
        for i, start in itertools.product(range(3), range(0, 4, size)):
            block = slice(start, start + size)
            g, u = pull[i, block], z.numpy()[i, block] - center * E["c"][i, block]
            weight = scale * E["lam"][i]
            zero = np.linalg.norm(u) < 1e-14
            seen.add(bool(zero))
            if zero:
                assert np.linalg.norm(g) <= weight + 1e-12
            else:
                np.testing.assert_allclose(g, weight * u / np.linalg.norm(u), rtol=1e-9, atol=1e-12)
    assert seen == {True, False}


def test_gradients_through_a_prox_of_groups_are_finite() -> None:
    problem = instance(r="lam*group_l2(x, 2) + ||x||_2^2")
    v = torch.zeros(3, 4, **LIKE, requires_grad=True)
    problem.prox_r(v, 0.3).sum().backward()
    assert v.grad is not None and v.grad.isfinite().all()


@pytest.mark.parametrize("r", [r for r in SEPARABLE if "indicator" not in r] + ["lam*||x - c||_2", "group_l2(x, 2) + ||x||_2^2"])
def test_subgradients_lie_below(r: str) -> None:
    problem = instance(r=r)
    points = [torch.zeros(3, 4, **LIKE), problem.c, *torch.randn(4, 3, 4, **LIKE), torch.tensor([0.0, 1, 0, -2], **LIKE).expand(3, 4)]
    for x in points:
        g = problem.subgrad_F(x)
        for y in (*points, *3 * torch.randn(20, 3, 4, **LIKE)):
            assert (problem.F(y) >= problem.F(x) + (g * (y - x)).sum(-1, keepdim=True) - 1e-10).all()
    if r == "lam*||x||_1":
        torch.testing.assert_close(problem.subgrad_F(problem.zeros()), problem.grad_f(problem.zeros()))  # sign(0) = 0


def test_an_indicator_has_no_subgradient() -> None:
    assert proximable("lam*||x||_1 + indicator(x >= 0)").subgradient is None
    assert not hasattr(instance(r="indicator(x >= 0)"), "subgrad_F")


# ---- minibatches --------------------------------------------------------------------------------------

FITS = [f for f in SMOOTH if ("A*x" in f and "<x, 3*x>" not in f) or "(A*(x" in f or "(B*A)" in f]


@pytest.mark.parametrize("f", FITS)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_mean_over_all_minibatches_is_the_gradient(f: str, count: int) -> None:
    problem = instance(f)
    x = torch.randn(3, 4, **LIKE)
    found = []
    for rows in itertools.combinations(range(5), count):
        mask = torch.zeros(3, 5, **LIKE)
        mask[:, list(rows)] = 5 / count
        found.append(problem.stochgrad_f(x, mask))
    torch.testing.assert_close(torch.stack(found).mean(0), problem.grad_f(x), rtol=1e-10, atol=1e-11)
    if count < 5:
        assert not torch.allclose(found[0], found[-1])


def test_a_draw_is_one_of_these_minibatches() -> None:
    problem = instance()
    assert type(problem).minibatch == 32 and (problem.draw() == 1).all()  # more than there are rows
    problem.minibatch, problem.generator = 2, torch.Generator().manual_seed(1)
    first = problem.draw()
    problem.generator.manual_seed(1)
    assert torch.equal(first, problem.draw()) and not torch.equal(first, problem.draw())
    draws = torch.stack([problem.draw() for _ in range(2000)])
    assert set(draws.unique().tolist()) == {0.0, 2.5} and (draws.sum(-1) == 5).all()
    assert (draws.mean(0) - 1).abs().max() < 0.15  # five standard deviations
    assert not torch.equal(draws[:, 0], draws[:, 1])  # instances draw for themselves


def test_a_ridge_is_in_every_minibatch() -> None:
    problem = instance("||A*x - b||_2^2 + 7*||x||_2^2")
    nothing = torch.zeros(3, 5, **LIKE)
    x = torch.randn(3, 4, **LIKE)
    torch.testing.assert_close(problem.stochgrad_f(x, nothing), 14 * x)
    square = instance("||A'*(A*x) - c||_2^2 + 7*||x||_2^2")  # rows as many as unknowns
    torch.testing.assert_close(square.stochgrad_f(x, torch.zeros(3, 4, **LIKE)), 14 * x)


def test_minibatch_is_an_option_of_sample() -> None:
    text = (SHIPPED / "lasso.l2o").read_text().replace("sparsity = 50)", "sparsity = 50, minibatch = 8)")
    problem = check(text).compile()
    assert problem.sample(2).minibatch == 8 and problem.sample(2, minibatch=3).minibatch == 3
