"""Every operator of the table: its value against NumPy, and what it refuses. A new operator adds a case."""
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from references.harness import module
from references.mathematics import symmetric_weight, whitening

import l2ogen
from l2ogen import pipeline
from l2ogen.core.operators import CALLS, INFIX
from l2ogen.source import Source

HEAD = "problem { data { A in R^(m, n); b in R^m }; f(x) : convex, smooth(L); r(x) : convex, proximable; minimize f(x) + r(x) }\n"
Array = Any


def soft(v: Array, t: Array) -> Array:
    return np.sign(v) * np.maximum(np.abs(v) - t, 0)


def soft_ss(v: Array, t: float, p: float) -> Array:
    size = np.abs(v)
    return np.where((size > t) & (size > np.quantile(size, 1 - p, axis=-1, keepdims=True)), v, soft(v, t))


def total(v: Array) -> Array:
    return v.sum(-1, keepdims=True)


def weight(A: Array) -> Array:
    M = np.linalg.inv(A @ A.swapaxes(-1, -2)) @ A
    return M / (A * M).sum(-2, keepdims=True)


def coherence(W: Array, A: Array) -> Array:
    products = np.abs(W.swapaxes(-1, -2) @ A)
    return (products * (1 - np.eye(A.shape[-1]))).max((-2, -1))[..., None]


def apply(M: Array, v: Array) -> Array:
    return np.einsum("bij,bj->bi", M, v)


