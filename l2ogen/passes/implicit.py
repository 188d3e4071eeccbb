"""Implicit rules solved for the next iterate: x+ = u - P*g, g in the subdifferential of r at x+, is prox_{r, P}(u)."""

from __future__ import annotations

from typing import overload

from ..core.ir import Node, symbols
from ..core.types import SCALAR, Type
from .expressions import number


def solve(value: Node, g: Node, target: str) -> tuple[Node | None, Node | None]:
    """(prox_{r, P}(u), P) of a rule that is u - P*g; (None, None) where it is not affine in g, has x+ on its right
    side, or steps along g instead of against it."""
    if target in symbols(value, "next"):
        return None, None
    parts = _split(value, g)
    if parts is None or parts[0] is None:
        return None, None
    metric = _minus(parts[0])
    rest = parts[1]
    if metric.op == "negate" or rest is None:
        return None, None
    return Node("prox", (metric, rest), value.type, "r", value.span), metric


def _split(node: Node, g: Node) -> tuple[Node | None, Node | None] | None:
    """node = C*g + u as (C, u), None for an absent part; None where it is not affine in g."""
    if g.name not in symbols(node, "subgradient"):
        return None, node
    if node == g:
        return number(1), None
    match node.op:
        case "negate":
            inner = _split(node.args[0], g)
            return None if inner is None else (_minus(inner[0]), _minus(inner[1]))
        case "add" | "subtract":
            left, right = _split(node.args[0], g), _split(node.args[1], g)
            if left is None or right is None:
                return None
            if node.op == "subtract":
                right = _minus(right[0]), _minus(right[1])
            return _sum(left[0], right[0], None), _sum(left[1], right[1], node.type)
        case "times" | "apply" | "over":
            i = 1 if g.name in symbols(node.args[1], "subgradient") else 0
            factor = node.args[1 - i]
            if g.name in symbols(factor, "subgradient") or (node.op == "over" and i == 1):
                return None
            if factor.type.kind not in ("scalar", "diag", "sym", "matrix"):
                return None
            inner = _split(node.args[i], g)
            if inner is None:
                return None
            c, u = inner
            if u is not None:
                args = (factor, u) if i == 1 else (u, factor)
                u = Node(node.op, args, node.type, span=node.span)
            return (None if c is None else _scaled(node.op, factor, c)), u
    return None


@overload
def _minus(u: Node) -> Node: ...
@overload
def _minus(u: None) -> None: ...
def _minus(u: Node | None) -> Node | None:
    if u is None:
        return None
    return u.args[0] if u.op == "negate" else Node("negate", (u,), u.type, span=u.span)


def _sum(a: Node | None, b: Node | None, kind: Type | None) -> Node | None:
    if a is None or b is None:
        return a if b is None else b
    kind = kind or (b if a.type.kind == "scalar" else a).type
    if a.op == b.op == "negate":
        return _minus(_sum(a.args[0], b.args[0], kind))
    if b.op == "negate":
        return Node("subtract", (a, b.args[0]), kind, span=a.span)
    if a.op == "negate":
        return Node("subtract", (b, a.args[0]), kind, span=a.span)
    return Node("add", (a, b), kind, span=a.span)


def _scaled(op: str, factor: Node, c: Node) -> Node:
    """factor*c (or c/factor) for a coefficient c that is a scalar, a diagonal or a matrix."""
    if c.op == "negate":
        return _minus(_scaled(op, factor, c.args[0]))
    if op == "over":
        if c.op == "number" and c.attr == "1":
            return Node("over", (c, factor), SCALAR)
        return Node("over" if c.type.kind in ("scalar", "diag") else "shrink", (c, factor), c.type)
    if c.op == "number" and c.attr == "1":
        return factor
    kinds = (factor.type.kind, c.type.kind)
    if "scalar" in kinds or kinds == ("diag", "diag"):
        wide = c if factor.type.kind == "scalar" else factor
        name = "scale" if wide.type.kind in ("sym", "matrix") else "times"
        args = (factor, c) if factor.type.kind == "scalar" or name == "times" else (c, factor)
        return Node(name, args, wide.type)
    return Node("compose", (factor, c), Type("matrix", (factor.type.rows, c.type.columns)))
