"""What declared facts say about signs and sizes of metrics and thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core import ir
from ..core.constants import exact, positive
from ..core.ir import Node, Range

if TYPE_CHECKING:
    from .model import Model


def all_ranges(model: Model) -> dict[str, Range | None]:
    """Ranges of data by name."""
    return {d.name: d.range for d in model.program.data}


def inlined(node: Node, program: ir.Algorithm) -> Node:
    """Fixed parameters replaced by their formulas."""
    if node.role == "parameter":
        p = program.parameter(node.name)
        if p.kind == "fixed" and p.value is not None:
            return inlined(p.value, program)
        return node
    args = tuple(inlined(a, program) for a in node.args)
    return node if args == node.args else Node(node.op, args, node.type, node.attr, node.span)


def sign(node: Node, model: Model, strict: bool) -> bool:
    """Whether every entry (eigenvalue) is proved > 0, or >= 0, for all admissible parameters."""
    node = inlined(node, model.program)
    if node.role == "parameter":
        r = model.program.parameter(node.name).range
        if r is None or r.low is None:
            return False
        ranges = all_ranges(model)
        if positive(r.low, ranges):
            return True
        at_zero = exact(r.low) == 0 or positive(r.low, ranges, zero=True)
        return at_zero and (r.low_open or not strict)
    match node.op:
        case "broadcast" | "detach" | "scale" if len(node.args) == 1:
            return sign(node.args[0], model, strict)
        case "identity":
            return True
        case "times" | "scale" | "compose":
            if node.args[0] == node.args[1]:
                return not strict or sign(node.args[0], model, True)
            return all(sign(a, model, strict) for a in node.args)
        case "add":
            a, b = node.args
            if not strict:
                return sign(a, model, False) and sign(b, model, False)
            return (sign(a, model, True) and sign(b, model, False)) or (sign(a, model, False) and sign(b, model, True))
        case "over":
            return sign(node.args[0], model, strict) and sign(node.args[1], model, True)
        case "sqrt" | "power":
            return sign(node.args[0], model, strict)
        case "exp" | "softplus" | "sigmoid":
            return True
        case "abs" | "relu" | "norm_1" | "norm_2" | "norm_2_squared" | "norm_0" | "norm_inf" | "norm_F":
            return not strict
        case "max":
            return any(sign(a, model, strict) for a in node.args)
        case "min":
            return all(sign(a, model, strict) for a in node.args)
        case "where":
            return all(sign(a, model, strict) for a in node.args[1:])
        case "clip":
            return sign(node.args[1], model, strict)
    if node.type.kind == "scalar":
        return positive(node, all_ranges(model), zero=not strict)
    return False


def positive_definite(node: Node, model: Model) -> bool:
    return sign(node, model, strict=True)


def nonnegative(node: Node, model: Model) -> bool:
    return sign(node, model, strict=False)
