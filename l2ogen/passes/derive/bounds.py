"""What certifies how far a point is from the minimum: a modulus of strong convexity, and where minimizers lie.

For s in the subdifferential of F at x, convexity gives F(x) - F(z) <= <s, x - z> for every z. So
    F(x) - F* <= ||s||_2^2/(2*mu)               where F is strongly convex with the modulus mu > 0,
    F(x) - F* <= <s, x> + ||s||_2*R             where a minimizer has ||x*||_2 <= R.
Both mu and R are read off the terms; the rest is arithmetic at run time, on the problem's own data.
"""

from __future__ import annotations

from ...core.constants import exact
from ...core.ir import Node
from ...core.types import SCALAR, matrix
from ..expressions import number, symbol
from .affine import Affine
from .factors import Coefficient, add, size_factor, times, wider
from .smooth import Ranges, bounded_below, strong
from .terms import Term

VALUE = symbol("argument", "F", SCALAR)
"""What no minimizer exceeds: the objective at some point."""


def modulus(terms: tuple[Term, ...], ranges: Ranges) -> Node | None:
    """A modulus of strong convexity, 0 where the data give none; None where no term can have one. A term
    c*||s*K*x + v||_2^2 has 2*c*s^2 * (the smallest singular value of K)^2, 0 for a wide K."""
    total = strong(terms, ranges)
    for t in terms:
        if t.kind == "square" and t.map.chain and t.weight is None and t.coefficient.is_positive(ranges, zero=True):
            smallest = _smallest_squared(t)
            if smallest is not None:
                total = add(total, (t.coefficient * 2 * t.map.scale * t.map.scale * smallest).node)
    return total


def radius(terms: tuple[Term, ...], ranges: Ranges) -> Node | None:
    """An upper bound of ||x*||_2, given F: infinite where the data give none; None where no term gives one.

    No other term is negative, so each one alone is at most F.
    """
    for t in terms:
        if t.kind == "indicator" and None not in t.ends and t.map == Affine():
            return _of_box(t)
    if not bounded_below(terms, ranges):
        return None
    for t in terms:
        if t.kind in ("norm_1", "norm_2", "group_l2") and t.coefficient.is_positive(ranges):
            return _of_norm(t)
    for t in terms:
        if t.kind == "huber" and t.weight is None and t.coefficient.is_positive(ranges):
            return _of_huber(t)
    return None


def _of_box(t: Term) -> Node:
    """lo <= x <= hi: every |x_i| is at most max(|lo_i|, |hi_i|)."""
    low, high = (end for end in t.ends if end is not None)
    known = [exact(end) for end in (low, high)]
    if None not in known:
        return _constant(number(max(abs(float(v)) for v in known if v is not None)), t)
    low, high = (Node("abs", (end,), end.type) for end in (low, high))
    largest = Node("max", (low, high), wider(low, high))
    return _constant(largest, t) if largest.type == SCALAR else Node("norm_2", (largest,), SCALAR)


def _constant(value: Node, t: Term) -> Node:
    """The 2-norm of a vector of equal entries, of the size of u."""
    return times(Node("power", (size_factor(t.u.type.rows).node, number(0.5)), SCALAR), value)


def _of_norm(t: Term) -> Node | None:
    """c*N(s*D*x + v) <= F, and N is at least the 2-norm: ||s*D*x||_2 <= F/c + ||v||_2."""
    if not t.map.is_entrywise:
        return None
    return _undone(t, (Coefficient.of(VALUE) / t.coefficient).node)


def _of_huber(t: Term) -> Node | None:
    """huber(u, d) >= d*|u| - d^2/2 in each of m entries, so ||u||_2 <= ||u||_1 <= F/(c*d) + m*d/2."""
    if t.parameter is None or t.parameter.type != SCALAR:
        return None
    delta = Coefficient.of(t.parameter)
    value = add((Coefficient.of(VALUE) / t.coefficient / delta).node, (size_factor(t.u.type.rows) * delta / 2).node)
    assert value is not None
    return _undone(t, value)


def _undone(t: Term, size: Node) -> Node | None:
    """||s*K*x + v||_2 <= size bounds ||x||_2: by (size + ||v||_2)/|s|, over what K shortens a vector at most by."""
    if t.map.scale.number == 0:
        return None
    total = size
    if t.map.shift is not None:
        v = t.map.shift.args[0] if t.map.shift.op == "negate" else t.map.shift
        norm = _constant(Node("abs", (v,), SCALAR), t) if v.type == SCALAR else Node("norm_2", (v,), SCALAR)
        total = Node("add", (size, norm), SCALAR)
    if t.map.is_entrywise:
        for d in t.map.chain:
            total = times(total, Node("norm_inf", (Node("over", (number(1), d), d.type),), SCALAR))
    elif (smallest := _smallest_squared(t)) is not None:
        total = Node("over", (total, Node("power", (smallest.node, number(0.5)), SCALAR)), SCALAR)
    else:
        return None
    return (Coefficient.of(total) / t.map.scale.absolute({})).node


def _smallest_squared(t: Term) -> Coefficient | None:
    """The square of the smallest singular value of K, 0 for a wide one; None where K has entrywise factors."""
    product: Node | None = None
    for factor in t.map.chain:
        if factor.type.kind in ("vector", "diag"):
            return None
        rows = matrix(product.type.rows, factor.type.columns) if product is not None else factor.type
        product = factor if product is None else Node("compose", (product, factor), rows)
    assert product is not None
    return Coefficient.of(Node("smallest_squared", (product,), SCALAR))
