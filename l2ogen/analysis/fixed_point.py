"""The asymptotic fixed point (FP): is x* kept by the rule, for all problems of the class and all admissible parameters?

proved: every obligation vanishes; conditional: exactly for (iff), or at least for, the parameters that meet what is
printed; refuted: for no admissible parameters, by a witness that was replayed in numbers; unknown: with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import sympy as sp

from ..core import ir
from ..core.constants import exact
from .algebra import ONES, SOLUTION, Atom, Operator, Vector, formula, limit
from .bounds import interval
from .evaluate import Evaluation, Obligation, Unknown, Value, free
from .model import Model
from .states import Frozen, freeze
from .tails import ended_by_tails

Verdict = Literal["proved", "conditional", "refuted", "unknown"]


@dataclass
class FixedPoint:
    """The verdict about one target, and how it came about."""

    verdict: Verdict
    target: str
    iff: bool = False
    obligations: list[str] = field(default_factory=list)
    """In the user's own symbols: `W2_k + W1_k*A - I -> 0`."""
    values: dict[str, Value] = field(default_factory=dict, repr=False)
    """Obligation -> what must vanish, of those that weights alone decide."""
    residual: str = "0"
    reading: str = "uniform"
    """uniform: from every initial state; equilibrium: for some state."""
    side: list[tuple[str, bool | None, str]] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    assumes: list[str] = field(default_factory=list)
    """Hypotheses about the problem; `hypotheses.hypotheses` gives them."""
    reason: str = ""
    candidate: bool = False
    """Whether the algebra says refuted; only a replayed witness makes it one."""
    witness: dict[str, Any] | None = None
    frozen: Frozen | None = field(default=None, repr=False)


def fixed_point(model: Model) -> FixedPoint:
    """Decide FP for one target by abstract evaluation at a solution. A refutation is a candidate until replayed."""
    try:
        frozen = freeze(model)
    except Unknown as unknown:
        return FixedPoint("unknown", model.target, reason=str(unknown))
    found = _decide(model, frozen)
    found.frozen = frozen
    evaluation = frozen.evaluation
    found.side = _unique([*evaluation.side, *frozen.side])
    found.steps, found.notes = evaluation.steps, list(dict.fromkeys([*evaluation.notes, *found.notes]))
    found.reading = "uniform" if frozen.uniform else "equilibrium"
    if found.verdict in ("proved", "conditional") and frozen.defects and not frozen.uniform:
        found.verdict, found.iff = "unknown", False
        found.reason = "a state that need not forget its start adds up what disturbs it"
    unproved = [claim for claim, ok, _ in found.side if not ok]
    if found.verdict in ("proved", "conditional") and unproved:
        if found.verdict == "proved":
            found.verdict, found.iff = "conditional", False
        found.iff = False
        found.obligations = [*found.obligations, *(claim for claim in unproved if claim not in found.obligations)]
    return found


def _unique(records: Iterable[tuple[str, bool | None, str]]) -> list[tuple[str, bool | None, str]]:
    return list(dict.fromkeys(records))


