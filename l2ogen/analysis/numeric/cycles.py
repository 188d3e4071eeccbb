"""Cycles on Huber's function, f'(x) = L*clip(x - c, -1, 1): they refute what quadratics do not.

Far from the minimizer every step is one of a constant gradient: a periodic sequence of its signs that sustains itself
is a cycle.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core import ir
from .functions import Proximable
from .instances import Instance, huber, quadratic
from .interpreter import start
from .operators import Array
from .parameters import Parameters
from .recurrences import Recurrence, recurrence
from .trajectories import run_states

SHORT = 0.5
"""Momentum that forgets faster is not looked at."""

STARTS = (1.5, 2.0, 10 / 3, 5.0, 7.0, 10.0, 15.0, 22.0, 33.0, 50.0)
"""Distances of the start from the minimizer, in widths."""


def refute_by_huber(
    program: ir.Algorithm, parameters: Parameters, L: float = 1.0, steps: int = 1500
) -> dict[str, Any] | None:  # fmt: skip
    """A witness that the rule with these constant parameters runs into a cycle on f'(x) = L*clip(x - c, -1, 1)."""
    origin = float(start(program, quadratic(L), parameters)[program.variable][0])
    for far in STARTS:
        instance = huber(L, 1.0, origin - far)
        offsets = cycle(program, instance, parameters, steps)
        if offsets is not None:
            return {
                "kind": "cycle", "instance": instance.as_json(), "parameters": parameters.as_json(), "L": L, "tau": 1.0,
                "steps": steps, "period": len(offsets), "offsets": offsets.tolist(),
                "distance": float(np.abs(offsets).min()),
            }  # fmt: skip
    return None


def cycle(program: ir.Algorithm, instance: Instance, parameters: Parameters, steps: int) -> Array | None:
    """x - x_star along one period of the cycle that a run provably ends in, on Huber's function of width 1."""
    pushes = [constant_gradient(sign * instance.L, instance.L) for sign in (1.0, -1.0)]
    linear = [made for made in (recurrence(program, push, parameters) for push in pushes) if made is not None]
    if len(linear) < 2 or np.sort(np.abs(np.linalg.eigvals(linear[0].M)))[:-1].max(initial=0.0) < SHORT:
        return None
    states = np.array(list(run_states(program, instance, parameters, steps, linear[0].names)))
    offsets = states[:, linear[0].place] - instance.x_star[0]
    length = sustained(states, offsets, linear[0], linear[1])
    return None if length is None else offsets[-length:]


def constant_gradient(slope: float, L: float) -> Instance:
    """f(x) = slope*x, which has no minimizer; x_star only says where it is looked at."""
    return Instance(None, np.array([-slope]), Proximable("zero", 1), np.ones(1), L, {})


def sustained(states: Array, offsets: Array, right: Recurrence, left: Recurrence, longest: int = 64) -> int | None:
    """The period of a cycle that the last states (steps, d) prove, or None; offsets: x minus the minimizer (steps,).

    While x stays farther than 1 from the minimizer the rule is z+ = M*z + v, v by its side. If the sides repeat with a
    period, half of them each, the states one period later differ by D from the present ones, and those j periods later
    by G^j*D more, G = M^period. M keeps one direction (all points moved together), in which D vanishes as the pushes of
    the two sides cancel; the others shrink. If all G^j*D together move x by less than what keeps the sides as they are,
    they repeat for ever.
    """
    place, M = right.place, right.M
    values, vectors = np.linalg.eig(M)
    kept = np.abs(values - 1) < 1e-9
    slowest = float(np.abs(values[~kept]).max(initial=0.0))
    if kept.sum() != 1 or slowest > 1 - 1e-6 or np.abs(left.M - M).max() > 1e-9:
        return None
    projection = (vectors[:, ~kept] @ np.linalg.inv(vectors)[~kept]).real
    both = right.v + left.v
    if np.abs(both - projection @ both).max() > 1e-9 * np.abs(right.v).max():
        return None
    signs = np.sign(offsets)
    for length in range(2, longest + 1, 2):
        last = signs[-4 * length :]
        if len(last) < 4 * length or bool((last[length:] != last[:-length]).any()) or last[:length].sum() != 0:
            continue
        room = float(np.abs(offsets[-2 * length :]).min()) - 1.0
        z, moved = projection @ (states[-1] - states[-1 - length]), np.zeros(length)
        for i in range(200 * length):
            z = M @ z
            moved[i % length] += abs(z[place])
        rest = float(np.abs(z).max()) * float(np.linalg.cond(vectors)) / (1 - slowest)
        return length if room > 2 * (float(moved.max()) + rest) + 1e-6 else None
    return None
