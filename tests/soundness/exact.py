"""Exactness held against numerics: what a rule keeps, found by solving x = T(x), is a solution; or it need not be one.

k is frozen where all that vanishes has done so, and the hidden states of networks where they start; the iterate and
the states of its space are what Newton's method solves for, from random points and problems with kinks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from l2ogen.analysis.numeric.instances import Instance
from l2ogen.analysis.numeric.interpreter import Run, State, start
from l2ogen.analysis.numeric.operators import Array
from l2ogen.analysis.numeric.parameters import Parameters
from l2ogen.analysis.report import TargetReport
from l2ogen.core import ir

from .frozen import CannotRun, equilibrium, problems, stay, values

LATE = 10**9
NEWTON = 40
KEPT, OPTIMAL = 1e-10, 1e-3
"""Residuals of x = T(x) that count as 0, and of x = prox(x - grad f(x)/L) that do not count: biases such as
1/sqrt(k + 1) are still there, and steps may be as short as 1e-3 of the longest."""


def spurious(
    program: ir.Algorithm, target: TargetReport, rng: np.random.Generator, trials: int, counted: list[str] | None = None
) -> Iterator[str]:
    """Points that are kept and no solutions; `counted` gets an entry for each point that is kept."""
    for instance in problems(program, "minimizer", rng, trials):
        parameters = values(program, rng, edges=(0.0,))
        try:
            kept = point(program, instance, parameters, rng)
        except CannotRun:
            return
        if kept is None:
            continue
        if counted is not None:
            counted.append("proved")
        off = float(np.linalg.norm(kept - instance.prox(kept - instance.grad(kept) / instance.L, 1 / instance.L)))
        if off > OPTIMAL * (1 + float(np.linalg.norm(kept))):
            yield f"x = {kept.tolist()} is kept, optimality residual {off:.2g}: {instance.title}, {parameters.as_json()}"
            return


def point(
    program: ir.Algorithm, instance: Instance, parameters: Parameters, rng: np.random.Generator
) -> Array | None:
    """An iterate that the rule keeps; None where Newton's method finds none."""
    base = start(program, instance, parameters)
    names = [s.name for s in program.states if np.shape(base[s.name]) == np.shape(instance.x_star)]

    def state(z: Array) -> State:
        return base | dict(zip(names, np.split(z, len(names)), strict=True))

    def move(z: Array) -> Array:
        after = Run(program, instance, parameters, state(z), LATE).step()
        return np.concatenate([np.asarray(after[name]) for name in names]) - z

    z = np.tile(instance.x_star + rng.normal(size=instance.n), len(names))
    for _ in range(NEWTON):
        g = move(z)
        if not np.isfinite(g).all():
            return None
        if np.linalg.norm(g) <= KEPT * (1 + np.linalg.norm(z)):
            return np.asarray(state(z)[program.variable])
        h = 1e-7 * (1 + float(np.linalg.norm(z)))
        J = np.stack([(move(z + h * e) - g) / h for e in np.eye(len(z))], axis=1)
        if not np.isfinite(J).all():
            return None
        z = z - np.linalg.lstsq(J, g, rcond=1e-9)[0]
    return None


def not_spurious(
    program: ir.Algorithm, target: TargetReport, rng: np.random.Generator, trials: int, counted: list[str] | None = None
) -> Iterator[str]:
    """Every x with A*x = b is said to be kept: one that is not the sparse solution, and moves."""
    for instance in problems(program, "recovery", rng, trials):
        assert instance.phi is not None
        kernel = np.linalg.svd(instance.phi.M)[2][np.linalg.matrix_rank(instance.phi.M) :]
        if not len(kernel):
            continue
        other = replace(instance, x_star=instance.x_star + rng.normal(size=len(kernel)) @ kernel)
        parameters = values(program, rng)
        try:
            found = stay(program, other, parameters, equilibrium(program, other, parameters), True)
        except CannotRun:
            return
        if counted is not None:
            counted.append("refuted")
        if not found.holds:
            yield f"another x with A*x = b moves by {found.residuals[-1]:.2g}: {parameters.as_json()}"
            return


__all__ = ["not_spurious", "point", "spurious"]
