"""Verdicts as a document. What it says stands here once; a style says how headings, tables and formulas are written."""

from __future__ import annotations

import re
from typing import Protocol

from .text import convergence_text, fixed_point_text, target
from .verdicts import Report, TargetReport


class Style(Protocol):
    """One way of writing documents. Cells and items are written already."""

    def heading(self, text: str, level: int) -> str: ...
    def sentence(self, text: str) -> str: ...
    def formula(self, text: str) -> str:
        """In the notation of the checker, `W2_k + W1_k*A - I -> 0`."""
        ...

    def table(self, head: list[str], rows: list[list[str]]) -> list[str]: ...
    def items(self, texts: list[str]) -> list[str]: ...


def document(report: Report, style: Style) -> str:
    """Sections, one for each target."""
    made = "\n".join("\n".join(_section(report.program.title, t, style)) + "\n" for t in report.targets)
    worse = [style.sentence(claim) for claim in report.worse()]
    if worse:
        made += "\n".join(["", style.heading("Worse than expected", 2), "", *style.items(worse), ""])
    return made


def _section(title: str, t: TargetReport, style: Style) -> list[str]:
    f, c = t.fixed_point, t.convergence
    minimizer, sentence, formula = t.model.target == "minimizer", style.sentence, style.formula
    lines = [style.heading(f"{title}: {target(t)}", 1), ""]
    lines += style.table(["claim", "verdict", "because"], _rows(t, style))
    if f.verdict in ("conditional", "refuted") and f.obligations:
        what = "Nothing makes this vanish" if f.verdict == "refuted" else f"A solution stays {fixed_point_text(f)}"
        lines += ["", f"{what}:", "", *style.items([formula(o) for o in f.obligations])]
    if t.form is not None and minimizer:
        lines += ["", style.heading("Normal form", 2), ""]
        parts = [[sentence(name), formula(value)] for name, value in t.form.texts().items()]
        lines += style.table(["part", "is"], parts)
    assumes = {"The fixed point assumes": f.assumes, "Convergence assumes": c.assumes if minimizer else []}
    for head, assumed in assumes.items():
        if assumed:
            lines += ["", f"{head}:", "", *style.items([sentence(a) for a in assumed])]
    if f.notes:
        lines += ["", style.heading("Notes", 2), "", *style.items([sentence(note) for note in f.notes])]
    if c.fix and minimizer:
        lines += ["", style.heading("What to change", 2), "", sentence(c.fix)]
    return lines


def _rows(t: TargetReport, style: Style) -> list[list[str]]:
    f, c = t.fixed_point, t.convergence
    because = fixed_point_text(f)
    if f.verdict in ("conditional", "refuted") and f.obligations:
        because = "a solution does not stay" if f.verdict == "refuted" else f"{because} what stands below holds"
    rows = [["fixed point", f.verdict, style.sentence(because)]]
    for claim, ok, why in f.side:
        rows.append([style.formula(claim), "proved" if ok else "unknown", style.sentence(why)])
    rows.append(["exactness", t.exactness.verdict, style.sentence(t.exactness.because)])
    if t.model.target == "minimizer":
        rows.append(["convergence", c.verdict, style.sentence(convergence_text(c, assumes=False))])
    return rows


def markdown(report: Report) -> str:
    return document(report, Markdown())


class Markdown:
    def heading(self, text: str, level: int) -> str:
        return f"{'#' * (level + 1)} {self.sentence(text)}"

    def sentence(self, text: str) -> str:
        """Stars would set formulas in italics; what stands between backticks is code already."""
        parts = text.split("`")
        return "`".join(re.sub(r"([*_<\\])", r"\\\1", part) if i % 2 == 0 else part for i, part in enumerate(parts))

    def formula(self, text: str) -> str:
        return f"`{text}`"

    def table(self, head: list[str], rows: list[list[str]]) -> list[str]:
        """A bar inside a cell would end it, `||A||_2` too."""
        cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
        return ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *cells]]

    def items(self, texts: list[str]) -> list[str]:
        return [f"- {text}" for text in texts]
