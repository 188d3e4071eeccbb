"""check: mistakes, verdicts, repairs; explain: what a code means."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any

import click

from .. import __version__, output, pipeline
from ..core import ir
from ..diagnostics import formats, nearest, render, summary
from ..diagnostics.explain import Example
from ..diagnostics.explain import pages as all_pages
from ..source import Source
from .base import Job, about, complain, complete, jobs, main, need_torch, paint, takes_input, to_json, writing

if TYPE_CHECKING:
    from ..analysis.report import Report


@main.command()
@takes_input
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "sarif", "github"]), default="text", show_default=True,
    help="For people; one JSON document; SARIF 2.1.0; annotations of a GitHub workflow.",
)  # fmt: skip
@click.option("--explain", "steps", is_flag=True, help="Print the derivation of each verdict, too.")
@click.option(
    "--fix", "fixed", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    help="Write the spec, changed so that more is proved, to a new file.",
)  # fmt: skip
@click.option(
    "--weights", "run", metavar="RUN", type=click.Path(path_type=Path),
    help="Measure what only training can make vanish, layer by layer, on a trained run.",
)  # fmt: skip
@click.option(
    "--plot", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    help="With --weights: also draw it, as png, svg or pdf.",
)  # fmt: skip
@click.option(
    "--report", "document", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    help="Also write the verdicts to a new file: as LaTeX if it ends in .tex, else as Markdown.",
)  # fmt: skip
@click.option(
    "--certify", "iterations", metavar="N", type=click.IntRange(1, 15),
    help="Bound F(x_N) - F* over all problems numerically; for scalar steps. Needs PEPit.",
)
@click.option(
    "--limit", metavar="SECONDS", type=click.FloatRange(min=0, min_open=True), default=60, show_default=True,
    help="After so long what is not decided about a target is unknown.",
)
def check(
    names: tuple[str, ...], rule: str | None, as_json: bool, form: str, steps: bool, fixed: Path | None,
    run: Path | None, plot: Path | None, document: Path | None,
    iterations: int | None, limit: float,
) -> None:  # fmt: skip
    """Say whether specs are right, and what is true of their rules: fixed points, normal form, convergence.

    A bare rule is completed to the whole file first, which is printed.
    """
    if plot is not None and run is None:
        raise click.UsageError("--plot is for --weights")
    if run is not None and (fixed is not None or form not in ("text", "json")):
        raise click.UsageError("--weights prints a table, or JSON; leave out --fix and other formats")
    if document is not None and (fixed is not None or run is not None or as_json or form != "text"):
        raise click.UsageError("--report goes with the verdicts as text: leave out the other options")
    if document is not None and document.exists():
        raise click.UsageError(f"{document} exists")
    if iterations is not None and (fixed or run or document or as_json or form != "text"):
        raise click.UsageError("--certify prints one line: leave out the other options")
    _note_limit()
    found = list(jobs(names, rule))
    if iterations is not None:
        _certify(found, iterations)
        return
    if run is not None:
        _measure(found, run, plot, limit, as_json or form == "json")
        return
    if fixed is not None:
        _fix(found, fixed, steps, limit)
        return
    results = [(job.checked.source, job.checked.diagnostics) for job in found]
    worse = False
    if as_json or form == "json":
        documents = [about(job) | _targets(job.checked, limit) for job in found]
        worse = any(made["worse"] for made in documents)
        click.echo(to_json(documents[0] if len(documents) == 1 else documents))
    elif form == "sarif":
        click.echo(to_json(formats.sarif(results, __version__)))
    elif form == "github":
        for line in formats.github(results):
            click.echo(line)
    else:
        for job in found:
            if job.rule and job.checked.program is not None:
                click.echo(job.checked.source.text)
        complain(found)
        examined: list[Report] = []
        for job in found:
            what = _describe(job.checked)
            name = job.checked.source.name + (f":{job.checked.variant}" if job.checked.variant else "")
            click.echo(f"{name}: {what}{summary(job.checked.diagnostics)}")
            report = _examined(job.checked, limit)
            if report is not None:
                worse |= _verdicts(report, steps)
                examined.append(report)
        if document is not None:
            _write_report(examined, document)
    sys.exit(worse or any(not job.checked.ok for job in found))


def _note_limit() -> None:
    """Only an option that was given is worth a word."""
    from ..analysis.deadline import interrupts

    given = click.get_current_context().get_parameter_source("limit") != click.core.ParameterSource.DEFAULT
    if given and not interrupts():
        click.echo("note: this system interrupts nothing; --limit is looked at between steps", err=True)


def _examined(checked: pipeline.Checked, limit: float) -> Report | None:
    """The verdicts on an algorithm without mistakes."""
    from ..analysis.report import examine

    return examine(checked.program, limit) if checked.ok and isinstance(checked.program, ir.Algorithm) else None


def _targets(checked: pipeline.Checked, limit: float) -> dict[str, Any]:
    report = _examined(checked, limit)
    return {"targets": report.as_dicts() if report else [], "worse": report.worse() if report else []}


def _write_report(reports: list[Report], path: Path) -> None:
    """The verdicts on all algorithms without mistakes, as one document."""
    if not reports:
        click.echo(f"there are no verdicts; {path} was not written", err=True)
        return
    with writing(path):
        output.write_text(path, _latex(reports) if path.suffix == ".tex" else _markdown(reports))
    click.echo(f"wrote {path}")


def _markdown(reports: list[Report]) -> str:
    from ..analysis.report import markdown

    return "\n".join(["# Verdicts\n", *map(markdown, reports)])


def _latex(reports: list[Report]) -> str:
    from ..analysis.report import document
    from ..backends.latex import document as latex
    from ..backends.latex.verdicts import Verdicts

    return latex.document(document(r, Verdicts(r.program.tree)) for r in reports)


def _verdicts(report: Report, steps: bool) -> bool:
    """Print them; whether one is worse than the file expects."""
    from ..analysis.report import text

    click.echo(text(report, paint, steps))
    for claim in report.worse():
        click.echo(paint(f"    worse than expected: {claim}", "error"))
    return bool(report.worse())


def _one(found: list[Job], option: str) -> tuple[pipeline.Checked, ir.Algorithm]:
    """The one algorithm that was named. Ends the program where there are several, or it has mistakes."""
    named = [job for job in found if not job.part]
    if len(named) != 1:
        raise click.UsageError(f"{option} takes one spec")
    if complain(named):
        sys.exit(1)
    checked = named[0].checked
    if not isinstance(checked.program, ir.Algorithm):
        raise click.UsageError(f"{option} takes an algorithm")
    return checked, checked.program


def _measure(found: list[Job], run: Path, plot: Path | None, limit: float, as_json: bool) -> None:
    """Print how far the obligations of the one spec in `found` are from met by a trained run; draw it, too."""
    if plot is not None and plot.suffix not in (".png", ".svg", ".pdf"):
        raise click.UsageError(f"{plot} ends neither in .png nor in .svg nor in .pdf")
    _, program = _one(found, "--weights")
    need_torch()
    from ..measure import draw, measure

    try:
        measured = measure(program, run, limit)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    click.echo(to_json(measured.as_dict()) if as_json else str(measured))
    if plot is not None:
        with writing(plot):
            draw(measured, plot)
        click.echo(plot, err=as_json)


def _certify(found: list[Job], iterations: int) -> None:
    """Print the worst case of the one spec in `found` after so many iterations."""
    from ..certify import NotCertified, NotInstalled, certify

    _, program = _one(found, "--certify")
    try:
        click.echo(str(certify(program, iterations)))
    except NotInstalled as missing:
        raise click.UsageError(str(missing)) from None
    except NotCertified as reason:
        click.echo(f"{program.title} is not certified: {reason}", err=True)
        sys.exit(1)


def _fix(found: list[Job], path: Path, steps: bool, limit: float) -> None:
    """Write the one spec in `found`, changed so that more is proved, to a new file."""
    from ..analysis.report import examine
    from ..mend import mend, text

    if path.exists():
        raise click.UsageError(f"{path} exists")
    checked, program = _one(found, "--fix")
    patch = mend(checked, examine(program, limit), limit)
    if patch is None:
        click.echo("no change is known that proves more", err=True)
        sys.exit(1)
    with writing(path):
        output.write_text(path, text(patch.tree))
    click.echo("\n".join(patch.lines))
    click.echo(f"wrote {path}: {'; '.join(patch.gains())}")
    changed = _examined(pipeline.check(Source.read(path)), limit)
    sys.exit(changed is not None and _verdicts(changed, steps))


def _describe(checked: pipeline.Checked) -> str:
    program = checked.program
    if program is None:
        return ""
    return f"algorithm {program.title}, " if isinstance(program, ir.Algorithm) else f"problem {program.name}, "


def example(given: Example, name: str) -> pipeline.Checked:
    """An example of `explain`, checked the way that it asks for."""
    if given.rule:
        return complete(given.text)
    source = Source(name, given.text)
    if given.variant:
        return pipeline.check(source, variant=given.variant)
    checked = next((c for c in pipeline.check_all(source) if not c.ok), pipeline.check(source))
    return pipeline.compilable(checked) if given.compiled else checked


@main.command()
@click.argument("code", required=False, metavar="[CODE]")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on the standard output.")
def explain(code: str | None, as_json: bool) -> None:
    """Say what a code means, with a wrong and a right example; without a code, list all."""
    pages = all_pages()
    if code is None:
        if as_json:
            click.echo(to_json([{"code": page.code, "title": page.title} for page in pages.values()]))
        else:
            click.echo("\n".join(f"{page.code}  {page.title}" for page in pages.values()))
        return
    wanted = code.upper() if not code.isdigit() else f"L2O{code}"
    page = pages.get(wanted)
    if page is None:
        meant = nearest(wanted, pages)
        raise click.UsageError(f"there is no code {code}" + (f"; did you mean {meant}?" if meant else ""))
    if as_json:
        click.echo(to_json({
            "code": page.code, "title": page.title, "text": page.text, "wrong": page.wrong.shown,
            "right": page.right.shown, "wrong_file": page.wrong.text, "right_file": page.right.text,
        }))  # fmt: skip
        return
    checked = example(page.wrong, "wrong.l2o")
    said = render(checked.diagnostics, checked.source, paint)
    parts = [
        click.style(f"{page.code}: {page.title}", bold=True), page.text, paint("Wrong:", "error"),
        indent(page.wrong.shown, "    "), paint("which gives:", "note"), indent(said, "    "),
        paint("Right:", "help"), indent(page.right.shown, "    "),
    ]  # fmt: skip
    click.echo("\n\n".join(parts))
