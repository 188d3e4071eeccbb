"""Specs with one small accident each: none may crash the checker, be slow, or be misunderstood in silence.

    python -m tests.mutants --count 5000 --seed 1 --show 5

A mutant is one spec of specs/ with one thing changed. It is then `same` (the tree did not change: a comment, a blank),
`other` (another right file, and `fmt` shows the change) or `diagnosed`. Of those diagnosed, `located` counts the ones
whose first message points at the changed line, or names what was changed; `single` those with one message alone.
"""

from __future__ import annotations

import argparse
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from l2ogen import pipeline
from l2ogen.backends.torch import generate
from l2ogen.diagnostics import Diagnostic, render
from l2ogen.source import Source
from l2ogen.syntax.build import ascii_name
from l2ogen.syntax.parser import parse
from l2ogen.syntax.printer import fmt

ROOT = Path(__file__).resolve().parent.parent
SPECS = {p.relative_to(ROOT / "specs").as_posix(): p.read_text("utf-8") for p in sorted((ROOT / "specs").rglob("*.l2o"))}
LIBRARY = pipeline.Library()
SLOW = 2.0
TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
BRACKETS = "(){}[]<>"


@dataclass(frozen=True)
class Mutant:
    """A changed text, and what a good message about the change would point at or mention."""

    spec: str
    kind: str
    text: str
    lines: frozenset[int]
    """Numbers of the changed lines in `text`."""
    words: frozenset[str]
    """What was removed, or stands there now."""


@dataclass(frozen=True)
class Outcome:
    mutant: Mutant
    verdict: str
    """same, other, hidden (another tree that prints as before), crashed or diagnosed"""
    diagnostics: tuple[Diagnostic, ...] = ()
    seconds: float = 0.0
    detail: str = ""

    @property
    def located(self) -> bool:
        """Whether the first message points at the change, with one of its labels, or names it."""
        source, first = Source("", self.mutant.text), self.diagnostics[0]
        spans = [first.span, *(span for span, _ in first.notes)]
        places = {source.position(end)[0] for span in spans for end in (span.start, max(span.start, span.end - 1))}
        if places & self.mutant.lines:
            return True
        said = f"{first.message} {first.label} {first.help} {' '.join(text for _, text in first.notes)}"
        return bool({ascii_name(word) for word in re.findall(r"[^\W\d]\w*", said)} & self.mutant.words)


# ---- accidents -------------------------------------------------------------------------------------


def changed(spec: str, kind: str, text: str, start: int, end: int, new: str) -> Mutant:
    """The text with [start, end) replaced; the lines and words follow from that."""
    after = text[:start] + new + text[end:]
    first = after.count("\n", 0, start) + 1
    last = first + new.count("\n")
    removed = text[start:end].count("\n") > new.count("\n")
    lines = set(range(first - removed, last + 1))
    words = {ascii_name(w) for w in re.findall(r"[^\W\d]\w*", text[start:end] + " " + new)}
    return Mutant(spec, kind, after, frozenset(lines), frozenset(words))


def tokens(text: str) -> list[re.Match[str]]:
    """Solid tokens outside documentation strings and comments, where an accident would change nothing."""
    covered = [m.span() for m in re.finditer(r'"[^"\n]*"|#[^\n]*', text)]
    found = [m for m in TOKEN.finditer(text) if m[0].strip()]
    return [m for m in found if not any(a < m.start() < b - 1 for a, b in covered)]


def delete(spec: str, text: str, rng: random.Random) -> Mutant:
    m = rng.choice(tokens(text))
    return changed(spec, "delete", text, m.start(), m.end(), "")


def duplicate(spec: str, text: str, rng: random.Random) -> Mutant:
    m = rng.choice(tokens(text))
    return changed(spec, "duplicate", text, m.start(), m.end(), m[0] + " " * m[0][0].isalnum() + m[0])


def swap(spec: str, text: str, rng: random.Random) -> Mutant:
    """Two neighbours on one line change places."""
    solid = tokens(text)
    pairs = [(a, b) for a, b in pairwise(solid) if "\n" not in text[a.end() : b.start()] and a[0] != b[0]]
    a, b = rng.choice(pairs)
    return changed(spec, "swap", text, a.start(), b.end(), b[0] + text[a.end() : b.start()] + a[0])


def misspell(spec: str, text: str, rng: random.Random) -> Mutant:
    m = rng.choice([m for m in tokens(text) if len(m[0]) > 1 and m[0].isidentifier()])
    w, at = m[0], rng.randrange(len(m[0]) - 1)
    new = rng.choice([w[:at] + w[at + 1] + w[at] + w[at + 2 :], w[:at] + w[at + 1 :], w + w[-1], w[:at] + "q" + w[at + 1 :]])
    return changed(spec, "misspell", text, m.start(), m.end(), new)


def bracket(spec: str, text: str, rng: random.Random) -> Mutant:
    m = rng.choice([m for m in tokens(text) if m[0] in BRACKETS])
    new = rng.choice([b for b in BRACKETS + "|" if b != m[0]])
    return changed(spec, "bracket", text, m.start(), m.end(), new)


def delete_line(spec: str, text: str, rng: random.Random) -> Mutant:
    m = rng.choice([m for m in re.finditer(r"[^\n]*\n", text) if m[0].strip()])
    return changed(spec, "delete line", text, m.start(), m.end(), "")


def duplicate_line(spec: str, text: str, rng: random.Random) -> Mutant:
    m = rng.choice([m for m in re.finditer(r"[^\n]*\n", text) if m[0].strip()])
    return changed(spec, "duplicate line", text, m.end(), m.end(), m[0])


