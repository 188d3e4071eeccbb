"""The gradient of a sum of terms, a certified bound of its Lipschitz constant, convexity.

A term is c * sum of w_i*phi(u_i) with u = s*K*x + v. The chain rule gives its gradient c*s * K'*(w .* phi'(u)), and
its curvature is at most c*s^2 * max(phi'') * max(w) * ||K||_2^2: an upper bound for every instance. Bounds add up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ...core.constants import exact, positive
from ...core.ir import Node, Range
from ...core.types import SCALAR, Type
from ..expressions import number
from .factors import Coefficient, add, negative, times
from .terms import Term

Ranges = Mapping[str, Range | None]


@dataclass(frozen=True)
class Slope:
    """factor * direction(term): the derivative of a term by u, entry by entry."""

    factor: int
    direction: Callable[[Term], Node]


def _like(t: Term, op: str, *more: Node) -> Node:
    return Node(op, (t.u, *more), t.u.type)


def _clipped(t: Term) -> Node:
    assert t.parameter is not None
    return _like(t, "clip", negative(t.parameter), t.parameter)


SLOPES = {
    "square": Slope(2, lambda t: t.u),
    "softplus": Slope(1, lambda t: _like(t, "sigmoid")),
    "huber": Slope(1, _clipped),
    "linear": Slope(1, lambda t: Node("broadcast", (number(1),), t.u.type)),
    "quadratic": Slope(2, lambda t: Node("apply", (t.parameter or t.u, t.u), t.u.type)),
    "norm_1": Slope(1, lambda t: _like(t, "sign")),
    "norm_2": Slope(1, lambda t: _like(t, "unit")),
    "group_l2": Slope(1, lambda t: _like(t, "group_unit", t.parameter or t.u)),
}
"""What is not differentiable takes the subgradient that is 0 at its kink."""

CURVATURE = {
    "square": Coefficient() * 2, "softplus": Coefficient() / 4, "huber": Coefficient(), "quadratic": Coefficient() * 2,
}  # fmt: skip
"""The largest second derivative of phi; of a quadratic before the factor ||Q||_2."""


# ---- gradient --------------------------------------------------------------------------------------


def gradient(terms: tuple[Term, ...], mask: Node | None = None) -> Node | None:
    """The gradient, or where terms have kinks the subgradient with 0 there; None: it is 0. Terms with one chain are
    joined below it. `mask` weighs the rows of the data-fit terms: see `rows`."""
    total: Node | None = None
    space = rows(terms)
    for chain in dict.fromkeys(t.map.chain for t in terms):
        joined = [t for t in terms if t.map.chain == chain]
        slopes = [_slope(t) for t in joined]
        outer = slopes[0][0]
        inner: Node | None = None
        if all(replace(c, number=abs(c.number)) == replace(outer, number=abs(outer.number)) for c, _ in slopes):
            outer = replace(outer, number=abs(outer.number)) if len(slopes) > 1 else outer
            for c, w in slopes:
                inner = add(inner, w if c.number * outer.number >= 0 else negative(w))
        else:
            outer = Coefficient()
            for c, w in slopes:
                inner = add(inner, c.scaled(w))
        assert inner is not None
        if mask is not None and space == joined[0].u.type and all(map(is_fit, joined)):
            inner = times(mask, inner)
        total = add(total, outer.scaled(joined[0].map.adjoint(inner)))
    return total


def _slope(t: Term) -> tuple[Coefficient, Node]:
    rule = SLOPES[t.kind]
    direction = rule.direction(t)
    if t.kind == "linear" and t.weight is not None:
        direction = t.weight
    elif t.weight is not None:
        direction = times(t.weight, direction)
    return t.coefficient * rule.factor * t.map.scale, direction


def is_fit(t: Term) -> bool:
    """Whether a term is a sum over rows of data: its map holds a matrix."""
    return t.kind in ("square", "softplus", "huber", "linear") and not t.map.is_entrywise


def rows(terms: tuple[Term, ...]) -> Type | None:
    """The space of the rows that a minibatch chooses from, of the first data-fit term; None without one."""
    return next((t.u.type for t in terms if is_fit(t)), None)


# ---- curvature -------------------------------------------------------------------------------------


def lipschitz(terms: tuple[Term, ...]) -> Node:
    """An upper bound of the Lipschitz constant of the gradient."""
    total: Node | None = None
    for t in terms:
        if t.kind in CURVATURE:
            total = add(total, _curvature(t).node)
    return total if total is not None else number(1)  # the gradient is constant: any positive number is a bound


def _curvature(t: Term) -> Coefficient:
    bound = t.coefficient * CURVATURE[t.kind] * t.map.scale * t.map.scale * t.map.norm_squared()
    if t.kind == "quadratic" and t.parameter is not None:
        bound *= Coefficient.of(Node("spectral", (t.parameter,), SCALAR))
    if t.weight is not None:
        bound *= Coefficient.of(Node("norm_inf", (t.weight,), SCALAR))
    return bound


def strong(terms: tuple[Term, ...], ranges: Ranges) -> Node | None:
    """A modulus of strong convexity, as far as it can be read off: c*||s*x + v||_2^2 has 2*c*s^2."""
    total: Node | None = None
    for t in terms:
        modulus = t.coefficient * 2 * t.map.scale * t.map.scale
        if t.map.chain or t.weight is not None or t.kind not in ("square", "quadratic"):
            continue
        if t.kind == "quadratic":
            range_ = ranges.get(t.parameter.name) if t.parameter is not None and t.parameter.op == "symbol" else None
            if range_ is None or range_.low is None:
                continue
            modulus *= Coefficient.of(range_.low)
        if modulus.is_positive(ranges):
            total = add(total, modulus.node)
    return total


# ---- convexity -------------------------------------------------------------------------------------


def convex(t: Term, ranges: Ranges) -> str:
    """Why a term is not proved convex; empty where it is."""
    if t.kind == "linear":
        return ""
    if not t.coefficient.is_positive(ranges, zero=t.kind != "indicator"):
        return "sign"
    if t.weight is not None and not nonnegative(t.weight, ranges):
        return "weight"
    if t.kind == "huber" and t.parameter is not None and not positive(t.parameter, ranges):
        return "delta"
    if t.kind == "quadratic" and t.parameter is not None and not psd(t.parameter, ranges):
        return "quadratic"
    return ""


def psd(m: Node, ranges: Ranges) -> bool:
    """Whether a matrix is proved positive semidefinite: declared so, or of the form B'*B."""
    match m.op:
        case "symbol":
            r = ranges.get(m.name)
            low = exact(r.low) if r is not None else None
            return m.type.kind == "sym" and low is not None and low >= 0
        case "identity":
            return True
        case "add":
            return all(psd(a, ranges) for a in m.args)
        case "scale":
            return positive(m.args[0], ranges, zero=True) and psd(m.args[1], ranges)
        case "shrink":
            return psd(m.args[0], ranges) and positive(m.args[1], ranges)
        case "compose":
            a, b = m.args
            return (a.op == "transpose" and a.args[0] == b) or (b.op == "transpose" and b.args[0] == a)
    return False


