"""All verdicts about one algorithm: computed once, shown as text, Markdown or the JSON of `check --json`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..core import ir
from .convergence import Convergence, convergence
from .evaluate import Unknown
from .exactness import Exactness, exactness
from .fixed_point import FixedPoint, fixed_point
from .model import Model, models
from .normal_form import NormalForm, normal_form
from .witness import diverges, replayed

RANK = {"refuted": 0, "unknown": 1, "conditional": 2, "proved": 3}
Paint = Callable[[str, str], str]
STYLE = {"proved": "help", "conditional": "warning", "unknown": "warning", "refuted": "error"}


@dataclass
class TargetReport:
    model: Model
    fixed_point: FixedPoint
    form: NormalForm | None
    form_reason: str
    exactness: Exactness
    convergence: Convergence

    def as_dict(self) -> dict[str, Any]:
        f, c = self.fixed_point, self.convergence
        return {
            "target": self.model.target,
            "problem": self.model.problem,
            "fixed_point": {
                "verdict": f.verdict, "iff": f.iff, "obligations": f.obligations, "residual": f.residual,
                "state_reading": f.reading, "witness": f.witness, "reason": f.reason, "notes": f.notes,
            },
            "side_conditions": [
                {"claim": claim, "verdict": "proved" if ok else "unknown", "because": because}
                for claim, ok, because in f.side
            ],
            "normal_form": self.form.texts() if self.form is not None else {},
            "exactness": {"verdict": self.exactness.verdict, "because": self.exactness.because},
            "convergence": {
                "verdict": c.verdict, "theorem": c.theorem, "kind": c.kind, "assumes": c.assumes,
                "because": c.because, "fix": c.fix, "witness": c.witness,
            },
        }  # fmt: skip


@dataclass
class Report:
    program: ir.Algorithm
    targets: list[TargetReport] = field(default_factory=list)

    def __str__(self) -> str:
        return text(self, lambda shown, _: shown)

    def as_dicts(self) -> list[dict[str, Any]]:
        return [t.as_dict() for t in self.targets]

    def worse(self) -> list[str]:
        """What came out worse than the file expects; without expectations, a refuted fixed point."""
        declared, expected = self.targets[0], dict(self.program.expectations)
        found = {"fixed_point": declared.fixed_point.verdict, "convergence": declared.convergence.verdict}
        failed = [
            f"{claim.replace('_', ' ')}: expected {verdict}, found {found[claim]}"
            for claim, verdict in expected.items() if RANK[found[claim]] < RANK[verdict]
        ]  # fmt: skip
        if "fixed_point" not in expected and declared.fixed_point.verdict == "refuted":
            failed.append("fixed point: refuted")
        return failed


def examine(program: ir.Algorithm) -> Report:
    """Decide everything about an algorithm, the declared target first."""
    report = Report(program)
    for model in models(program):
        form, reason = None, ""
        try:
            form = normal_form(model)
        except Unknown as unknown:
            reason = str(unknown)
        found = replayed(model, fixed_point(model))
        if form is not None and form.theorem:
            found.notes.append(form.theorem)
        report.targets.append(
            TargetReport(
                model, found, form, reason, exactness(model, found, form), diverges(model, convergence(model, form))
            )
        )
    return report


# ---- text ------------------------------------------------------------------------------------------

TARGETS = {"minimizer": "minimizers of F", "recovery": "recovery of x from b = A*x, without noise"}


def text(report: Report, paint: Paint, explain: bool = False) -> str:
    """One screen for people."""
    return "\n".join(line for t in report.targets for line in _target(t, paint, explain))


def _target(t: TargetReport, paint: Paint, explain: bool) -> list[str]:
    f, c = t.fixed_point, t.convergence
    title = TARGETS[t.model.target] + (f" ({t.model.problem})" if t.model.problem != "abstract" else "")
    lines = [paint(f"  for {title}", "frame")]

    def row(name: str, verdict: str, rest: str) -> None:
        shown = paint(f"{verdict:<12}", STYLE.get(verdict, "frame")) if verdict else ""
        lines.append(f"    {name:<13}{shown}{rest}".rstrip())

    row("fixed point", f.verdict, _fixed_point_text(f))
    for o in f.obligations if f.verdict in ("conditional", "refuted") else []:
        row("", "", f"{'':<12}{o}")
    for claim, ok, because in f.side:
        row("needs", "", f"{claim}: {because}" if ok else f"{claim}, which is not proved: {because}")
    for note in f.notes:
        row("note", "", note)
    if t.form is not None and t.model.target == "minimizer":
        row("normal form", "", ", ".join(f"{k} = {v}" for k, v in t.form.texts().items() if v != "0" or k == "b1"))
    if explain and t.form is None and t.model.target == "minimizer":
        row("normal form", "", f"none: {t.form_reason}")
    if t.exactness.verdict != "unknown" or explain:
        row("exact", t.exactness.verdict, t.exactness.because)
    if t.model.target == "minimizer":
        row("convergence", c.verdict, _convergence_text(c))
        if c.fix:
            row("", "", f"{'':<12}{c.fix}")
    if explain:
        lines.append("    derivation")
        lines += [f"      {step}" for step in f.steps]
    return lines


def _fixed_point_text(f: FixedPoint) -> str:
    if f.verdict == "proved":
        start = "from every start" if f.reading == "uniform" else "for an equilibrium of the states"
        return f"a solution stays where it is, {start}"
    if f.verdict == "conditional":
        return "exactly if" if f.iff else "if"
    if f.verdict == "refuted":
        return "a solution does not stay: nothing makes this vanish"
    return f.reason


def _convergence_text(c: Convergence) -> str:
    if c.verdict == "proved":
        kinds = {
            "iterates": "the iterates converge to a minimizer", "dist": "the distance to the minimizers tends to 0",
            "values": "F(x_k) tends to the minimum", "residual": "steps tend to 0",
        }  # fmt: skip
        assumes = f", assuming {'; '.join(c.assumes)}" if c.assumes else ""
        return f"{kinds[c.kind]} (theorem {c.theorem}): {c.because}{assumes}"
    return c.because


# ---- Markdown --------------------------------------------------------------------------------------


def markdown(report: Report) -> str:
    """A document's sections, one for each target."""
    made = "\n".join(_section(report.program, t) for t in report.targets)
    worse = "".join(f"- {claim}\n" for claim in report.worse())
    return made + (f"\n### Worse than expected\n\n{worse}" if worse else "")


