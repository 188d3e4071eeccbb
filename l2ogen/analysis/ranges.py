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
    """Fixed parameters, lets and next states replaced by their formulas."""
    if node.role == "parameter":
        p = program.parameter(node.name)
        if p.kind == "fixed" and p.value is not None:
            return inlined(p.value, program)
        return node
    if node.role in ("let", "next"):
        for s in program.statements:
            if isinstance(s, ir.Assignment) and s.name == node.name and s.next == (node.role == "next"):
                return inlined(s.value, program)
        return node
    args = tuple(inlined(a, program) for a in node.args)
    return node if args == node.args else Node(node.op, args, node.type, node.attr, node.span)


def sign(node: Node, model: Model, strict: bool) -> bool:
    """Whether every entry (eigenvalue) is proved > 0, or >= 0, for all admissible parameters."""
    if _sign(node, model, strict):
        return True
    if node.type.kind not in ("scalar", "vector", "diag"):
        return False
    from .enclosure import enclosure

    low = enclosure(node, model).low
    return low > 0 or (low == 0 and not strict)


def _sign(node: Node, model: Model, strict: bool) -> bool:
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
    if node.role == "state":
        return not strict and node.name in nonnegative_states(model)
    match node.op:
        case "broadcast" | "detach" | "diag" if len(node.args) == 1:
            return sign(node.args[0], model, strict)
        case "identity":
            return True
        case "negate" if node.args[0].op == "negate":
            return sign(node.args[0].args[0], model, strict)
        case "compose" if node.type.kind != "diag":  # A'*A alone: a product need not be symmetric
            left, right = node.args
            return not strict and left == Node("transpose", (right,), left.type)
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
        case "sqrt":
            return sign(node.args[0], model, strict)
        case "power":
            exponent = exact(node.args[1])
            if exponent is not None and exponent.denominator == 1 and exponent % 2 == 0 and not strict:
                return True
            return sign(node.args[0], model, strict)
        case "subtract" if node.args[1].op == "min" and node.args[0] in node.args[1].args and not strict:
            return True  # a - min(a, b)
        case "subtract" if exact(node.args[0]) == 1:
            return _below_one(node.args[1], model, strict) or _scalar(node, model, strict)
        case "exp" | "softplus" | "sigmoid":
            return True
        case "spectral" | "spectral_squared" | "norm_F" if node.args[0].role == "data":
            return True  # a matrix that the problem gives is assumed not to be 0
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
    return _scalar(node, model, strict)


def _scalar(node: Node, model: Model, strict: bool) -> bool:
    return node.type.kind == "scalar" and positive(node, all_ranges(model), zero=not strict)


def _below_one(node: Node, model: Model, strict: bool) -> bool:
    """Whether b^e < 1 (<= 1) with 0 <= b < 1 and e > 0, or b < 1 itself."""
    if node.op == "power":
        base, exponent = node.args
        return sign(base, model, False) and _below_one(base, model, strict) and sign(exponent, model, True)
    value = exact(node)
    if value is not None:
        return value < 1 or (value == 1 and not strict)
    if node.role == "parameter":
        r = model.program.parameter(node.name).range
        high = exact(r.high) if r is not None else None
        return r is not None and high is not None and (high < 1 or (high == 1 and (r.high_open or not strict)))
    return False


def nonnegative_states(model: Model) -> set[str]:
    """States that start >= 0 and stay so: each start and update is >= 0 wherever these states are. The largest such
    set, found from all of them."""
    if model.nonnegative is None:
        program = model.program
        assigned = (s for s in program.statements if isinstance(s, ir.Assignment) and s.next)
        updates = {s.name: inlined(s.value, program) for s in assigned}
        starts = {s.name: s.init for s in program.states if s.name in updates}

        def stays(name: str) -> bool:
            start = starts[name]
            return (exact(start) == 0 or sign(start, model, False)) and sign(updates[name], model, False)

        model.nonnegative = set(starts)     # what is asked meanwhile is answered from this
        while (kept := {name for name in model.nonnegative if stays(name)}) != model.nonnegative:
            model.nonnegative = kept
    return model.nonnegative


def nonzero(node: Node, model: Model) -> bool:
    """Whether a scalar or every entry is proved not to be 0."""
    return sign(node, model, True) or sign(Node("negate", (node,), node.type), model, True)


def positive_definite(node: Node, model: Model) -> bool:
    return sign(node, model, strict=True)


def nonnegative(node: Node, model: Model) -> bool:
    return sign(node, model, strict=False)
