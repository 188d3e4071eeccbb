"""Affine maps u = s*K*x + v: K a chain of matrices and entrywise factors, applied and transposed link by link."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...core.ir import Node
from ...core.types import SCALAR, matrix, vector
from .factors import Coefficient, add, moves, negative, times, transposed

ENTRYWISE = ("vector", "diag")


@dataclass(frozen=True)
class Affine:
    """s*K*x + v; `chain` holds K's factors from the outermost inwards, none for the identity."""

    chain: tuple[Node, ...] = ()
    scale: Coefficient = field(default_factory=Coefficient)
    shift: Node | None = None

    @property
    def is_entrywise(self) -> bool:
        """Whether every entry of u depends on the same entry of x alone."""
        return all(f.type.kind in ENTRYWISE for f in self.chain)

    def scaled(self, c: Coefficient) -> Affine:
        return Affine(self.chain, self.scale * c, None if self.shift is None else c.scaled(self.shift))

    def shifted(self, v: Node) -> Affine:
        return Affine(self.chain, self.scale, add(self.shift, v))

    def through(self, factor: Node) -> Affine:
        """factor * (s*K*x + v)"""
        if factor.op == "negate":
            return self.through(factor.args[0]).scaled(Coefficient() * -1)
        shift = None if self.shift is None else applied(factor, self.shift)
        return Affine((factor, *self.chain), self.scale, shift)

    def adjoint(self, w: Node) -> Node:
        """K'*w"""
        for factor in self.chain:
            w = applied(factor if factor.type.kind in ENTRYWISE else transposed(factor), w)
        return w

    def norm_squared(self) -> Coefficient:
        """A bound of ||K||^2: matrices that stand side by side are multiplied first, entries count by their largest."""
        bound = Coefficient()
        product: Node | None = None
        for factor in self.chain:
            if factor.type.kind in ENTRYWISE:
                bound *= _spectral(product) * _largest(factor)
                product = None
            elif product is None:
                product = factor
            else:
                product = Node("compose", (product, factor), matrix(product.type.rows, factor.type.columns))
        return bound * _spectral(product)


def _spectral(m: Node | None) -> Coefficient:
    return Coefficient() if m is None else Coefficient.of(Node("spectral_squared", (m,), SCALAR))


def _largest(entries: Node) -> Coefficient:
    largest = Coefficient.of(Node("norm_inf", (entries,), SCALAR))
    return largest * largest


def applied(factor: Node, v: Node) -> Node:
    """A matrix or entrywise factor times a vector (a scalar stands for a constant one)."""
    if factor.type.kind in ENTRYWISE:
        return times(factor, v)
    if v.type == SCALAR:
        v = Node("broadcast", (v,), vector(factor.type.columns))
    return Node("apply", (factor, v), vector(factor.type.rows))


def affine(node: Node, x: Node) -> Affine | None:
    """The map of a vector expression; None if it is not affine, does not move, or has x on both sides of a sum."""
    if node == x:
        return Affine()
    moving = [i for i, a in enumerate(node.args) if moves(a)]
    if len(moving) != 1:
        return None
    i = moving[0]
    inner = affine(node.args[i], x)
    other = node.args[1 - i] if len(node.args) == 2 else None
    if inner is None:
        return None
    match node.op, i:
        case "negate", _:
            return inner.scaled(Coefficient() * -1)
        case "add", _ if other is not None:
            return inner.shifted(other)
        case "subtract", 0 if other is not None:
            return inner.shifted(negative(other))
        case "subtract", 1 if other is not None:
            return inner.scaled(Coefficient() * -1).shifted(other)
        case "times", _ if other is not None:
            return inner.scaled(Coefficient.of(other)) if other.type == SCALAR else inner.through(other)
        case "over", 0 if other is not None:
            if other.type == SCALAR:
                return inner.scaled(Coefficient() / Coefficient.of(other))
            return inner.through(Node("over", (Node("number", (), SCALAR, "1"), other), other.type))
        case "apply", 1 if other is not None:
            scale, factors = flat(other)
            for factor in reversed(factors):
                inner = inner.through(factor)
            return inner.scaled(scale)
    return None


def flat(m: Node) -> tuple[Coefficient, list[Node]]:
    """A matrix as a scalar and the factors of its product: (2*A)*B' -> 2, [A, B']"""
    match m.op:
        case "negate":
            scale, factors = flat(m.args[0])
            return -scale, factors
        case "scale":
            scale, factors = flat(m.args[1])
            return Coefficient.of(m.args[0]) * scale, factors
        case "shrink":
            scale, factors = flat(m.args[0])
            return scale / Coefficient.of(m.args[1]), factors
        case "compose":
            (a, left), (b, right) = flat(m.args[0]), flat(m.args[1])
            return a * b, left + right
        case "transpose":
            scale, factors = flat(m.args[0])
            return scale, [transposed(f) for f in reversed(factors)]
        case "identity":
            return Coefficient(), []
    return Coefficient(), [m]
