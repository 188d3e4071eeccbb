"""What follows from a problem's formulas: gradient, a certified Lipschitz bound, the prox.

f is c * atom(s*M*x + v). Each atom knows its gradient and an upper bound of its curvature; the chain rule gives
grad f = c*s * M' * atom'(s*M*x + v) and L = c*s^2 * curvature * ||M||_2^2, an upper bound for every instance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..core.constants import exact
from ..core.ir import Node, symbols
from ..core.types import SCALAR, Type, matrix
from .expressions import is_number, number, symbol

# ---- building expressions, with the simplifications that keep them readable ------------------------


def times(a: Node, b: Node) -> Node:
    """Scalar times anything; 1*b is b, numbers are folded where exact."""
    if is_number(a, 1):
        return b
    if is_number(b, 1):
        return a
    if b.op == "identity":
        return Node("scale", (a, b), b.type)
    return Node("scale" if b.type.kind in ("matrix", "sym") else "times", (a, b), b.type)


def coefficient(c: Node, factor: Node) -> Node:
    """factor*c with numbers folded exactly: 2*(1/2) is 1, 2*(2/3) is 4/3."""
    product = exact(Node("times", (c, factor), SCALAR))
    if product is None:
        return times(factor, c)
    top, bottom = number(product.numerator), number(product.denominator)
    return top if product.denominator == 1 else Node("over", (top, bottom), SCALAR)


def transposed(m: Node) -> Node:
    if m.op == "transpose":
        return m.args[0]
    if m.type.kind in ("sym", "diag"):
        return m
    return Node("transpose", (m,), matrix(m.type.columns, m.type.rows))


# ---- affine maps -----------------------------------------------------------------------------------


ONE = number(1)


@dataclass(frozen=True)
class Affine:
    """s*M*x + v; M None is the identity, `constant` says that x does not occur at all."""

    linear: Node | None
    scale: Node = ONE
    constant: bool = False


def affine(node: Node, x: Node) -> Affine | None:
    """The linear part of a vector expression in x, or None if it is not affine or has x on both sides of a sum."""
    if node == x:
        return Affine(None)
    if not symbols(node, "variable"):
        return Affine(None, constant=True)
    inner = [affine(a, x) for a in node.args]
    if None in inner:
        return None
    parts = [a for a in inner if a is not None]
    moving = [i for i, a in enumerate(parts) if not a.constant]
    if len(moving) != 1:
        return None
    i, part = moving[0], parts[moving[0]]
    match node.op, i:
        case ("add", _) | ("subtract", 0) | ("broadcast", _):
            return part
        case ("subtract", 1) | ("negate", _):
            return replace(part, scale=coefficient(part.scale, number(-1)))
        case "times", _ if node.args[1 - i].type == SCALAR:
            return replace(part, scale=coefficient(part.scale, node.args[1 - i]))
        case "over", 0:
            return replace(part, scale=Node("over", (part.scale, node.args[1]), SCALAR))
        case "apply", 1:
            outer = node.args[0]
            if part.linear is None:
                return replace(part, linear=outer)
            product = Node("compose", (outer, part.linear), matrix(outer.type.rows, part.linear.type.columns))
            return replace(part, linear=product)
    return None


# ---- atoms -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SmoothAtom:
    """phi(u) with gradient curvature*direction(u); `curvature` bounds its second derivative."""

    direction: Callable[[Node], Node]
    curvature: float


SMOOTH = {"norm_2_squared": SmoothAtom(lambda u: u, 2)}
"""||u||_2^2: gradient 2*u, curvature 2."""


@dataclass(frozen=True)
class Smooth:
    coefficient: Node
    gradient: Node
    lipschitz: Node


def smooth(value: Node, x: Node) -> Smooth | None:
    """Gradient and Lipschitz bound of c * atom(s*M*x + v), or None where no rule applies. Convex if c > 0."""
    c, atom = split(value)
    if atom.op not in SMOOTH:
        return None
    rule, u = SMOOTH[atom.op], atom.args[0]
    map_ = affine(u, x)
    if map_ is None or map_.constant:
        return None
    slope = coefficient(coefficient(c, number(rule.curvature)), map_.scale)
    bound = coefficient(slope, map_.scale)
    gradient = rule.direction(u)
    if map_.linear is None:
        return Smooth(c, times(slope, gradient), bound)
    gradient = Node("apply", (transposed(map_.linear), gradient), x.type)
    return Smooth(c, times(slope, gradient), times(bound, Node("spectral_squared", (map_.linear,), SCALAR)))


def split(value: Node) -> tuple[Node, Node]:
    """c * atom -> (c, atom)"""
    if value.op == "negate":
        c, atom = split(value.args[0])
        return coefficient(c, number(-1)), atom
    for i in (0, 1):
        if value.op == "times" and not symbols(value.args[i], "variable"):
            c, atom = split(value.args[1 - i])
            return coefficient(c, value.args[i]), atom
    if value.op == "over" and not symbols(value.args[1], "variable"):
        c, atom = split(value.args[0])
        known = exact(Node("over", (c, value.args[1]), SCALAR))
        quotient = Node("over", (c, value.args[1]), SCALAR)
        return (coefficient(quotient, number(1)) if known is not None else quotient), atom
    return number(1), value


PROX: dict[str, Callable[[Node, Node, Type], Node]] = {
    "norm_1": lambda v, step, space: Node("soft", (v, step), space),
}
"""prox of c*||x||_1, c >= 0, at v in a metric P: soft(v, c*P), entry by entry; P a scalar or a diagonal."""


@dataclass(frozen=True)
class Prox:
    coefficient: Node
    step: Node


def prox(value: Node, x: Node) -> Prox | None:
    """The prox of c * atom(x) at the symbols v, P; None where no closed form is known. Right only if c >= 0."""
    c, atom = split(value)
    if atom.op not in PROX or atom.args[0] != x:
        return None
    v, metric = symbol("argument", "v", x.type), symbol("argument", "P", SCALAR)
    return Prox(c, PROX[atom.op](v, times(c, metric), x.type))
