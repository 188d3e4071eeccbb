"""The problem at its solution: what data, gradients and parameters are there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import sympy as sp

from ..core import ir
from ..core.constants import exact, vanishes
from ..core.types import SCALAR
from .algebra import RESIDUAL, SOLUTION, SUBGRADIENT, Atom, Letter, Operator, Vector

Target = Literal["minimizer", "recovery"]


@dataclass
class Model:
    """One algorithm, one target. `matrix` and `measured` name the data A and b of b = A*x* + e*, if there are any."""

    program: ir.Algorithm
    target: Target
    l1_weight: sp.Expr | None = None
    """lam, where r is known to be lam*||x||_1."""
    matrix: Operator | None = None
    measured: str | None = None
    problem: str = "abstract"
    nonnegative: set[str] | None = None
    """States that are never negative, once asked for."""
    undefined: set[str] = field(default_factory=set)
    """Names of what is not defined at the solution."""
    jumping: set[str] = field(default_factory=set)
    """Names of what is not continuous there."""
    remembering: dict[str, str] = field(default_factory=dict)
    """An answer of a recurrent network -> the network."""
    small: set[str] = field(default_factory=set)
    """Names of what tends to 0 there."""
    adrift: set[str] = field(default_factory=set)
    """States of which it is not known where they are: scalars, and vectors without an equilibrium."""
    differences: dict[str, Vector] = field(default_factory=dict)
    """grad f(x* + d) - grad f(x*) by name -> d, where parameters may bring d to 0."""
    names: dict[tuple[str, ...], str] = field(default_factory=dict)
    """What is not taken apart: operation and arguments -> its name. Equal arguments, equal name."""
    inside: dict[str, set[str]] = field(default_factory=dict)
    """Such a name -> the names in its arguments."""

    def named(self, stem: str, key: tuple[str, ...], inside: set[str]) -> str:
        """The name of an operation at arguments: no name that a file can hold."""
        if (stem, *key) not in self.names:
            same = sum(1 for other in self.names if other[0] == stem)
            self.names[stem, *key] = name = f"{stem}(…)" + (str(same + 1) if same else "")
            self.inside[name] = set(inside).union(*(self.inside.get(n, set()) for n in inside))
        return self.names[stem, *key]

    def holding(self, name: str, inside: set[str]) -> str:
        """The name, noted as that of something made of these."""
        self.inside[name] = self.reach(inside)
        return name

    def reach(self, names: set[str]) -> set[str]:
        """These names and those inside what they stand for."""
        return names.union(*(self.inside.get(n, set()) for n in names))

    @property
    def vanishing(self) -> set[str]:
        """Names of what tends to 0: by declaration, by formula, or by what it is made of."""
        declared = {p.name for p in self.program.parameters if p.facts.vanishes}
        ranges = {d.name: d.range for d in self.program.data}
        formulas = {p.name for p in self.program.parameters if p.value is not None and vanishes(p.value, ranges)}
        return declared | formulas | self.small

    @property
    def varying(self) -> set[str]:
        """Names of what differs between iterations, whatever the iterate does."""
        p = {p.name for p in self.program.parameters if p.per_iteration or p.kind == "predicted"}
        return {"k", *p, *(s.name for s in self.program.states if s.type.kind == "scalar")}

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
                return Operator.of(Letter(name, d.type.kind))
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
                return Operator.of(Letter(p.name, p.type.kind))
        return Operator.of(Letter(p.name))


def models(program: ir.Algorithm) -> list[Model]:
    """The targets that make sense: the minimizer of f + r, the recovery of x from b = A*x, or both.

    A rule that uses data A and b itself sees a least-squares problem: by its `recover` clause, or because the problem
    that it is trained on is 1/2*||A*x - b||_2^2 + lam*||x||_1.
    """
    vectors = [d for d in program.data if d.type.kind == "vector"]
    matrices = [d for d in program.data if d.type.kind == "matrix"]
    scalars = [d for d in program.data if d.type.kind == "scalar"]
    if not _uses_data(program) or len(matrices) != 1 or len(vectors) != 1:
        return [Model(program, "minimizer")]
    matrix, measured = Operator.of(Letter(matrices[0].name)), vectors[0].name
    weight = sp.Symbol(scalars[0].name if scalars else "lam", positive=True)
    if program.target == "recover":
        return [Model(program, t, weight, matrix, measured) for t in ("recovery", "minimizer")]
    bound = program.training.problem
    if bound is None or not _is_lasso(bound, matrices[0].name, measured):
        return [Model(program, "minimizer")]
    assert bound.prox is not None and bound.prox.value is not None
    weight = sp.Symbol(bound.prox.value.args[0].name, positive=True)
    return [
        Model(program, t, weight, matrix, measured, bound.name) for t in ("minimizer", "recovery")
    ]


def _uses_data(program: ir.Algorithm) -> bool:
    nodes = [n for s in program.statements for e in _expressions(s) for n in e.walk()]
    nodes += [n for p in program.parameters if p.value is not None for n in p.value.walk()]
    return any(n.role == "data" for n in nodes)


def _is_lasso(problem: ir.Problem, matrix: str, measured: str) -> bool:
    """Whether a problem is 1/2*||A*x - b||_2^2 + lam*||x||_1 in the data of these names."""
    if problem.smooth is None or problem.prox is None:
        return False
    smooth, prox = problem.smooth.value, problem.prox.value
    if smooth is None:
        return False
    if smooth.op != "times" or exact(smooth.args[0]) != exact(_HALF) or smooth.args[1].op != "norm_2_squared":
        return False
    inner = smooth.args[1].args[0]
    if inner.op != "subtract" or inner.args[0].op != "apply":
        return False
    names = [inner.args[0].args[0], inner.args[1]]
    shape = [n.name for n in names if n.role == "data"] == [matrix, measured]
    return shape and prox.op == "times" and prox.args[0].role == "data" and prox.args[1].op == "norm_1"


_HALF = ir.Node("number", (), SCALAR, "0.5")


def _expressions(s: ir.Statement) -> tuple[ir.Node, ...]:
    return s.inputs if isinstance(s, ir.Call) else (s.value,)
