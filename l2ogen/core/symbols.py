"""The symbol table: every name of a file, what it is, where it was declared, whether it was used."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..diagnostics import nearest
from ..source import Span
from .types import Type

WHAT = {
    "state": "a state", "let": "a let", "data": "data", "parameter": "a parameter", "function": "a function",
    "network": "a network", "lipschitz": "the Lipschitz constant", "variable": "the variable", "size": "a size",
    "iteration": "the iteration number", "truth": "the vector to recover", "option": "an option of `sample`",
    "identity": "the identity", "modulus": "a modulus of convexity", "subgradient": "a subgradient",
}  # fmt: skip


@dataclass
class Symbol:
    name: str
    role: str
    type: Type | None
    span: Span | None = None
    """None for names that the language itself provides (`k`, `I`)."""
    payload: Any = None
    uses: int = 0

    @property
    def what(self) -> str:
        """`a state`, for messages."""
        return WHAT[self.role]


@dataclass
class Scope:
    """Names in one file. `broken` holds words of statements that did not parse: nothing more is said about them."""

    table: dict[str, Symbol] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)

    def add(self, symbol: Symbol) -> Symbol | None:
        """Declare; returns the earlier symbol of that name if there is one."""
        earlier = self.table.get(symbol.name)
        if earlier is not None and earlier.span is not None:
            return earlier
        self.table[symbol.name] = symbol
        return None

    def find(self, name: str) -> Symbol | None:
        symbol = self.table.get(name)
        if symbol is not None:
            symbol.uses += 1
        return symbol

    def suggest(self, name: str, *more: str) -> str | None:
        return nearest(name, [*self.table, *more])
