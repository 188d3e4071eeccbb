"""What a message to the user consists of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from ..source import Source, Span
from .suggest import sure

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
    fix: Note | None = None
    """A place and what to write there, where that is certain."""

    def as_dict(self, source: Source) -> dict[str, Any]:
        """The keys of `check --json`, stable across versions."""
        line, column = source.position(self.span.start)
        end_line, end_column = source.position(self.span.end)
        keys: dict[str, Any] = {
            "code": self.code, "severity": self.severity, "message": self.message, "file": source.name,
            "line": line, "column": column, "end_line": end_line, "end_column": end_column, "help": self.help,
        }  # fmt: skip
        if self.fix is not None:
            (line, column), (end_line, end_column) = map(source.position, (self.fix[0].start, self.fix[0].end))
            place = {"line": line, "column": column, "end_line": end_line, "end_column": end_column}
            keys["fix"] = place | {"text": self.fix[1]}
        return keys


def did_you_mean(word: str | None) -> str:
    """The help that offers a word; empty for None."""
    return f"did you mean `{word}`?" if word else ""


def replacement(span: Span, word: str, meant: str | None) -> Note | None:
    """The fix that writes the word that was meant, where that is certain."""
    plain = Span(span.start, span.start + len(word))  # without the plus of a next iterate
    plus = span.end - plain.end
    return (plain, meant) if meant and plus in (0, 1) and sure(word, meant) else None


def one_of(words: Iterable[str]) -> str:
    """`a`, `b` or `c`."""
    quoted = [f"`{w}`" for w in words]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + " or " + quoted[-1]
