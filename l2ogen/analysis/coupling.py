"""The form of L2O-PA that theorem C2 certifies for every weight: P and A coupled by construction.

    low = min(1/L, max(eps/L, a.^2 .* p/(1 - delta)))     a formed y, p is the step before; 0 < eps <= 1, 0 < delta < 1
    p+  = low + (1/L - low) .* sigmoid(q)                  P = diag(p+)
    a+  = c*tanh(t), c^2 <= 1 - delta                      y+ = x+ + a+ .* (x+ - x), a = 0 and p = 1/L at the start

a^2*p/(1 - delta) <= p <= 1/L, so low <= 1/L: low <= P <= 1/L and a^2 <= (1 - delta)*P/p, entry by entry.
"""

from __future__ import annotations

from ..core import ir
from ..core.constants import exact
from ..core.ir import Node
from .model import Model
from .normal_form import NormalForm
from .ranges import inlined


def certified(model: Model, form: NormalForm) -> bool:
    """Whether the rule is of this form."""
    program = model.program
    updates = {s.name: s.value for s in program.statements if isinstance(s, ir.Assignment) and s.next}
    p, a = str(form.P).removesuffix("+"), str(form.A).removesuffix("+")
    if str(form.P) != f"{p}+" or str(form.A) != f"{a}+" or p not in updates or a not in updates:
        return False
    delta = _step(_plain(updates[p], program), a, p)
    size = _size(_plain(updates[a], program))
    starts = {s.name: s.init for s in program.states}
    begins = exact(_entry(starts[a])) == 0 and _is_one_over_L(_entry(starts[p]))
    return delta is not None and size is not None and size <= 1 - delta and begins


def _plain(node: Node, program: ir.Algorithm) -> Node:
    return inlined(node, program)


def _entry(node: Node) -> Node:
    return node.args[0] if node.op == "broadcast" else node


def _is_one_over_L(node: Node) -> bool:
    return node.op == "over" and exact(node.args[0]) == 1 and node.args[1].role == "lipschitz"


def _step(node: Node, a: str, p: str) -> float | None:
    """delta of low + (1/L - low) .* sigmoid(q), where low is as above."""
    if node.op != "add" or node.args[1].op != "times":
        return None
    low, (gap, share) = node.args[0], node.args[1].args
    if share.op != "sigmoid" or gap.op != "subtract" or not _is_one_over_L(gap.args[0]) or gap.args[1] != low:
        return None
    if low.op != "min" or not _is_one_over_L(low.args[0]) or low.args[1].op != "max":
        return None
    floor, ratio = low.args[1].args
    eps = exact(floor.args[0]) if floor.op == "over" and floor.args[1].role == "lipschitz" else None
    if eps is None or not 0 < eps <= 1 or ratio.op != "over":
        return None
    share_left, product = exact(ratio.args[1]), ratio.args[0]
    if share_left is None or not 0 < share_left < 1 or product.op != "times":
        return None
    square, step = product.args
    squared = square.op == "power" and exact(square.args[1]) == 2 and _state(square.args[0], a)
    return float(1 - share_left) if squared and _state(step, p) else None


def _state(node: Node, name: str) -> bool:
    return node.role == "state" and node.name == name


def _size(node: Node) -> float | None:
    """c^2 of c*tanh(…)"""
    if node.op == "tanh":
        return 1.0
    if node.op != "times" or node.args[1].op != "tanh":
        return None
    factor = node.args[0]
    if factor.op == "sqrt":
        value = exact(factor.args[0])
        return None if value is None else float(value)
    value = exact(factor)
    return None if value is None else float(value * value)