def _decide(model: Model, frozen: Frozen) -> FixedPoint:
    evaluation = frozen.evaluation
    last = evaluation.next[model.program.variable]
    assert isinstance(last, Vector)
    residual = last - Vector.of(SOLUTION)
    if model.reach(free(residual)) & model.undefined:
        return FixedPoint("unknown", model.target, reason="the next iterate is not defined at the solution")
    small = {a for a in residual.atoms if a.kind == "small"}
    obligations = [*evaluation.obligations, *frozen.defects, Obligation(residual, "x+ - x*")]
    parts: list[_Part] = []
    for o in obligations:
        asked = _weighed(_discharge(o, model), o.drift, last, model)
        if o.drift is not None and small == {o.drift} and len(model.program.states) == 1:
            asked = _or_weight(asked, o, last.part(o.drift), model)
        parts += asked
    for threshold in evaluation.thresholds:
        part = _threshold(threshold.theta, model, threshold.selecting)
        parts += _weighed([part], threshold.drift, last, model)
    shown_residual = str(residual.without("small")) if residual.without("small").terms else _worst(evaluation)
    open_parts = [p for p in parts if p.state != "done"]
    if not open_parts:
        return FixedPoint("proved", model.target, iff=True, residual=shown_residual)
    if any(p.state == "unknown" for p in open_parts):
        reason = next(p.text for p in open_parts if p.state == "unknown")
        return FixedPoint("unknown", model.target, residual=shown_residual, reason=reason)
    texts = list(dict.fromkeys(p.text for p in open_parts))
    values = {p.text: p.value for p in open_parts if p.value is not None}
    if any(p.state == "never" for p in open_parts):
        first = next(p for p in open_parts if p.state == "never")
        found = FixedPoint("refuted", model.target, obligations=texts, residual=shown_residual, reason=first.text)
        found.values = values
        found.candidate = True
        return found
    iff = all(p.necessary for p in open_parts)
    return FixedPoint("conditional", model.target, iff, texts, values, shown_residual)


def _worst(evaluation: Evaluation) -> str:
    texts = [str(o.vector) for o in evaluation.obligations if not o.vector.is_zero]
    return "; ".join(texts) or "0"


@dataclass(frozen=True)
class _Part:
    """One thing that must vanish, and whether it can."""

    text: str
    state: Literal["done", "limit", "never", "unknown"]
    necessary: bool = True
    value: Value | None = None
    """What must vanish, where it is made of parameters and data alone."""


def _weighed(parts: list[_Part], drift: Atom | None, last: Vector, model: Model) -> list[_Part]:
    """What is asked of a prox is necessary only if its value moves the next iterate, whatever the parameters are."""
    if drift is None:
        return parts
    weight = last.part(drift)
    parameters = [p for p in model.program.parameters if p.name in free(weight) and p.kind in ("learned", "predicted")]
    moves = weight.terms and not _vanishing(weight, model) and _stays(weight)
    if moves and (not parameters or _bounded_away(weight, parameters, model)):
        return parts
    states = {"never": "unknown", "limit": "limit"}
    return [replace(p, state=states.get(p.state, p.state), necessary=False) for p in parts]  # type: ignore[arg-type]


def _or_weight(parts: list[_Part], o: Obligation, weight: Operator, model: Model) -> list[_Part]:
    """Where a prox can't come to x*, its weight in the next iterate may still tend to 0: its value is bounded if its
    argument is."""
    names = model.reach(free(o.vector) | free(weight))
    sequences = {p.name for p in model.program.parameters if p.per_iteration or p.kind == "predicted"}
    wild = any(a.kind in ("network", "opaque", "state") for a in o.vector.atoms)
    wild = wild or any(unbounded(n, model) for n in names & sequences)
    wild = wild or bool(names & (model.undefined | model.jumping | model.adrift)) or _grows(weight)
    if wild or all(p.state != "unknown" for p in parts):
        return parts
    moving = [p for p in model.program.parameters if p.name in free(weight) and p.kind in ("learned", "predicted")]
    if _vanishing(weight, model):
        return [_Part(f"{weight} -> 0", "done")]
    if len(weight.terms) != 1 or not moving or _bounded_away(weight, moving, model):
        return parts
    suffix = "-> 0" if any(p.name in sequences for p in moving) else "= 0"
    return [_Part(f"{weight} {suffix}", "limit", necessary=False, value=weight)]


def _discharge(o: Obligation, model: Model) -> list[_Part]:
    """What must vanish, atom by atom: the atoms are independent of each other."""
    parts = []
    for atom in sorted(o.vector.atoms, key=str):
        op = o.vector.part(atom)
        hidden = model.reach(free(op) | ({atom.name} - set(model.differences)))
        if atom.kind != "small" and hidden & set(model.differences):
            parts.append(_Part("a gradient next to the solution, inside another operation", "unknown"))
        elif atom.name in model.differences:
            parts += _difference(op, atom, model)
        else:
            part = _one(op, atom, model)
            if part.state == "never" and _settles(o.vector, atom, model):
                net = model.remembering[atom.name]
                part = replace(part, state="unknown", text=f"calls of `{net}`, which may come to agree")
            parts.append(part)
    return parts


