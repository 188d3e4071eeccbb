"""Problems with an exactly known solution, which a rule is run on.

Tilting: f(x) = phi(x) - <grad phi(x*) + g*, x> has grad f(x*) = -g* for any smooth convex phi and any g* in the
subdifferential of r at x*, so x* minimizes f + r. Least squares with data are certified by a rank-one change of A.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .functions import Proximable, Smooth
from .operators import Array, Value


@dataclass(frozen=True)
class Instance:
    """min phi(x) - <tilt, x> + r(x), with a minimizer x_star; `data` are what an algorithm that declares them sees."""

    phi: Smooth | None
    """None: f = 0."""
    tilt: Array
    r: Proximable
    x_star: Array
    L: float
    """An upper bound of the Lipschitz constant of grad f."""
    data: dict[str, Value]
    scaling: tuple[str, ...] = ()
    """Names of the data that grow with the solution."""
    mu: float = 0.0
    title: str = ""

    @property
    def n(self) -> int:
        return len(self.x_star)

    @property
    def g_star(self) -> Array:
        """-grad f(x_star), in the subdifferential of r there."""
        return -self.grad(self.x_star)

    @property
    def F_star(self) -> float:
        return self.value("F", self.x_star)

    @property
    def unique(self) -> bool:
        """Whether x_star is proved to be the one minimizer: F is strongly convex near it."""
        if self.r.kind == "quadratic" and self.r.weight > 0:
            return True
        if self.phi is None:
            return (self.r.kind == "l1" and self.r.weight > 0) or (self.r.kind == "group" and self.r.weight > 0)
        bend = np.linalg.eigvalsh(self.phi.hessian(self.x_star))
        if bool(bend[0] > 1e-9 * bend[-1] > 0):
            return True
        if self.r.kind != "l1" or self.phi.kind != "square":
            return False
        support = self.x_star != self.r.center
        strict = bool((np.abs(self.g_star[~support]) < self.r.weight * (1 - 1e-6)).all())
        chosen = self.phi.M[:, support]
        return strict and bool(np.linalg.matrix_rank(chosen) == support.sum())

    # -- what a rule may ask
    def f(self, x: Array) -> float:
        return (self.phi.value(x) if self.phi is not None else 0.0) - float(self.tilt @ x)

    def value(self, role: str, x: Array) -> float:
        if role == "F":
            return self.f(x) + self.r.value(x)
        return self.f(x) if role == "f" else self.r.value(x)

    def grad(self, x: Array) -> Array:
        return (self.phi.grad(x) if self.phi is not None else np.zeros_like(x)) - self.tilt

    def subgrad(self, x: Array) -> Array:
        return self.grad(x) + self.r.subgradient(x)

    def prox(self, v: Array, P: Value) -> Array:
        return self.r.prox(v, P)

    def grad_size(self, x: Array) -> Array:
        """What the terms of grad f add up to in size, entry by entry, at a point of entries up to |x|."""
        of_phi = 0.0 if self.phi is None else self.phi.grad_size(x)
        return of_phi + np.abs(self.tilt)

    # -- other scales, files
    def scaled(self, by: float) -> Instance:
        """by^2*F(x/by): the solution, gradients and what scales with them times `by`; the same L."""
        data = {name: by * v if name in self.scaling else v for name, v in self.data.items()}
        phi = self.phi
        if phi is not None:
            phi = replace(phi, s=by * phi.s) if phi.kind == "square" else phi.scaled(by)
        return replace(
            self, phi=phi, tilt=by * self.tilt, r=self.r.scaled(by), x_star=by * self.x_star, data=data,
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        return {
            "title": self.title, "phi": None if self.phi is None else self.phi.as_json(), "tilt": self.tilt.tolist(),
            "r": self.r.as_json(), "x_star": self.x_star.tolist(), "L": self.L, "mu": self.mu,
            "data": {name: np.asarray(v).tolist() for name, v in self.data.items()}, "scaling": list(self.scaling),
        }  # fmt: skip

    @classmethod
    def from_json(cls, d: dict[str, Any]) -> Instance:
        return cls(
            None if d["phi"] is None else Smooth.from_json(d["phi"]), np.array(d["tilt"], dtype=float),
            Proximable.from_json(d["r"]), np.array(d["x_star"], dtype=float), d["L"],
            {name: np.array(v, dtype=float) if np.ndim(v) else float(v) for name, v in d["data"].items()},
            tuple(d["scaling"]), d["mu"], d["title"],
        )  # fmt: skip


# ---- abstract f and r ------------------------------------------------------------------------------


def tilted(phi: Smooth | None, r: Proximable, x_star: Array, g_star: Array, title: str = "") -> Instance:
    """f = phi, tilted so that -grad f(x_star) is g_star, a subgradient of r at x_star; f = 0 needs g_star = 0."""
    if phi is None:
        return Instance(None, np.zeros_like(x_star), r, x_star, 1.0, {}, title=title)
    mu = float(np.linalg.eigvalsh(phi.M.T @ phi.M)[0]) if phi.kind == "square" else 0.0
    return Instance(phi, phi.grad(x_star) + g_star, r, x_star, phi.L, {}, mu=max(mu, 0.0), title=title)


def quadratic(h: float, center: float = 1.0, L: float | None = None) -> Instance:
    """h/2*(x - center)^2 in one dimension, among the functions of Lipschitz constant L >= h."""
    phi = Smooth("square", np.array([[np.sqrt(h)]]), np.array([np.sqrt(h) * center]))
    title = f"{h:g}/2*(x - {center:g})^2"
    bound = phi.L if L is None else L
    return Instance(phi, np.zeros(1), Proximable("zero", 1), np.array([float(center)]), bound, {}, mu=h, title=title)


def linear_r(h: float, center: float = 1.0, L: float | None = None) -> Instance:
    """h/2*(x - center - 1)^2 + h*x in one dimension, whose minimizer is the center."""
    smooth = quadratic(h, center + 1, L)
    r = Proximable("linear", 1, slope=np.array([h]))
    return replace(smooth, r=r, x_star=np.array([float(center)]), title=f"{smooth.title} + {h:g}*x")


def quadratic_r(h: float, center: float = 1.0) -> Instance:
    """f = 0 and h/2*(x - center)^2 as r in one dimension."""
    at = np.array([float(center)])
    r = Proximable("quadratic", 1, weight=h, center=at)
    return Instance(None, np.zeros(1), r, at, 1.0, {}, mu=h, title=f"{h:g}/2*(x - {center:g})^2 as r")


def huber(L: float, tau: float, center: float = 1.0) -> Instance:
    """f'(x) = L*clip(x - center, -tau, tau) in one dimension."""
    root = np.sqrt(L)
    phi = Smooth("huber", np.array([[root]]), np.array([root * center]), tau=root * tau)
    title = f"f'(x) = {L:g}*clip(x - {center:g}, -{tau:g}, {tau:g})"
    return Instance(phi, np.zeros(1), Proximable("zero", 1), np.array([float(center)]), L, {}, title=title)