def nonnegative(v: Node, ranges: Ranges) -> bool:
    """Whether every entry of a vector is proved nonnegative."""
    if v.op in ("times", "add"):
        return all(nonnegative(a, ranges) for a in v.args)
    if v.op in ("exp", "sigmoid", "softplus", "relu"):
        return True
    if v.op == "abs" or (v.op == "times" and v.args[0] == v.args[1]):
        return True
    return positive(v, ranges, zero=True)


# ---- growth ----------------------------------------------------------------------------------------


def coercive(terms: tuple[Term, ...], ranges: Ranges) -> bool:
    """Whether the sum of convex terms is proved to grow in every direction: it is strongly convex, lives in a bounded
    box, or one term grows and no other falls without bound."""
    if strong(terms, ranges) is not None or any(t.kind == "indicator" and None not in t.ends for t in terms):
        return True
    return any(_grows(t, ranges) for t in terms) and bounded_below(terms, ranges)


def _grows(t: Term, ranges: Ranges) -> bool:
    """Whether a term alone tends to infinity with ||x||."""
    plain = not t.map.chain and t.weight is None and t.coefficient.is_positive(ranges)
    moved = (t.map.scale * t.map.scale).is_positive(ranges) or t.map.scale.absolute(ranges).is_positive(ranges)
    return plain and moved and t.kind in ("square", "huber", "norm_1", "norm_2", "group_l2")


def bounded_below(terms: tuple[Term, ...], ranges: Ranges) -> bool:
    """All atoms are nonnegative but linear ones; softplus(u) - y*u is if 0 <= y <= 1."""
    others = [t for t in terms if t.kind != "linear"]
    for t in terms:
        if t.kind != "linear":
            continue
        partner = Term("softplus", -t.coefficient, t.u, t.map)
        labels = t.weight if t.weight is not None else number(1)
        r = ranges.get(labels.name) if labels.op == "symbol" else Range(labels, labels)
        low, high = (exact(r.low), exact(r.high)) if r is not None else (None, None)
        if partner not in others or low is None or high is None or low < 0 or high > 1:
            return False
        others.remove(partner)
    return True
