"""What the other states are while the iterate stands at a solution: their equilibrium."""

from __future__ import annotations

from dataclasses import dataclass, field

import sympy as sp

from ..core import ir
from ..core.constants import exact
from .algebra import ONES, SOLUTION, Atom, Letter, Operator, Vector, Word, formula, limit
from .evaluate import Evaluation, Obligation, Unknown, Value, free, is_zero
from .model import Model
from .tails import ended_by_tails

K = sp.Symbol("k", integer=True, nonnegative=True)


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
    settled = True
    for _ in range(len(others) + 2):  # each pass settles the states that depend on settled ones
        evaluation = Evaluation(model, dict(states), still=True).run()
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
    if not settled:
        states |= _jointly(others, model, states)
    while True:
        frozen.side.clear()
        frozen.defects.clear()
        frozen.evaluation = Evaluation(model, dict(states)).run()
        evaluation = Evaluation(model, dict(states), still=True).run()
        free_one = next((s for s in others if _is_free(evaluation.next[s.name], states[s.name], model)), None)
        if free_one is None:
            break
        # neither at x* nor an average: any value; it must not matter for the iterate
        states[free_one.name] = Vector.of(Atom(free_one.name, "state"))
    known = []
    model.adrift = {s.name for s in others if _is_adrift(s, evaluation.next[s.name], states[s.name])}
    for s in others:
        new, old = evaluation.next[s.name], states[s.name]
        if isinstance(old, Vector) and all(a.kind != "state" for a in old.atoms):
            known.append(s)
            if isinstance(new, Vector) and new != old:
                frozen.defects.append(Obligation(new - old, f"{s.name}+ - {s.name} at the solution"))
                model.small.add(f"o({s.name})")
                states[s.name] = old + Vector.of(Atom(f"o({s.name})", "small"))
    if frozen.defects:  # the rule sees states near their equilibrium
        frozen.evaluation = Evaluation(model, dict(states)).run()
    frozen.uniform = not frozen.evaluation.remembers
    _contracts(known, model, states, frozen)
    return frozen


def _is_adrift(s: ir.State, new: Value, old: Value) -> bool:
    """Whether it is not known where a state is: a scalar that changes, or a vector that is none of the solution's."""
    if isinstance(old, Vector):
        return any(a.kind == "state" for a in old.atoms) and new != old
    return not (isinstance(new, sp.Expr) and isinstance(old, sp.Expr) and is_zero(new - old))


def _is_free(new: Value, old: Value, model: Model) -> bool:
    """Whether a state does not stay at its supposed equilibrium for another reason than a bias."""
    if not isinstance(new, Vector) or not isinstance(old, Vector) or any(a.kind == "state" for a in old.atoms):
        return False
    moved = new - old
    return not _unbiased(ended_by_tails(moved, model) or moved, model).is_zero


def _unbiased(v: Vector, model: Model) -> Vector:
    """Without biases: a state is where it would be without them, and they must vanish."""
    sequences = {p.name for p in model.program.parameters} & model.varying

    def stays(w: Word, a: Atom, c: sp.Expr) -> bool:
        names = {s.name for s in c.free_symbols}
        fades = K in c.free_symbols and limit(c, K) == 0
        return not {x.name for x in w} & model.vanishing and not fades and not (a == ONES and names & sequences)

    kept = {(w, a): c for (w, a), c in v.terms.items() if stays(w, a, c)}
    return Vector(kept).without("parameter", "network", "small")


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
    """s+ with s itself as an unknown, the iterate kept at x*."""
    unknown = Atom(s.name, "state")
    trial = dict(states)
    trial[s.name] = Vector.of(unknown)
    return Evaluation(model, trial, still=True).run().next[s.name], unknown


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
    if s.name in model.reach(free(h)):
        return None
    if any(a.kind == "opaque" for a in h.atoms):
        return None
    h = _unbiased(h, model)
    if c.is_zero:
        rest = h
    elif set(c.terms) == {()} and c.terms[()] != 1:
        rest = h.scaled(1 / (1 - c.terms[()]))
    else:
        return None
    rest = _limits(ended_by_tails(rest, model) or rest)
    moves = model.reach(free(rest)) & model.varying  # then it is another point in each iteration
    return None if moves else rest


def _limits(v: Vector) -> Vector:
    """Schedules replaced by their limits, where they have one."""

    def end(c: sp.Expr) -> sp.Expr:
        found = limit(c, K) if K in c.free_symbols else None
        return c if found is None or not found.is_finite else found

    return Vector({key: end(c) for key, c in v.terms.items()})


