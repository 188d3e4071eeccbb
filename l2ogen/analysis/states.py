"""What the other states are while the iterate stands at a solution: their equilibrium."""

from __future__ import annotations

from dataclasses import dataclass, field

import sympy as sp

from ..core import ir
from .algebra import SOLUTION, Atom, Letter, Operator, Vector
from .evaluate import Evaluation, Obligation, Unknown, Value, is_zero
from .model import Model


@dataclass
class Frozen:
    """The rule at a solution, all states at their equilibrium."""

    evaluation: Evaluation
    defects: list[Obligation] = field(default_factory=list)
    """What must vanish for the states to stay: b2 of y+ = x+ + A*(x+ - x) + b2."""
    side: list[tuple[str, bool | None, str]] = field(default_factory=list)
    uniform: bool = True
    """Whether the states reach the equilibrium from every start (reading U), by what is known of them."""


def freeze(model: Model) -> Frozen:
    """Find the equilibrium: x at x*, a state that copies or extrapolates at x* too, an average at what it averages."""
    program = model.program
    states: dict[str, Value] = {}
    for s in program.states:
        states[s.name] = _start(s, program)
    others = [s for s in program.states if s.name != program.variable]
    frozen = Frozen(Evaluation(model, states))
    for _ in range(len(others) + 2):  # each pass settles the states that depend on settled ones
        evaluation = Evaluation(model, dict(states)).run()
        settled = True
        for s in others:
            new = evaluation.next[s.name]
            if _same(new, states[s.name]):
                continue
            better = _solve(s, model, states, frozen)
            if better is not None and not _same(better, states[s.name]):
                states[s.name] = better
                settled = False
                break
        if settled:
            break
    while True:
        frozen.side.clear()
        frozen.defects.clear()
        frozen.evaluation = Evaluation(model, dict(states)).run()
        free_one = next((s for s in others if _is_free(frozen.evaluation.next[s.name], states[s.name])), None)
        if free_one is None:
            break
        # neither at x* nor an average: any value; it must not matter for the iterate
        states[free_one.name] = Vector.of(Atom(free_one.name, "state"))
    for s in others:
        new, old = frozen.evaluation.next[s.name], states[s.name]
        known = isinstance(old, Vector) and all(a.kind != "state" for a in old.atoms)
        if isinstance(new, Vector) and isinstance(old, Vector) and known and not _same(new, old):
            frozen.defects.append(Obligation(new - old, f"{s.name}+ - {s.name} at the solution"))
        if known:
            _contracts(s, model, states, frozen)
    return frozen


def _is_free(new: Value, old: Value) -> bool:
    """Whether a state does not stay at its supposed equilibrium for another reason than a bias."""
    if not isinstance(new, Vector) or not isinstance(old, Vector) or any(a.kind == "state" for a in old.atoms):
        return False
    return any(a.kind not in ("small", "parameter", "network") for a in (new - old).atoms)


def _start(s: ir.State, program: ir.Algorithm) -> Value:
    if s.name == program.variable or (s.type.kind == "vector" and s.type == _space(program)):
        return Vector.of(SOLUTION)
    if s.type.kind == "scalar":
        return sp.Symbol(s.name, real=True)
    return Vector.of(Atom(s.name, "state"))


def _space(program: ir.Algorithm) -> ir.Type:
    return next(s.type for s in program.states if s.name == program.variable)


def _same(a: Value, b: Value) -> bool:
    if isinstance(a, Vector) and isinstance(b, Vector):
        return (a - b).without("small").is_zero
    return isinstance(a, sp.Expr) and isinstance(b, sp.Expr)  # scalars: only finiteness matters


def _probe(s: ir.State, model: Model, states: dict[str, Value]) -> tuple[Value, Atom]:
    """s+ with s itself as an unknown."""
    unknown = Atom(s.name, "state")
    trial = dict(states)
    trial[s.name] = Vector.of(unknown)
    return Evaluation(model, trial).run().next[s.name], unknown


def _solve(s: ir.State, model: Model, states: dict[str, Value], frozen: Frozen) -> Value | None:
    """s = C*s + h: the equilibrium h/(1 - c) for a scalar c, h for C = 0; None where the equation has another form."""
    if s.type.kind != "vector":
        return None
    try:
        new, unknown = _probe(s, model, states)
    except Unknown:
        return None
    if not isinstance(new, Vector):
        return None
    c, h = new.part(unknown), Vector({key: v for key, v in new.terms.items() if key[1] != unknown})
    if any(str(unknown) in a.name for a in h.atoms):
        return None
    if any(a.kind in ("parameter", "network", "small", "opaque") for a in h.atoms):
        return None  # a bias: the state is where it would be without it, and the bias must vanish
    if c.is_zero:
        return h
    if set(c.terms) == {()}:
        factor = 1 - c.terms[()]
        return None if factor == 0 else h.scaled(1 / factor)
    return None


def _contracts(s: ir.State, model: Model, states: dict[str, Value], frozen: Frozen) -> None:
    """Reading U: a state forgets its start if the factor before it is below 1 in size."""
    if s.type.kind != "vector":
        return
    try:
        new, unknown = _probe(s, model, states)
    except Unknown:
        frozen.uniform = False
        return
    if not isinstance(new, Vector):
        return
    c = new.part(unknown)
    if any(a != unknown and str(unknown) in a.name for a in new.atoms):
        frozen.uniform = False
        return
    if c.is_zero:
        return
    if set(c.terms) == {()}:
        factor = c.terms[()]
        below = bool(factor.is_number and abs(factor) < 1) or _below_one(factor, model)
        frozen.side.append((f"|{factor}| < 1", below or None, "its range" if below else "no range says so"))
        frozen.uniform = frozen.uniform and below
    else:
        frozen.uniform = False


def _below_one(factor: sp.Expr, model: Model) -> bool:
    if not factor.is_symbol:
        return False
    p = next((p for p in model.program.parameters if p.name == factor.name), None)
    if p is None or p.range is None or p.range.low is None or p.range.high is None:
        return False
    from ..core.constants import exact

    low, high = exact(p.range.low), exact(p.range.high)
    if low is None or high is None:
        return False
    # enforced ranges keep their margin from open ends, so that the bound is uniform in k
    return (low > -1 or (low == -1 and p.range.low_open)) and (high < 1 or (high == 1 and p.range.high_open))


__all__ = ["Frozen", "Letter", "Operator", "freeze", "is_zero"]
