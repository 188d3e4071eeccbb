"""What is known of an expression before anything runs: exact values of numbers, signs."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from .ir import Node, Range

MARGIN = 1e-3
"""Relative distance that generated parameters keep from the open ends of their ranges (the epsilon of certificates)."""


def exact(node: Node | None) -> Fraction | None:
    """The value of an expression of numbers alone; None where a name or a function occurs."""
    if node is None:
        return None
    if node.op == "number":
        return Fraction(node.attr)
    values = [exact(a) for a in node.args]
    if not values or any(v is None for v in values):
        return None
    a, b = values[0] or Fraction(0), values[-1] or Fraction(0)
    match node.op:
        case "add":
            return a + b
        case "subtract":
            return a - b
        case "negate":
            return -a
        case "times":
            return a * b
        case "over":
            return a / b if b else None
        case "broadcast":
            return a
        case "power" if b.denominator == 1 and (a or b > 0) and abs(b) * _bits(a) < 4096:
            return a ** int(b)
    return None


def _bits(a: Fraction) -> int:
    return max(a.numerator.bit_length(), a.denominator.bit_length())


def constant(node: Node | None) -> float | None:
    """The same as a float."""
    value = exact(node)
    try:
        return None if value is None else float(value)
    except OverflowError:
        return float("inf") if value is not None and value > 0 else float("-inf")


def positive(node: Node, ranges: Mapping[str, Range | None], zero: bool = False) -> bool:
    """Whether a scalar is proved positive (nonnegative with `zero`) for every value in the declared ranges."""
    value = exact(node)
    if value is not None:
        return value > 0 or (zero and value == 0)
    if node.role == "size":
        return True
    if node.role == "data":
        r = ranges.get(node.name)
        low = exact(r.low) if r is not None else None
        return r is not None and low is not None and (low > 0 or (low == 0 and (r.low_open or zero)))
    match node.op:
        case "times":
            return all(positive(a, ranges, zero) for a in node.args)
        case "add":
            some = zero or any(positive(a, ranges) for a in node.args)
            return some and all(positive(a, ranges, zero=True) for a in node.args)
        case "over":
            return positive(node.args[0], ranges, zero) and positive(node.args[1], ranges)
        case "power" | "sqrt":
            return positive(node.args[0], ranges, zero)
        case "exp":
            return True
        case "abs" | "norm_1" | "norm_2" | "norm_2_squared" | "norm_inf" | "spectral" | "spectral_squared":
            return zero
    return False
