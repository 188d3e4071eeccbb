"""What is known of an expression before anything runs: exact values of numbers, signs."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Literal

from .ir import MARGIN, Node, Range

__all__ = ["MARGIN", "constant", "exact", "positive", "vanishes"]


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

    `ranges` are those of data and parameters. The iteration number is at least 0, sizes and Lipschitz constants are
    positive.
    """
    value = exact(node)
    if value is not None:
        return value > 0 or (zero and value == 0)
    if node.role == "size":
        return True
    if node.role in ("data", "parameter"):
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
        case "power":
            base, exponent = node.args
            return positive(base, ranges, zero and positive(exponent, ranges, zero=True))
        case "sqrt":
            return positive(node.args[0], ranges, zero)
        case "exp" | "sigmoid" | "softplus":
            return True
        case "min":
            return all(positive(a, ranges, zero) for a in node.args)
        case "negate":
            return _terms_positive(node, ranges, zero)
        case "max":
            return any(positive(a, ranges, zero) for a in node.args)
        case "clip":  # min(max(v, low), high)
            return positive(node.args[2], ranges, zero) and any(positive(a, ranges, zero) for a in node.args[:2])
        case "broadcast":
            return positive(node.args[0], ranges, zero)
        case "abs" | "norm_0" | "norm_1" | "norm_2" | "norm_2_squared" | "norm_inf" | "norm_F" | "spectral":
            return zero
        case "spectral_squared" | "coherence":
            return zero
    return False


def _terms_positive(node: Node, ranges: Mapping[str, Range | None], zero: bool) -> bool:
    """The same for a sum, after like terms are collected: 2/L - 1/L is 1/L. What cancels must not be 0/0."""
    terms = _cleared(_terms(node), ranges)
    rest = {m: c for m, c in terms.items() if c}
    divisors = [n.args[1] for n in node.walk() if n.op == "over"]
    if any(c < 0 for c in rest.values()) or not all(_nonzero(d, ranges) for d in divisors):
        return False
    sure = [all(positive(a, ranges, zero=e > 0) or e % 2 == 0 for a, e in m) for m in rest]
    strict = any(all(positive(a, ranges) for a, _ in m) for m in rest)
    return all(sure) and (strict or zero)


def _nonzero(node: Node, ranges: Mapping[str, Range | None]) -> bool:
    return positive(node, ranges) or positive(Node("negate", (node,), node.type), ranges)


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
            return _products(_terms(node.args[0]), _terms(node.args[1]))
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


def _cleared(terms: dict[Monomial, Fraction], ranges: Mapping[str, Range | None]) -> dict[Monomial, Fraction]:
    """Multiplied by the positive sums that it is divided by, which keeps its sign: 1 - k/(k + 3) becomes 3."""
    atoms = {a for m in terms for a, e in m if e < 0 and a.op in ("add", "subtract", "times") and positive(a, ranges)}
    for atom in atoms:
        degree = max(-e for m in terms for a, e in m if a == atom)
        total: dict[Monomial, Fraction] = {}
        for m, c in terms.items():
            left = degree + dict(m).get(atom, 0)
            parts = {tuple((a, e) for a, e in m if a != atom): c}
            for _ in range(left):
                parts = _products(parts, _terms(atom))
            for n, d in parts.items():
                total[n] = total.get(n, Fraction(0)) + d
        terms = total
    return terms


def _products(left: dict[Monomial, Fraction], right: dict[Monomial, Fraction]) -> dict[Monomial, Fraction]:
    total: dict[Monomial, Fraction] = {}
    for a, ca in left.items():
        for b, cb in right.items():
            m = _product(a, b)
            total[m] = total.get(m, Fraction(0)) + ca * cb
    return total


def _product(a: Monomial, b: Monomial) -> Monomial:
    powers = dict(a)
    for atom, e in b:
        powers[atom] = powers.get(atom, 0) + e
    return tuple(sorted(((atom, e) for atom, e in powers.items() if e), key=repr))


