"""Intervals of the entries of scalars, vectors and diagonals, node by node: what ranges say where signs say nothing."""

from __future__ import annotations

import math

from ..core import ir
from ..core.constants import exact
from ..core.ir import Node
from .bounds import ALL, INF, Interval, enforced
from .model import Model
from .ranges import inlined


def enclosure(node: Node, model: Model) -> Interval:
    """All values of the entries, for all admissible parameters in all iterations; ALL where nothing is known."""
    return _of(inlined(node, model.program), model, {})


def _of(node: Node, model: Model, states: dict[str, Interval] | None) -> Interval:
    """`states`: those known so far; None while a state's own update is looked at, which assumes nothing of states."""
    value = exact(node)
    if value is not None:
        return Interval(float(value), float(value))
    match node.role:
        case "parameter":
            return _parameter(model.program.parameter(node.name), model)
        case "state" if states is not None:
            if node.name not in states:
                states[node.name] = _state(node.name, model)
            return states[node.name]
    if node.op == "symbol" or node.type.kind in ("matrix", "sym"):
        return ALL
    args = [_of(a, model, states) for a in node.args]
    match node.op:
        case "identity":
            return Interval(1.0, 1.0)
        case "broadcast" | "detach" | "diag":
            return args[0]
        case "add":
            return args[0] + args[1]
        case "subtract":
            return args[0] + _negated(args[1])
        case "negate":
            return _negated(args[0])
        case "times" | "scale":
            return _squared(args[0]) if node.args[0] == node.args[1] else args[0] * args[1]
        case "power" if exact(node.args[1]) == 2:
            return _squared(args[0])
        case "abs":
            return Interval(max(args[0].low, -args[0].high, 0.0), args[0].size)
        case "sqrt" if args[0].low >= 0:
            return Interval(math.sqrt(args[0].low), math.sqrt(args[0].high))
        case "over" if args[1].low > 0:
            return args[0] * Interval(0.0 if args[1].high == INF else 1 / args[1].high, 1 / args[1].low)
        case "tanh" | "sign":
            return Interval(-1.0, 1.0)
        case "sigmoid":
            return Interval(0.0, 1.0)
        case "max":
            return Interval(max(a.low for a in args), max(a.high for a in args))
        case "min":
            return Interval(min(a.low for a in args), min(a.high for a in args))
    return ALL


def _negated(a: Interval) -> Interval:
    return Interval(-a.high, -a.low)


def _squared(a: Interval) -> Interval:
    return Interval(max(a.low, -a.high, 0.0) ** 2, a.size**2)


def _parameter(p: ir.Parameter, model: Model) -> Interval:
    if p.type.kind in ("matrix", "sym"):
        return ALL
    low, high = enforced(p, model)
    below = float(low) if low is not None and low.is_number else -INF
    return Interval(below, float(high) if high is not None and high.is_number else INF)


def _state(name: str, model: Model) -> Interval:
    """Of the start and of what the update gives, whatever the states are."""
    init = next(s.init for s in model.program.states if s.name == name)
    updates = [s.value for s in model.program.statements if isinstance(s, ir.Assignment) and s.next and s.name == name]
    values = [_of(inlined(e, model.program), model, None) for e in (init, *updates)]
    return Interval(min(v.low for v in values), max(v.high for v in values))
