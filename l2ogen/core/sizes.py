"""Symbolic sizes: polynomials in names with integer coefficients, in a normal form, so that `==` decides equality."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """Sum of coefficient * product of names; terms sorted by names, no zero coefficients."""

    terms: tuple[tuple[tuple[str, ...], int], ...]

    @classmethod
    def of(cls, value: int | str) -> Size:
        return _normal({(): value} if isinstance(value, int) else {(value,): 1})

    def __add__(self, other: Size) -> Size:
        total = dict(self.terms)
        for names, c in other.terms:
            total[names] = total.get(names, 0) + c
        return _normal(total)

    def __mul__(self, other: Size) -> Size:
        total: dict[tuple[str, ...], int] = {}
        for a, ca in self.terms:
            for b, cb in other.terms:
                names = tuple(sorted(a + b))
                total[names] = total.get(names, 0) + ca * cb
        return _normal(total)

    @property
    def names(self) -> set[str]:
        return {name for names, _ in self.terms for name in names}

    def __str__(self) -> str:
        """`2*n + 1`"""
        return " + ".join("*".join([*([] if c == 1 and names else [str(c)]), *names]) for names, c in self.terms) or "0"


def _normal(terms: dict[tuple[str, ...], int]) -> Size:
    return Size(tuple(sorted(((n, c) for n, c in terms.items() if c), key=lambda item: (-len(item[0]), item[0]))))