def _jointly(others: list[ir.State], model: Model, states: dict[str, Value]) -> dict[str, Value]:
    """s = C*s + h for all vector states at once, C of numbers: inv(I - C)*h; nothing where the equation has another
    form."""
    vectors = [s for s in others if s.type == _space(model.program)]
    atoms = [Atom(s.name, "state") for s in vectors]
    try:
        trial = states | {a.name: Vector.of(a) for a in atoms}
        following = Evaluation(model, trial, still=True).run().next
    except Unknown:
        return {}
    updates = [following[s.name] for s in vectors]
    parts = [[u.part(a) if isinstance(u, Vector) else Operator() for a in atoms] for u in updates]
    if any(not (set(op.terms) <= {()} and all(c.is_number for c in op.terms.values())) for row in parts for op in row):
        return {}
    matrix = sp.eye(len(atoms)) - sp.Matrix([[op.terms.get((), 0) for op in row] for row in parts])
    if matrix.det() == 0:
        return {}
    known = [_limits(_unbiased(u.without("state"), model)) if isinstance(u, Vector) else Vector() for u in updates]
    inverse = matrix.inv()
    solved = [sum((h.scaled(inverse[i, j]) for j, h in enumerate(known)), Vector()) for i in range(len(atoms))]
    if any(model.reach(free(v)) & model.varying or any(a.kind == "opaque" for a in v.atoms) for v in solved):
        return {}
    return {a.name: v for a, v in zip(atoms, solved, strict=True)}


def _contracts(known: list[ir.State], model: Model, states: dict[str, Value], frozen: Frozen) -> None:
    """Reading U: states forget their start if they depend on each other in no circle, and each on itself by a factor
    below 1 in size."""
    edges: dict[str, set[str]] = {}
    for s in known:
        reads: set[str] = set()
        for other in known:
            trial = dict(states) | {other.name: Vector.of(Atom(other.name, "state"))}
            try:
                new = Evaluation(model, trial, still=True).run().next[s.name]
            except Unknown:
                frozen.uniform = False
                return
            if other.name in model.reach(free(new)):
                reads.add(other.name)
            if other is s and isinstance(new, Vector):
                _forgets(s, new, model, frozen)
        edges[s.name] = reads - {s.name}
    while edges:
        ready = {name for name, reads in edges.items() if not reads & set(edges)}
        if not ready:
            frozen.uniform = False
            return
        edges = {name: reads for name, reads in edges.items() if name not in ready}


def _forgets(s: ir.State, new: Vector, model: Model, frozen: Frozen) -> None:
    """Whether the factor before a state in its own update is below 1 in size."""
    c = new.part(Atom(s.name, "state"))
    rest = Vector({key: v for key, v in new.terms.items() if key[1] != Atom(s.name, "state")})
    if s.name in model.reach(free(rest) | free(c)):
        frozen.uniform = False
    elif set(c.terms) == {()}:
        factor = c.terms[()]
        if factor.is_number and not abs(factor) < 1:
            frozen.uniform = False
            return
        scheduled = factor.free_symbols == {K}
        end = limit(factor, K) if scheduled else factor
        below = bool(end is not None and end.is_number and abs(end) < 1) or _below_one(factor, model)
        if scheduled and not below:  # a product of such factors need not tend to 0
            frozen.uniform = False
            return
        learned = {p.name for p in model.program.parameters} - model.varying
        claim = f"|{formula(factor)}| < 1" + ("" if scheduled or free(factor) <= learned else ", uniformly in k")
        because = "its limit" if scheduled else "its range"
        frozen.side.append((claim, below or None, because if below else "no range says so"))
        frozen.uniform = frozen.uniform and below
    elif not c.is_zero:
        frozen.uniform = False


def _below_one(factor: sp.Expr, model: Model) -> bool:
    if not factor.is_symbol:
        return False
    p = next((p for p in model.program.parameters if p.name == factor.name), None)
    if p is None or p.range is None or p.range.low is None or p.range.high is None:
        return False
    low, high = exact(p.range.low), exact(p.range.high)
    if low is None or high is None:
        return False
    if p.tail.kind == "formula":
        return False
    # enforced ranges keep their margin from open ends, so that the bound is uniform in k
    apart = p.facts.margin > 0 or factor.name not in model.varying
    return (low > -1 or (low == -1 and p.range.low_open and apart)) and (
        high < 1 or (high == 1 and p.range.high_open and apart)
    )


__all__ = ["Frozen", "Letter", "Operator", "freeze", "is_zero"]