def sign(spec: str, text: str, rng: random.Random) -> Mutant:
    m = rng.choice([m for m in tokens(text) if m[0] in "+-<>"] or tokens(text))
    new = {"+": "-", "-": "+", "<": ">", ">": "<"}.get(m[0], "-")
    return changed(spec, "sign", text, m.start(), m.end(), new)


def number(spec: str, text: str, rng: random.Random) -> Mutant:
    m = rng.choice([m for m in tokens(text) if m[0].isdigit()] or tokens(text))
    return changed(spec, "number", text, m.start(), m.end(), rng.choice(["0", "-1", "3", "1.5", "1e9", "n"]))


def remove_block(spec: str, text: str, rng: random.Random) -> Mutant:
    """A whole block, or only its header with the brace."""
    blocks = list(re.finditer(r"^[a-z]\w*( \w+ of \w+| *\([^)\n]*\))? *\{(\n(?s:.*?)\n\}|[^\n]*\})\n", text, re.MULTILINE))
    m = rng.choice(blocks)
    end = m.end() if rng.random() < 0.5 else text.index("{", m.start() + len(m[1] or "")) + 1
    return changed(spec, "remove block", text, m.start(), end, "")


ACCIDENTS: tuple[Callable[[str, str, random.Random], Mutant], ...] = (
    delete, duplicate, swap, misspell, bracket, delete_line, duplicate_line, sign, number, remove_block,
)  # fmt: skip


def mutants(count: int, seed: int) -> Iterator[Mutant]:
    """The same ones for the same seed and specs."""
    rng = random.Random(seed)
    names = sorted(SPECS)
    for _ in range(count):
        spec = rng.choice(names)
        yield rng.choice(ACCIDENTS)(spec, SPECS[spec], rng)


# ---- what becomes of one -----------------------------------------------------------------------------


def outcome(mutant: Mutant) -> Outcome:
    start = time.perf_counter()
    try:
        verdict, diagnostics = judge(mutant)
    except Exception as error:
        return Outcome(mutant, "crashed", (), time.perf_counter() - start, f"{type(error).__name__}: {error}")
    return Outcome(mutant, verdict, diagnostics, time.perf_counter() - start)


def judge(mutant: Mutant) -> tuple[str, tuple[Diagnostic, ...]]:
    every = [pipeline.compilable(c) for c in pipeline.check_all(Source(mutant.spec, mutant.text), LIBRARY)]
    checked = every[0]
    diagnostics = tuple(d for c in every for d in c.diagnostics)
    render(diagnostics, checked.source)
    for c in every:
        if c.program is not None:
            for name, code in generate.files(c.program, "spec").items():
                compile(code, name, "exec")
    if diagnostics:
        return "diagnosed", diagnostics
    before = parse(Source(mutant.spec, SPECS[mutant.spec]))
    if checked.parsed.tree == before.tree:
        return "same", ()
    shows = fmt(checked.parsed.tree, checked.source) != fmt(before.tree, before.source)
    return "other" if shows else "hidden", ()


@dataclass
class Tally:
    outcomes: list[Outcome]

    def count(self, verdict: str) -> int:
        return sum(o.verdict == verdict for o in self.outcomes)

    @property
    def diagnosed(self) -> list[Outcome]:
        return [o for o in self.outcomes if o.verdict == "diagnosed"]

    @property
    def located(self) -> float:
        return sum(o.located for o in self.diagnosed) / max(1, len(self.diagnosed))

    @property
    def single(self) -> float:
        return sum(len(o.diagnostics) == 1 for o in self.diagnosed) / max(1, len(self.diagnosed))

    @property
    def failures(self) -> list[Outcome]:
        return [o for o in self.outcomes if o.verdict in ("crashed", "hidden") or o.seconds > SLOW]


def tally(count: int, seed: int) -> Tally:
    return Tally([outcome(m) for m in mutants(count, seed)])


# ---- the command line ----------------------------------------------------------------------------------


def row(name: str, t: Tally) -> str:
    counts = "".join(f"{t.count(v):>10}" for v in ("same", "other", "diagnosed"))
    slowest = max((o.seconds for o in t.outcomes), default=0.0)
    return f"{name:<16}{len(t.outcomes):>8}{counts}{t.located:>10.1%}{t.single:>9.1%}{slowest:>9.2f}s"


def show(title: str, outcomes: list[Outcome], limit: int) -> None:
    for o in outcomes[:limit]:
        lines = o.mutant.text.split("\n")
        near = "\n".join(f"    {i}: {lines[i - 1]}" for i in sorted(o.mutant.lines) if 0 < i <= len(lines))
        print(f"\n-- {title}: {o.mutant.kind} in {o.mutant.spec} {o.detail}\n{near}")
        print(render(o.diagnostics, Source(o.mutant.spec, o.mutant.text)))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=1000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--show", type=int, default=0, metavar="N", help="print up to N that are badly said")
    given = options.parse_args()
    made = tally(given.count, given.seed)
    print(f"{'':<16}{'mutants':>8}{'same':>10}{'other':>10}{'diagnosed':>10}{'located':>10}{'single':>9}{'slowest':>10}")
    by_kind = defaultdict[str, list[Outcome]](list)
    for o in made.outcomes:
        by_kind[o.mutant.kind].append(o)
    for kind in sorted(by_kind):
        print(row(kind, Tally(by_kind[kind])))
    print(row("all", made))
    print("messages:", dict(sorted(Counter(len(o.diagnostics) for o in made.diagnosed).items())))
    show("not located", [o for o in made.diagnosed if not o.located], given.show)
    show("several messages", [o for o in made.diagnosed if len(o.diagnostics) > 1], given.show)
    show("FAILED", made.failures, 10)
    print(f"failures: {len(made.failures)}")
    raise SystemExit(bool(made.failures))


if __name__ == "__main__":
    main()
