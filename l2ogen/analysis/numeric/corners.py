"""Refutations of convergence among constant parameters at the corners of their ranges."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np

from ...core import ir
from ..deadline import look
from .cycles import refute_by_huber
from .fitting import modulus, properties
from .instances import Instance
from .interpreter import CannotRun, Run
from .parameters import Inadmissible, Parameters
from .recurrences import parabolas, refute_by_late_growth, refute_by_limit, refute_by_quadratic

Witness = dict[str, Any]
Refuter = Callable[[Parameters], Witness | None]


def corners(program: ir.Algorithm, instance: Instance) -> Iterator[Parameters]:
    """Constant values of all learned and predicted parameters: ends and middles of ranges, 0 for vanishing ones; and
    constant outputs of the networks that the rule calls itself.

    A network with a bias behind its last layer gives every constant, one without biases what it makes of 0.
    """
    free = [p for p in program.parameters if p.kind in ("learned", "predicted")]
    asked = Run(program, instance, Parameters())
    bare = {o for s in program.statements if isinstance(s, ir.Call) and not program.network(s.network).bias
            for o in s.outputs}  # fmt: skip
    choices: list[list[float]] = []
    for p in free:
        space = asked.space(p)
        if p.facts.vanishes:
            choices.append([0.0])
        elif p.kind == "predicted" and p.name in bare:
            choices.append([float(np.ravel(space.from_raw(np.zeros(space.shape or ())))[0])])
        elif space.bounded:
            choices.append([float(space.high), float(space.low), float(space.low + space.high) / 2])
        else:
            known = [float(np.ravel(v)[0]) for v in (space.start,) if v is not None]
            tried = known + [v for v in (1.0, 0.1, 10.0, -1.0) if v not in known]
            choices.append([v for v in tried if space.contains(v)] or [float(space.at(0.5))])
    called = {s.network for s in program.statements if isinstance(s, ir.Call) and not s.predicts}
    nets = [n for n in program.networks if n.name in called]
    constants = [[1.0, -1.0] if n.bias else [0.0] for n in nets]
    for values in product(*choices, *constants):
        given = {p.name: v for p, v in zip(free, values, strict=False)}
        outputs = {n.name: v for n, v in zip(nets, values[len(free) :], strict=True)}
        yield Parameters.constant(program, given, outputs=outputs)


def search(program: ir.Algorithm, L: float = 1.0, most: int = 400, exactly: Refuter | None = None) -> Witness | None:
    """A witness against convergence among constant parameters at the corners of their ranges; None if none is found.

    What grows on a quadratic comes first, for all corners, then what `exactly` knows to go round in circles on one;
    what comes to rest elsewhere or drifts; and Huber's functions. None too where these are not in the class.
    """
    least = modulus(program, "f", "F")
    strong = any("strongly_convex" in g.properties for g in program.functions)
    roles = {g.role for g in program.functions}
    bent = bool({"strongly_convex", "coercive"} & properties(program, "r")) and roles != {"r"}  # then r is not 0
    if not roles or bent:
        return None
    L = max(L, 4 * least)
    try:
        members = list(parabolas(program, L, least))
    except CannotRun:  # it is not known what the data mean
        return None

    def growing(parameters: Parameters) -> Witness | None:
        found = refute_by_quadratic(program, parameters, L, least)
        return found or refute_by_late_growth(program, parameters, members[0])

    def resting(parameters: Parameters) -> Witness | None:
        return next((w for instance in members if (w := refute_by_limit(program, parameters, instance))), None)

    def cycling(parameters: Parameters) -> Witness | None:
        return refute_by_huber(program, parameters, L)

    smooth = roles != {"r"}
    attempts: list[tuple[Refuter, int]] = [(growing, most)]
    attempts += [(exactly, most)] if smooth and exactly is not None else []
    attempts += [(resting, most)] + ([(cycling, 9)] if smooth and not strong and not program.data else [])
    try:
        sets = [made for made, _ in zip(corners(program, members[0]), range(most), strict=False)]
        for refute, count in attempts:
            for parameters in sets[:count]:
                look()
                if (found := refute(parameters)) is not None:
                    return found
    except (CannotRun, Inadmissible):  # what vanishes and is not 0 is no constant
        return None
    return None
