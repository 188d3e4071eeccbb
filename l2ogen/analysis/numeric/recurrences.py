"""Rules with constant parameters on f = h/2*(x - c)^2: linear recurrences.

Such a rule converges from the declared start only if the modes that this start excites have a spectral radius below 1,
and to the minimizer only if that is where the recurrence comes to rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core import ir
from .fitting import modulus, scalar_lasso
from .instances import Instance, linear_r, quadratic, quadratic_r
from .interpreter import State, start, step
from .operators import Array
from .parameters import Parameters
from .trajectories import run


@dataclass(frozen=True)
class Recurrence:
    """z+ = M*z + v of the states z that x depends on, from z_0; x is z[place]."""

    M: Array
    v: Array
    z0: Array
    place: int
    shows: Array
    """Up to constants, x in the iterations of one period is shows*z: (period, d)."""
    names: tuple[str, ...] = ()
    """The states in z, in order."""

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

    def after(self, steps: int) -> float:
        """x after so many periods."""
        z = self.z0
        for _ in range(steps):
            z = self.M @ z + self.v
        return float(z[self.place])

    @property
    def radius(self) -> float:
        modes = self.modes()
        return float(np.abs(modes).max()) if len(modes) else 0.0


def entering(program: ir.Algorithm, parameters: Parameters, of: str | None = None) -> tuple[str, ...] | None:
    """The states that x, or another state, depends on; None where it depends on the number of the iteration, too.

    A network whose output is given as a constant reads nothing.
    """
    lines: dict[tuple[str, str], tuple[ir.Node, ...]] = {}
    for s in program.statements:
        if isinstance(s, ir.Assignment):
            lines["next" if s.next else "let", s.name] = (s.value,)
        elif not s.predicts:
            constant = s.network in parameters.outputs
            lines |= {("let", name): () if constant else s.inputs for name in s.outputs}
    lines |= {("parameter", p.name): (p.value,) for p in program.parameters if p.value is not None}
    root = ("state", of or program.variable)
    found, todo = {root}, [root]
    while todo:
        role, name = todo.pop()
        for e in lines.get(("next" if role == "state" else role, name), ()):
            for node in e.walk():
                if node.role == "iteration":
                    return None
                if node.role in ("state", "next", "let", "parameter") and node.attr not in found:
                    found.add(node.attr)
                    todo.append(node.attr)
    return tuple(s.name for s in program.states if ("state", s.name) in found)


def recurrence(
    program: ir.Algorithm, instance: Instance, parameters: Parameters, period: int = 1
) -> Recurrence | None:  # fmt: skip
    """`period` iterations of the rule as a recurrence on an instance in one dimension; None where they are not linear,
    or differ from the `period` iterations before."""
    names = entering(program, parameters)
    if program.safeguard is not None or instance.n != 1 or names is None:
        return None
    base = start(program, instance, parameters)
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
        size = np.abs(M) @ np.abs(z) + np.abs(v) + np.abs(z)
        if not bool((np.abs(after(z, k)[-1] - (M @ z + v)) <= 1e-10 * size.max()).all()):
            return None
    place = int(ends[names.index(program.variable)]) - 1
    return Recurrence(M, v, z0, place, columns[:-1, place], names)


CURVATURES = (1.0, 0.75, 0.5, 0.25, 0.1, 0.01)
"""Shares of L that are tried."""


def curves(program: ir.Algorithm, L: float, least: float) -> Iterator[Instance]:
    """h/2*(x - 1)^2 in one dimension as f, h from `least` to L, without r; as r where there is no f; as least squares,
    with a solution far from the kink of the l1 norm, where the rule reads A and b."""
    if program.data:
        yield from (scalar_lasso(program, share * L, L) for share in CURVATURES if share * L >= least)
    elif {g.role for g in program.functions} == {"r"}:
        yield from (quadratic_r(max(share * L, modulus(program, "r"))) for share in CURVATURES)
    else:
        yield from (quadratic(share * L, L=L) for share in CURVATURES if share * L >= least)


def parabolas(program: ir.Algorithm, L: float = 1.0, least: float = 0.0) -> Iterator[Instance]:
    """Members of the class on which rules are affine: the curves, and those of f with a linear r."""
    yield from curves(program, L, least)
    if {g.role for g in program.functions} == {"f", "r"} and not program.data:
        yield from (linear_r(share * L, L=L) for share in CURVATURES if share * L >= least)


def refute_by_quadratic(
    program: ir.Algorithm, parameters: Parameters, L: float = 1.0, least: float = 0.0, period: int = 1
) -> dict[str, Any] | None:  # fmt: skip
    """A witness that the rule with these parameters, constant or of the given period, does not converge on
    h/2*(x - c)^2 for some h from `least` to L. The radius is that of a whole period."""
    for instance in curves(program, L, least):
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
                "kind": "quadratic", "instance": instance.as_json(), "parameters": parameters.as_json(),
                "h": instance.mu, "L": L, "radius": radius, "steps": steps, "window": window, "distance": end,
            }  # fmt: skip
    return None


LATE = (300, 3000)
"""Iterations in which clocks are read."""


def refute_by_late_growth(program: ir.Algorithm, parameters: Parameters, instance: Instance) -> dict[str, Any] | None:
    """A witness against a rule whose coefficients settle with scalar states of their own, as FISTA's t: the recurrence
    that it tends to grows, and so does the run from the declared start."""
    names = entering(program, parameters) or ()
    clocks = [s.name for s in program.states if s.name in names and s.type.kind == "scalar"]
    own = [entering(program, parameters, name) for name in clocks]
    if program.safeguard is not None or not clocks or not all(o is not None and set(o) <= set(clocks) for o in own):
        return None
    base = start(program, instance, parameters)
    vectors, state, radii = [name for name in names if name not in clocks], base, []

    def after(z: Array, at: State) -> Array:
        following = step(program, instance, parameters, at | {name: z[i : i + 1] for i, name in enumerate(vectors)}, 0)
        return np.concatenate([following[name] for name in vectors])

    for k in range(1, LATE[-1] + 1):
        following = step(program, instance, parameters, base | {name: state[name] for name in clocks}, 0)
        state = base | {name: following[name] for name in clocks}
        if k in LATE:
            zero = after(np.zeros(len(vectors)), state)
            if not np.isfinite(zero).all():
                return None
            M = np.stack([after(e, state) - zero for e in np.eye(len(vectors))], axis=1)
            probe = np.random.default_rng(k).normal(size=len(vectors)) * 3
            if not np.allclose(after(probe, state), M @ probe + zero, rtol=1e-9, atol=1e-9):
                return None
            radii.append(float(np.abs(np.linalg.eigvals(M)).max()))
    if not min(radii) > 1.01 or np.ptp(radii) > 0.01:
        return None
    steps = int(min(np.ceil(np.log(1e12) / np.log(radii[-1])), 3000))
    distances = run(program, instance, parameters, steps).distances
    if not distances[-1] > 1e6 * max(1.0, float(distances[0])):
        return None
    return {
        "kind": "quadratic", "instance": instance.as_json(), "parameters": parameters.as_json(), "h": instance.mu,
        "L": instance.L, "radius": radii[-1], "steps": steps, "window": 1, "distance": float(distances[-1]),
    }  # fmt: skip


SETTLED = 0.99
"""A recurrence of a smaller radius has come to rest within the steps that are run."""
AWAY = 1e-3
"""A limit that is closer to the minimizer than this refutes nothing."""


def refute_by_limit(program: ir.Algorithm, parameters: Parameters, instance: Instance) -> dict[str, Any] | None:
    """A witness that the rule with these constant parameters comes to rest at no minimizer of an instance, or moves by
    one and the same step for ever."""
    linear = recurrence(program, instance, parameters)
    if linear is None:
        return None
    modes = linear.modes()
    moving = np.abs(modes) > SETTLED
    radius = float(np.abs(modes).max(initial=0.0))
    if moving.any() and np.abs(modes[moving] - 1).max() > 1e-9:  # a real 1 - 1e-9 would end as far away
        return None
    steps = 1000 if moving.any() else 10 + (int(np.ceil(np.log(1e-12) / np.log(radius))) if radius > 0 else 0)
    if not moving.any() and abs(linear.after(steps) - instance.x_star[0]) <= AWAY:
        return None
    found = run(program, instance, parameters, steps)
    moves, distance = np.abs(np.diff(found.points[:, 0])), float(found.distances[-1])
    rests = bool(moves[-1] <= 1e-9 * (1 + distance)) and distance > AWAY
    drifts = moving.any() and bool(moves[-1] > 1e-6 and moves[-1] > 0.9 * moves[len(moves) // 2]) and distance > 10
    if len(moves) < steps or not (drifts if moving.any() else rests):
        return None
    return {
        "kind": "limit", "instance": instance.as_json(), "parameters": parameters.as_json(), "L": instance.L,
        "radius": radius, "steps": steps, "window": 1, "distance": distance,
        "limit": None if drifts else float(found.points[-1, 0]),
    }  # fmt: skip