def _section(program: ir.Algorithm, t: TargetReport) -> str:
    f, c = t.fixed_point, t.convergence
    on = f" ({t.model.problem})" if t.model.problem != "abstract" else ""
    lines = [_plain(f"## {program.title}: {TARGETS[t.model.target]}{on}"), ""]
    shown = f.verdict in ("conditional", "refuted") and bool(f.obligations)
    because = _fixed_point_text(f)
    if shown:
        because = "a solution does not stay" if f.verdict == "refuted" else f"{because} what stands below holds"
    rows = [["fixed point", f.verdict, _plain(because)]]
    rows += [[_code(claim), "proved" if ok else "unknown", _plain(because)] for claim, ok, because in f.side]
    rows.append(["exactness", t.exactness.verdict, _plain(t.exactness.because)])
    if t.model.target == "minimizer":
        rows.append(["convergence", c.verdict, _plain(_convergence_text(c))])
    lines += _table(["claim", "verdict", "because"], rows)
    if shown:
        what = "Nothing makes this vanish" if f.verdict == "refuted" else f"A solution stays {_fixed_point_text(f)}"
        lines += ["", f"{what}:", "", *(f"- {_code(o)}" for o in f.obligations)]
    if t.form is not None and t.model.target == "minimizer":
        lines += ["", "### Normal form", ""]
        lines += _table(["part", "is"], [[name, _code(value)] for name, value in t.form.texts().items()])
    if f.notes:
        lines += ["", "### Notes", "", *(f"- {_plain(note)}" for note in f.notes)]
    if c.fix and t.model.target == "minimizer":
        lines += ["", "### What to change", "", _plain(c.fix)]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Formulas in a sentence, whose stars would set it in italics; what stands between backticks is code already."""
    parts = text.split("`")
    return "`".join(re.sub(r"([*_<\\])", r"\\\1", part) if i % 2 == 0 else part for i, part in enumerate(parts))


def _code(formula: str) -> str:
    return f"`{formula}`"


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A bar inside a cell would end it, `||A||_2` too."""
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *cells]]
