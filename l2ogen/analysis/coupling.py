"""The form of L2O-PA that theorem C2 certifies for every weight: P and A coupled by construction.

    lo = min(1/L, max(eps/L, a^2*p/(1 - delta)))      a formed y, p is the last step
    P  between lo and 1/L;  a+ = sqrt(1 - delta)*tanh(t);  y+ = x+ + a+*(x+ - x);  p+ = P

Then a^2*p/(1 - delta) <= 1/L, so that lo <= 1/L and a^2 <= (1 - delta)*P/p.
"""

from __future__ import annotations

from ..core import ir
from ..core.constants import exact
from ..core.ir import Node
from .model import Model
from .normal_form import NormalForm


def certified(model: Model, form: NormalForm) -> bool:
    """Whether the rule is of this form."""
    program = model.program
    P = next((p for p in program.parameters if str(form.P) == p.name), None)
    if P is None or P.range is None or P.range.low is None or P.range.high is None:
        return False
    if not _is_one_over_L(P.range.high, program):
        return False
    low = _inlined(P.range.low, program)
    pattern = _lower_end(low, program)
    if pattern is None:
        return False
    a, p, delta = pattern
    updates = {s.name: s for s in program.statements if isinstance(s, ir.Assignment) and s.next}
    keeps = p in updates and _is(updates[p].value, "parameter", P.name)
    if not keeps or str(form.A) not in (f"{a}+", a):
        return False
    bound = _bounded(updates[a].value, program) if a in updates else None
    start = next((exact(s.init) for s in program.states if s.name == a), None)
    first = next((s.init for s in program.states if s.name == p), None)
    begins = start == 0 and first is not None and _is_one_over_L(first, program)
    return begins and bound is not None and bound <= 1 - delta


def _inlined(node: Node, program: ir.Algorithm) -> Node:
    from .ranges import inlined

    return inlined(node, program)


def _is(node: Node, role: str, name: str) -> bool:
    return node.role == role and node.name == name


def _is_one_over_L(node: Node, program: ir.Algorithm) -> bool:
    if node.op == "broadcast":
        return _is_one_over_L(node.args[0], program)
    return node.op == "over" and exact(node.args[0]) == 1 and node.args[1].role == "lipschitz"


def _lower_end(low: Node, program: ir.Algorithm) -> tuple[str, str, float] | None:
    """(a, p, delta) of min(1/L, max(eps/L, a.^2.*p/(1 - delta)))"""
    if low.op != "min" or not _is_one_over_L(low.args[0], program) or low.args[1].op != "max":
        return None
    floor, ratio = low.args[1].args
    eps = exact(floor.args[0]) if floor.op == "over" and floor.args[1].role == "lipschitz" else None
    if eps is None or not 0 < eps <= 1 or ratio.op != "over":
        return None
    share = exact(ratio.args[1])
    product = ratio.args[0]
    if share is None or not 0 < share < 1 or product.op != "times":
        return None
    square, p = product.args
    if square.op != "power" or exact(square.args[1]) != 2 or square.args[0].role != "state" or p.role != "state":
        return None
    return square.args[0].name, p.name, float(1 - share)


def _bounded(node: Node, program: ir.Algorithm) -> float | None:
    """c^2 of c*tanh(…), or of a parameter with -c <= v <= c."""
    node = _inlined(node, program)
    if node.role == "parameter":
        p = program.parameter(node.name)
        ends = [exact(e) for e in (p.range.low, p.range.high)] if p.range is not None else [None]
        if any(e is None for e in ends):
            return None
        return float(max(e * e for e in ends if e is not None))
    if node.op == "times" and node.args[1].op == "tanh":
        factor = node.args[0]
        if factor.op == "sqrt":
            value = exact(factor.args[0])
            return None if value is None else float(value)
        value = exact(factor)
        return None if value is None else float(value * value)
    return 1.0 if node.op == "tanh" else None
