"""Affine rules with a known prox: the class of rules whose fixed point should hardly ever stay unknown."""

from __future__ import annotations

import sympy as sp

from l2ogen.analysis.convergence import _in_k as in_k
from l2ogen.analysis.model import models
from l2ogen.analysis.ranges import nonzero
from l2ogen.core import ir
from l2ogen.core.constants import exact
from l2ogen.core.ir import Node

SUMS = {"add", "subtract", "negate"}
PRODUCTS = {"times", "scale", "compose", "apply", "scale_rows", "scale_columns"}
KEEP = {"broadcast", "detach", "transpose", "diag"}


def affine(program: ir.Algorithm) -> bool:
    """Whether every line is affine in the iterate, the states, gradients of f at such points, and the prox of r (or the
    soft threshold, where r is known to be an l1 norm) of such points.

    Not in the class, and why:
    * what else is done to something that depends on the iterate: entrywise functions, norms, divisions by it, products
      of two such things (they are not affine); networks may predict coefficients and biases, but are no terms;
    * a metric that depends on the iterate, and implicit rules that are solved by no prox (the prox is not known);
    * rules under a safeguard (what is decided is about the line that they propose, which no run follows);
    * support selection (no prox), a minibatch gradient or a subgradient of F (not a known vector at the solution);
    * quotients whose denominator no range keeps away from 0 (there may be no value);
    * products with a factor that no fact bounds for all k: a sequence or a prediction without both ends (unless it is
      declared to vanish), a schedule that grows with k (the theorems are about bounded P, A and B, and infinity times
      what vanishes may be anything).

    Damage done to a rule does not take it out of the class, unless it makes one of these of it.
    """
    return _Lines(program).affine()


class _Lines:
    def __init__(self, program: ir.Algorithm) -> None:
        self.program, self.model = program, models(program)[0]
        self.moving: set[tuple[str, str]] = {("state", s.name) for s in program.states}
        """(role, name) of what depends on the iterate."""

    def affine(self) -> bool:
        if self.program.safeguard is not None:
            return False
        for s in self.program.statements:
            if isinstance(s, ir.Call):
                if not s.predicts:
                    return False
                continue
            if s.implicit is not None and s.implicit.metric is None:
                return False
            if not self.holds(s.value):
                return False
            if self.moves(s.value) or s.next:
                self.moving.add(("next" if s.next else "let", s.name))
        return all(p.value is None or self.holds(p.value) for p in self.program.parameters if p.kind == "fixed")

    def moves(self, node: Node) -> bool:
        asks = any(n.op in ir.OF_PROBLEM for n in node.walk())
        return asks or any((n.role, n.name) in self.moving for n in node.walk() if n.role)

    def holds(self, node: Node) -> bool:
        """Whether an expression is affine with bounded, defined coefficients."""
        args = node.args
        if not args:
            return True
        if node.op in SUMS | KEEP:
            return all(map(self.holds, args))
        if node.op in PRODUCTS:
            constant = [a for a in args if not self.moves(a)]
            return len(constant) >= len(args) - 1 and all(map(self.holds, args)) and self.bounded(args)
        if node.op in ("over", "shrink"):
            return all(map(self.holds, args)) and not self.moves(args[1]) and nonzero(args[1], self.model)
        if node.op == "grad":
            return self.holds(args[0])
        if node.op == "prox":
            return not self.moves(args[0]) and all(map(self.holds, args))
        if node.op == "soft":
            known = self.model.l1_weight is not None
            return known and not self.moves(args[1]) and all(map(self.holds, args))
        return not self.moves(node) and node.op not in ir.OF_PROBLEM and not self.unbounded(node)

    def bounded(self, factors: tuple[Node, ...]) -> bool:
        numbers = [a for a in factors if exact(a) is not None]
        return len(numbers) >= len(factors) - 1 or not any(map(self.unbounded, factors))

    def unbounded(self, node: Node) -> bool:
        """Whether a factor that does not depend on the iterate has no bound that is uniform in k."""
        if self.moves(node):
            return any(self.unbounded(a) for a in node.args)
        for n in node.walk():
            if n.role == "parameter" and self.wild(self.program.parameter(n.name)):
                return True
        return self.grows(node)

    def wild(self, p: ir.Parameter) -> bool:
        if p.kind == "fixed" and p.value is not None:
            return self.unbounded(p.value)
        sequence = p.kind == "predicted" or (p.per_iteration and p.tail.kind in ("none", "formula"))
        r = p.range
        known = p.facts.bound is not None or p.facts.vanishes or (r is not None and r.low is not None and r.high is not None)
        return sequence and not known

    def grows(self, node: Node) -> bool:
        if not any(n.role == "iteration" for n in node.walk()):
            return False
        k = sp.Symbol("k", positive=True)
        formula = in_k(node, k)
        if formula is None:
            return any(map(self.grows, node.args)) if node.args else True
        return not sp.limit(formula, k, sp.oo).is_finite


__all__ = ["affine"]
