"""The form of L2O-PA that theorem C2d certifies for every weight: P and A coupled by construction.

Entry by entry, with xi, s, delta numbers of declared ranges, |xi| <= rho < 1, |s| <= 1, 0 < delta < 1:

    L*P = 1 + sigma*xi                                x+ = prox_{r, P}(y - P*grad f(y))
    A^2 = (1 - delta)*(1 - xi^2)*s^2/(L*P)^2          y+ = x+ + A*(x+ - x)
    sigma+ = sqrt(1 - s^2)                            |sigma| <= 1 at the start

What is compared are values, not ways to write them.
"""

from __future__ import annotations

import sympy as sp

from ..core import ir
from ..core.constants import exact
from ..core.ir import Node
from .enclosure import enclosure
from .model import Model
from .normal_form import IDENTITY, NormalForm
from .ranges import inlined

L = sp.Symbol("L", positive=True)


def certified(model: Model, form: NormalForm) -> bool:
    """Whether the rule is of this form."""
    program = model.program
    lets = {s.name: s.value for s in program.statements if isinstance(s, ir.Assignment) and not s.next}
    updates = {s.name: s.value for s in program.statements if isinstance(s, ir.Assignment) and s.next}
    if form.B != IDENTITY or not form.b1.is_zero or not form.b2.is_zero or not model.has("f"):
        return False
    if str(form.P) not in lets or str(form.A) not in lets:
        return False
    P, A = (_entry(lets[name], program) for name in (str(form.P), str(form.A)))
    if P is None or A is None:
        return False
    scaled = sp.expand(L * P)
    for sigma in (s for s in program.states if s.type.kind == "vector" and s.name in updates):
        share = sp.Symbol(sigma.name, real=True)
        xi = scaled.coeff(share, 1)
        named = next((p for p in program.parameters if xi == sp.Symbol(p.name, real=True)), None)
        if named is None or sp.expand(scaled - 1 - share * xi) != 0:
            continue
        after, start = _entry(updates[sigma.name], program), enclosure(sigma.init, model)
        if after is None or start.size > 1:
            continue
        squared = sp.expand(1 - after**2)
        for s in program.parameters:
            symbol = sp.Symbol(s.name, real=True)
            if squared != symbol**2:
                continue
            ratio = sp.cancel(A**2 * scaled**2 / ((1 - xi**2) * symbol**2))
            ends = enclosure(_symbol(named), model), enclosure(_symbol(s), model)
            if ratio.is_number and 0 < ratio < 1 and ends[0].size < 1 and ends[1].size <= 1:
                return True
    return False


def _symbol(p: ir.Parameter) -> Node:
    return Node("symbol", (), p.type, ("parameter", p.name))


def _entry(node: Node, program: ir.Algorithm) -> sp.Expr | None:
    """An entry as a formula in the entries of parameters and states; None for what is not made entry by entry."""
    return _formula(inlined(node, program))


def _formula(node: Node) -> sp.Expr | None:
    value = exact(node)
    if value is not None:
        return sp.Rational(value.numerator, value.denominator)
    if node.role == "lipschitz":
        return L
    if node.role in ("parameter", "state"):
        return sp.Symbol(node.name, real=True) if node.type.kind in ("scalar", "vector", "diag") else None
    if node.op == "identity":
        return sp.Integer(1)
    args = [_formula(a) for a in node.args]
    known = [a for a in args if a is not None]
    if not known or len(known) < len(args):
        return None
    a, b = known[0], known[-1]
    match node.op:
        case "broadcast" | "detach" | "diag":
            return a
        case "negate":
            return -a
        case "add":
            return a + b
        case "subtract":
            return a - b
        case "times" | "scale" if node.type.kind in ("scalar", "vector", "diag"):
            return a * b
        case "over" | "shrink":
            return a / b
        case "power":
            return a**b
        case "sqrt":
            return sp.sqrt(a)
    return None
