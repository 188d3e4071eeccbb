"""Mistakes in the order of the text, without those that follow from others.

The passes report what they see; here it is decided what is said. A rule drops a message only where another one, which
is said, explains it: mending that one brings the rest back, if it was not its consequence.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..source import Source, Span
from .model import Diagnostic

MISSING_PART, SECOND_PART, UNDECLARED, UNSIZED = "L2O118", "L2O116", "L2O201", "L2O314"
ABSENT = {MISSING_PART, UNDECLARED, "L2O203", "L2O206", UNSIZED, "L2O502", "L2O505", "L2O605"}
"""Something that is needed is not there: perhaps because of what stands where it should be."""
CHARACTERS = {"L2O100", "L2O103", "L2O104", "L2O121", "L2O122", "L2O123"}
"""Mistakes of single characters, from which the other syntax errors of a statement follow."""


@dataclass(frozen=True)
class Shape:
    """What the parser knows about the text as a whole."""

    source: Source
    statements: Sequence[Span] = ()
    unsure: bool = False
    """Whether a declaration did not parse, so that something may be declared there."""
    blocks: frozenset[str] = frozenset()
    """Keywords of the blocks that are there and hold something."""

    def statement(self, place: Span) -> int:
        """The number of the statement that holds a place."""
        return bisect_right(self.statements, place.start, key=lambda s: s.start)

    def line(self, place: Span) -> str:
        return self.source.lines[self.source.position(place.start)[0] - 1].strip()


def independent(found: Iterable[Diagnostic], shape: Shape) -> tuple[Diagnostic, ...]:
    """Each mistake once, ordered."""
    ordered = sorted(set(found), key=lambda d: (d.span.start, d.code))
    for rule in (_one_for_each_statement, _explained_by_notes, _once, _repeated_lines, _missed, _lost_block):
        ordered = rule(ordered, shape)
    return tuple(ordered)


def _is_syntax(d: Diagnostic) -> bool:
    return d.code.startswith("L2O1") and d.code not in (SECOND_PART, "L2O117", MISSING_PART, "L2O119")


def _is_explained(d: Diagnostic) -> bool:
    """Whether an undeclared name was recognized as another spelling of something."""
    return d.help.startswith(("did you mean", "write"))


def _one_for_each_statement(ordered: list[Diagnostic], shape: Shape) -> list[Diagnostic]:
    """Of a statement that does not parse, the first reason; single characters before the rest."""
    first: dict[int, Diagnostic] = {}
    for d in sorted(filter(_is_syntax, ordered), key=lambda d: d.code not in CHARACTERS):
        first.setdefault(shape.statement(d.span), d)
    return [d for d in ordered if first.get(shape.statement(d.span), d) is d or d.code == "L2O101"]


def _explained_by_notes(ordered: list[Diagnostic], shape: Shape) -> list[Diagnostic]:
    """What points at a declaration that has a mistake of its own may be right once that is mended."""

    def points(d: Diagnostic) -> set[int]:
        return {shape.statement(span) for span, _ in d.notes} - {shape.statement(d.span)}

    def follows(d: Diagnostic) -> bool:
        causes = [wrong[s] for s in points(d) if s in wrong]
        return d.code != UNDECLARED and any(shape.statement(d.span) not in points(cause) for cause in causes)

    wrong = {shape.statement(d.span): d for d in reversed(ordered) if d.severity == "error"}
    return [d for d in ordered if not follows(d)]


def _once(ordered: list[Diagnostic], shape: Shape) -> list[Diagnostic]:
    """One message about one place, and one about a name that is not declared, however often it is used."""
    kept: list[Diagnostic] = []
    said: set[str] = set()
    places: set[int] = set()
    for d in ordered:
        if not (d.code == UNDECLARED and d.message in said) and d.span.start not in places:
            kept.append(d)
            said.add(d.message)
            places.add(d.span.start)
    return kept


def _repeated_lines(ordered: list[Diagnostic], shape: Shape) -> list[Diagnostic]:
    """A line that stands there twice is one mistake, whatever is in it."""
    kept: list[Diagnostic] = []
    repeated: set[int] = set()
    for d in ordered:
        number = shape.source.position(d.span.start)[0]
        if number in repeated:
            continue
        first = d.notes[0][0] if len(d.notes) == 1 else d.span
        if shape.source.position(first.start)[0] != number and shape.line(first) == shape.line(d.span):
            repeated.add(number)
        kept.append(d)
    return kept


def _missed(ordered: list[Diagnostic], shape: Shape) -> list[Diagnostic]:
    """Where a part or a name is missing, or a declaration can't be read, what would be in it is missed in vain."""
    if shape.unsure:
        return [d for d in ordered if d.code not in ABSENT or (d.code == UNDECLARED and _is_explained(d))]
    if any(d.code == SECOND_PART for d in ordered):
        return [d for d in ordered if d.code != MISSING_PART]
    if any(d.code == MISSING_PART for d in ordered):
        return [d for d in ordered if d.code not in ABSENT - {MISSING_PART}]
    if any(d.code == UNDECLARED for d in ordered):  # its space may say how large what is
        return [d for d in ordered if d.code != UNSIZED]
    return ordered


def _lost_block(ordered: list[Diagnostic], shape: Shape) -> list[Diagnostic]:
    """Without the block that declares them, several names are one mistake."""
    lost = [d for d in ordered if d.code == UNDECLARED and not _is_explained(d)]
    declaring = ("parameters", "state") if "update" in shape.blocks else ("data",)
    missing = [block for block in declaring if block not in shape.blocks]
    if len(lost) < 2 or not missing:
        return ordered
    names = tuple((d.span, f"nor is {d.message.partition(' ')[0]}") for d in lost[1:])
    help = f"declare them in a `{missing[0]}` block"
    merged = replace(lost[0], help=help, notes=lost[0].notes + names)
    rest = [d for d in ordered if d not in lost[1:]]
    return [merged if d is lost[0] else d for d in rest]