T = (0, 2, 1)
HELPERS: Any = SimpleNamespace(**vars(module("alista")) | vars(module("hyperlista_whitened")))
CASES: dict[str, tuple[str, str, Callable[[Array, Array, Array, Array], Array]]] = {
    # name: (formula, `vector` or `scalar`, value at x, y, A, b)
    "sqrt": ("sqrt(abs(x))", "vector", lambda x, y, A, b: np.sqrt(np.abs(x))),
    "exp": ("exp(x)", "vector", lambda x, y, A, b: np.exp(x)),
    "log": ("log(1 + abs(x))", "vector", lambda x, y, A, b: np.log1p(np.abs(x))),
    "tanh": ("tanh(x)", "vector", lambda x, y, A, b: np.tanh(x)),
    "sigmoid": ("sigmoid(x)", "vector", lambda x, y, A, b: 1 / (1 + np.exp(-x))),
    "relu": ("relu(x)", "vector", lambda x, y, A, b: np.maximum(x, 0)),
    "elu": ("elu(x)", "vector", lambda x, y, A, b: np.where(x > 0, x, np.expm1(x))),
    "softplus": ("softplus(x)", "vector", lambda x, y, A, b: np.log1p(np.exp(x))),
    "abs": ("abs(x)", "vector", lambda x, y, A, b: np.abs(x)),
    "sign": ("sign(x)", "vector", lambda x, y, A, b: np.sign(x)),
    "floor": ("floor(3*x)", "vector", lambda x, y, A, b: np.floor(3 * x)),
    "max": ("max(x, y)", "vector", lambda x, y, A, b: np.maximum(x, y)),
    "min": ("min(0.2, x)", "vector", lambda x, y, A, b: np.minimum(0.2, x)),
    "clip": ("clip(x, -0.5, y)", "vector", lambda x, y, A, b: np.minimum(np.maximum(x, -0.5), y)),
    "huber": ("huber(x, 0.5)", "vector", lambda x, y, A, b: np.where(np.abs(x) <= 0.5, x**2 / 2, 0.5 * (np.abs(x) - 0.25))),
    "soft": ("soft(x, abs(y))", "vector", lambda x, y, A, b: soft(x, np.abs(y))),
    "soft_ss": ("soft_ss(x, 0.3, 0.4)", "vector", lambda x, y, A, b: soft_ss(x, 0.3, 0.4)),
    "where": ("where(x > y, x, 2*y)", "vector", lambda x, y, A, b: np.where(x > y, x, 2 * y)),
    "detach": ("detach(x)", "vector", lambda x, y, A, b: x),
    "sum": ("sum(x)", "scalar", lambda x, y, A, b: total(x)),
    "mean": ("mean(x)", "scalar", lambda x, y, A, b: total(x) / x.shape[-1]),
    "group_l2": ("group_l2(x, 3)", "scalar", lambda x, y, A, b: np.linalg.norm(x.reshape(-1, 2, 3), axis=-1).sum(-1, keepdims=True)),
    "inv": ("inv(A*A' + I)*b", "measured", lambda x, y, A, b: apply(np.linalg.inv(A @ A.transpose(T) + np.eye(4)), b)),
    "pinv": ("pinv(A)*b", "vector", lambda x, y, A, b: apply(np.linalg.pinv(A), b)),
    "analytic_weight": ("analytic_weight(A)'*b", "vector", lambda x, y, A, b: apply(weight(A).transpose(T), b)),
    "symmetric_weight": (
        "symmetric_weight(A)'*b", "vector",
        lambda x, y, A, b: apply(np.stack([symmetric_weight(M) for M in A]).transpose(T), b)),
    "whitening": ("whitening(A)*b", "measured", lambda x, y, A, b: apply(np.stack([whitening(M) for M in A]), b)),
    "coherence": ("coherence(analytic_weight(A), A)", "scalar", lambda x, y, A, b: coherence(weight(A), A)),
    "inner": ("<x, y>", "scalar", lambda x, y, A, b: total(x * y)),
    "norm_0": ("||soft(x, 0.5)||_0", "scalar", lambda x, y, A, b: total((np.abs(x) > 0.5) * 1.0)),
    "norm_1": ("||x||_1", "scalar", lambda x, y, A, b: total(np.abs(x))),
    "norm_2": ("||x||_2", "scalar", lambda x, y, A, b: np.sqrt(total(x**2))),
    "norm_2_squared": ("||x||_2^2", "scalar", lambda x, y, A, b: total(x**2)),
    "norm_inf": ("||x||_inf", "scalar", lambda x, y, A, b: np.abs(x).max(-1, keepdims=True)),
    "norm_F": ("||A||_F", "scalar", lambda x, y, A, b: np.linalg.norm(A, axis=(-2, -1))[:, None]),
    "spectral": ("||A||_2", "scalar", lambda x, y, A, b: np.linalg.norm(A, 2, axis=(-2, -1))[:, None]),
    "spectral_squared": ("||A||_2^2", "scalar", lambda x, y, A, b: np.linalg.norm(A, 2, axis=(-2, -1))[:, None] ** 2),
    "add": ("x + y", "vector", lambda x, y, A, b: x + y),
    "subtract": ("x - y", "vector", lambda x, y, A, b: x - y),
    "negate": ("-x", "vector", lambda x, y, A, b: -x),
    "times": ("x .* y", "vector", lambda x, y, A, b: x * y),
    "over": ("x ./ (2 + abs(y))", "vector", lambda x, y, A, b: x / (2 + np.abs(y))),
    "power": ("x .^ 2", "vector", lambda x, y, A, b: x**2),
    "apply": ("A'*b", "vector", lambda x, y, A, b: apply(A.transpose(T), b)),
    "compose": ("A'*A*x", "vector", lambda x, y, A, b: apply(A.transpose(T) @ A, x)),
    "transpose": ("A'*(A*x)", "vector", lambda x, y, A, b: apply(A.transpose(T), apply(A, x))),
    "scale": ("(||x||_1*A')*b", "vector", lambda x, y, A, b: total(np.abs(x)) * apply(A.transpose(T), b)),
    "diag": ("diag(x)*y", "vector", lambda x, y, A, b: x * y),
    "scale_rows": ("((D*A')*(b - b) + L*(D*A')*b)", "vector", lambda x, y, A, b: 0.5 * apply(A.transpose(T), b)),
    "scale_columns": ("L*((A*D)*x)", "measured", lambda x, y, A, b: 0.5 * apply(A, x)),
    "shrink": ("(A'/||x||_1)*b", "vector", lambda x, y, A, b: apply(A.transpose(T), b) / total(np.abs(x))),
    "compare": ("where(<x, y> <= 0, x, y)", "vector", lambda x, y, A, b: np.where(total(x * y) <= 0, x, y)),
}  # fmt: skip


def test_every_operator_has_a_case() -> None:
    assert CASES.keys() == CALLS.keys() | INFIX.keys()


