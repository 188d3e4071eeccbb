"""Types of values: scalars, vectors and operators, with symbolic sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .sizes import Size

Kind = Literal["scalar", "vector", "matrix", "diag", "sym", "identity", "condition"]


@dataclass(frozen=True)
class Type:
    """A space. `identity` is a multiple of I whose size the other operand decides."""

    kind: Kind
    sizes: tuple[Size, ...] = ()

    @property
    def rows(self) -> Size:
        return self.sizes[0]

    @property
    def columns(self) -> Size:
        return self.sizes[-1]

    @property
    def is_operator(self) -> bool:
        """Whether it maps vectors to vectors."""
        return self.kind in ("matrix", "diag", "sym", "identity")

    @property
    def is_square(self) -> bool:
        return self.is_operator and (self.kind != "matrix" or self.rows == self.columns)

    def __str__(self) -> str:
        """As the user writes it: `R^n`, `diag(n)`."""
        match self.kind:
            case "scalar":
                return "R"
            case "vector":
                plain = str(self.rows).isalnum()
                return f"R^{self.rows}" if plain else f"R^({self.rows})"
            case "matrix":
                return f"R^({self.rows}, {self.columns})"
            case "diag" | "sym":
                return f"{self.kind}({self.rows})"
            case "identity":
                return "a multiple of I"
        return "a condition"

    def describe(self) -> str:
        """`a vector in R^n`"""
        nouns = {
            "scalar": "a scalar",
            "vector": "a vector",
            "matrix": "a matrix",
            "diag": "a diagonal",
            "sym": "a symmetric matrix",
        }
        noun = nouns.get(self.kind)
        return f"{noun} in {self}" if noun and self.kind != "scalar" else noun or str(self)


SCALAR = Type("scalar")
IDENTITY = Type("identity")


def vector(n: Size) -> Type:
    return Type("vector", (n,))


def matrix(m: Size, n: Size) -> Type:
    return Type("matrix", (m, n))


def diag(n: Size) -> Type:
    return Type("diag", (n,))
