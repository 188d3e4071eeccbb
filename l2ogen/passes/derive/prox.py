"""The prox of r in closed form, for the step (or diagonal metric) P.

r is a sum of  lam*N(z - c)  with one norm N,  quadratic and linear terms mu/2*z^2 + g*z,  and one box. Completing the
square in argmin r(z) + 1/2*||z - v||^2_{1/P} leaves  lam*N(z - c) + (1 + mu*P)/(2*P) * ||z - t/(1 + mu*P)||^2  with
t = v - P*g, so
    z = c + shrink(t - (1 + mu*P)*c, lam*P) / (1 + mu*P),
because the shrinkage of a norm, shrink(w, s) = argmin s*N(z) + 1/2*||z - w||^2, is homogeneous: shrink(w/d, s/d) =
shrink(w, s)/d for d > 0. For the l1 norm everything happens entry by entry, so P, lam and mu may differ between
entries; a strictly convex function of one number, restricted to an interval, is minimal at the point of the interval
nearest to its minimizer, so the box clips z. ||.||_2 and the group norm are isotropic: they need P and mu scalar.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...core.ir import Node
from ...core.types import SCALAR, Type
from ..expressions import number, symbol
from .factors import Coefficient, add, subtract, times, wider
from .smooth import Ranges, convex
from .terms import Term, Unknown

SHRINK = {"norm_1": "soft", "norm_2": "shrink_l2", "group_l2": "shrink_groups"}
"""Norm -> the operator that is its prox."""
P = symbol("argument", "P", SCALAR)


@dataclass
class _Parts:
    """What the terms add up to."""

    norm: str = ""
    group: Node | None = None
    weight: Node | None = None
    center: Node | None = None
    mu: Node | None = None
    g: Node | None = None
    low: Node | None = None
    high: Node | None = None


def prox(terms: tuple[Term, ...], space: Type, ranges: Ranges) -> tuple[Node, tuple[str, ...]]:
    """The prox at the symbols v and P, and the metrics that it is right for. Raises Unknown."""
    p = _Parts()
    for t in terms:
        if not t.map.is_entrywise or convex(t, ranges) not in ("", "sign"):
            raise Unknown(t.u, "a prox has a closed form where no matrix mixes the entries of the variable")
        if t.kind in SHRINK:
            _norm(p, t, ranges)
        elif t.kind == "square" or t.kind == "linear":
            _square(p, t)
        elif t.kind == "indicator" and t.map.chain == () and t.map.scale.is_one and t.map.shift is None:
            p.low, p.high = _tighter("max", p.low, t.ends[0]), _tighter("min", p.high, t.ends[1])
        else:
            raise Unknown(t.u)
    isotropic = p.norm in ("norm_2", "group_l2")
    if isotropic and (p.low or p.high or (p.mu is not None and p.mu.type != SCALAR)):
        raise Unknown(
            terms[-1].u, "beside `||x||_2` and `group_l2` only multiples of `||x||_2^2` and `<c, x>` may stand"
        )
    z = symbol("argument", "v", space)
    divisor = None if p.mu is None else add(number(1), times(p.mu, P))
    if p.g is not None:
        z = subtract(z, times(P, p.g))
    if p.center is not None:
        z = subtract(z, p.center if divisor is None else times(divisor, p.center))
    if p.norm:
        assert p.weight is not None
        more = (p.group,) if p.group is not None else ()
        z = Node(SHRINK[p.norm], (z, times(p.weight, P), *more), space)
    if divisor is not None:
        z = Node("over", (z, divisor), space)
    z = add(p.center, z) or z
    if p.low is not None and p.high is not None:
        z = Node("clip", (z, p.low, p.high), space)
    elif p.low is not None:
        z = Node("max", (z, p.low), space)
    elif p.high is not None:
        z = Node("min", (z, p.high), space)
    return z, ("scalar",) if isotropic else ("scalar", "diagonal")


def _norm(p: _Parts, t: Term, ranges: Ranges) -> None:
    """c*N(s*D*x + v) is c*|s|*N(|D| .* (x - center)), center = -v/(s*D)."""
    if t.map.chain and (t.kind != "norm_1" or t.map.shift is not None):
        raise Unknown(t.u, "write the norm of `x - c` or, for `||.||_1`, of `w .* x`")
    weight = (t.coefficient * t.map.scale.absolute(ranges)).node
    center = None if t.map.shift is None else (Coefficient() * -1 / t.map.scale).scaled(t.map.shift)
    if t.map.shift is not None and not t.map.scale.absolute(ranges).is_positive(ranges):
        raise Unknown(t.u, "the factor of the variable may be 0: declare it `> 0`")
    for d in t.map.chain:
        weight = times(weight, Node("abs", (d,), d.type))
    if p.norm and (p.norm, p.center, p.group) != (t.kind, center, t.parameter):
        raise Unknown(t.u, "a prox has a closed form for one norm with one center")
    p.norm, p.group, p.center, p.weight = t.kind, t.parameter, center, add(p.weight, weight)


def _square(p: _Parts, t: Term) -> None:
    """c*||s*D*x + v||^2 -> mu = 2*c*s^2*D^2, g = 2*c*s*D*v; a linear term is g alone."""
    diagonal: Node | None = None
    for d in t.map.chain:
        diagonal = d if diagonal is None else times(diagonal, d)
    slope = t.coefficient * t.map.scale * (2 if t.kind == "square" else 1)
    push = t.map.shift if t.kind == "square" else number(1)
    for factor in (diagonal, t.weight):
        push = times(factor, push) if push is not None and factor is not None else push
    if push is not None:
        p.g = add(p.g, slope.scaled(push))
    if t.kind == "square":
        mu = (slope * t.map.scale).node
        for factor in (diagonal, diagonal, t.weight):
            mu = mu if factor is None else times(mu, factor)
        p.mu = add(p.mu, mu)


def _tighter(op: str, a: Node | None, b: Node | None) -> Node | None:
    """The end of the intersection of two boxes."""
    return a or b if a is None or b is None else Node(op, (a, b), wider(a, b))
