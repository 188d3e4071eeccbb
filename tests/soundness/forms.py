"""The normal form against the rule: both give the same next iterate at random points.

Where r is differentiable g+ is its gradient there, so that no part of the form can hide behind another.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from l2ogen.analysis.algebra import Operator, Vector, Word
from l2ogen.analysis.normal_form import NormalForm
from l2ogen.analysis.numeric.instances import Instance
from l2ogen.analysis.numeric.interpreter import Run, State
from l2ogen.analysis.numeric.operators import Array
from l2ogen.analysis.report import TargetReport
from l2ogen.core import ir

from .frozen import CannotRun, anywhere, problems, values


class Reader:
    """Values of operators and vectors of the normal form in one finished iteration."""

    def __init__(self, form: NormalForm, run: Run, state: State, instance: Instance) -> None:
        self.form, self.run, self.state, self.instance = form, run, state, instance
        self.missing: set[str] = set()
        self.g: Array = np.zeros(instance.n)
        """g+"""

    def of_name(self, name: str) -> Array:
        for role in ("parameter", "data", "lipschitz", "state", "let", "iteration", "size"):
            if (role, name) in self.run.values:
                return np.asarray(self.run.values[role, name])
        if name == "k":
            return np.asarray(float(self.run.k))
        self.missing.add(name)
        return np.asarray(np.nan)

    def scalar(self, c: object) -> float:
        names = {s: float(self.of_name(s.name)) for s in c.free_symbols}  # type: ignore[attr-defined]
        value = complex(c.subs(names))  # type: ignore[attr-defined]
        return float(value.real) if value.imag == 0 else float("nan")

    def apply(self, word: Word, v: Array) -> Array:
        for letter in reversed(word):
            M = self.of_name(letter.name)
            M = M.T if letter.transposed else M
            v = M * v if M.ndim < 2 else M @ v
        return v

    def operator(self, op: Operator, v: Array) -> Array:
        return sum((self.scalar(c) * self.apply(w, v) for w, c in op.terms.items()), np.zeros_like(v))

    def vector(self, v: Vector) -> Array:
        n = self.instance.n
        return sum((self.scalar(c) * self.apply(w, self.atom(a)) for (w, a), c in v.terms.items()), np.zeros(n))

    def atom(self, atom: object) -> Array:
        name, rule = atom.name, self.form.rule  # type: ignore[attr-defined]
        assert rule is not None
        if name == "1":
            return np.ones(self.instance.n)
        if name == "g+":
            return self.g
        if atom in rule.points:
            return self.instance.grad(self.vector(rule.points[atom]))
        if name.endswith("+"):
            return np.asarray(self.run.values["next", name[:-1]])
        if name in self.state:
            return np.asarray(self.state[name])
        value = self.of_name(name)  # the measured data have a length of their own
        return value if value.ndim else value * np.ones(self.instance.n)


def disagreements(program: ir.Algorithm, target: TargetReport, rng: np.random.Generator, trials: int = 3) -> Iterator[str]:
    """What the form gives minus what the rule gives, where that is no rounding."""
    form = target.form
    if form is None or form.rule is None or target.model.target != "minimizer":
        return
    kinds = ("quadratic", "linear") if model_has_f(program) else ("quadratic",)
    for instance in problems(program, "minimizer", rng, trials, kinds):
        parameters = values(program, rng)
        try:
            state = anywhere(program, instance, parameters, rng)
            k = int(rng.integers(0, 5))
            run = Run(program, instance, parameters, state, k)
            after = run.step()
        except CannotRun:
            return
        read = Reader(form, run, state, instance)
        x = np.asarray(state[program.variable])
        y = _point(form, program, read, state)
        gx, gy = instance.grad(x), instance.grad(y)
        g = read.g = instance.r.subgradient(np.asarray(after[program.variable])) * bool(form.rule.metrics)
        made = x + read.operator(form.B, y - x) - read.operator(form.P, gx + g) - read.operator(form.P2, gy - gx)
        made = made - read.vector(form.b1)
        known = (np.asarray(after[program.variable]) != 0) | (not program.data)  # where a threshold gives 0, g is not
        yield from _differs("x+", np.where(known, made, 0.0), np.where(known, after[program.variable], 0.0), read)
        if form.point in {s.name for s in program.states}:
            next_ = np.asarray(after[program.variable])
            made = next_ + read.operator(form.A, next_ - x) + read.vector(form.b2)
            yield from _differs("y+", made, after[form.point], read)


def model_has_f(program: ir.Algorithm) -> bool:
    return any(f.role == "f" for f in program.functions)


def _point(form: NormalForm, program: ir.Algorithm, read: Reader, state: State) -> Array:
    if not form.point:
        return np.asarray(state[program.variable])
    if form.point in state:
        return np.asarray(state[form.point])
    assert form.rule is not None
    return read.vector(next(p for p in form.rule.points.values() if str(p) == form.point))


def _differs(what: str, made: Array, after: object, read: Reader) -> Iterator[str]:
    size = 1 + float(np.abs(made).max()) + float(np.abs(np.asarray(after)).max())
    gap = float(np.abs(made - np.asarray(after)).max())
    if read.missing or not np.isfinite(size):
        return  # a scalar without a value of its own, such as a norm
    if gap > 1e-10 * size * 100:
        yield f"{what}: the normal form differs by {gap:.2g} at values of size {size:.2g}"
