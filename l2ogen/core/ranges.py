"""What the facts about a parameter say of its entries: one range, whose ends are formulas."""

from __future__ import annotations

from .ir import Node, Parameter, Range
from .types import SCALAR


def enforced(p: Parameter) -> Range | None:
    """The range of a parameter's entries, or eigenvalues: a bound c is -c <= v <= c, beside a sign one side of it."""
    f = p.facts
    bound = f.envelope if f.envelope is not None else f.bound
    if bound is None or p.type.kind == "matrix":
        return f.range
    low: Node | None = Node("negate", (bound,), SCALAR)
    high: Node | None = bound
    low_open = high_open = False
    if f.range is not None and f.range.low is not None:
        low, low_open = f.range.low, f.range.low_open
    elif f.range is not None:
        high, high_open = f.range.high, f.range.high_open
    return Range(low, high, low_open, high_open, f.range.span if f.range is not None else p.span)
