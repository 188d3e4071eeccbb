"""Rules with constant parameters on f = h/2*(x - c)^2: linear recurrences.

Such a rule converges from the declared start only if the modes that this start excites have a spectral radius below 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core import ir
from .instances import Instance, quadratic
from .interpreter import State, Values, start, step
from .operators import Array
from .parameters import Parameters
from .trajectories import run


@dataclass(frozen=True)
class Recurrence:
    """z+ = M*z + v of all states z, from z_0; x is z[place]."""

    M: Array
    v: Array
    z0: Array
    place: int

    def modes(self) -> Array:
        """Eigenvalues of what the start excites and x shows: of the shortest recurrence of x_{k+1} - x_k."""
        size = len(self.M)
        difference = self.M @ self.z0 + self.v - self.z0
        shown = []
        for _ in range(2 * size):
            shown.append(difference[self.place])
            difference = self.M @ difference
        hankel = np.array([[shown[i + j] for j in range(size)] for i in range(size)])
        shifted = np.array([[shown[i + j + 1] for j in range(size)] for i in range(size)])
        left, values, right = np.linalg.svd(hankel)
        rank = int((values > 1e-10 * values[0]).sum()) if values[0] > 0 else 0
        left, right = left[:, :rank] / values[:rank], right[:rank].T
        return np.linalg.eigvals(left.T @ shifted @ right)

    @property
    def radius(self) -> float:
        modes = self.modes()
        return float(np.abs(modes).max()) if len(modes) else 0.0


def recurrence(program: ir.Algorithm, instance: Instance, parameters: Values) -> Recurrence | None:
    """The rule as a recurrence on an instance in one dimension; None where it is not linear, or changes with k."""
    if program.safeguard is not None or instance.n != 1:
        return None
    base = start(program, instance, parameters)
    names = [s.name for s in program.states]
    sizes = [np.size(base[name]) for name in names]
    ends = np.cumsum(sizes)

    def packed(state: State) -> Array:
        return np.concatenate([np.atleast_1d(state[name]).ravel() for name in names])

    def after(z: Array, k: int) -> Array:
        parts = {name: z[end - size : end].reshape(np.shape(base[name]))
                 for name, size, end in zip(names, sizes, ends, strict=True)}  # fmt: skip
        return packed(step(program, instance, parameters, base | parts, k))

    z0 = packed(base)
    first = after(z0, 0)
    M = np.stack([after(z0 + e, 0) - first for e in np.eye(len(z0))], axis=1)
    v = first - M @ z0
    rng = np.random.default_rng(0)
    for k in (0, 1, 2, 13, 100):
        z = z0 + rng.normal(size=len(z0)) * 3
        size = np.abs(M) @ np.abs(z) + np.abs(v) + 1e-300
        if not bool((np.abs(after(z, k) - (M @ z + v)) <= 1e-10 * size.max()).all()):
            return None
    place = int(ends[names.index(program.variable)]) - 1
    return Recurrence(M, v, z0, place)


CURVATURES = (1.0, 0.75, 0.5, 0.25, 0.1, 0.01)
"""Shares of L that are tried."""


def refute_by_quadratic(
    program: ir.Algorithm, parameters: Parameters, L: float = 1.0, least: float = 0.0
) -> dict[str, Any] | None:  # fmt: skip
    """A witness that the rule with these constant parameters does not converge on h/2*(x - c)^2, least <= h <= L."""
    for share in (share for share in CURVATURES if share * L >= least):
        instance = quadratic(share * L, L=L)
        linear = recurrence(program, instance, parameters)
        if linear is None:
            return None
        radius = linear.radius
        if radius > 1 + 1e-9:
            steps = int(min(np.ceil(np.log(1e3) / np.log(radius)), 5000)) + len(linear.M)
            return {
                "kind": "quadratic", "instance": instance.as_json(), "parameters": parameters.as_json(), "h": share * L,
                "L": L, "radius": radius, "steps": steps,
                "distance": float(run(program, instance, parameters, steps).distances[-1]),
            }  # fmt: skip
    return None
