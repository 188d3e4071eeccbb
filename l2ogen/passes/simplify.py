"""What a variant's zeros and identities leave of a rule, and products in the order that costs least.

A = 0 removes a term, B = I a product, both the lets that nothing reads any more: 0*v = 0, I*v = v, v + 0 = v,
M - M = 0. (c*M*N)*v is c*(M*(N*v)): vectors are multiplied before matrices. Nothing else is touched, so that code
reads as its rule.
"""

from __future__ import annotations

from dataclasses import replace

from ..core import ir
from ..core.constants import exact
from ..core.ir import Node
from ..core.types import SCALAR, Type


def simplify(program: ir.Algorithm) -> ir.Algorithm:
    """The program without trivial parameters, without what nothing reads any more, products reassociated."""
    trivial = {
        p.name: p.value for p in program.parameters
        if p.kind == "fixed" and p.value is not None and (is_zero(p.value) or is_identity(p.value))
    }  # fmt: skip
    statements = [_statement(s, trivial) for s in program.statements]
    parameters = [
        replace(p, value=_folded(p.value, trivial), tail=replace(p.tail, value=_folded(p.tail.value, trivial)))
        for p in program.parameters if p.name not in trivial
    ]  # fmt: skip
    simple = replace(program, statements=tuple(statements), parameters=tuple(parameters))
    return _alive(simple) if trivial else simple


def is_zero(node: Node) -> bool:
    if node.op in ("broadcast", "scale"):
        return is_zero(node.args[0])
    return node.type.kind == "scalar" and exact(node) == 0


def is_identity(node: Node) -> bool:
    if node.op == "broadcast" and node.type.kind == "diag":
        return exact(node.args[0]) == 1
    return node.op == "identity"


def _zero(like: Node) -> Node:
    """0 in the space of a node; of matrices, whose zeros no code writes, the node itself."""
    if like.type.kind in ("matrix", "sym", "identity"):
        return like
    zero = Node("number", (), SCALAR, "0")
    return zero if like.type.kind == "scalar" else Node("broadcast", (zero,), like.type, span=like.span)


def _folded(node: Node | None, trivial: dict[str, Node]) -> Node | None:
    return None if node is None else _fold(node, trivial)


def _fold(node: Node, trivial: dict[str, Node]) -> Node:
    if node.role == "parameter" and node.name in trivial:
        return trivial[node.name]
    if not node.args:
        return node
    args = tuple(_fold(a, trivial) for a in node.args)
    node = replace(node, args=args)
    if node.op == "apply" and args[0].op in ("scale", "compose", "shrink", "negate"):
        return _associated(node, *args)
    a, b = (*args, args[0])[:2]
    match node.op:
        case "times" | "apply" | "compose":
            if is_zero(a) or is_zero(b):
                return _zero(node)
            if is_identity(a) and b.type == node.type:
                return b
            if is_identity(b) and a.type == node.type:
                return a
        case "add":
            if is_zero(a) and b.type == node.type:
                return b
            if is_zero(b) and a.type == node.type:
                return a
        case "subtract":
            if a == b:
                return _zero(node)
            if is_zero(b) and a.type == node.type:
                return a
            if is_zero(a) and b.type == node.type:
                return Node("negate", (b,), node.type, span=node.span)
        case "negate" if is_zero(a):
            return _zero(node)
    return node


def _associated(node: Node, product: Node, v: Node) -> Node:
    """(c*M)*v -> c*(M*v), (M*N)*v -> M*(N*v)"""
    match product.op:
        case "scale":
            c, m = product.args
            return Node("times", (c, _applied(m, v, node)), node.type, span=node.span)
        case "shrink":
            m, c = product.args
            return Node("over", (_applied(m, v, node), c), node.type, span=node.span)
        case "negate":
            return Node("negate", (_applied(product.args[0], v, node),), node.type, span=node.span)
    m, n = product.args
    return _applied(m, _applied(n, v, Node("apply", (n, v), Type("vector", (n.type.rows,)), span=node.span)), node)


def _applied(m: Node, v: Node, like: Node) -> Node:
    if m.op == "identity":
        return v
    inner = Node("apply", (m, v), like.type, span=like.span)
    return _associated(inner, m, v) if m.op in ("scale", "compose", "shrink", "negate") else inner


def _statement(s: ir.Statement, trivial: dict[str, Node]) -> ir.Statement:
    if isinstance(s, ir.Call):
        return replace(s, inputs=tuple(_fold(i, trivial) for i in s.inputs))
    return replace(s, value=_fold(s.value, trivial))


def _alive(program: ir.Algorithm) -> ir.Algorithm:
    """Without lets, parameters and network outputs that nothing reads; states stay."""
    needed: set[str] = set()
    kept: list[ir.Statement] = []

    def need(node: Node) -> None:
        for name in ir.symbols(node, "let", "parameter"):
            if name not in needed:
                needed.add(name)
                for p in program.parameters:
                    for below in (p.value, p.init, p.tail.value) if p.name == name else ():
                        if below is not None:
                            need(below)

    calls = [s.network for s in program.statements if isinstance(s, ir.Call)]
    for s in reversed(program.statements):
        if isinstance(s, ir.Assignment):
            if s.next or s.name in needed:
                need(s.value)
                kept.append(s)
            continue
        alive = [o for o in s.outputs if o in needed]
        if alive:
            trimmed = s.predicts and calls.count(s.network) == 1
            kept.append(replace(s, outputs=tuple(alive)) if trimmed else s)
            for node in s.inputs:
                need(node)
    networks = {s.network for s in kept if isinstance(s, ir.Call)}
    needed |= {o for s in kept if isinstance(s, ir.Call) for o in s.outputs}
    return replace(
        program, statements=tuple(reversed(kept)),
        parameters=tuple(p for p in program.parameters if p.name in needed),
        networks=tuple(n for n in program.networks if n.name in networks),
    )  # fmt: skip
