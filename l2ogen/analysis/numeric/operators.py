"""Every operator of the table in NumPy, for one instance: scalars are numbers, a diagonal is the vector of its entries.

Undefined values (0/0, the logarithm of 0) come out as nan and inf, as in the generated modules.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Value = Any
"""A number, or an array: vectors and diagonals (n,), matrices (m, n)."""


def soft(v: Value, theta: Value) -> Value:
    """sign(v)*max(|v| - theta, 0) for theta >= 0; |theta| larger than 0 is not checked here."""
    return v - np.minimum(np.maximum(v, -theta), theta)


def soft_ss(v: Array, theta: Value, p: Value) -> Array:
    """Entries above theta and above the (1 - p)-quantile of |v| pass, others are soft-thresholded."""
    size = np.abs(v)
    return np.where((size > theta) & (size > quantile(size, 1 - p)), v, soft(v, theta))


def quantile(v: Array, q: Value) -> Value:
    """Linear between entries; q outside [0, 1] is the nearer end, nan where q is."""
    return np.quantile(v, min(max(q, 0.0), 1.0)) if q == q else np.nan


def huber(v: Value, delta: Value) -> Value:
    size = np.abs(v)
    return np.where(size <= delta, 0.5 * v * v, delta * (size - 0.5 * delta))


def sigmoid(v: Value) -> Value:
    """1/(1 + exp(-v)); exactly 0 and 1 at -inf and inf."""
    return np.exp(-np.logaddexp(0.0, np.negative(v)))


def elu(v: Value) -> Value:
    return np.where(v > 0, v, np.expm1(np.minimum(v, 0)))


def analytic_weight(A: Array) -> Array:
    """W that minimizes ||W'*A||_F subject to w_i'*a_i = 1."""
    M = np.linalg.solve(A @ A.T, A)
    return M / (A * M).sum(0)


def symmetric_weight(A: Array) -> Array:
    """W = Q*A with the symmetric Q that minimizes ||A'*Q*A||_F subject to a_i'*Q*a_i = 1, as in the torch helper."""
    M = np.linalg.solve(A @ A.T, A)
    H = A.T @ M
    return M @ (np.linalg.pinv(H * H, hermitian=True).sum(1)[:, None] * H)


def whitening(A: Array) -> Array:
    """G = sqrt(n/m)*inv(A*A')^(1/2), symmetric: G*A is a tight frame."""
    m, n = A.shape
    eigenvalues, vectors = np.linalg.eigh(A @ A.T)
    return np.sqrt(n / m) * (vectors / np.sqrt(eigenvalues)) @ vectors.T


def coherence(W: Array, A: Array) -> Value:
    """The largest |w_i'*a_j|, i != j."""
    products = np.abs(W.T @ A)
    return (products - np.diag(np.diag(products))).max()


def spectral_squared(M: Array) -> Value:
    """The largest eigenvalue of the smaller Gram matrix, rounded up so that it is a bound of ||M||_2^2."""
    gram = M @ M.T if M.shape[0] < M.shape[1] else M.T @ M
    return np.linalg.eigvalsh(gram)[-1] * (1 + max(16, *M.shape) * np.finfo(float).eps)


def smallest_squared(M: Array) -> Value:
    """The smallest eigenvalue of M'*M, rounded down to a bound; 0 for a wide M."""
    if M.shape[0] < M.shape[1]:
        return np.float64(0.0)
    eigenvalues = np.linalg.eigvalsh(M.T @ M)
    return np.maximum(eigenvalues[0] - max(16, *M.shape) * np.finfo(float).eps * eigenvalues[-1], 0.0)


def inverse(M: Array) -> Array:
    """Of a matrix, or of a diagonal."""
    return np.reciprocal(M) if M.ndim == 1 else np.asarray(np.linalg.inv(M), dtype=float)


def shrink_l2(v: Array, theta: Value) -> Array:
    """The prox of theta*||.||_2, along the last axis."""
    size = np.linalg.norm(v, axis=-1, keepdims=True)
    return v * np.maximum(1 - theta / np.maximum(size, np.finfo(float).tiny), 0)


def unit(v: Array) -> Array:
    """v/||v||_2 along the last axis, and 0 for 0."""
    size = np.linalg.norm(v, axis=-1, keepdims=True)
    return np.asarray(v / np.where(size > 0, size, 1.0))


def groups(v: Array, size: Value) -> Array:
    """Neighbours in rows, (groups, size)."""
    return v.reshape(-1, int(size))


def indicator(v: Array, low: Value | None, high: Value | None) -> Value:
    inside = (low is None or bool(np.all(v >= low))) and (high is None or bool(np.all(v <= high)))
    return np.float64(0.0 if inside else np.inf)


OPERATORS: dict[str, Callable[..., Value]] = {
    "sqrt": np.sqrt, "exp": np.exp, "log": np.log, "tanh": np.tanh, "sigmoid": sigmoid,
    "relu": lambda v: np.maximum(v, 0.0), "elu": elu, "softplus": lambda v: np.logaddexp(0.0, v),
    "diag": lambda v: v, "abs": np.abs, "sign": np.sign, "floor": np.floor, "max": np.maximum, "min": np.minimum,
    "clip": lambda v, low, high: np.minimum(np.maximum(v, low), high),
    "huber": huber, "soft": soft, "soft_ss": soft_ss, "where": np.where, "detach": lambda v: v,
    "sum": np.sum, "mean": np.mean, "inv": inverse, "pinv": np.linalg.pinv,
    "analytic_weight": analytic_weight, "symmetric_weight": symmetric_weight, "whitening": whitening,
    "coherence": coherence,
    "add": operator.add, "subtract": operator.sub, "negate": operator.neg,
    "times": operator.mul, "scale": operator.mul, "over": operator.truediv, "shrink": operator.truediv,
    "scale_rows": lambda d, M: d[:, None] * M, "scale_columns": lambda M, d: M * d[None, :],
    "power": np.power, "apply": operator.matmul, "compose": operator.matmul, "transpose": np.transpose,
    "inner": np.dot, "norm_1": lambda v: np.abs(v).sum(), "norm_2": np.linalg.norm,
    "norm_2_squared": lambda v: np.dot(v, v), "norm_inf": lambda v: np.abs(v).max(),
    "norm_0": lambda v: np.float64(np.count_nonzero(v)), "norm_F": np.linalg.norm,
    "spectral": lambda M: np.sqrt(spectral_squared(M)), "spectral_squared": spectral_squared,
    "smallest_squared": smallest_squared,
    "group_l2": lambda v, size: np.linalg.norm(groups(v, size), axis=-1).sum(),
    "unit": unit, "shrink_l2": shrink_l2, "indicator": indicator,
    "group_unit": lambda v, size: unit(groups(v, size)).ravel(),
    "shrink_groups": lambda v, theta, size: shrink_l2(groups(v, size), theta).ravel(),
}  # fmt: skip
"""All of core/operators.py but `compare`, which needs its sign."""

COMPARE: dict[str, Callable[[Value, Value], Value]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
