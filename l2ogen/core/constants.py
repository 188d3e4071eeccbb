"""What is known of an expression before anything runs: exact values of numbers, signs."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Literal

from .ir import MARGIN, Node, Range

__all__ = ["MARGIN", "constant", "exact", "positive", "tends"]


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
    """Whether a scalar is proved positive (nonnegative with `zero`) for every value in the declared ranges.

    `ranges` are those of data. The iteration number is at least 0, sizes and Lipschitz constants are positive.
    """
    value = exact(node)
    if value is not None:
        return value > 0 or (zero and value == 0)
    if node.role == "data":
        r = ranges.get(node.name)
        low = exact(r.low) if r is not None else None
        return r is not None and low is not None and (low > 0 or (low == 0 and (r.low_open or zero)))
    if node.role:
        return node.role in ("size", "option", "lipschitz") or (node.role == "iteration" and zero)
    match node.op:
        case "add":
            weak = [positive(a, ranges, True) for a in node.args]
            return (all(weak) and (zero or any(positive(a, ranges) for a in node.args))) or _terms_positive(
                node, ranges, zero
            )
        case "subtract":
            return _terms_positive(node, ranges, zero)
        case "times":
            return all(positive(a, ranges, zero) for a in node.args)
        case "over":
            return positive(node.args[0], ranges, zero) and positive(node.args[1], ranges)
        case "power" | "sqrt":
            return positive(node.args[0], ranges, zero)
        case "exp" | "sigmoid" | "softplus":
            return True
        case "min":
            return all(positive(a, ranges, zero) for a in node.args)
        case "max":
            return any(positive(a, ranges, zero) for a in node.args)
        case "clip":
            return positive(node.args[1], ranges, zero)
        case "broadcast":
            return positive(node.args[0], ranges, zero)
        case "abs" | "norm_0" | "norm_1" | "norm_2" | "norm_2_squared" | "norm_inf" | "norm_F" | "spectral":
            return zero
        case "spectral_squared" | "coherence":
            return zero
    return False


def _terms_positive(node: Node, ranges: Mapping[str, Range | None], zero: bool) -> bool:
    """The same for a sum, after like terms are collected: 2/L - 1/L is 1/L."""
    terms = _terms(node)
    rest = {m: c for m, c in terms.items() if c}
    if any(c < 0 for c in rest.values()):
        return False
    sure = [all(positive(a, ranges, zero=e > 0) or e % 2 == 0 for a, e in m) for m in rest]
    strict = any(all(positive(a, ranges) for a, _ in m) for m in rest)
    return all(sure) and (strict or zero)


Monomial = tuple[tuple[Node, int], ...]


def _terms(node: Node) -> dict[Monomial, Fraction]:
    """A scalar as a sum of coefficient * product of powers of what is no sum or product."""
    value = exact(node)
    if value is not None:
        return {(): value}
    match node.op:
        case "add" | "subtract":
            total = dict(_terms(node.args[0]))
            for m, c in _terms(node.args[1]).items():
                total[m] = total.get(m, Fraction(0)) + (c if node.op == "add" else -c)
            return total
        case "negate":
            return {m: -c for m, c in _terms(node.args[0]).items()}
        case "times":
            total = {}
            for a, ca in _terms(node.args[0]).items():
                for b, cb in _terms(node.args[1]).items():
                    m = _product(a, b)
                    total[m] = total.get(m, Fraction(0)) + ca * cb
            return total
        case "over":
            divisor = _terms(node.args[1])
            if len(divisor) == 1:
                ((m, c),) = divisor.items()
                if c:
                    inverse = tuple((a, -e) for a, e in m)
                    return {_product(n, inverse): d / c for n, d in _terms(node.args[0]).items()}
            return {_product(n, ((node.args[1], -1),)): d for n, d in _terms(node.args[0]).items()}
        case "broadcast":
            return _terms(node.args[0])
    return {((node, 1),): Fraction(1)}


def _product(a: Monomial, b: Monomial) -> Monomial:
    powers = dict(a)
    for atom, e in b:
        powers[atom] = powers.get(atom, 0) + e
    return tuple(sorted(((atom, e) for atom, e in powers.items() if e), key=repr))


def tends(node: Node) -> Literal["zero", "constant", "infinity"] | None:
    """Where a formula in k goes as k grows, other names held at positive values; None where no rule applies."""
    if not any(n.role == "iteration" for n in node.walk()):
        return "constant"
    if node.role == "iteration":
        return "infinity"
    parts = [tends(a) for a in node.args]
    match node.op:
        case "broadcast" | "sqrt":
            return parts[0]
        case "negate":
            return "zero" if parts[0] == "zero" else None
        case "log" if parts[0] == "infinity":
            return "infinity"
        case "exp" if node.args[0].op == "negate" and tends(node.args[0].args[0]) == "infinity":
            return "zero"
        case "add" | "subtract":
            if "infinity" in parts:  # that is, +infinity: nothing may go the other way
                known = node.op == "add" or parts[1] in ("zero", "constant")
                return "infinity" if known and None not in parts else None
            if None in parts or (node.op == "subtract" and parts[1] != "zero"):
                return None
            return "zero" if set(parts) == {"zero"} else "constant"
        case "times":
            if set(parts) <= {"zero", "constant"}:
                return "zero" if "zero" in parts else "constant"
            return "infinity" if set(parts) <= {"infinity", "constant"} else None
        case "over":
            match parts:
                case ["zero", "constant" | "infinity"] | ["constant", "infinity"]:
                    return "zero"
                case ["infinity", "constant" | "zero"] | ["constant", "zero"]:
                    return "infinity"
        case "power":
            base, exponent = node.args
            if parts[1] == "constant":
                e = exact(exponent)
                flip = {"zero": "infinity", "infinity": "zero", "constant": "constant"}
                where = parts[0]
                if e is None or where is None:
                    return None
                return where if e > 0 else flip[where] if e < 0 else "constant"  # type: ignore[return-value]
            b = exact(base)
            if parts[1] == "infinity" and b is not None and b >= 0:
                return "zero" if b < 1 else "infinity" if b > 1 else "constant"
        case "min" if "zero" in parts and None not in parts:
            return "zero"
    return None
