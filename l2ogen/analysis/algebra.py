"""Operators and vectors in normal form: sums of words of letters that need not commute, with scalar coefficients.

A word is a product of named operators, `A'*W1_k`; runs of diagonal letters are sorted, since diagonals commute, and a
letter meets its inverse in nothing. A vector is a sum of words applied to atoms, `W2_k*x* + W1_k*A*x*`. Two expressions
are equal for all values of free letters exactly if their normal forms are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Generic, Literal, TypeVar

import sympy as sp

Kind = Literal["diag", "sym", "free"]


@dataclass(frozen=True)
class Letter:
    """A named operator; `inverse_of` names the letter that it cancels."""

    name: str
    kind: Kind = "free"
    transposed: bool = False
    inverse_of: str = ""

    @property
    def T(self) -> Letter:
        return replace(self, transposed=not self.transposed) if self.kind == "free" else self

    def cancels(self, other: Letter) -> bool:
        pair = self.inverse_of == other.name or other.inverse_of == self.name
        return pair and self.transposed == other.transposed

    def __str__(self) -> str:
        return self.name + "'" * self.transposed


Word = tuple[Letter, ...]


def word(letters: Iterable[Letter]) -> Word:
    """The normal form of a product."""
    out: list[Letter] = []
    for letter in letters:
        if out and out[-1].cancels(letter):
            out.pop()
            continue
        out.append(letter)
        i = len(out) - 1
        while letter.kind == "diag" and i and out[i - 1].kind == "diag" and out[i - 1].name > letter.name:
            out[i], out[i - 1] = out[i - 1], out[i]
            i -= 1
    return tuple(out)


@lru_cache(maxsize=20_000)
def clean(c: sp.Expr) -> sp.Expr:
    """A coefficient in a form in which zero is 0."""
    if c.is_number or c.is_symbol:
        return c
    reduced = sp.cancel(sp.together(c))
    if reduced != 0 and not reduced.is_rational_function():
        reduced = sp.simplify(reduced)
    return reduced


@dataclass(frozen=True)
class Atom:
    """A vector that is not taken apart.

    solution x*; subgradient g* (= -grad f(x*), in the subdifferential of r at x*); residual e* = b - A*x*;
    small: tends to 0; parameter; network: an output without declared limit; opaque: known only by name.
    """

    name: str
    kind: Literal[
        "solution", "subgradient", "residual", "small", "parameter", "network", "value", "opaque", "ones", "state"
    ]

    def __str__(self) -> str:
        return self.name


SOLUTION, SUBGRADIENT = Atom("x*", "solution"), Atom("g*", "subgradient")
RESIDUAL, ONES = Atom("e*", "residual"), Atom("1", "ones")


Key = TypeVar("Key")


class _Sum(Generic[Key]):
    """What operators and vectors share: a finite sum with scalar coefficients."""

    def __init__(self, terms: Mapping[Key, sp.Expr] | None = None) -> None:
        cleaned = {key: clean(sp.sympify(c)) for key, c in (terms or {}).items()}
        self.terms: dict[Key, sp.Expr] = {key: c for key, c in cleaned.items() if c != 0}

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, _Sum) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(frozenset(self.terms.items()))

    @property
    def is_zero(self) -> bool:
        return not self.terms

    def _combined(self, other: _Sum[Key], sign: int) -> dict[Key, sp.Expr]:
        total = dict(self.terms)
        for key, c in other.terms.items():
            total[key] = total.get(key, sp.Integer(0)) + sign * c
        return total


class Operator(_Sum[Word]):
    """A sum of coefficient * word; the empty word is the identity."""

    @classmethod
    def of(cls, letter: Letter) -> Operator:
        return cls({(letter,): sp.Integer(1)})

    @classmethod
    def multiple(cls, c: sp.Expr) -> Operator:
        """c*I"""
        return cls({(): c})

    def __add__(self, other: Operator) -> Operator:
        return Operator(self._combined(other, 1))

    def __sub__(self, other: Operator) -> Operator:
        return Operator(self._combined(other, -1))

    def scaled(self, c: sp.Expr) -> Operator:
        return Operator({w: c * d for w, d in self.terms.items()})

    def __matmul__(self, other: Operator) -> Operator:
        total: dict[Word, sp.Expr] = {}
        for u, c in self.terms.items():
            for v, d in other.terms.items():
                w = word((*u, *v))
                total[w] = total.get(w, sp.Integer(0)) + c * d
        return Operator(total)

    @property
    def T(self) -> Operator:
        return Operator({word(letter.T for letter in reversed(w)): c for w, c in self.terms.items()})

    @property
    def letters(self) -> set[Letter]:
        return {letter for w in self.terms for letter in w}

    def __str__(self) -> str:
        return shown((("*".join(map(str, w)) or "I"), c) for w, c in self.terms.items())


class Vector(_Sum["tuple[Word, Atom]"]):
    """A sum of coefficient * word * atom."""

    @classmethod
    def of(cls, atom: Atom) -> Vector:
        return cls({((), atom): sp.Integer(1)})

    def __add__(self, other: Vector) -> Vector:
        return Vector(self._combined(other, 1))

    def __sub__(self, other: Vector) -> Vector:
        return Vector(self._combined(other, -1))

    def scaled(self, c: sp.Expr) -> Vector:
        return Vector({key: c * d for key, d in self.terms.items()})

    def under(self, op: Operator) -> Vector:
        """op * self"""
        total: dict[tuple[Word, Atom], sp.Expr] = {}
        for u, c in op.terms.items():
            for (v, atom), d in self.terms.items():
                key = word((*u, *v)), atom
                total[key] = total.get(key, sp.Integer(0)) + c * d
        return Vector(total)

    @property
    def atoms(self) -> set[Atom]:
        return {atom for _, atom in self.terms}

    def part(self, atom: Atom) -> Operator:
        """The operator in front of an atom."""
        return Operator({w: c for (w, a), c in self.terms.items() if a == atom})

    def without(self, *kinds: str) -> Vector:
        return Vector({(w, a): c for (w, a), c in self.terms.items() if a.kind not in kinds})

    def replaced(self, change: Callable[[Atom], Vector | None]) -> Vector:
        """Every atom for which `change` gives a vector replaced by it."""
        total = Vector()
        for (w, atom), c in self.terms.items():
            new = change(atom)
            total = total + (Vector({(w, atom): c}) if new is None else new.under(Operator({w: c})))
        return total

    def __str__(self) -> str:
        return shown(("*".join([*map(str, w), str(a)]), c) for (w, a), c in self.terms.items())


def shown(terms: Iterable[tuple[str, sp.Expr]]) -> str:
    """A sum in the language's notation, terms of a minus last."""
    parts: list[tuple[bool, str]] = []
    for text, c in terms:
        minus = c.could_extract_minus_sign()
        c = -c if minus else c
        factor = formula(c)
        if c == 1:
            parts.append((minus, text))
        elif text in ("I", "1"):
            parts.append((minus, factor if text == "1" else f"{_factor(c)}*I"))
        else:
            parts.append((minus, f"{_factor(c)}*{text}"))
    parts.sort(key=lambda p: p[0])
    if not parts:
        return "0"
    first = ("-" if parts[0][0] else "") + parts[0][1]
    return first + "".join((" - " if minus else " + ") + text for minus, text in parts[1:])


def _factor(c: sp.Expr) -> str:
    text = formula(c)
    return f"({text})" if c.is_Add else text


def formula(c: sp.Expr) -> str:
    """A scalar in the language's notation."""
    return str(c).replace("**", "^")


@lru_cache(maxsize=20_000)
def limit(c: sp.Expr, k: sp.Symbol) -> sp.Expr | None:
    """As k grows; None where sympy finds none."""
    try:
        return sp.limit(c, k, sp.oo)
    except (NotImplementedError, ValueError, AttributeError, TypeError, sp.PoleError):
        return None
