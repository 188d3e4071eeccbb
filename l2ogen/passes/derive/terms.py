"""A formula as a sum of terms c * atom(u), u affine in the variable: the form in which everything else is derived."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.ir import Node
from ...core.types import SCALAR
from ..expressions import is_number
from .affine import Affine, affine
from .factors import Coefficient, moves, size_factor, times


class Unknown(Exception):
    """An expression outside what can be derived; carries the expression, and what to write instead."""

    def __init__(self, node: Node, help: str = "") -> None:
        super().__init__()
        self.node, self.help = node, help


AFFINE = "its argument has the form `A*x + v` with the variable once: for two matrices write `(A + B)*x`"


@dataclass(frozen=True)
class Term:
    """coefficient * sum over i of weight_i * kind(u_i), or a norm of u, or an indicator."""

    kind: str
    """`square`, `softplus`, `huber`, `linear`: sums of entries; `quadratic`: <u, Q*u>; `norm_1`, `norm_2`, `group_l2`;
    `indicator`."""
    coefficient: Coefficient
    u: Node
    map: Affine
    weight: Node | None = None
    """A vector of the entries' weights."""
    parameter: Node | None = None
    """huber: delta; quadratic: Q; group_l2: the size of a group."""
    ends: tuple[Node | None, Node | None] = (None, None)
    """indicator: lo, hi."""


def split(node: Node, x: Node) -> tuple[Term, ...]:
    """The terms of a scalar formula; constants and 0*<c, x> are left out. Raises Unknown."""
    terms = _terms(node, x, Coefficient())
    return tuple(t for t in terms if t.kind != "linear" or t.coefficient.number)


def _terms(node: Node, x: Node, c: Coefficient) -> list[Term]:
    if not moves(node):
        return []
    args = node.args
    match node.op:
        case "add":
            return _terms(args[0], x, c) + _terms(args[1], x, c)
        case "subtract":
            return _terms(args[0], x, c) + _terms(args[1], x, -c)
        case "negate":
            return _terms(args[0], x, -c)
        case "times" if not (moves(args[0]) and moves(args[1])):
            constant, moving = args if moves(args[1]) else (args[1], args[0])
            return _terms(moving, x, c * Coefficient.of(constant))
        case "over" if not moves(args[1]):
            return _terms(args[0], x, c / Coefficient.of(args[1]))
        case "sum":
            return _entries(args[0], x, c)
        case "mean":
            return _entries(args[0], x, c / size_factor(args[0].type.rows))
        case "inner":
            return [_inner(node, x, c)]
        case "norm_2_squared":
            return [_term("square", c, args[0], x)]
        case "norm_1" | "norm_2":
            return [_term(node.op, c, args[0], x)]
        case "group_l2":
            return [_term(node.op, c, args[0], x, parameter=args[1])]
        case "indicator":
            low, high = (None if a.op == "none" else a for a in args[1:])
            return [_term(node.op, c, args[0], x, ends=(low, high))]
    raise Unknown(node)


def _term(
    kind: str, c: Coefficient, u: Node, x: Node, weight: Node | None = None, parameter: Node | None = None,
    ends: tuple[Node | None, Node | None] = (None, None),
) -> Term:  # fmt: skip
    map_ = affine(u, x)
    if map_ is None or any(moves(a) for a in (parameter, *ends) if a is not None):
        raise Unknown(u, AFFINE)
    return Term(kind, c, u, map_, weight, parameter, ends)


def _inner(node: Node, x: Node, c: Coefficient) -> Term:
    """<c, u>, <u, u> or <u, Q*u>"""
    a, b = node.args
    if not moves(a):
        return _term("linear", c, b, x, a)
    if not moves(b):
        return _term("linear", c, a, x, b)
    if a == b:
        return _term("square", c, a, x)
    for u, image in ((a, b), (b, a)):
        if image.op == "times" and u in image.args:
            factor = image.args[1] if image.args[0] == u else image.args[0]
            if not moves(factor):  # <u, D*u>
                scalar = factor.type == SCALAR
                return _term("square", c * Coefficient.of(factor) if scalar else c, u, x, None if scalar else factor)
        if image.op == "apply" and image.args[1] == u and not moves(image.args[0]):
            return _term("quadratic", c, u, x, parameter=image.args[0])
    raise Unknown(node)


def _entries(v: Node, x: Node, c: Coefficient, weight: Node | None = None) -> list[Term]:
    """The terms of c * sum over i of weight_i*v_i."""
    if not moves(v):
        return []
    if v.type == SCALAR:  # it stands for all entries, so a sum counts it as often
        raise Unknown(v)
    args = v.args
    if v.op == "times" and not (moves(args[0]) and moves(args[1])):
        constant, moving = args if moves(args[1]) else (args[1], args[0])
        if constant.type == SCALAR:
            return _entries(moving, x, c * Coefficient.of(constant), weight)
        return _entries(moving, x, c, constant if weight is None else times(weight, constant))
    if affine(v, x) is not None:
        return [_term("linear", c, v, x, weight)]
    match v.op:
        case "add":
            return _entries(args[0], x, c, weight) + _entries(args[1], x, c, weight)
        case "subtract":
            return _entries(args[0], x, c, weight) + _entries(args[1], x, -c, weight)
        case "negate":
            return _entries(args[0], x, -c, weight)
        case "over" if not moves(args[1]) and args[1].type == SCALAR:
            return _entries(args[0], x, c / Coefficient.of(args[1]), weight)
        case "times" if args[0] == args[1]:
            return [_term("square", c, args[0], x, weight)]
        case "power" if is_number(args[1], 2):
            return [_term("square", c, args[0], x, weight)]
        case "softplus":
            return [_term("softplus", c, args[0], x, weight)]
        case "log" if log_1_exp(v) is not None:
            return [_term("softplus", c, log_1_exp(v) or v, x, weight)]
        case "huber":
            return [_term("huber", c, args[0], x, weight, args[1])]
        case "abs" if weight is None:
            return [_term("norm_1", c, args[0], x)]
    raise Unknown(v)


def log_1_exp(v: Node) -> Node | None:
    """u of log(1 + exp(u))"""
    if v.op == "log" and v.args[0].op == "add":
        for one, power in (v.args[0].args, v.args[0].args[::-1]):
            if is_number(one, 1) and power.op == "exp":
                return power.args[0]
    return None


def stable(node: Node) -> Node:
    """The same formula with softplus for log(1 + exp(u)), which overflows."""
    args = tuple(map(stable, node.args))
    u = log_1_exp(node)
    if u is not None:
        return Node("softplus", (stable(u),), node.type, span=node.span)
    return Node(node.op, args, node.type, node.attr, node.span)
