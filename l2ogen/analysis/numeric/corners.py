"""Refutations of convergence among constant parameters at the corners of their ranges."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from ...core import ir
from ..deadline import look
from .cycles import refute_by_huber
from .fitting import modulus, properties
from .instances import Instance, quadratic
from .interpreter import CannotRun, Run
from .parameters import Inadmissible, Parameters
from .recurrences import refute_by_quadratic


def corners(program: ir.Algorithm, instance: Instance) -> Iterator[dict[str, Any]]:
    """Constant values of all learned and predicted parameters: ends and middles of ranges, 0 for vanishing ones."""
    free = [p for p in program.parameters if p.kind in ("learned", "predicted")]
    asked = Run(program, instance, Parameters())
    choices: list[list[float]] = []
    for p in free:
        space = asked.space(p)
        if p.facts.vanishes:
            choices.append([0.0])
        elif space.bounded:
            choices.append([float(space.high), float(space.low), float(space.low + space.high) / 2])
        else:
            known = [float(np.ravel(v)[0]) for v in (space.start,) if v is not None]
            tried = known + [v for v in (1.0, 0.1, 10.0, -1.0) if not known or space.low > -np.inf]
            choices.append([v for v in tried if space.contains(v)] or [float(space.at(0.5))])
    for values in product(*choices):
        yield {p.name: v for p, v in zip(free, values, strict=True)}


def search(program: ir.Algorithm, L: float = 1.0, most: int = 400) -> dict[str, Any] | None:
    """A witness against convergence among constant parameters at the corners of their ranges; None if none is found.

    Quadratics of all corners come first, then Huber's functions; r is 0. None too where these are not in the class.
    """
    roles = {g.role for g in program.functions}
    if not {"f", "F"} & roles or {"strongly_convex", "coercive"} & properties(program, "r"):
        return None
    least = modulus(program, "f", "F")
    strong = any("strongly_convex" in g.properties for g in program.functions)
    L = max(L, 4 * least)
    sets: list[dict[str, Any]] = []
    try:
        for values, _ in zip(corners(program, quadratic(L)), range(most), strict=False):
            look()
            sets.append(values)
            found = refute_by_quadratic(program, Parameters.constant(program, values), L, least)
            if found is not None:
                return found
        for values in sets[:9] if not strong else ():
            found = refute_by_huber(program, Parameters.constant(program, values), L)
            if found is not None:
                return found
    except (CannotRun, Inadmissible):  # what vanishes and is not 0 is no constant
        return None
    return None