def _settles(v: Vector, atom: Atom, model: Model) -> bool:
    """Whether an answer of a network with memory cancels with its other answers, once all of them are the same."""
    name = model.remembering.get(atom.name)
    answers = [a for a in v.atoms if name is not None and model.remembering.get(a.name) == name]
    total = sum((v.part(a) for a in answers), Operator())
    return len(answers) > 1 and total.is_zero


def _difference(op: Operator, atom: Atom, model: Model) -> list[_Part]:
    """C*(grad f(x* + d) - grad f(x*)): 0 for all f exactly if d is, or C. For a linear f it is 0 whatever d is, so that
    the other atoms must vanish by themselves."""
    whole = _one(op, atom, model)
    if whole.state in ("done", "unknown"):
        return [whole]
    d = model.differences[atom.name]
    found = _discharge(Obligation(d, str(atom)), model)
    free_ones = [p for p in model.program.parameters if p.name in free(op) and p.kind in ("learned", "predicted")]
    stays = _bounded_away(op, free_ones, model) if free_ones else _stays(op)
    curved = any("strongly_convex" in f.properties for f in model.program.functions)
    if any(p.state == "never" for p in found) and not stays:
        return [whole]
    return [replace(p, necessary=p.necessary and stays and not curved) for p in found]




def _one(op: Operator, atom: Atom, model: Model) -> _Part:
    names = free(op)
    adrift = model.reach(names | {atom.name}) & model.adrift
    if (names | {atom.name}) & model.undefined:
        return _Part("a value that is not defined at the solution", "unknown")
    if atom.kind == "small" or _vanishing(op, model):
        predicted = {p.name for p in model.program.parameters} & {atom.name}
        grows = sorted({n for n in names | predicted if unbounded(n, model)} | adrift)
        if grows or _grows(op):
            return _Part(f"{' and '.join(grows) or op}, not bounded, times what tends to 0", "unknown")
        return _Part(f"{op}*{atom} -> 0", "done")
    if model.reach(names) & model.jumping:
        return _Part(f"{op} jumps at the solution", "unknown")
    parameters = [p for p in model.program.parameters if p.name in names]
    free_ones = [p for p in parameters if p.kind in ("learned", "predicted")]
    known = atom.kind in ("solution", "subgradient", "residual", "ones", "parameter")
    ended = ended_by_tails(Vector({(w, atom): c for w, c in op.terms.items()}), model) if known else None
    if ended is not None and not adrift and not any(unbounded(n, model) for n in names):
        if ended.is_zero:
            return _Part(f"{op}*{atom} -> 0", "done")
        if not {p.name for p in model.program.parameters} & free(ended) and _stays(ended.part(atom)):
            return _Part(f"{Vector({(w, atom): c for w, c in op.terms.items()})} -> 0", "never")
    varying = [p for p in free_ones if p.per_iteration or p.kind == "predicted"]
    if all(c.could_extract_minus_sign() for c in op.terms.values()):
        op = op.scaled(sp.Integer(-1))
    shown, text = str(op), str(Vector({(w, atom): c for w, c in op.terms.items()}))
    if adrift:
        if free_ones and not varying and not _bounded_away(op, free_ones, model):
            return _Part(f"{text} = 0", "limit", necessary=False)
        return _Part(_course(adrift), "unknown")
    if atom.kind in ("network", "opaque", "value", "state"):
        if model.reach(names | {atom.name}) & model.jumping:
            return _Part(f"{atom} jumps at the solution", "unknown")
        if not free_ones and (atom.kind != "state") and _stays(op):
            return _Part(f"{text} -> 0", "never")
        if not free_ones:
            return _Part(f"{text} -> 0", "unknown")
    if atom.kind == "parameter":
        p = next((p for p in model.program.parameters if p.name == atom.name), None)
        if p is None:  # any(C)
            return _Part(f"{text} -> 0", "limit")
        whole = Vector({(w, atom): c for w, c in op.terms.items()})
        if _excludes_zero(p):
            return _Part(f"{text} -> 0", "never", value=whole)
        return _Part(f"{text} {'-> 0' if p.per_iteration else '= 0'}", "limit", value=whole)
    if not free_ones:
        schedule = [c for c in op.terms.values() if sp.Symbol("k", integer=True, nonnegative=True) in c.free_symbols]
        if schedule and not _stays(op):
            return _Part(f"{text} -> 0, a schedule in k", "unknown")
        return _Part(f"{text} = 0", "never")
    value = op if atom.kind in ("solution", "residual", "subgradient") else None
    if _bounded_away(op, free_ones, model):
        return _Part(f"{shown} {'-> 0' if varying else '= 0'}", "never", value=value)
    suffix = "-> 0" if varying else "= 0"
    return _Part(f"{shown if value is not None else text} {suffix}", "limit", value=value)


