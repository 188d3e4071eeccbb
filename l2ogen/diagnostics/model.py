"""What a message to the user consists of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from ..source import Source, Span

Severity = Literal["error", "warning"]
Note = tuple[Span, str]
"""Another place that matters, and what it says ("declared here")."""


@dataclass(frozen=True)
class Diagnostic:
    """One mistake: a stable code, where it is, what it is, and how to mend it."""

    code: str
    message: str
    span: Span
    label: str = ""
    """What the underline says."""
    help: str = ""
    notes: tuple[Note, ...] = ()
    severity: Severity = "error"

    def as_dict(self, source: Source) -> dict[str, Any]:
        """The keys of `check --json`, stable across versions."""
        line, column = source.position(self.span.start)
        end_line, end_column = source.position(self.span.end)
        return {
            "code": self.code, "severity": self.severity, "message": self.message, "file": source.name,
            "line": line, "column": column, "end_line": end_line, "end_column": end_column, "help": self.help,
        }  # fmt: skip


def nearest(word: str, candidates: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The candidate the user most likely meant, or None."""
    pool = sorted(set(candidates) - {word})
    for candidate in pool:
        if candidate.lower() == word.lower():
            return candidate
    found = get_close_matches(word, pool, n=1, cutoff=cutoff)
    return found[0] if found else None


def did_you_mean(word: str | None) -> str:
    """The help that offers a word; empty for None."""
    return f"did you mean `{word}`?" if word else ""


def one_of(words: Iterable[str]) -> str:
    """`a`, `b` or `c`."""
    quoted = [f"`{w}`" for w in words]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + " or " + quoted[-1]
