"""Source text and positions in it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """Half-open range of character offsets [start, end) in one source."""

    start: int
    end: int

    def to(self, other: Span) -> Span:
        """The smallest span that holds both."""
        return Span(min(self.start, other.start), max(self.end, other.end))


@dataclass(frozen=True)
class Source:
    """One text to compile: a file, or a rule from the command line."""

    name: str
    """How messages call it: a path, or `<rule>`."""
    text: str = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> Source:
        """Read a file as UTF-8; a byte that is no UTF-8 becomes U+FFFD, which the lexer reports where it stands."""
        return cls(path.as_posix(), path.read_bytes().decode("utf-8", errors="replace").replace("\r\n", "\n"))

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0] + [i + 1 for i, c in enumerate(self.text) if c == "\n"]

    @cached_property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    @property
    def sha(self) -> str:
        """First 12 hex digits of the text's SHA-256: what generated files are stamped with."""
        return sha256(self.text.encode()).hexdigest()[:12]

    def position(self, offset: int) -> tuple[int, int]:
        """(line, column) of an offset, both counted from 1."""
        line = bisect_right(self._line_starts, min(offset, len(self.text)))
        return line, offset - self._line_starts[line - 1] + 1
