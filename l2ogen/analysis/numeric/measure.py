"""Obligations measured at given weights: how far what must vanish is from 0, in one iteration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np
import sympy as sp

from ...core import ir
from ..algebra import Letter, Operator, Vector, Word
from ..evaluate import Value as Symbolic
from .interpreter import CannotRun, Run
from .networks import Net, SmoothMap
from .operators import Array, Value
from .ranges import Space


class Unmeasurable(Exception):
    """Weights and data don't say what an obligation is about; the reason."""


class Misfit(Exception):
    """Weights that are not those of the program."""


@dataclass(frozen=True)
class Given:
    """The numbers of one instance. Its functions are not needed: no parameter is made of them."""

    n: int
    data: dict[str, Value]
    L: float = np.nan
    mu: float = np.nan

    def value(self, role: str, x: Array) -> float:
        _unasked(role)

    def grad(self, x: Array) -> Array:
        _unasked("grad")

    def subgrad(self, x: Array) -> Array:
        _unasked("subgrad")

    def prox(self, v: Array, P: Value) -> Array:
        _unasked("prox")


def _unasked(what: str) -> NoReturn:
    raise Unmeasurable(f"`{what}` has no one value")


@dataclass
class Weights:
    """The raw weights of a generated module, as the interpreter asks for them: by the parameter's name, `theta_k.0` in
    the first layer."""

    raw: dict[str, Array]
    layers: int = 1
    nets: dict[str, Net] = field(default_factory=dict)

    def learned(self, p: ir.Parameter, layer: int, space: Space) -> Value:
        name = f"{p.name}.{layer}" if p.per_iteration else p.name
        if name not in self.raw:
            raise Misfit(f"there is no `{p.name}`" + (f" of layer {layer}" if p.per_iteration else ""))
        raw = np.asarray(self.raw[name], dtype=float)
        if raw.shape != (space.shape or (1,)):
            expected = " x ".join(map(str, space.shape)) or "1"
            raise Misfit(f"`{p.name}` is {' x '.join(map(str, raw.shape))}, not {expected}")
        return space.from_raw(raw if space.shape else raw[0])

    def predicted(self, p: ir.Parameter, k: int, space: Space) -> Value | None:
        _unasked(p.name)

    def net(self, network: ir.Network, inputs: int, outputs: int) -> Net:
        _unasked(network.name)

    def any(self, network: ir.Network, inputs: int, outputs: int, bound: float) -> SmoothMap:
        _unasked(network.name)


def size(what: Symbolic, program: ir.Algorithm, instance: Given, weights: Weights, k: int) -> float:
    """The spectral norm of an operator, the largest absolute entry of a vector or scalar, in iteration k.

    Raises Unmeasurable where a name has no value, Misfit where the weights are of another program.
    """
    values = _Values(Run(program, instance, weights, k=k))
    if isinstance(what, Operator):
        made = values.matrix(what)
    else:
        made = np.asarray(values.vector(what) if isinstance(what, Vector) else values.scalar(what))
    if not np.isfinite(made).all():
        raise Unmeasurable(f"it is not finite in iteration {k}")
    return float(np.linalg.norm(made, 2)) if made.ndim == 2 else float(np.max(np.abs(made), initial=0.0))


@dataclass
class _Values:
    """Names, words and coefficients in one iteration."""

    run: Run

    def named(self, name: str) -> Value:
        run = self.run
        for role in ("parameter", "data", "lipschitz", "modulus", "size", "iteration"):
            if (role, name) in run.values:
                found = run.values[role, name]
                if np.isnan(found).any():
                    raise Unmeasurable(f"`{name}` has no value in this run")
                return found
        p = next((p for p in run.program.parameters if p.name == name), None)
        if p is None or p.kind == "predicted":
            raise Unmeasurable(f"`{name}` has no value {'of its own' if p is not None else 'in this run'}")
        try:
            run.values["parameter", name] = made = run.parameter(p)
        except CannotRun as error:
            raise Unmeasurable(str(error)) from None
        return made

    def scalar(self, c: sp.Expr) -> float:
        made = c.subs({s: float(self.named(s.name)) for s in c.free_symbols})
        return float(made)

    def letter(self, letter: Letter) -> Array:
        value = np.asarray(self.named(letter.name))
        matrix = np.diag(value) if letter.kind == "diag" else value
        return matrix.T if letter.transposed else matrix

    def word(self, word: Word) -> Array:
        product = self.letter(word[0])
        for letter in word[1:]:
            product = product @ self.letter(letter)
        return product

    def matrix(self, op: Operator) -> Array:
        c = self.scalar(op.terms.get((), sp.Integer(0)))
        words = [self.scalar(d) * self.word(w) for w, d in op.terms.items() if w]
        if not words:
            return np.full((1, 1), c)  # c*I has this norm in every size
        return sum(words[1:], words[0]) + c * np.eye(*words[0].shape)

    def vector(self, v: Vector) -> Array:
        total: Array = np.zeros(1)
        for (word, atom), c in v.terms.items():
            value = np.atleast_1d(self.named(atom.name))
            total = total + self.scalar(c) * (self.word(word) @ value if word else value)
        return total
