"""Diagnostics as text for people; JSON comes from Diagnostic.as_dict."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from unicodedata import combining, east_asian_width

from ..source import Source, Span
from .model import Diagnostic

Paint = Callable[[str, str], str]
"""(text, style) -> text; styles: error, warning, note, frame, help."""


def plain(text: str, style: str) -> str:
    """No colours."""
    return text


def render(diagnostics: Iterable[Diagnostic], source: Source, paint: Paint = plain) -> str:
    """All diagnostics in the order of the source, one block each."""
    ordered = sorted(diagnostics, key=lambda d: (d.span.start, d.code))
    return "\n\n".join(_one(d, source, paint) for d in ordered)


def summary(diagnostics: Iterable[Diagnostic]) -> str:
    """`2 errors, 1 warning`"""
    kinds = [d.severity for d in diagnostics]
    parts = [f"{n} {k}{'s' if n != 1 else ''}" for k in ("error", "warning") if (n := kinds.count(k))]
    return ", ".join(parts) or "no mistakes"


WIDTH = 160
"""Longer source lines are cut around the place that matters."""


def shown(text: str) -> str:
    """A source line that is safe to print and keeps its columns: control characters and the like become U+FFFD."""
    return "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in text)


def _window(text: str, start: int) -> tuple[str, int]:
    """The part of a long line around column `start`, and how many characters were cut on its left."""
    if len(text) <= WIDTH:
        return text, 0
    first = max(0, min(start - 1 - WIDTH // 2, len(text) - WIDTH))
    cut = text[first : first + WIDTH]
    return ("…" + cut[1:] if first else cut)[: WIDTH - 1] + ("…" if first + WIDTH < len(text) else cut[-1]), first


def _one(d: Diagnostic, source: Source, paint: Paint) -> str:
    line, column = source.position(d.span.start)
    marks = [(d.span, d.label, d.severity), *((span, text, "note") for span, text in d.notes)]
    width = len(str(max(source.position(span.start)[0] for span, _, _ in marks)))
    bar = paint(" " * width + " |", "frame")
    rows = [
        paint(f"{d.severity}[{d.code}]", d.severity) + f": {d.message}",
        paint(" " * width + "--> ", "frame") + f"{source.name}:{line}:{column}",
        bar,
    ]
    previous, previous_cut = None, 0
    for span, label, style in sorted(marks, key=lambda m: m[0].start):
        number, start = source.position(span.start)
        if previous is not None and number > previous + 1:
            rows.append(paint(" " * width + "...", "frame"))
        text, cut = _window(shown(source.lines[number - 1]), start)
        if number != previous or cut != previous_cut:
            rows.append(paint(f"{number:>{width}} |", "frame") + " " + text.expandtabs(4).rstrip())
        mark = "^" if style == d.severity else "-"
        rows.append(bar + " " + _underline(text, start - cut, span, label, mark, style, paint))
        previous, previous_cut = number, cut
    if d.help:
        rows.append(paint(" " * width + " = help: ", "help") + d.help)
    return "\n".join(row.rstrip() for row in rows)


def _underline(text: str, start: int, span: Span, label: str, mark: str, style: str, paint: Paint) -> str:
    before = text[: start - 1].expandtabs(4)
    marked = text[: start - 1 + max(1, span.end - span.start)].expandtabs(4)[len(before) :]
    line = mark * max(1, _columns(marked)) + (f" {label}" if label else "")
    return " " * _columns(before) + paint(line, style)


def _columns(text: str) -> int:
    """How many terminal cells a text takes."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)
