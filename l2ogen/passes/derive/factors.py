"""Coefficients in a normal form, and the few constructors of expressions that keep derived formulas readable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from ...core.constants import exact, positive
from ...core.ir import Node, Range, symbols
from ...core.sizes import Size
from ...core.types import SCALAR, Type, matrix
from ..expressions import is_number, number, symbol


@dataclass(frozen=True)
class Coefficient:
    """number * top[0]*top[1]*… / (bottom[0]*…), scalar factors that do not hold the variable."""

    number: Fraction = Fraction(1)
    top: tuple[Node, ...] = ()
    bottom: tuple[Node, ...] = ()

    @classmethod
    def of(cls, node: Node) -> Coefficient:
        known = exact(node)
        if known is not None:
            return cls(known)
        match node.op:
            case "negate":
                return -cls.of(node.args[0])
            case "times":
                return cls.of(node.args[0]) * cls.of(node.args[1])
            case "over":
                return cls.of(node.args[0]) / cls.of(node.args[1])
        return cls(Fraction(1), (node,))

    def __mul__(self, other: Coefficient | int) -> Coefficient:
        if isinstance(other, int):
            return Coefficient(self.number * other, self.top, self.bottom)
        return Coefficient(self.number * other.number, self.top + other.top, self.bottom + other.bottom)

    def __truediv__(self, other: Coefficient | int) -> Coefficient:
        if isinstance(other, int):
            return self * Coefficient(Fraction(1, other))
        if other.number == 0:  # a division by 0 stays in sight: its sign is never proved
            return self * Coefficient(Fraction(1), (Node("over", (number(1), other.node), SCALAR),))
        return self * Coefficient(1 / other.number, other.bottom, other.top)

    def __neg__(self) -> Coefficient:
        return self * -1

    def absolute(self, ranges: Mapping[str, Range | None]) -> Coefficient:
        """|c|"""
        top, bottom = (
            tuple(f if positive(f, ranges, zero=True) else Node("abs", (f,), SCALAR) for f in part)
            for part in (self.top, self.bottom)
        )
        return Coefficient(abs(self.number), top, bottom)

    def is_positive(self, ranges: Mapping[str, Range | None], zero: bool = False) -> bool:
        """Whether it is proved positive (nonnegative with `zero`) for every value in the declared ranges."""
        if self.number == 0:
            return zero
        factors = all(positive(f, ranges, zero) for f in self.top) and all(positive(f, ranges) for f in self.bottom)
        return self.number > 0 and factors

    @property
    def is_one(self) -> bool:
        return self == Coefficient()

    @property
    def node(self) -> Node:
        return self.scaled(number(1))

    def scaled(self, node: Node) -> Node:
        """c*node: what multiplies stands in front, what divides behind."""
        product = number(abs(self.number.numerator))
        for factor, count in Counter(self.top).items():
            product = times(product, factor if count == 1 else Node("power", (factor, number(count)), factor.type))
        result = times(product, node)
        bottom = number(self.number.denominator)
        for factor in self.bottom:
            bottom = times(bottom, factor)
        if not is_number(bottom, 1):
            result = Node("over", (result, bottom), result.type)
        return negative(result) if self.number < 0 else result


def times(a: Node, b: Node) -> Node:
    """A scalar, vector or diagonal times another; 1*b is b."""
    if is_number(a, 1):
        return b
    if is_number(b, 1):
        return a
    return Node("times", (a, b), wider(a, b))


def add(a: Node | None, b: Node | None) -> Node | None:
    """a + b, where None is 0."""
    if a is None or b is None:
        return a or b
    if b.op == "negate":
        return subtract(a, b.args[0])
    return Node("add", (a, b), wider(a, b))


def subtract(a: Node, b: Node | None) -> Node:
    if b is None:
        return a
    if b.op == "negate":
        return Node("add", (a, b.args[0]), wider(a, b))
    return Node("subtract", (a, b), wider(a, b))


def negative(a: Node) -> Node:
    return a.args[0] if a.op == "negate" else Node("negate", (a,), a.type)


def wider(a: Node, b: Node) -> Type:
    """The space of an entrywise result: a scalar stands for all entries."""
    return b.type if a.type.kind == "scalar" else a.type


def transposed(m: Node) -> Node:
    if m.op == "transpose":
        return m.args[0]
    if m.type.kind in ("sym", "diag"):
        return m
    return Node("transpose", (m,), matrix(m.type.columns, m.type.rows))


def size_factor(size: Size) -> Coefficient:
    """A size as a number."""
    total: Node | None = None
    for names, c in size.terms:
        product = number(c)
        for name in names:
            product = times(product, symbol("size", name, SCALAR))
        total = add(total, product)
    return Coefficient.of(total if total is not None else number(0))


def moves(node: Node) -> bool:
    """Whether the variable occurs."""
    return bool(symbols(node, "variable"))
