"""Runs of a rule: gaps, divergence, cycles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...core import ir
from .instances import Instance
from .interpreter import State, Values, start, step
from .operators import Array

FAR = 1e12
"""A run that gets so far from the solution, relative to where it started, diverges."""


@dataclass(frozen=True)
class Trajectory:
    points: Array
    """x_0, x_1, ...: (K + 1, n); fewer rows where the run left all bounds."""
    gaps: Array
    """F(x_k) - F_star"""
    distances: Array
    """||x_k - x_star||_2"""

    @property
    def diverges(self) -> bool:
        """Whether the run left all bounds; for those within bounds see `distances`."""
        return not bool(self.distances[-1] <= FAR * max(1.0, float(self.distances[0])))

    def period(self, longest: int = 64) -> int | None:
        """The shortest period of the last iterations, three times repeated, of a run that does not stand still."""
        size = max(float(np.abs(self.points[-1]).max()), 1e-3)
        for length in range(2, min(longest, (len(self.points) - 1) // 4) + 1):
            last = self.points[-4 * length :]
            repeats = float(np.abs(last[length:] - last[:-length]).max()) <= 1e-9 * size
            if repeats and float(np.ptp(last, axis=0).max()) > 1e-6 * size:
                return length
        return None


def run(
    program: ir.Algorithm, instance: Instance, parameters: Values, steps: int, state: State | None = None
) -> Trajectory:  # fmt: skip
    """The first iterations from the declared start, or another state."""
    state = start(program, instance, parameters) if state is None else state
    points = [state[program.variable]]
    bound = FAR * max(1.0, float(np.linalg.norm(points[0] - instance.x_star)))
    for k in range(steps):
        state = step(program, instance, parameters, state, k)
        points.append(state[program.variable])
        if not np.linalg.norm(points[-1] - instance.x_star) <= bound:
            break
    stacked = np.array(points)
    with np.errstate(all="ignore"):
        gaps = np.array([instance.value("F", x) for x in points]) - instance.F_star
    return Trajectory(stacked, gaps, np.linalg.norm(stacked - instance.x_star, axis=1))


def run_states(
    program: ir.Algorithm, instance: Instance, parameters: Values, steps: int, names: tuple[str, ...]
) -> Iterator[Array]:
    """The named states as one vector, iteration by iteration, until they stand still."""
    state, last = start(program, instance, parameters), None
    for k in range(steps):
        state = step(program, instance, parameters, state, k)
        packed = np.concatenate([np.atleast_1d(state[name]).ravel() for name in names])
        if last is not None and bool((np.abs(packed - last) <= 1e-12).all()):
            return
        yield packed
        last = packed
