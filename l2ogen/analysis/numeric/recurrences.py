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
    shows: Array
    """Up to constants, x in the iterations of one period is shows*z: (period, d)."""

    def modes(self) -> Array:
        """Eigenvalues of what the start excites and x shows: of the shortest recurrence of z+ - z as seen in x."""
        size = len(self.M)
        difference = self.M @ self.z0 + self.v - self.z0
        shown = []
        for _ in range(2 * size):
            shown.append(self.shows @ difference)
            difference = self.M @ difference
        hankel = np.concatenate([np.stack(shown[i : i + size], axis=1) for i in range(size)])
        shifted = np.concatenate([np.stack(shown[i + 1 : i + 1 + size], axis=1) for i in range(size)])
        left, values, right = np.linalg.svd(hankel, full_matrices=False)
        rank = int((values > 1e-10 * values[0]).sum()) if values[0] > 0 else 0
        left, right = left[:, :rank] / values[:rank], right[:rank].T
        return np.linalg.eigvals(left.T @ shifted @ right)

    @property
    def radius(self) -> float:
        modes = self.modes()
        return float(np.abs(modes).max()) if len(modes) else 0.0


def recurrence(
    program: ir.Algorithm, instance: Instance, parameters: Values, period: int = 1
) -> Recurrence | None:  # fmt: skip
    """`period` iterations of the rule as a recurrence on an instance in one dimension; None where they are not linear,
    or differ from the `period` iterations before."""
    if program.safeguard is not None or instance.n != 1:
        return None
    base = start(program, instance, parameters)
    names = [s.name for s in program.states]
    sizes = [np.size(base[name]) for name in names]
    ends = np.cumsum(sizes)

    def packed(state: State) -> Array:
        return np.concatenate([np.atleast_1d(state[name]).ravel() for name in names])

    def after(z: Array, k: int) -> Array:
        """The states in and after the `period` iterations from k*period on, (period + 1, d)."""
        parts = {name: z[end - size : end].reshape(np.shape(base[name]))
                 for name, size, end in zip(names, sizes, ends, strict=True)}  # fmt: skip
        states = [base | parts]
        for i in range(k * period, (k + 1) * period):
            states.append(step(program, instance, parameters, states[-1], i))
        return np.stack([packed(state) for state in states])

    z0 = packed(base)
    first = after(z0, 0)
    columns = np.stack([after(z0 + e, 0) - first for e in np.eye(len(z0))], axis=2)
    M = columns[-1]
    v = first[-1] - M @ z0
    rng = np.random.default_rng(0)
    for k in (0, 1, 2, 13, 100):
        z = z0 + rng.normal(size=len(z0)) * 3
        size = np.abs(M) @ np.abs(z) + np.abs(v) + 1e-300
        if not bool((np.abs(after(z, k)[-1] - (M @ z + v)) <= 1e-10 * size.max()).all()):
            return None
    place = int(ends[names.index(program.variable)]) - 1
    return Recurrence(M, v, z0, place, columns[:-1, place])


CURVATURES = (1.0, 0.75, 0.5, 0.25, 0.1, 0.01)
"""Shares of L that are tried."""


def refute_by_quadratic(
    program: ir.Algorithm, parameters: Parameters, L: float = 1.0, least: float = 0.0, period: int = 1
) -> dict[str, Any] | None:  # fmt: skip
    """A witness that the rule with these parameters, constant or of the given period, does not converge on
    h/2*(x - c)^2 for some h from `least` to L. The radius is that of a whole period."""
    for share in (share for share in CURVATURES if share * L >= least):
        instance = quadratic(share * L, L=L)
        linear = recurrence(program, instance, parameters, period)
        if linear is None:
            return None
        radius = linear.radius
        if radius > 1 + 1e-9:
            window = 2 * period * len(linear.M)  # where x turns around the solution it may come close
            steps = 2 * window + period * int(min(np.ceil(np.log(1e3) / np.log(radius)), 5000))
            distances = run(program, instance, parameters, steps).distances
            middle, end = (float(part[-window:].max()) for part in (distances[: len(distances) // 2], distances))
            if not end > middle:  # the run says otherwise: the radius is rounding
                continue
            return {
                "kind": "quadratic", "instance": instance.as_json(), "parameters": parameters.as_json(), "h": share * L,
                "L": L, "radius": radius, "steps": steps, "window": window,
                "distance": end,
            }  # fmt: skip
    return None
