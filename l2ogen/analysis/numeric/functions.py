"""Convex functions with everything known of them: smooth ones sum_i h((M*x - s)_i), proximable ones of known prox."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .operators import Array, Value, sigmoid, soft, spectral_squared

SMOOTH = ("square", "logistic", "log_cosh", "huber")
CURVATURE = {"square": 1.0, "logistic": 0.25, "log_cosh": 1.0, "huber": 1.0}
"""The largest second derivative of h."""


@dataclass(frozen=True)
class Smooth:
    """unit^2*sum_i h((M*x/unit - s)_i) for h(t) = t^2/2, log(1 + exp(-t)), log(cosh(t)), or Huber's function with
    width tau; its gradient has the Lipschitz constant L whatever the unit."""

    kind: str
    M: Array
    s: Array
    tau: float = 1.0
    unit: float = 1.0

    @property
    def L(self) -> float:
        return float(CURVATURE[self.kind] * spectral_squared(self.M))

    def argument(self, x: Array) -> Array:
        return self.M @ x / self.unit - self.s

    def value(self, x: Array) -> float:
        t = self.argument(x)
        size = np.abs(t)
        match self.kind:
            case "square":
                h = t**2 / 2
            case "logistic":
                h = np.logaddexp(0.0, -t)
            case "log_cosh":
                h = size + np.log1p(np.exp(-2 * size)) - np.log(2)
            case _:
                h = np.where(size <= self.tau, t**2 / 2, self.tau * (size - self.tau / 2))
        return float(self.unit**2 * h.sum())

    def grad(self, x: Array) -> Array:
        t = self.argument(x)
        match self.kind:
            case "square":
                slope = t
            case "logistic":
                slope = -sigmoid(-t)
            case "log_cosh":
                slope = np.tanh(t)
            case _:
                slope = np.clip(t, -self.tau, self.tau)
        return self.unit * (self.M.T @ slope)

    def grad_size(self, x: Array) -> Array:
        """A bound of the terms that the gradient is summed from, entry by entry, at a point of entries up to |x|."""
        M = np.abs(self.M)
        slope = CURVATURE[self.kind] * (M @ np.abs(x) / self.unit + np.abs(self.s)) + (self.kind == "logistic")
        return self.unit * (M.T @ slope)

    def hessian(self, x: Array) -> Array:
        t = self.argument(x)
        match self.kind:
            case "square":
                bend = np.ones_like(t)
            case "logistic":
                bend = sigmoid(t) * sigmoid(-t)
            case "log_cosh":
                bend = 1 - np.tanh(t) ** 2
            case _:
                bend = (np.abs(t) < self.tau).astype(float)
        return self.M.T @ (bend[:, None] * self.M)

    def scaled(self, by: float) -> Smooth:
        """by^2*value(x/by)"""
        return Smooth(self.kind, self.M, self.s, self.tau, self.unit * by)

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "M": self.M.tolist(), "s": self.s.tolist(), "tau": self.tau, "unit": self.unit}

    @classmethod
    def from_json(cls, d: dict[str, Any]) -> Smooth:
        return cls(d["kind"], np.array(d["M"], dtype=float), np.array(d["s"], dtype=float), d["tau"], d["unit"])


PROXIMABLE = ("zero", "linear", "l1", "box", "nonneg", "group", "quadratic")


@dataclass(frozen=True)
class Proximable:
    """rho(x - center): 0, <slope, x>, weight*||x||_1, the indicator of [-width, width] or of x >= 0, weight times the
    sum of the 2-norms of `size` neighbours, weight/2*||x||_2^2."""

    kind: str
    n: int
    weight: float = 0.0
    width: float = 1.0
    size: int = 2
    center: Array = field(default_factory=lambda: np.zeros(0))
    slope: Array = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        for name in ("center", "slope"):
            if not len(getattr(self, name)):
                object.__setattr__(self, name, np.zeros(self.n))

    def groups(self, v: Array) -> list[Array]:
        return [v[i : i + self.size] for i in range(0, self.n, self.size)]

    def value(self, x: Array) -> float:
        z, rounding = x - self.center, 1e-12 * (self.width + np.abs(self.center))
        match self.kind:
            case "linear":
                return float(self.slope @ z)
            case "l1":
                return float(self.weight * np.abs(z).sum())
            case "box":
                return 0.0 if bool((np.abs(z) <= self.width + rounding).all()) else np.inf
            case "nonneg":
                return 0.0 if bool((z >= -rounding).all()) else np.inf
            case "group":
                return float(self.weight * sum(np.linalg.norm(g) for g in self.groups(z)))
            case "quadratic":
                return float(self.weight / 2 * (z @ z))
        return 0.0

    def prox(self, v: Array, P: Value) -> Array:
        """argmin over z of the function + 1/2*||z - v||^2 in the metric 1/P, P > 0 a number or a diagonal (n,).

        What P <= 0 gives is what the closed form does with it.
        """
        u = v - self.center
        match self.kind:
            case "linear":
                z = u - P * self.slope
            case "l1":
                z = soft(u, self.weight * P)
            case "box":
                z = np.clip(u, -self.width, self.width)
            case "nonneg":
                z = np.maximum(u, 0.0)
            case "group":
                metric = self.groups(np.broadcast_to(P, (self.n,)))
                pairs = zip(self.groups(u), metric, strict=True)
                z = np.concatenate([shrink(g, self.weight * p) for g, p in pairs])
            case "quadratic":
                z = u / (1 + self.weight * P)
            case _:
                z = u
        return self.center + z

    def subgradient(self, x: Array) -> Array:
        """One that is 0 wherever 0 is one coordinate by coordinate, or group by group."""
        z = x - self.center
        match self.kind:
            case "linear":
                return self.slope
            case "l1":
                return self.weight * np.sign(z)
            case "group":
                return self.weight * np.concatenate([g / max(float(np.linalg.norm(g)), 1e-300) for g in self.groups(z)])
            case "quadratic":
                return self.weight * z
        return np.zeros(self.n)

    def some_subgradient(self, x: Array, rng: np.random.Generator) -> Array:
        """A random element of the subdifferential at x, away from its boundary where it has an interior."""
        z, t = x - self.center, rng.uniform(-0.9, 0.9, self.n)
        match self.kind:
            case "l1":
                return self.weight * np.where(z != 0, np.sign(z), t)
            case "box":
                return np.where(np.abs(z) >= self.width, np.sign(z) * (0.1 + np.abs(t)), 0.0)
            case "nonneg":
                return np.where(z <= 0, -0.1 - np.abs(t), 0.0)
            case "group":
                parts = zip(self.groups(z), self.groups(t), strict=True)
                inner = [w / np.sqrt(len(w)) if not g.any() else g / np.linalg.norm(g) for g, w in parts]
                return self.weight * np.concatenate(inner)
        return self.subgradient(x)

    def scaled(self, by: float) -> Proximable:
        """by^2*value(x/by), up to a constant."""
        weight = self.weight if self.kind == "quadratic" else by * self.weight
        center, slope = by * self.center, by * self.slope
        return Proximable(self.kind, self.n, weight, by * self.width, self.size, center, slope)

    def as_json(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in ("kind", "n", "weight", "width", "size")}
        return plain | {"center": self.center.tolist(), "slope": self.slope.tolist()}

    @classmethod
    def from_json(cls, d: dict[str, Any]) -> Proximable:
        return cls(**(d | {name: np.array(d[name], dtype=float) for name in ("center", "slope")}))


def shrink(v: Array, p: Array) -> Array:
    """argmin over z of ||z||_2 + 1/2*sum (z_i - v_i)^2/p_i: z = v/(1 + p/t), t = ||z||_2; 0 where ||v/p||_2 <= 1."""
    sizes = np.divide(v, p, out=np.where(v == 0, 0.0, np.inf), where=p > 0)  # p_i = 0 keeps v_i
    if np.linalg.norm(sizes) <= 1:
        return np.zeros_like(v)
    if np.all(p == p[0]):
        return v * (1 - p[0] / np.linalg.norm(v))
    low, high = 0.0, float(np.linalg.norm(v))
    for _ in range(200):  # sum (v_i/(t + p_i))^2 falls in t and is 1 at the solution
        t = (low + high) / 2
        if not low < t < high:
            break
        low, high = (t, high) if ((v / (t + p)) ** 2).sum() > 1 else (low, t)
    return v * high / (high + p)
