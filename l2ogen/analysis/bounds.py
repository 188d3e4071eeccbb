"""Intervals of scalar expressions over the enforced ranges of their parameters.

An open end keeps its declared margin (relative to the length of the range, or to the distance of the initial value
from a single end): the generated code never leaves the closed range that is computed here, and certificates read it.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from ..core import ir
from ..core.constants import constant, exact
from ..core.ir import Node
from .algebra import Operator
from .model import Model

INF = float("inf")
L = sp.Symbol("L", positive=True)


@dataclass(frozen=True)
class Interval:
    low: float
    high: float

    @property
    def size(self) -> float:
        """max |v|"""
        return max(abs(self.low), abs(self.high))

    def __mul__(self, other: Interval) -> Interval:
        ends = [_times(a, b) for a in (self.low, self.high) for b in (other.low, other.high)]
        return Interval(min(ends), max(ends))

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.high + other.high)


ALL = Interval(-INF, INF)


def _times(a: float, b: float) -> float:
    return 0.0 if a == 0 or b == 0 else a * b


def end(node: Node | None, model: Model) -> sp.Expr | None:
    """The end of a range as a formula in L, which stands for ||A||_2^2 of least squares, too; None where it names
    anything else."""
    if node is None:
        return None
    value = exact(node)
    if value is not None:
        return sp.Rational(value.numerator, value.denominator)
    squared = node.op == "spectral_squared" and node.args[0].role == "data"
    if node.role == "lipschitz" or (squared and model.matrix is not None and str(model.matrix) == node.args[0].name):
        return L
    parts = [end(a, model) for a in node.args]
    args: list[sp.Expr] = [a for a in parts if a is not None]
    if not args or len(args) < len(parts):
        return None
    a, b = args[0], args[-1]
    match node.op:
        case "over":
            return a / b
        case "times":
            return a * b
        case "add":
            return a + b
        case "subtract":
            return a - b
        case "negate":
            return -a
    return None


def enforced(p: ir.Parameter, model: Model) -> tuple[sp.Expr | None, sp.Expr | None]:
    """The closed range that generated code keeps, as formulas in L; None is no bound, or one that is not understood."""
    f = p.facts
    if p.kind in ("fixed", "precomputed") or len(constants(p)) > 1:
        return None, None
    bound = end(f.bound, model) if f.bound is not None else None
    low, high = (end(f.range.low, model), end(f.range.high, model)) if f.range is not None else (None, None)
    margin = sp.Rational(str(f.margin))
    if p.tail.kind == "decay" or p.facts.vanishes:  # which ends at 0
        hull = [sp.Integer(0), *(e for e in (low, high) if e is not None)]
        scaled = [sp.simplify(e * L) if e.has(L) else e for e in hull]
        if any(not e.is_number for e in scaled):
            return None, None
        low = None if low is None else hull[scaled.index(min(scaled))]
        high = None if high is None else hull[scaled.index(max(scaled))]
        return low, high
    if p.tail.kind == "formula":
        return low, high
    if f.range is not None and low is not None and high is not None:
        gap = margin * (high - low)
        return low + (gap if f.range.low_open else 0), high - (gap if f.range.high_open else 0)
    if f.range is not None and f.range.low is not None and low is not None and f.range.low_open:
        init = constant(p.init) if p.init is not None else None
        low = low + margin * (abs(sp.Rational(str(init)) - low) if init is not None else 1)
    if bound is not None:
        low = -bound if low is None else low
        high = bound if high is None else high
    return low, high


def constants(*parameters: ir.Parameter) -> set[str]:
    """What of L and ||A||_2^2 their ranges name. Either may be the unit, but not both: L is only an upper bound."""
    facts = [p.facts for p in parameters]
    ranges = [f.range for f in facts if f.range is not None]
    ends = [*(f.bound for f in facts), *(e for r in ranges for e in (r.low, r.high))]
    nodes = [n for e in ends if e is not None for n in e.walk()]
    norms = {f"||{n.args[0].name}||_2^2" for n in nodes if n.op == "spectral_squared" and n.args[0].role == "data"}
    return norms | {n.name for n in nodes if n.role == "lipschitz"}


def lipschitz(model: Model, expr: sp.Expr | None = None) -> str | None:
    """The name of the Lipschitz constant of grad f: the declared one, or ||A||_2^2 of least squares where an expression
    speaks of it, itself or by the ranges of its parameters, or no file declares one."""
    declared = next((f.lipschitz for f in model.program.functions if f.lipschitz), None)
    norm = f"||{model.matrix}||_2^2" if model.matrix is not None else None
    used = _units(model, expr) if expr is not None else set()
    return norm if norm is not None and (declared is None or norm in used) else declared


def _units(model: Model, expr: sp.Expr) -> set[str]:
    """Names in an expression, and in the ranges of its parameters."""
    named = {s.name for s in expr.free_symbols}
    return named | constants(*(p for p in model.program.parameters if p.name in named))


def interval(expr: sp.Expr, model: Model) -> Interval:
    """All values of a scalar expression; L must cancel, else everything is possible."""
    units = {f.lipschitz for f in model.program.functions} | {f"||{model.matrix}||_2^2"}
    if len(units & _units(model, expr)) > 1:
        return ALL
    substitution: dict[sp.Symbol, sp.Expr] = {}
    ranges: dict[sp.Symbol, Interval] = {}
    for s in expr.free_symbols:
        if s.name == lipschitz(model, expr):
            substitution[s] = L
            continue
        p = next((p for p in model.program.parameters if p.name == s.name), None)
        if p is None:
            return ALL
        low, high = enforced(p, model)
        scaled = [None if v is None else sp.simplify(v * L) for v in (low, high)]
        unit = sp.Symbol(f"u_{s.name}", real=True)
        if any(v is not None and v != 0 and v.has(L) for v in (low, high)) and all(
            v is None or v.is_number for v in scaled
        ):
            substitution[s] = unit / L
            ranges[unit] = Interval(*_ends(scaled))
        elif all(v is None or v.is_number for v in (low, high)):
            substitution[s] = unit
            ranges[unit] = Interval(*_ends([low, high]))
        else:
            return ALL
    inside = sp.factor(sp.simplify(expr.subs(substitution, simultaneous=True)))
    if inside.has(L):
        return ALL
    return _of(inside, ranges)


def _ends(ends: list[sp.Expr | None]) -> tuple[float, float]:
    low, high = ends
    return (-INF if low is None else float(low)), (INF if high is None else float(high))


def _of(e: sp.Expr, ranges: dict[sp.Symbol, Interval]) -> Interval:
    if e.is_number:
        return Interval(float(e), float(e)) if e.is_real else ALL
    if e.is_symbol:
        return ranges.get(e, ALL)
    parts = [_of(a, ranges) for a in e.args]
    if e.is_Add:
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total
    if e.is_Mul:
        total = parts[0]
        for part in parts[1:]:
            total = total * part
        return total
    if e.is_Pow and e.exp.is_integer and e.exp.is_positive:
        base, n = parts[0], int(e.exp)
        ends = [base.low**n, base.high**n] if abs(base.low) < INF and abs(base.high) < INF else [-INF, INF]
        if n % 2 == 0:
            low = 0.0 if base.low <= 0 <= base.high else min(ends)
            return Interval(low, max(abs(x) for x in ends))
        return Interval(min(ends), max(ends))
    if e.is_Pow and e.exp == -1 and parts[0].low > 0:
        return Interval(1 / parts[0].high if parts[0].high < INF else 0.0, 1 / parts[0].low)
    if e.is_Pow and e.exp == sp.Rational(1, 2) and parts[0].low >= 0:
        return Interval(parts[0].low**0.5, parts[0].high**0.5 if parts[0].high < INF else INF)
    return ALL


@dataclass(frozen=True)
class Metric:
    """A scalar multiple of I, or of one diagonal or symmetric parameter."""

    values: Interval
    """Of the entries or eigenvalues, times L where the problem is smooth."""
    scalar: bool
    constant: bool
    """Whether it is the same for all k."""
    names: tuple[str, ...] = ()


def metric(op: Operator, model: Model, times_L: bool = True) -> Metric | None:
    """What is known of an operator; None where it is a product or a sum of several."""
    if len(op.terms) != 1:
        return Metric(Interval(0, 0), True, True) if not op.terms else None
    ((w, c),) = op.terms.items()
    if len(w) > 1 or (w and w[0].kind == "free"):
        return None
    expr = c * sp.Symbol(w[0].name, real=True) if w else c
    smooth = lipschitz(model, expr)
    if times_L and smooth is not None:
        expr = expr * sp.Symbol(smooth, positive=True)
    names = tuple(sorted(s.name for s in expr.free_symbols if s.name != smooth))
    parameters = [p for p in model.program.parameters if p.name in names]
    varies = "k" in names or any(p.per_iteration or p.kind == "predicted" for p in parameters)
    if any(n not in {p.name for p in parameters} for n in names):
        return Metric(ALL, not w, False, names)
    return Metric(interval(expr, model), not w, not varies, names)