def _threshold(theta: Value, model: Model, selecting: bool) -> _Part:
    names = free(theta)
    shown = formula(theta) if isinstance(theta, sp.Expr) else str(theta)
    parameters = [p for p in model.program.parameters if p.name in names]
    adrift = model.reach(names) & model.adrift
    if isinstance(theta, Operator | sp.Expr) and _vanishing(theta, model):
        grows = sorted({n for n in names if unbounded(n, model)} | adrift)
        if grows:
            return _Part(f"{' and '.join(grows)}, not bounded, times what tends to 0", "unknown")
        return _Part(f"{shown} -> 0", "done")
    if adrift:
        return _Part(_course(adrift), "unknown")
    if model.reach(names) & model.jumping:
        return _Part(f"{shown} jumps at the solution", "unknown")
    moving = [p for p in parameters if p.kind in ("learned", "predicted")]
    ended = ended_by_tails(Vector.of(ONES).scaled(theta), model) if isinstance(theta, sp.Expr) else None
    if ended is not None and ended.is_zero and not any(unbounded(n, model) for n in names):
        return _Part(f"{shown} -> 0", "done")
    if not moving:
        return _Part(f"{shown} -> 0", "never")
    if isinstance(theta, sp.Expr) and _product_apart(theta, moving, model):
        return _Part(f"{shown} -> 0", "never", value=theta)
    varying = any(p.per_iteration or p.kind == "predicted" for p in moving)
    return _Part(f"{shown} {'-> 0' if varying else '= 0'}", "limit", value=theta)


def _course(states: set[str]) -> str:
    named = " and ".join(f"`{name}`" for name in sorted(states))
    return f"it depends on {named}, of which it is not known where {'they tend' if len(states) > 1 else 'it tends'}"


def _vanishing(op: Operator | sp.Expr, model: Model) -> bool:
    """Whether every term has a factor that is declared to vanish."""
    vanishing = model.vanishing
    if isinstance(op, Operator):
        return bool(op.terms) and all(
            {x.name for x in w} & vanishing or _scalar_vanishes(c, vanishing) for w, c in op.terms.items()
        )
    return _scalar_vanishes(op, vanishing)


def _scalar_vanishes(c: sp.Expr, vanishing: set[str]) -> bool:
    """A polynomial in vanishing symbols without constant term, or a formula in k with limit 0."""
    k = sp.Symbol("k", integer=True, nonnegative=True)
    symbols = [s for s in c.free_symbols if s.name in vanishing]
    if symbols and c.is_polynomial(*symbols):
        at_zero = c.subs(dict.fromkeys(symbols, 0))
        if at_zero == 0:
            return True
    if k in c.free_symbols:
        return bool(limit(c, k) == 0)
    return False


def _stays(op: Operator) -> bool:
    """Whether no coefficient tends to 0 as k grows."""
    k = sp.Symbol("k", integer=True, nonnegative=True)
    for c in op.terms.values():
        if k in c.free_symbols:
            end = limit(c, k)
            if end is None or end == 0 or end.has(sp.nan) or end.free_symbols & {k}:
                return False
    return True


