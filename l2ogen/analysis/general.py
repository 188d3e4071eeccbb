"""The rule at any point: x+ as a sum over the states, gradients, the subgradient g+ of each prox, and the rest."""

from __future__ import annotations

from dataclasses import dataclass, field

import sympy as sp

from ..core import ir
from ..core.ir import Node
from .algebra import Atom, Operator, Vector
from .evaluate import Evaluation, Unknown, Value
from .model import Model

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

    def _grad(self, node: Node) -> Value:
        point = self.vector(node.args[0])
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
        metric, u = self.metric(node.args[0]), self.vector(node.args[1])
        self.metrics.append((metric, node.args[0]))
        if len(self.metrics) > 1:
            raise Unknown("more than one prox in one iteration")
        self.result = u - Vector.of(G_PLUS).under(metric)
        return self.result

    def _soft(self, node: Node) -> Value:
        raise Unknown("a threshold that no r is named for")

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
    return rule
