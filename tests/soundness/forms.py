"""The normal form against the rule: both give the same next iterate at random points.

Where r is differentiable g+ is its gradient there, so that no part of the form can hide behind another. They agree to
1e-10 times the size of the terms that cancel, in the form and in the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
import sympy as sp

from l2ogen.analysis.algebra import Operator, Vector, Word
from l2ogen.analysis.normal_form import NormalForm
from l2ogen.analysis.numeric.instances import Instance
from l2ogen.analysis.numeric.interpreter import Run, State
from l2ogen.analysis.numeric.operators import Array
from l2ogen.analysis.numeric.residual import Sizes
from l2ogen.analysis.report import TargetReport
from l2ogen.core import ir

from .frozen import CannotRun, anywhere, problems, values

AGREE = 1e-10
"""The largest difference, relative to the sum of the norms of the terms that cancel."""


@lru_cache(maxsize=2000)
def compiled(c: sp.Expr) -> tuple[tuple[str, ...], Callable[..., complex]]:
    """The names in a formula, and the formula as a function of them."""
    symbols = sorted(c.free_symbols, key=lambda s: s.name)
    return tuple(s.name for s in symbols), sp.lambdify(symbols, c, "numpy")


class Reader:
    """Values of operators and vectors of the normal form in one finished iteration."""

    def __init__(self, form: NormalForm | None, run: Run, state: State, instance: Instance) -> None:
        self.form, self.run, self.state, self.instance = form, run, state, instance
        self.missing: set[str] = set()
        self.g: Array = np.zeros(instance.n)
        """g+"""
        self.size = 0.0
        """The sum of the norms of all terms so far."""

    def of_name(self, name: str) -> Array:
        for role in ("parameter", "data", "lipschitz", "state", "let", "iteration", "size"):
            if (role, name) in self.run.values:
                return np.asarray(self.run.values[role, name])
        if name == "k":
            return np.asarray(float(self.run.k))
        if ("next", name.removesuffix("+")) in self.run.values and name.endswith("+"):
            return np.asarray(self.run.values["next", name[:-1]])
        self.missing.add(name)
        return np.asarray(np.nan)

    def scalar(self, c: sp.Expr) -> float:
        names, function = compiled(c)
        try:
            value = complex(function(*(complex(self.of_name(name)) for name in names)))
        except ZeroDivisionError:  # 1/k at k = 0
            return float("nan")
        return float(value.real) if value.imag == 0 else float("nan")

    def apply(self, word: Word, v: Array) -> Array:
        for letter in reversed(word):
            M = self.of_name(letter.name)
            M = M.T if letter.transposed else M
            v = M * v if M.ndim < 2 else M @ np.broadcast_to(v, M.shape[1:])
        return np.broadcast_to(v, (self.instance.n,)) if np.ndim(v) == 0 else v

    def operator(self, op: Operator, v: Array) -> Array:
        return sum((self.term(c, w, v) for w, c in op.terms.items()), np.zeros_like(v))

    def vector(self, v: Vector) -> Array:
        n = self.instance.n
        return sum((self.term(c, w, self.atom(a)) for (w, a), c in v.terms.items()), np.zeros(n))

    def term(self, c: sp.Expr, word: Word, v: Array) -> Array:
        made = self.apply(word, v)
        parts = c.args if c.is_Add else (c,)
        self.size += sum(abs(self.scalar(part)) for part in parts) * float(np.linalg.norm(made))
        return self.scalar(c) * made

    def matrix(self, op: Operator) -> Array:
        eye = np.eye(self.instance.n)
        if set(op.terms) <= {()}:
            return (self.scalar(op.terms[()]) if op.terms else 0.0) * eye
        return np.stack([self.operator(op, e) for e in eye], axis=1)

    def atom(self, atom: object) -> Array:
        name = atom.name  # type: ignore[attr-defined]
        assert self.form is not None and self.form.rule is not None
        rule = self.form.rule
        if name == "1":
            return np.asarray(1.0)
        if name == "g+":
            return self.g
        if atom in rule.points:
            return self.instance.grad(self.vector(rule.points[atom]))
        if name in self.state:
            return np.asarray(self.state[name])
        return self.of_name(name)


def disagreements(
    program: ir.Algorithm, target: TargetReport, rng: np.random.Generator, trials: int = 3,
    counted: list[str] | None = None,
) -> Iterator[str]:  # fmt: skip
    """What the form gives minus what the rule gives, where that is no rounding; `counted` gets an entry for each
    comparison."""
    counted = [] if counted is None else counted
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
        read.size = float(np.linalg.norm(x))
        made = x + read.operator(form.B, y) - read.operator(form.B, x) - read.operator(form.P, gx + g)
        made = made - read.operator(form.P2, gy) + read.operator(form.P2, gx) - read.vector(form.b1)
        step = float(np.abs(read.matrix(form.P)).max(initial=0.0))
        read.size += step * sum(float(np.linalg.norm(instance.grad_size(np.abs(point)))) for point in (x, y))
        found = np.asarray(after[program.variable])
        known = (found != 0) | (not program.data)  # where a threshold gives 0, g is not known
        made, found = np.where(known, made, 0.0), np.where(known, found, 0.0)
        yield from _differs("x+", made, found, read, Sizes(run).next(program.variable), counted)
        if form.point in {s.name for s in program.states}:
            next_ = np.asarray(after[program.variable])
            read.size = float(np.linalg.norm(next_))
            made = next_ + read.operator(form.A, next_) - read.operator(form.A, x) + read.vector(form.b2)
            yield from _differs("y+", made, after[form.point], read, Sizes(run).next(form.point), counted)


def model_has_f(program: ir.Algorithm) -> bool:
    return any(f.role == "f" for f in program.functions)


def _point(form: NormalForm, program: ir.Algorithm, read: Reader, state: State) -> Array:
    if not form.point:
        return np.asarray(state[program.variable])
    if form.point in state:
        return np.asarray(state[form.point])
    assert form.rule is not None
    return read.vector(next(p for p in form.rule.points.values() if str(p) == form.point))


def _differs(what: str, made: Array, after: object, read: Reader, sizes: object, counted: list[str]) -> Iterator[str]:
    size = read.size + float(np.linalg.norm(np.asarray(sizes)))
    gap = float(np.linalg.norm(made - np.asarray(after)))
    if read.missing or not np.isfinite(size):
        return  # a scalar without a value of its own, such as a norm
    counted.append(what)
    if gap > AGREE * size:
        yield f"{what}: the normal form differs by {gap:.2g} at values of size {size:.2g}"
