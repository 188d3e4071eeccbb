"""The rule at any point: x+ as a sum over the states, gradients, the subgradient g+ of each prox, and the rest."""

from __future__ import annotations

from dataclasses import dataclass, field

import sympy as sp

from ..core import ir
from ..core.ir import Node
from .algebra import Atom, Operator, Vector, Word
from .evaluate import Evaluation, Unknown, Value
from .model import Model
from .ranges import nonnegative

G_PLUS = Atom("g+", "subgradient")
"""A subgradient of r at x+: prox_{r, P}(u) = u - P*g+."""


@dataclass(frozen=True)
class AnyMap:
    """An arbitrary map d = any(C) at its arguments."""

    name: str
    bound: str
    """C as text."""
    arguments: tuple[Vector, ...]


@dataclass
class General(Evaluation):
    """One pass with every state as an atom of its own; next iterates are atoms, too, once they are computed."""

    points: dict[Atom, Vector] = field(default_factory=dict)
    """grad f(e) -> e"""
    metrics: list[tuple[Operator, Node]] = field(default_factory=list)
    maps: dict[Atom, AnyMap] = field(default_factory=dict)
    result: Vector = field(default_factory=Vector)
    """What the prox gives; g+ is a subgradient there."""
    updates: dict[str, Value] = field(default_factory=dict)
    """State -> its next value, in terms of old states and of next states computed before."""

    def run(self) -> General:
        for s in self.model.program.statements:
            if isinstance(s, ir.Call):
                self.call(s)
                continue
            if s.implicit is not None and s.implicit.metric is None:
                self.judged_implicitly(s)
                self.next[s.name] = Vector.of(Atom(f"{s.name}+", "state"))
            value = self.value(s.value)
            if s.next:
                self.updates[s.name] = value
                self.next[s.name] = (
                    Vector.of(Atom(f"{s.name}+", "state")) if isinstance(value, Vector) else value
                )
            else:
                self.lets[s.name] = value
        return self

    @property
    def least_squares(self) -> bool:
        """Whether f is 1/2*||A*x - b||_2^2 in data that the rule sees."""
        return self.model.matrix is not None and self.model.target == "minimizer"

    def expanded(self, point: Vector) -> Vector:
        """A'*(A*point - b)"""
        assert self.model.matrix is not None and self.model.measured is not None
        measured = Vector.of(Atom(self.model.measured, "opaque"))
        return (point.under(self.model.matrix) - measured).under(self.model.matrix.T)

    def gradient_at(self, point: Vector) -> Vector:
        """grad f(point) in the terms of the rule; 0 where the rule takes none."""
        for atom, at in self.points.items():
            if at == point:
                return Vector.of(atom)
        if self.least_squares:
            return self.expanded(point)
        if not self.points:
            return Vector()
        atom = Atom(f"grad f({point})", "value")
        self.points[atom] = point
        return Vector.of(atom)

    def _symbol(self, node: Node) -> Value:
        if node.role == "data" and node.name == self.model.measured and self.least_squares:
            return Vector.of(Atom(node.name, "opaque"))
        return super()._symbol(node)

    def _grad(self, node: Node) -> Value:
        point = self.vector(node.args[0])
        if self.least_squares:
            return self.expanded(point)
        atom = Atom(f"grad f({point})", "value")
        self.points[atom] = point
        return Vector.of(atom)

    def subgradient(self) -> Vector:
        return Vector.of(G_PLUS)

    def _any(self, node: Node) -> Value:
        arguments = tuple(self.vector(a) for a in node.args)
        atom = Atom(f"{node.attr}({', '.join(map(str, arguments))})", "parameter")
        network = self.model.program.network(node.attr)
        self.maps[atom] = AnyMap(network.name, text(network.bound), arguments)
        return Vector.of(atom)

    def _prox(self, node: Node) -> Value:
        return self.resolved(self.vector(node.args[1]), self.metric(node.args[0]), node.args[0])

    def resolved(self, u: Vector, metric: Operator, node: Node) -> Vector:
        """prox_{r, P}(u) = u - P*g+"""
        self.metrics.append((metric, node))
        if len(self.metrics) > 1:
            raise Unknown("more than one prox in one iteration")
        self.result = u - Vector.of(G_PLUS).under(metric)
        return self.result

    def _soft(self, node: Node) -> Value:
        """The prox of r = lam*||x||_1 in the metric theta/lam, theta >= 0."""
        u, theta, weight = self.vector(node.args[0]), self.value(node.args[1]), self.model.l1_weight
        if weight is None or not self.least_squares:
            raise Unknown("a threshold that no r is named for")
        if not nonnegative(node.args[1], self.model):
            raise Unknown(f"a threshold {theta} that may be negative")
        metric = Operator.multiple(theta) if isinstance(theta, sp.Expr) else theta
        if not isinstance(metric, Operator):
            raise Unknown("a threshold that is a vector with several parts")
        return self.resolved(u, metric.scaled(1 / weight), node.args[1])

    def _soft_ss(self, node: Node) -> Value:
        raise Unknown("support selection")


def text(bound: Node | None) -> str:
    """C of any(C), a number or a name."""
    if bound is None:
        return "C"
    return str(bound.attr) if bound.op == "number" else bound.name


def general(model: Model) -> General:
    """The pass over a whole rule. Raises Unknown where a node has no affine form."""
    states: dict[str, Value] = {
        s.name: sp.Symbol(s.name, real=True) if s.type.kind == "scalar" else Vector.of(Atom(s.name, "state"))
        for s in model.program.states
    }
    rule = General(model, states).run()
    if rule.metrics and rule.updates[model.program.variable] != rule.result:
        raise Unknown("the next iterate is not what the prox gives")
    if rule.least_squares:
        _recognize(rule, model)
    return rule


def _recognize(rule: General, model: Model) -> None:
    """C*A'*(A*s - b) in the step, s a state, is C*grad f(s): what stands in front of A'*A*s over all s must add up to
    what stands in front of A'*b."""
    matrix, update = model.matrix, rule.updates[model.program.variable]
    if matrix is None or model.measured is None or not isinstance(update, Vector):
        return
    ((A,),) = matrix.terms
    measured = Atom(model.measured, "opaque")
    parts = {a: _before(update.part(a).scaled(sp.Integer(-1)), (A.T, A)) for a in update.atoms if a.kind == "state"}
    parts = {a: C for a, C in parts.items() if not C.is_zero}
    if sum(parts.values(), Operator()) != _before(update.part(measured), (A.T,)):
        return
    for a, C in parts.items():
        point, atom = Vector.of(a), Atom(f"grad f({a})", "value")
        rule.points[atom] = point
        update = update + (rule.expanded(point) - Vector.of(atom)).under(C)
    rule.updates[model.program.variable] = update


def _before(op: Operator, end: Word) -> Operator:
    """C of the words C*end."""
    return Operator({w[: -len(end)]: c for w, c in op.terms.items() if w[-len(end) :] == end})
