"""The problem at its solution: what data, gradients and parameters are there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import sympy as sp

from ..core import ir
from ..core.constants import exact
from .algebra import RESIDUAL, SOLUTION, SUBGRADIENT, Atom, Letter, Operator, Vector

Target = Literal["minimizer", "recovery"]


@dataclass
class Model:
    """One algorithm, one target. `matrix` and `measured` name the data A and b of b = A*x* + e*, where there are some."""

    program: ir.Algorithm
    target: Target
    l1_weight: sp.Expr | None = None
    """lam, where r is known to be lam*||x||_1."""
    matrix: Operator | None = None
    measured: str | None = None
    undefined: set[str] = field(default_factory=set)
    """Names of what is not defined at the solution."""
    jumping: set[str] = field(default_factory=set)
    """Names of what is not continuous there."""

    def has(self, role: str) -> bool:
        """Whether the problem has a smooth part (`f`), a proximable part (`r`)."""
        if self.matrix is not None:
            return True
        return any(f.role == role for f in self.program.functions)

    def subgradient(self) -> Vector:
        """g* = -grad f(x*), in the subdifferential of r: 0 where one of the two is absent."""
        if self.matrix is not None:
            return Vector.of(RESIDUAL).under(self.matrix.T) if self.target == "minimizer" else Vector()
        return Vector.of(SUBGRADIENT) if self.has("f") and self.has("r") else Vector()

    def gradient(self) -> Vector:
        return self.subgradient().scaled(sp.Integer(-1))

    def datum(self, name: str) -> sp.Expr | Operator | Vector:
        d = next(d for d in self.program.data if d.name == name)
        if name == self.measured and self.matrix is not None:
            clean = Vector.of(SOLUTION).under(self.matrix)
            return clean if self.target == "recovery" else clean + Vector.of(RESIDUAL)
        match d.type.kind:
            case "scalar":
                low = exact(d.range.low) if d.range is not None else None
                positive = d.range is not None and low is not None and (low > 0 or (low == 0 and d.range.low_open))
                return sp.Symbol(name, real=True, **({"positive": True} if positive else {}))
            case "vector":
                return Vector.of(Atom(name, "opaque"))
            case "diag" | "sym":
                return Operator.of(Letter(name, d.type.kind))  # type: ignore[arg-type]
        return Operator.of(Letter(name))

    def scalar(self, node: ir.Node) -> sp.Expr:
        """L, sizes, k, mu."""
        if node.role == "iteration":
            return sp.Symbol("k", integer=True, nonnegative=True)
        return sp.Symbol(node.name, positive=True)

    def parameter(self, p: ir.Parameter) -> sp.Expr | Operator | Vector:
        """A learned, predicted or precomputed parameter as a letter of its own."""
        match p.type.kind:
            case "scalar":
                r, signs = p.range, {}
                low = exact(r.low) if r is not None else None
                if r is not None and low is not None and low >= 0:
                    signs = {"positive": True} if low > 0 or r.low_open else {"nonnegative": True}
                return sp.Symbol(p.name, real=True, **signs)
            case "vector":
                if p.facts.vanishes:
                    return Vector.of(Atom(p.name, "small"))
                return Vector.of(Atom(p.name, "network" if p.kind == "predicted" else "parameter"))
            case "diag" | "sym":
                return Operator.of(Letter(p.name, p.type.kind))  # type: ignore[arg-type]
        return Operator.of(Letter(p.name))


def models(program: ir.Algorithm) -> list[Model]:
    """The targets that make sense: the minimizer of f + r, the recovery of x from b = A*x, or both."""
    lam = sp.Symbol("lam", positive=True)
    data = {d.name: d for d in program.data}
    vectors = [d for d in program.data if d.type.kind == "vector"]
    matrices = [d for d in program.data if d.type.kind == "matrix"]
    uses_data = any(n.role == "data" for s in program.statements for e in _expressions(s) for n in e.walk())
    if program.target == "recover" or (uses_data and len(matrices) == 1 and len(vectors) == 1):
        matrix = Operator.of(Letter(matrices[0].name))
        measured = vectors[0].name
        weight = next((sp.Symbol(d.name, positive=True) for d in data.values() if d.type.kind == "scalar"), lam)
        targets: list[Target] = ["recovery", "minimizer"] if program.target == "recover" else ["minimizer", "recovery"]
        return [Model(program, t, weight, matrix, measured) for t in targets]
    return [Model(program, "minimizer")]


def _expressions(s: ir.Statement) -> tuple[ir.Node, ...]:
    return s.inputs if isinstance(s, ir.Call) else (s.value,)
