"""Conditional verdicts at work: parameters that meet the printed obligations leave no residual.

What must vanish is known as operators and vectors of parameters and data (`FixedPoint.values`). On a concrete problem
it is a system of equations in the learned and predicted values; Gauss and Newton solve it from admissible values, inside
the declared ranges, ends included. The values then tend to the solution, 1/(k + 1)^2 of the way from where they began.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import sympy as sp

from l2ogen.analysis.algebra import Operator, Vector
from l2ogen.analysis.evaluate import free
from l2ogen.analysis.numeric.instances import Instance
from l2ogen.analysis.numeric.interpreter import Run
from l2ogen.analysis.numeric.measure import Unmeasurable, _Values
from l2ogen.analysis.numeric.operators import Array, Value
from l2ogen.analysis.numeric.parameters import Inadmissible
from l2ogen.analysis.numeric.ranges import Space
from l2ogen.analysis.report import TargetReport
from l2ogen.core import ir

from .frozen import CannotRun, Growing, Stay, anywhere, equilibrium, problems, reachable, stay

LATE = 10**7
STARTS = 4
SOLVED = 1e-11


@dataclass
class Meeting(Growing):
    """Values that tend to those of `ends`; without a sequence in the name they are there from the start."""

    ends: dict[str, Array] = field(default_factory=dict)
    held: tuple[str, ...] = ()
    """Predicted values that side conditions were looked at for: one value each."""

    def value(self, p: ir.Parameter, index: int, space: Space) -> Value:
        begun = super().value(p, 0, space)
        if p.name not in self.ends:
            return begun
        moves = (p.per_iteration and index < self.layers - 1) or p.kind == "predicted"  # the last layer is repeated
        share = 1.0 / (1.0 + index) ** 2 if moves else 0.0
        made = share * np.asarray(begun) + (1 - share) * self.ends[p.name]
        return np.float64(made) if made.ndim == 0 else made

    def predicted(self, p: ir.Parameter, k: int, space: Space) -> Value | None:
        held = p.name in self.ends or p.name in self.held
        return self.value(p, k, space) if held else super().predicted(p, k, space)


def met(
    program: ir.Algorithm, target: TargetReport, rng: np.random.Generator, trials: int
) -> Iterator[tuple[str, Stay | None]]:
    """(description, residuals) of runs with parameters that meet the obligations; None where none were found."""
    for instance in problems(program, target.fixed_point.target, rng, trials):
        parameters = meeting(program, target, instance, rng)
        what = f"{instance.title}, n = {instance.n}"
        if parameters is None:
            yield what, None
            continue
        ends = {name: np.asarray(v).tolist() for name, v in parameters.ends.items()}
        forgets = any(claim.startswith("|") for claim, ok, _ in target.fixed_point.side if not ok)
        resting = target.fixed_point.reading == "equilibrium" and not forgets
        try:
            if target.fixed_point.reading == "equilibrium":
                state = equilibrium(program, instance, parameters)
            else:
                state = (anywhere if rng.random() < 0.5 else reachable)(program, instance, parameters, rng)
            found = stay(program, instance, parameters, state, resting)
        except (CannotRun, Inadmissible):
            yield what, None
            continue
        yield f"{what}, parameters {parameters.as_json()} that tend to {ends}", found


def meeting(
    program: ir.Algorithm, target: TargetReport, instance: Instance, rng: np.random.Generator
) -> Meeting | None:
    """Parameters that meet all obligations on a problem, and the side conditions; None where none were found."""
    found = target.fixed_point
    sides = [claim for claim, ok, _ in found.side if not ok]
    wanted = [found.values[o] for o in found.obligations if o in found.values]
    if len(wanted) < len([o for o in found.obligations if o not in sides]):
        return None
    fixed_tails = any(p.tail.kind in ("decay", "formula", "none") for p in program.parameters)
    for _ in range(STARTS):
        made = Meeting(seed=int(rng.integers(2**31)), edge=0.0, layers=5 if fixed_tails else 10**9)
        system = _System(program, instance, made, wanted, sides)
        try:
            ends = system.solved()
            if ends is not None and system.allows(ends):
                predicted = [p.name for p in program.parameters if p.kind == "predicted"]
                return replace(made, ends=ends, held=tuple(n for n in predicted if any(n in s for s in sides)))
        except (Unmeasurable, CannotRun, sp.SympifyError, TypeError, ValueError, KeyError, np.linalg.LinAlgError):
            return None
    return None


class _System:
    """The obligations as equations in the entries of the parameters that they name."""

    def __init__(
        self, program: ir.Algorithm, instance: Instance, parameters: Meeting, wanted: list[object], sides: list[str]
    ) -> None:  # fmt: skip
        self.program, self.instance, self.parameters = program, instance, parameters
        self.wanted, self.sides = wanted, sides
        run = Run(program, instance, parameters, k=LATE)
        self.spaces: dict[str, Space] = {}
        self.begun: dict[str, Array] = {}
        for p in program.parameters:
            if p.kind in ("learned", "predicted"):
                closed = replace(p, facts=replace(p.facts, margin=0.0, envelope=None))
                self.spaces[p.name] = run.space(closed)
                self.begun[p.name] = np.asarray(parameters.value(p, 0, run.space(p)), dtype=float)
        named: set[str] = set().union(*(free(w) for w in wanted))
        self.names = sorted(named & set(self.begun))
        self.ended = {p.name for p in program.parameters if p.tail.kind in ("decay", "formula")}

    def solved(self) -> dict[str, Array] | None:
        """Gauss-Newton with steps of least norm, each clipped into the ranges."""
        if set(self.names) & self.ended:
            return None
        z = self.packed({name: self.begun[name] for name in self.names})
        best, left, h = z, np.inf, 1e-6
        for _ in range(30):
            f = self.residual(z)
            size = float(np.linalg.norm(f, np.inf)) if len(f) else 0.0
            if not size < left and left <= SOLVED:  # down to rounding
                return self.unpacked(best)
            best, left = (z, size) if size < left else (best, left)
            if size == 0:
                return self.unpacked(z)
            slopes = [(self.residual(z + h * e) - self.residual(z - h * e)) / (2 * h) for e in np.eye(len(z))]
            J = np.stack(slopes, axis=1)
            z = self.packed(self.clipped(self.unpacked(z - np.linalg.lstsq(J, f, rcond=1e-10)[0])))
        return None

    def packed(self, values: dict[str, Array]) -> Array:
        return np.concatenate([np.ravel(values[name]) for name in self.names] or [np.zeros(0)])

    def unpacked(self, z: Array) -> dict[str, Array]:
        found, at = {}, 0
        for name in self.names:
            shape = np.shape(self.begun[name])
            size = int(np.prod(shape))
            found[name] = np.reshape(z[at : at + size], shape)
            at += size
        return found

    def clipped(self, values: dict[str, Array]) -> dict[str, Array]:
        made = {}
        for name, v in values.items():
            space = self.spaces[name]
            made[name] = v if space.type.kind in ("matrix", "sym") else np.clip(v, space.low, space.high)
        return made

    def reader(self, values: dict[str, Array], k: int = LATE) -> _Values:
        run = Run(self.program, self.instance, self.parameters, k=k)
        for name, v in (self.begun | values).items():
            run.values["parameter", name] = v
        run.values.setdefault(("data", "lam"), np.float64(self.instance.r.weight))  # of r, where no datum is called so
        return _Values(run)

    def residual(self, z: Array) -> Array:
        read = self.reader(self.unpacked(z))
        parts: list[Array] = []
        for w in self.wanted:
            if isinstance(w, Operator):
                made: object = read.matrix(w)
            else:
                made = read.vector(w) if isinstance(w, Vector) else read.scalar(w)
            parts.append(np.ravel(np.asarray(made, dtype=float)))
        return np.concatenate(parts or [np.zeros(0)])

    def allows(self, ends: dict[str, Array]) -> bool:
        """Whether the values that stay and those that are tended to meet the side conditions, strictly."""
        both: list[dict[str, Array]] = [{}, ends]
        return all(self.side(c, values, k) for c in self.sides for values in both for k in (0, 1, 2, 3, 10, LATE))

    def side(self, claim: str, values: dict[str, Array], k: int) -> bool:
        body, test = claim, ""
        for ending in (" > 0", " >= 0", " is not 0"):
            if claim.endswith(ending):
                body, test = claim.removesuffix(ending), ending
        if claim.startswith("|") and claim.endswith("| < 1"):
            body, test = claim[1:-5], " < 1"
        if not test or "'" in body or "(…)" in body:
            raise Unmeasurable(claim)
        read = self.reader(values, k)
        formula = sp.sympify(body.replace("^", "**"), locals={n: sp.Symbol(n) for n in (*self.begun, "I", "L", "k")})
        names = sorted(s.name for s in formula.free_symbols)
        numbers = [np.asarray(1.0 if n == "I" else read.named(n)) for n in names]
        if any(v.ndim > 1 for v in numbers):
            raise Unmeasurable(claim)
        v = np.asarray(sp.lambdify([sp.Symbol(n) for n in names], formula, "numpy")(*numbers))
        match test:
            case " > 0":
                return bool((v > 1e-3).all())
            case " >= 0":
                return bool((v >= 0).all())
            case " is not 0":
                return bool((np.abs(v) > 1e-3).all())
        return bool((np.abs(v) < 0.95).all())


__all__ = ["Meeting", "meeting", "met"]
