"""What follows from a problem's formulas: gradient, a certified Lipschitz bound, the prox.

f is c * atom(M*x + v). Each atom knows its gradient and an upper bound of its curvature; the chain rule gives
grad f = c * M' * atom'(M*x + v) and L = c * curvature * ||M||_2^2, an upper bound for every instance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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


def coefficient(c: Node, factor: float) -> Node:
    """factor*c; (1/2)*2 is 1."""
    if c.op == "number":
        return number(f"{float(c.attr) * factor:g}")
    if c.op == "over" and all(is_number(a) for a in c.args):
        return number(f"{float(c.args[0].attr) / float(c.args[1].attr) * factor:g}")
    return c if factor == 1 else times(number(f"{factor:g}"), c)


def transposed(m: Node) -> Node:
    if m.op == "transpose":
        return m.args[0]
    if m.type.kind in ("sym", "diag"):
        return m
    return Node("transpose", (m,), matrix(m.type.columns, m.type.rows))


# ---- affine maps -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Affine:
    """M*x + v; M None is the identity, `constant` says that x does not occur at all."""

    linear: Node | None
    constant: bool = False


def affine(node: Node, x: Node) -> Affine | None:
    """The linear part of a vector expression in x, or None if it is not affine."""
    if node == x:
        return Affine(None)
    if not symbols(node, "variable"):
        return Affine(None, constant=True)
    match node.op:
        case "add" | "subtract":
            left, right = affine(node.args[0], x), affine(node.args[1], x)
            if left is None or right is None:
                return None
            if right.constant:
                return left
            if left.constant and node.op == "add":
                return right
        case "apply":
            inner = affine(node.args[1], x)
            if inner is not None and inner.linear is None and not inner.constant:
                return Affine(node.args[0])
    return None


# ---- atoms -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SmoothAtom:
    """phi(u) with its gradient (as factor * something) and curvature."""

    gradient: Callable[[Node], Node]
    curvature: float


SMOOTH = {"norm_2_squared": SmoothAtom(lambda u: u, 2.0)}
"""||u||_2^2: gradient 2*u, curvature 2; the factor 2 is the curvature."""


@dataclass(frozen=True)
class Smooth:
    gradient: Node
    lipschitz: Node


def smooth(value: Node, x: Node) -> Smooth | None:
    """Gradient and Lipschitz bound of c * atom(M*x + v), or None where no rule applies."""
    c, atom = split(value)
    if atom.op not in SMOOTH:
        return None
    rule, u = SMOOTH[atom.op], atom.args[0]
    map_ = affine(u, x)
    if map_ is None or map_.constant:
        return None
    scale = coefficient(c, rule.curvature)
    gradient = rule.gradient(u)
    bound: Node = number(1)
    if map_.linear is not None:
        gradient = Node("apply", (transposed(map_.linear), gradient), x.type)
        bound = Node("spectral_squared", (map_.linear,), SCALAR)
    return Smooth(times(scale, gradient), times(scale, bound))


def split(value: Node) -> tuple[Node, Node]:
    """c * atom -> (c, atom)"""
    if value.op == "times" and not symbols(value.args[0], "variable"):
        return value.args[0], value.args[1]
    if value.op == "times" and not symbols(value.args[1], "variable"):
        return value.args[1], value.args[0]
    if value.op == "over" and not symbols(value.args[1], "variable"):
        c, atom = split(value.args[0])
        return Node("over", (c, value.args[1]), SCALAR), atom
    return number(1), value


PROX: dict[str, Callable[[Node, Node, Type], Node]] = {
    "norm_1": lambda v, step, space: Node("soft", (v, step), space),
}
"""prox of c*||x||_1 at v in a metric P: soft(v, c*P), entry by entry; P a scalar or a diagonal."""


def prox(value: Node, x: Node) -> Node | None:
    """The prox of c * atom(x) at the symbols v, P; None where no closed form is known."""
    c, atom = split(value)
    if atom.op not in PROX or atom.args[0] != x:
        return None
    v, metric = symbol("option", "v", x.type), symbol("option", "P", SCALAR)
    return PROX[atom.op](v, times(c, metric), x.type)
