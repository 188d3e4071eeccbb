"""The pages of the documentation as data: blocks, tables, and the frame that makes a whole file of a fragment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from l2ogen import pipeline
from l2ogen.diagnostics import render
from l2ogen.source import Source

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = pipeline.Library(ROOT / "specs")
LANGUAGE, THEORY, TUTORIAL = "docs/language.md", "docs/theory.md", "docs/tutorial.md"
PAGES = sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))


@dataclass(frozen=True)
class Block:
    file: str
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str) -> list[Block]:
    text = read(name)
    found = re.finditer(r"^```(.*)\n((?s:.*?))^```$", text, re.MULTILINE)
    return [Block(name, text.count("\n", 0, m.start()) + 1, m[1].strip(), m[2]) for m in found]


def tables(name: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    """(heading, rows) of each table; cells as text."""
    for block in re.findall(r"(?:^\|.*\n)+", read(name), re.MULTILINE):
        rows = [[c.strip().replace(r"\|", "|") for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in block.splitlines()]
        assert all(len(row) == len(rows[0]) for row in rows), f"{name}: a row of another width in\n{block}"
        yield rows[0], rows[2:]


def table(name: str, *heading: str) -> list[list[str]]:
    """The rows of all tables with this heading."""
    found = [row for head, rows in tables(name) if head == list(heading) for row in rows]
    assert found, f"{name} has no table with the columns {heading}"
    return found


def code(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


# ---- the frame around a fragment ---------------------------------------------------------------------

DEFAULTS = {
    "data": "shared A in R^(m, n); b in R^m; lam in R with lam > 0; Q in sym(n)",
    "networks": "phi = lstm() per coordinate; psi = mlp()",
    "parameters": "fixed alpha in R = 1/L; learned P, D in diag(n) with 0 < P < 2/L; learned theta in R with theta >= 0",
    "state": "x, y in R^n = 0; u in R^m = 0; t in R = 1",
    "update": "x+ = prox_r,alpha(y - alpha*grad f(y)); y+ = x+",
    "train": "",
}


def framed(kind: str, lines: str) -> str:
    """A whole algorithm with these lines in the block `kind`, and defaults in the others."""
    part = DEFAULTS | {kind: lines} | ({"data": "", "state": "x, y in R^n = 0"} if kind == "train" else {})
    if kind == "parameters" and "alpha in" not in lines:
        part[kind] = f"fixed alpha in R = 1/L\n{lines}"
    states = re.findall(r"[A-Za-z_]\w*", " ".join(d.partition(" in ")[0] for d in re.split(r"[;\n]", part["state"])))
    own = [s for s in states if not re.search(rf"^\W*(\w+\+, )*{s}\+.* = ", part["update"].replace("; ", "\n"), re.MULTILINE)]
    part["update"] += "".join(f"\n{s}+ = {s}" for s in own)
    body = "".join(f"{word} {{\n{part[word]}\n}}\n" for word in DEFAULTS if word != "data" and part[word])
    functions = "f(x) : convex, smooth(L)\nr(x) : convex, proximable\nminimize f(x) + r(x)"
    functions = lines if kind == "problem" else functions
    return f"algorithm T\nproblem {{\ndata {{ {part['data']} }}\n{functions}\n}}\n{body}" + (lines if kind == "file" else "")


def check(text: str, name: str = "spec.l2o") -> pipeline.Checked:
    return pipeline.check(Source(name, text), LIBRARY)


def errors(text: str) -> list[Any]:
    return [d for d in check(text).diagnostics if d.severity == "error"]


def rendered(text: str) -> str:
    found = check(text)
    return render(found.diagnostics, found.source)
