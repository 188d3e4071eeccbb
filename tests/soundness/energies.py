"""Certificates of convergence held against runs: the inequality of the theorem's proof in every single step.

D = x+ - x, M = inv(P), E the theorem's energy. Each certificate is a function of the steps of a run that gives, by step,
how far its inequality is violated and the size of what cancels in it; `rises` turns violations into complaints.

C1, C1v   F(x+) <= F(x) - |D|^2_M + L/2*|D|^2 - <M*b1, D> <= F(x) + |M*b1|^2/(4*c), c = min eig(M) - L/2 > 0
C1s       moreover |x+ - x*|_M <= |x - x*|_M + |b1|_M
C2*       B*|u|^2_M <= c*|D_|^2_{M_} for some c < 1, and F + w/2*|D|^2_M with w = (1 + c)/2 (1 without biases) rises by at
          most B*w/(w - c)*|b2|^2_M/2 + |b1|^2_M/(2*(1 - w)), where y = x + u + b2: Young's inequality, twice
C2d       entry by entry, q = 1/(L*P), t = A^2/w_ < 1: w = 2*q - 1 - (q - 1)^2*t/(1 - t) > 0, and F + L/2*w*D^2 never rises
C3        F(x) - F* <= |x_0 - x*|^2_M/(2*t^2)
C4        F + c*|D|^2 never rises, c in the middle of (beta/2a, 1/a - L/2 - beta/2a)
SG-B      F(x+) <= F(T(x)) <= F(x) - L/2*|x - T(x)|^2
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import sympy as sp

from l2ogen.analysis.convergence import _heavy_ball
from l2ogen.analysis.general import general
from l2ogen.analysis.normal_form import NormalForm
from l2ogen.analysis.numeric.functions import Proximable, Smooth
from l2ogen.analysis.numeric.instances import Instance, tilted
from l2ogen.analysis.numeric.interpreter import BEFORE, CannotRun, Run, State, start
from l2ogen.analysis.numeric.operators import Array
from l2ogen.analysis.numeric.parameters import Parameters
from l2ogen.analysis.report import TargetReport
from l2ogen.core import ir

from .forms import Reader
from .frozen import problems, values

STEPS = 300
ROUNDING = 1e-9
"""Violations up to this share of what cancels are rounding."""


@dataclass
class Step:
    """One iteration: the iterate before and after it, and what the normal form says of it."""

    before: State
    after: State
    x: Array
    x_next: Array
    F: float
    """F(x) - F*, of the iterate before the step."""
    F_next: float
    read: Reader
    P: Array
    """(n, n)"""

    @property
    def D(self) -> Array:
        return self.x_next - self.x

    @cached_property
    def M(self) -> Array:
        return np.asarray(np.linalg.inv(self.P), dtype=np.float64)


Violations = list[tuple[float, float]]
"""(by how much, size of what cancels), step by step."""
Certificate = Callable[[list[Step], Any, ir.Algorithm], Violations]


def trace(
    program: ir.Algorithm, target: TargetReport, instance: Instance, parameters: Parameters, steps: int = STEPS
) -> list[Step]:
    """A run from far away: the states that start where x does are moved with it. Raises CannotRun."""
    state = start(program, instance, parameters)
    origin = state[program.variable]
    for s in program.states:
        if np.shape(state[s.name]) == np.shape(instance.x_star) and np.array_equal(state[s.name], origin):
            state[s.name] = instance.x_star + 3.0
    if BEFORE in state:
        state[BEFORE] = state[program.variable]
    found, F = [], instance.value("F", np.asarray(state[program.variable])) - instance.F_star
    for k in range(steps):
        run = Run(program, instance, parameters, state, k)
        after = run.step()
        x, x_next = np.asarray(state[program.variable]), np.asarray(after[program.variable])
        F_next = instance.value("F", x_next) - instance.F_star
        read = Reader(target.form, run, state, instance)
        P = read.matrix(target.form.P) if target.form is not None else np.eye(instance.n) / instance.L
        found.append(Step(state, after, x, x_next, F, F_next, read, P))
        state, F = after, F_next
    return found


# ---- the theorems ----------------------------------------------------------------------------------


def descent(steps: list[Step], form: NormalForm, program: ir.Algorithm) -> Violations:
    """C1, C1v."""
    found = []
    for s in steps:
        D, M, b = s.D, s.M, s.read.vector(form.b1)
        L = s.read.instance.L if s.read.instance.phi is not None else 0.0
        terms = [s.F, -float(D @ M @ D), L / 2 * float(D @ D), -float((M @ b) @ D)]
        found.append((s.F_next - sum(terms), _size(s.F_next, *terms)))
        c, room = float(np.linalg.eigvalsh((M + M.T) / 2)[0]) - L / 2, float((M @ b) @ (M @ b))
        if not c > 0:
            found.append((-c, 1.0))
        else:
            found.append((s.F_next - s.F - room / (4 * c), _size(s.F_next, s.F, room / (4 * c))))
    return found


def distance(steps: list[Step], form: NormalForm, program: ir.Algorithm) -> Violations:
    """C1s."""
    found = descent(steps, form, program)
    for s in steps:
        M, b = s.M, s.read.vector(form.b1)
        before, after = (_norm(z - s.read.instance.x_star, M) for z in (s.x, s.x_next))
        found.append((after - before - _norm(b, M), _size(before, after) + _norm(s.read.instance.x_star, M)))
    return found


def inertia(steps: list[Step], form: NormalForm, program: ir.Algorithm) -> Violations:
    """C2, C2b, C2c: the hypothesis about u, and the energy."""
    states = {s.name for s in program.states}
    deviations: list[tuple[float, Array]] = []
    shares = [0.0]
    for last, s in pairwise(steps):
        y = np.asarray(s.before[form.point]) if form.point in states else _inner(form, s)
        b2 = last.read.vector(form.b2) if form.point in states else np.zeros_like(y)
        B, u = float(s.read.matrix(form.B)[0, 0]), y - s.x - b2
        room, rounding = float(last.D @ last.M @ last.D), 1e-20 * float(s.x @ s.M @ s.x)
        if room > rounding:
            shares.append(B * float(u @ s.M @ u) / room)
        deviations.append((B, b2))
    c = max(shares)
    exact = form.b1.is_zero and form.b2.is_zero
    w = 1.0 if exact else (1 + c) / 2
    found = [(c - 1, 1.0)] if c >= 1 else []
    for (last, s), (B, b2) in zip(pairwise(steps), deviations, strict=True):
        terms = [s.F, w / 2 * float(last.D @ last.M @ last.D)]
        if not exact and c < 1:
            b1 = s.read.vector(form.b1)
            terms += [B * w / (w - c) * float(b2 @ s.M @ b2) / 2, float(b1 @ s.M @ b1) / (2 * (1 - w))]
        after = s.F_next + w / 2 * float(s.D @ s.M @ s.D)
        found.append((after - sum(terms), _size(after, *terms)))
    return found


def balanced(steps: list[Step], form: NormalForm, program: ir.Algorithm) -> Violations:
    """C2d: the largest weights w of the energy that steps and momentum leave, and the energy with them."""
    found: Violations = []
    L = steps[0].read.instance.L
    w = 2 / (L * np.diag(steps[0].P)) - 1  # the energy counts from the second iterate on
    found.append((-float(w.min()), 1.0))
    for last, s in pairwise(steps):
        A, q = np.diag(last.read.matrix(form.A)), 1 / (L * np.diag(s.P))
        t = A**2 / w
        found.append((float(t.max()) - 1, 1.0))
        after = 2 * q - 1 - (q - 1) ** 2 * t / (1 - t)
        found.append((-float(after.min()), 1.0))
        terms = [s.F, L / 2 * float(w @ last.D**2)]
        energy = s.F_next + L / 2 * float(after @ s.D**2)
        found.append((energy - sum(terms), _size(energy, *terms)))
        w = after
    return found


def accelerated(steps: list[Step], form: NormalForm, program: ir.Algorithm) -> Violations:
    """C3."""
    names = {s.name for c in form.A.terms.values() for s in c.free_symbols}
    (t,) = [s.name for s in program.states if s.type.kind == "scalar" and s.name in names]
    start = steps[0].x - steps[0].read.instance.x_star
    bounds = [float(start @ s.M @ start) / (2 * float(s.before[t]) ** 2) for s in steps]
    return [(s.F_next - bound, _size(s.F_next, bound)) for s, bound in zip(steps, bounds, strict=True)]


def momentum(target: TargetReport) -> Certificate:
    """C4."""
    alpha, beta = _heavy_ball(target.model, general(target.model))
    assert alpha is not None and beta is not None

    def heavy(steps: list[Step], form: NormalForm, program: ir.Algorithm) -> Violations:
        found: Violations = []
        for last, s in pairwise(steps[1:]):
            a, b, L = s.read.scalar(sp.sympify(alpha)), s.read.scalar(sp.sympify(beta)), s.read.instance.L
            low, high = b / (2 * a), 1 / a - L / 2 - b / (2 * a)
            if not 0 <= low < high:
                found.append((low - high, 1.0))
                continue
            c = (low + high) / 2
            terms = [s.F, c * float(last.D @ last.D)]
            after = s.F_next + c * float(s.D @ s.D)
            found.append((after - sum(terms), _size(after, *terms)))
        return found

    return heavy


def plain(s: Step) -> Array:
    """T(x), the proximal gradient step of length 1/L."""
    problem = s.read.instance
    return problem.prox(s.x - problem.grad(s.x) / problem.L, 1 / problem.L)


def guarded(steps: list[Step], form: NormalForm, program: ir.Algorithm) -> Violations:
    """SG-B."""
    found = []
    for s in steps:
        d = s.x - plain(s)
        terms = [s.F, -s.read.instance.L / 2 * float(d @ d)]
        found.append((s.F_next - sum(terms), _size(s.F_next, *terms)))
    return found


def pulled(steps: list[Step], form: NormalForm, program: ir.Algorithm) -> Violations:
    """SG-D: the energy of C2 with P = 1/L."""
    found = []
    for last, s in pairwise(steps):
        L = s.read.instance.L
        terms = [s.F, L / 2 * float(last.D @ last.D)]
        after = s.F_next + L / 2 * float(s.D @ s.D)
        found.append((after - sum(terms), _size(after, *terms)))
    return found


def certificate(target: TargetReport) -> Certificate:
    theorem = target.convergence.theorem
    if theorem == "C2" and target.model.program.safeguard is not None:
        return pulled
    if theorem == "C4":
        return momentum(target)
    known: dict[str, Certificate] = {
        "C1": descent, "C1v": descent, "C1s": distance, "C2": inertia, "C2b": inertia, "C2c": inertia, "C2d": balanced, "C3": accelerated,
        "SG-B": guarded,
    }  # fmt: skip
    return known[theorem]


def _size(*terms: float) -> float:
    return sum(abs(t) for t in terms)


def _norm(v: Array, M: Array) -> float:
    return max(float(v @ M @ v), 0.0) ** 0.5


def _inner(form: NormalForm, s: Step) -> Array:
    """The extrapolated point that is a formula."""
    assert form.rule is not None
    return s.read.vector(next(p for p in form.rule.points.values() if str(p) == form.point))


# ---- complaints ------------------------------------------------------------------------------------


def rises(
    program: ir.Algorithm, target: TargetReport, rng: np.random.Generator, trials: int = 4,
    counted: list[str] | None = None,
) -> Iterator[str]:  # fmt: skip
    """What contradicts a certificate along runs from far away, at parameters that change as they like."""
    theorem = target.convergence.theorem
    check = certificate(target)
    for instance in (*hard(program, rng), *problems(program, "minimizer", rng, trials)):
        parameters = values(program, rng, edges=(0.0, 0.3))
        shown = f"{instance.title}, {parameters.as_json()}"
        try:
            steps = trace(program, target, instance, parameters)
        except CannotRun:
            return
        far = max([s.F_next for s in steps if np.isfinite(s.F_next)], default=0.0)
        found = check(steps, target.form, program)
        floor = ROUNDING * _size(instance.F_star) + ROUNDING**2 * far  # where F* = 0 there is nothing to cancel at the end
        for k, (by, size) in enumerate(found):
            if by == np.inf or by > ROUNDING * size + floor or (np.isnan(by) and not np.isinf(size)):
                yield f"theorem {theorem}: its inequality is violated by {by:.2g} in step {k}: {shown}"
                return
        if counted is not None:
            counted.append(theorem if target.model.program.safeguard is None or theorem != "C2" else "SG-D")
        early = max([s.F_next for s in steps[:20] if np.isfinite(s.F_next)], default=0.0)
        late, size = min(s.F_next for s in steps[-20:]), 1 + far
        exact = target.form is None or (target.form.b1.is_zero and target.form.b2.is_zero)
        if conditioned(instance) and not late <= max(0.97 * early, 1e-2 * size if not exact else 1e-6 * size):
            yield f"theorem {theorem}: F(x_k) - F* is {late:.2g} after {STEPS} steps from {early:.2g}: {shown}"
            return


def hard(program: ir.Algorithm, rng: np.random.Generator) -> Iterator[Instance]:
    """Curvature L in all directions, where steps that are too long show at once."""
    if not any(f.role == "f" for f in program.functions):
        return
    both = any(f.role == "r" for f in program.functions)
    for kind in ("zero", "l1") if both else ("zero",):
        n = 2
        rest = Proximable(kind, n, 0.3)
        x_star, title = np.array([1.0, -0.7]), f"identity + {kind}"
        phi = Smooth("square", np.eye(n), np.zeros(n))
        yield tilted(phi, rest, x_star, rest.some_subgradient(x_star, rng), title)


def conditioned(instance: Instance) -> bool:
    if instance.phi is None or instance.phi.kind != "square":
        return False
    values = np.linalg.eigvalsh(instance.phi.M.T @ instance.phi.M)
    return bool(values[0] > values[-1] / 20)