@pytest.mark.parametrize("name", CASES)
def test_value(name: str) -> None:
    formula, kind, expected = CASES[name]
    use = {"vector": "x+ = v", "scalar": "x+ = v + 0*x", "measured": "x+ = A'*v"}[kind]
    text = (
        f"algorithm T\n{HEAD}parameters {{ fixed a in R = 1/L; fixed D in diag(n) = 0.5/L }}\nstate {{ x, y in R^n = 0 }}\n"
        f"update {{ v = {formula}; w = prox_r,a(0*grad f(x)) + 0*||A'*b||_2; {use} + w; y+ = y }}\ntrain {{ on lasso(m = 4, n = 6, sparsity = 2) }}\n"
    )
    made = l2ogen.Spec(pipeline.check(Source("spec.l2o", text))).module()
    like: dict[str, Any] = {"dtype": torch.float64, "generator": torch.Generator().manual_seed(5)}
    problem = made.Lasso.sample(3, m=4, n=6, sparsity=2, **like)
    x, y = torch.randn(3, 6, **like), torch.randn(3, 6, **like)
    found = made.T().step(problem, made.State(0, x=x, y=y)).x.numpy()
    A, b = problem.A.numpy(), problem.b.numpy()
    value = expected(x.numpy(), y.numpy(), A, b)
    value = apply(A.transpose(T), value) if kind == "measured" else np.broadcast_to(value, (3, 6))
    np.testing.assert_allclose(found, value, rtol=1e-10, atol=1e-12)


def test_the_subgradient_of_a_smooth_function_is_its_gradient() -> None:
    text = f"algorithm T\n{HEAD}state {{ x in R^n = 0 }}\nupdate {{ x+ = subgrad f(x) + 0*r(x) + 0*||A'*b||_2 }}\ntrain {{ on lasso }}\n"
    made = l2ogen.Spec(pipeline.check(Source("spec.l2o", text))).module()
    like: dict[str, Any] = {"dtype": torch.float64, "generator": torch.Generator().manual_seed(5)}
    problem = made.Lasso.sample(3, m=4, n=6, sparsity=2, **like)
    x = torch.randn(3, 6, **like)
    A, b = problem.A.numpy(), problem.b.numpy()
    expected = apply(A.transpose(T), apply(A, x.numpy()) - b)
    np.testing.assert_allclose(made.T().step(problem, made.State(0, x=x)).x.numpy(), expected, rtol=1e-10, atol=1e-12)


def unit_columns(m: int, n: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    A = torch.randn(m, n, generator=torch.Generator().manual_seed(3), dtype=dtype)
    return A / A.norm(dim=0)


def test_a_symmetric_weight_meets_its_constraints_in_float32() -> None:
    """w_i'*a_i = 1, with a column much smaller than the others, too, and with more columns than entries of Q."""
    for A in (unit_columns(25, 50, torch.float32), unit_columns(4, 14, torch.float32)):
        A[:, 1] *= 0.05 if len(A) == 25 else 1.0
        products = HELPERS.symmetric_weight(A).mT @ A
        torch.testing.assert_close(products.diagonal(), torch.ones(A.shape[1]), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(products, products.mT, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["analytic_weight", "symmetric_weight", "whitening"])
def test_weights_of_a_dictionary(name: str) -> None:
    """Dependent rows are refused; batches of any size are exported; the gradient is finite."""
    weight = getattr(HELPERS, name)
    with pytest.raises(ValueError, match=r"a matrix \(6, 4\) of dependent rows"):
        weight(unit_columns(4, 6).mT)

    class Module(torch.nn.Module):
        def forward(self, A: torch.Tensor) -> Any:
            return weight(A)

    A = torch.stack([unit_columns(4, 6), 2 * unit_columns(4, 6)])
    exported = torch.export.export(Module(), (A,), dynamic_shapes=[{0: torch.export.Dim("batch")}]).module()
    more = torch.cat([A, 3 * A])
    torch.testing.assert_close(exported(more), weight(more), rtol=1e-12, atol=1e-12)
    A.requires_grad_(True)
    weight(A).square().sum().backward()
    assert A.grad is not None and A.grad.isfinite().all() and A.grad.abs().max() > 0


@pytest.mark.parametrize(("formula", "code"), [
    ("x*y", "L2O302"), ("A*b", "L2O301"), ("x + b", "L2O301"), ("soft(x, b)", "L2O303"), ("<x, b>", "L2O303"), ("inv(A)*b", "L2O303"),
    ("A + 1", "L2O304"), ("x/y", "L2O303"), ("x^2", "L2O312"), ("where(x, x, y)", "L2O303"), ("x'", "L2O303"), ("tanh(A)*x", "L2O303"),
    ("soft(x)", "L2O306"), ("coherence(A, A')", "L2O303"), ("||x||_F", "L2O303"), ("1/0*x", "L2O303"),
])  # fmt: skip
def test_refused(formula: str, code: str) -> None:
    text = f"algorithm T\n{HEAD}state {{ x, y in R^n = 0 }}\nupdate {{ x+ = {formula}; y+ = grad f(y) + prox_r,L(y) }}\n"
    found = pipeline.check(Source("spec.l2o", text)).diagnostics
    assert code in [d.code for d in found if d.severity == "error"]