def _grows(op: Operator) -> bool:
    """Whether a coefficient in k is not sure to stay bounded."""
    k = sp.Symbol("k", integer=True, nonnegative=True)
    for c in op.terms.values():
        if k in c.free_symbols:
            end = limit(c, k)
            if end is None or not end.is_finite:
                return True
    return False


def unbounded(name: str, model: Model) -> bool:
    """Whether a name is a parameter without an upper bound that is uniform in k, or something unknown."""
    p = next((p for p in model.program.parameters if p.name == name), None)
    if name in model.small:
        return False
    if name in {s.name for s in model.program.states}:
        return name in model.adrift
    if p is None:
        known = {d.name for d in model.program.data} | {f.lipschitz for f in model.program.functions} | {"k", "lam"}
        sizes = {n for s in model.program.states for size in s.type.sizes for n in size.names}
        return name not in known | sizes
    if p.kind in ("fixed", "precomputed") or not (p.per_iteration or p.kind == "predicted"):
        return False
    if p.facts.bound is not None or p.facts.vanishes:
        return False
    if p.kind == "learned" and p.tail.kind in ("last", "decay"):
        return False  # finitely many values, repeated
    if p.tail.kind == "formula" and p.tail.value is not None and not ir.symbols(p.tail.value, "iteration", "parameter"):
        return False
    return p.range is None or p.range.high is None or p.range.low is None


def _excludes_zero(p: ir.Parameter) -> bool:
    """Whether the enforced range keeps away from 0."""
    r = p.range
    if r is None:
        return False
    low, high = exact(r.low), exact(r.high)
    varies = p.per_iteration or p.kind == "predicted"  # then 0 at an open end is a limit
    if p.tail.kind in ("decay", "formula"):
        return False
    if low is not None and (low > 0 or (low == 0 and r.low_open and not varies)):
        return True
    return high is not None and (high < 0 or (high == 0 and r.high_open and not varies))


def _bounded_away(op: Operator, parameters: list[ir.Parameter], model: Model) -> bool:
    """Whether an operator is one word times a coefficient that is 0 nowhere in the ranges of its parameters."""
    if len(op.terms) != 1:
        return _apart(op, model)
    ((word, c),) = op.terms.items()
    factors = [*c.as_powers_dict(), *(sp.Symbol(x.name) for x in word)]
    if all(f.is_number or f.is_symbol for f in factors):
        return all(_excludes_zero(p) for p in parameters)
    return not word and _away(c, model)


def _product_apart(c: sp.Expr, moving: list[ir.Parameter], model: Model) -> bool:
    """Whether a coefficient is a product of parameters that keep away from 0, of numbers, and of positive data."""
    factors = list(c.as_powers_dict())
    known = {p.name for p in moving}
    others = [f for f in factors if not f.is_number and not (f.is_symbol and f.name in known)]
    positive = all(f.is_symbol and f.is_positive and f.name not in model.vanishing | model.varying for f in others)
    return positive and all(map(_excludes_zero, moving))


def _apart(op: Operator, model: Model) -> bool:
    """Whether a sum of diagonal words, which commute, is 0 nowhere as a formula in entries."""
    if any(x.kind != "diag" for w in op.terms for x in w):
        return False
    entries = [c * sp.prod([sp.Symbol(x.name, real=True) for x in w]) for w, c in op.terms.items()]
    return _away(sp.Add(*entries), model)


def _away(c: sp.Expr, model: Model) -> bool:
    """Whether a coefficient keeps away from 0 on the declared ranges, their ends included."""
    closed = [replace(p, facts=replace(p.facts, margin=0)) for p in model.program.parameters]
    values = interval(c, replace(model, program=replace(model.program, parameters=tuple(closed))))
    return values.low > 0 or values.high < 0


__all__ = ["FixedPoint", "Verdict", "fixed_point"]
