"""Verdicts on one screen."""

from __future__ import annotations

from collections.abc import Callable

from ..convergence import Convergence
from ..fixed_point import FixedPoint
from .verdicts import Report, TargetReport

Paint = Callable[[str, str], str]
STYLE = {"proved": "help", "conditional": "warning", "unknown": "warning", "refuted": "error"}
TARGETS = {"minimizer": "minimizers of F", "recovery": "recovery of x from b = A*x, without noise"}


def text(report: Report, paint: Paint, explain: bool = False) -> str:
    """One screen for people."""
    return "\n".join(line for t in report.targets for line in _target(t, paint, explain))


def target(t: TargetReport) -> str:
    """`minimizers of F (lasso)`"""
    return TARGETS[t.model.target] + (f" ({t.model.problem})" if t.model.problem != "abstract" else "")


def _target(t: TargetReport, paint: Paint, explain: bool) -> list[str]:
    f, c = t.fixed_point, t.convergence
    title = target(t)
    lines = [paint(f"  for {title}", "frame")]

    def row(name: str, verdict: str, rest: str) -> None:
        shown = paint(f"{verdict:<12}", STYLE.get(verdict, "frame")) if verdict else ""
        lines.append(f"    {name:<13}{shown}{rest}".rstrip())

    row("fixed point", f.verdict, fixed_point_text(f))
    for o in f.obligations if f.verdict in ("conditional", "refuted") else []:
        row("", "", f"{'':<12}{o}")
    for claim, ok, because in f.side:
        row("needs", "", f"{claim}: {because}" if ok else f"{claim}, which is not proved: {because}")
    for assumed in f.assumes:
        row("assuming", "", assumed)
    for note in f.notes:
        row("note", "", note)
    if t.form is not None and t.model.target == "minimizer":
        row("normal form", "", ", ".join(f"{k} = {v}" for k, v in t.form.texts().items() if v != "0" or k == "b1"))
    if explain and t.form is None and t.model.target == "minimizer":
        row("normal form", "", f"none: {t.form_reason}")
    if t.exactness.verdict != "unknown" or explain:
        row("exact", t.exactness.verdict, t.exactness.because)
    if t.model.target == "minimizer":
        row("convergence", c.verdict, convergence_text(c))
        if c.fix:
            row("", "", f"{'':<12}{c.fix}")
    if explain:
        lines.append("    derivation")
        lines += [f"      {step}" for step in f.steps]
    return lines


def fixed_point_text(f: FixedPoint) -> str:
    if f.verdict == "proved":
        start = "from every start" if f.reading == "uniform" else "for an equilibrium of the states"
        return f"a solution stays where it is, {start}"
    if f.verdict == "conditional":
        return "exactly if" if f.iff else "if"
    if f.verdict == "refuted":
        return f"a solution does not stay: {'nothing makes this vanish' if f.obligations else f.reason}"
    return f.reason


def convergence_text(c: Convergence, assumes: bool = True) -> str:
    """`assumes`: with the hypotheses of the theorem."""
    if c.verdict == "proved":
        kinds = {
            "iterates": "the iterates converge to a minimizer", "dist": "the distance to the minimizers tends to 0",
            "values": "F(x_k) tends to the minimum", "residual": "steps tend to 0",
        }  # fmt: skip
        assumed = f", assuming {'; '.join(c.assumes)}" if c.assumes and assumes else ""
        return f"{kinds[c.kind]} (theorem {c.theorem}): {c.because}{assumed}"
    return c.because