Limit = Literal["zero", "positive", "negative", "finite", "infinity", "minus infinity"] | None
"""Where a formula goes: `finite` is a limit of unknown sign that may be 0, None is unknown."""
OPPOSITE: dict[Limit, Limit] = {
    "positive": "negative", "negative": "positive", "infinity": "minus infinity", "minus infinity": "infinity",
}  # fmt: skip
ENDLESS = ("infinity", "minus infinity")


def vanishes(node: Node, ranges: Mapping[str, Range | None]) -> bool:
    """Whether a formula in k is proved to tend to 0 as k grows, for every value of the other names in their ranges."""
    return _limit(node, ranges) == "zero"


def _limit(node: Node, ranges: Mapping[str, Range | None]) -> Limit:
    if not any(n.role in ("iteration", "parameter") for n in node.walk()):
        if exact(node) == 0:
            return "zero"
        if positive(node, ranges):
            return "positive"
        return "negative" if positive(Node("negate", (node,), node.type), ranges) else "finite"
    if node.role:
        return "infinity" if node.role == "iteration" else None
    if node.op == "power":
        base, exponent = node.args
        return _limit_of_power(base, exponent, ranges)
    parts = [_limit(a, ranges) for a in node.args]
    if None in parts:
        return None
    a, b = parts[0], parts[-1]
    match node.op:
        case "broadcast":
            return a
        case "negate":
            return OPPOSITE.get(a, a)
        case "add":
            return _limit_of_sum(a, b)
        case "subtract":
            return _limit_of_sum(a, OPPOSITE.get(b, b))
        case "times":
            return _limit_of_product(a, b)
        case "over" if b in ENDLESS:
            return None if a in ENDLESS else "zero"
        case "over" if b in ("positive", "negative"):
            return _limit_of_product(a, b)
        case "sqrt" if a in ("zero", "positive", "infinity"):
            return a
        case "log" if a == "infinity":
            return a
        case "exp":
            return "zero" if a == "minus infinity" else a if a == "infinity" else "positive"
        case "min" if set(parts) <= {"zero", "positive", "infinity"}:
            return "zero" if "zero" in parts else "positive" if "positive" in parts else "infinity"
        case "max" if set(parts) <= {"zero", "positive", "infinity"}:
            return "infinity" if "infinity" in parts else "positive" if "positive" in parts else "zero"
    return None


def _limit_of_sum(a: Limit, b: Limit) -> Limit:
    if a == "zero" or a == b:
        return b
    if b == "zero":
        return a
    if a in ENDLESS or b in ENDLESS:
        return None if a in ENDLESS and b in ENDLESS else a if a in ENDLESS else b
    return "finite"


def _limit_of_product(a: Limit, b: Limit) -> Limit:
    if "zero" in (a, b):
        return None if a in ENDLESS or b in ENDLESS else "zero"
    if "finite" in (a, b):
        return None if a in ENDLESS or b in ENDLESS else "finite"
    size: Limit = "infinity" if a in ENDLESS or b in ENDLESS else "positive"
    below = [v in ("negative", "minus infinity") for v in (a, b)]
    return OPPOSITE[size] if below[0] != below[1] else size


def _limit_of_power(base: Node, exponent: Node, ranges: Mapping[str, Range | None]) -> Limit:
    where, e, b = _limit(base, ranges), exact(exponent), exact(base)
    if e == 0:
        return "positive"
    if e is not None and where in ("zero", "positive", "infinity"):
        if where == "positive" or e > 0:
            return where
        return "zero" if where == "infinity" else None  # 1/v explodes on the way of v to 0
    way = _limit(exponent, ranges)
    if b is not None and b > 0 and way in ENDLESS:
        if b == 1:
            return "positive"
        return "zero" if (b < 1) == (way == "infinity") else "infinity"
    return None
