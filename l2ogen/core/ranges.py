"""What the facts about a parameter say of its entries: one range, whose ends are formulas."""

from __future__ import annotations

from .ir import Facts, Node, Parameter, Range
from .types import SCALAR


def enforced(p: Parameter) -> Range | None:
    """The range of a parameter's entries, or eigenvalues: a bound c is -c <= v <= c, one side of it beside a sign."""
    f, bound = p.facts, least_bound(p.facts)
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


def least_bound(f: Facts) -> Node | None:
    """What |v| is at most: of a bound and an envelope the smaller one."""
    bounds = tuple(b for b in (f.bound, f.envelope) if b is not None)
    return Node("min", bounds, SCALAR) if len(bounds) == 2 else bounds[0] if bounds else None