# ---- least squares with data -----------------------------------------------------------------------


def lasso(
    rng: np.random.Generator, m: int, n: int, lam: float, names: tuple[str, str] = ("A", "b"),
    support: int | None = None,
) -> Instance:  # fmt: skip
    """1/2*||A*x - b||_2^2 + lam*||x||_1 with a certified solution: A'*(b - A*x_star) = g_star up to rounding."""
    x_star = sparse(rng, n, support)
    g_star = lam * np.where(x_star != 0, np.sign(x_star), rng.uniform(-0.9, 0.9, n))
    e = rng.normal(size=m)
    e *= max(float(np.linalg.norm(g_star)), 1e-3) / float(np.linalg.norm(e))
    A = rng.normal(size=(m, n)) / np.sqrt(m)
    A = A - np.outer(e, e @ A) / (e @ e) + np.outer(e, g_star) / (e @ e)
    return least_squares(A, A @ x_star + e, Proximable("l1", n, lam), x_star, names, "lasso")


def recovery(
    rng: np.random.Generator, m: int, n: int, names: tuple[str, str] = ("A", "b"), support: int | None = None
) -> Instance:
    """b = A*x_star with sparse x_star and columns of unit norm."""
    A = rng.normal(size=(m, n))
    A /= np.linalg.norm(A, axis=0)
    x_star = sparse(rng, n, support)
    return least_squares(A, A @ x_star, Proximable("zero", n), x_star, names, "recovery")


def least_squares(
    A: Array, b: Array, r: Proximable, x_star: Array, names: tuple[str, str], title: str
) -> Instance:  # fmt: skip
    phi = Smooth("square", A, b)
    data: dict[str, Value] = {names[0]: A, names[1]: b}
    return Instance(phi, np.zeros(len(x_star)), r, x_star, phi.L, data, names[1:], title=title)


def sparse(rng: np.random.Generator, n: int, support: int | None = None) -> Array:
    """A vector with entries of size 1/2 to 2 in random places."""
    count = support if support is not None else int(rng.integers(1, n // 2 + 2))
    x = np.zeros(n)
    x[rng.choice(n, min(count, n), replace=False)] = 1.0
    return x * rng.choice([-1.0, 1.0], n) * rng.uniform(0.5, 2, n)
