"""compile, fmt, show: a spec as torch code, in canonical form, in Unicode or LaTeX."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from .. import pipeline
from ..diagnostics import render
from ..source import Source
from .base import about, complain, jobs, main, paint, takes_input, to_json


@main.command("compile")
@takes_input
@click.option("-o", "out", type=click.Path(path_type=Path), default=Path("generated"), help="Folder for the code.")
@click.option("--force", is_flag=True, help="Overwrite files that were edited.")
def compile_(names: tuple[str, ...], rule: str | None, out: Path, force: bool) -> None:
    """Write the torch modules, and a training loop beside each that learns something."""
    from ..backends.torch import generate
    from ..output import Edited, write_all

    found = [replace(job, checked=pipeline.compilable(job.checked)) for job in jobs(names, rule)]
    if complain(found):
        click.echo("nothing was written", err=True)
        sys.exit(1)
    texts: dict[Path, str] = {}
    for job in found:
        if job.checked.program is None:
            continue
        made = generate.files(job.checked.program, pipeline.stem(job.checked))
        if job.rule:
            made["rule.l2o"] = generate.stamp(job.checked.source.text)
        for name, text in made.items():
            path = out / job.relative.parent / name
            if path in texts:
                raise click.UsageError(f"two specs would be written to {path}; compile them into different folders")
            texts[path] = text
    try:
        written = write_all(texts, generate.untouched, force)
    except Edited as edited:
        click.echo(f"{edited}\nnothing was written", err=True)
        sys.exit(1)
    for path in written:
        click.echo(path)


@main.command()
@takes_input
@click.option("--check", "only_check", is_flag=True, help="Change nothing; exit code 1 if something would change.")
@click.option("--unicode", is_flag=True, help="Write x⁺, ∇f, ℝ, Aᵀ, θ.")
def fmt(names: tuple[str, ...], rule: str | None, only_check: bool, unicode: bool) -> None:
    """Bring specs into the one canonical form, in place; a rule is printed."""
    from ..output import write_text
    from ..syntax.printer import fmt as canonical
    from ..syntax.printer import show

    found = [job for job in jobs(names, None) if job.checked.variant is None] if names else []
    if rule is not None:
        parsed = pipeline.parse(Source("<rule>", rule), "rule")
        if parsed.diagnostics:
            click.echo(render(parsed.diagnostics, parsed.source, paint), err=True)
            sys.exit(1)
        click.echo("; ".join(show(s, unicode) for s in parsed.tree.items))
    elif not names:
        raise click.UsageError("name a file, a folder or a shipped spec, or give a rule with -e")
    failed = False
    for job in found:
        parsed, source = job.checked.parsed, job.checked.source
        mistakes = [d for d in parsed.diagnostics if d.severity == "error"]
        if mistakes:
            click.echo(render(mistakes, source, paint) + f"\n{source.name} is left as it is", err=True)
            failed = True
            continue
        text = canonical(parsed.tree, source, parsed.comments, unicode)
        if text != source.text:
            click.echo(f"{'would change' if only_check else 'changed'} {source.name}")
            failed = failed or only_check
            if not only_check:
                write_text(Path(source.name), text)
    sys.exit(failed)


@main.command()
@takes_input
@click.option("--unicode", "form", flag_value="unicode", default=True, help="As text, with x⁺, ∇f, ℝ, Aᵀ, θ (default).")
@click.option("--ascii", "form", flag_value="ascii", help="As text that every keyboard has.")
@click.option("--latex", "form", flag_value="latex", help="As LaTeX, for \\input; needs amsmath and amssymb.")
@click.option("--standalone", is_flag=True, help="With --latex: a whole document.")
@click.option("--rule", "only_rule", is_flag=True, help="The update rule alone.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on the standard output.")
def show(names: tuple[str, ...], rule: str | None, form: str, standalone: bool, only_rule: bool, as_json: bool) -> None:
    """Print specs for people: as text, or as LaTeX. Of a bare rule, the whole file that it stands for; of a variant,
    the algorithm that it is."""
    if standalone and form != "latex":
        raise click.UsageError("--standalone is for --latex")
    found = list(jobs(names, rule))
    wrong = any(not job.checked.ok for job in found) if as_json else complain(found)
    found = [job for job in found if not job.part or not job.checked.ok]
    texts = [_shown(job.checked, form, only_rule) if job.checked.ok else None for job in found]
    if only_rule and len(found) > 1:
        comment = "%" if form == "latex" else "#"
        places = [job.checked.source.name for job in found]
        texts = [text and f"{comment} {place}\n{text}" for place, text in zip(places, texts, strict=True)]
    made = [text for text in texts if text]
    if not made and not wrong:
        raise click.UsageError("there is no update rule in a problem; leave out --rule")
    if as_json:
        whole = [_joined([text], form, standalone) if text else None for text in texts]
        reports = [about(job) | {"form": form, "text": text} for job, text in zip(found, whole, strict=True)]
        click.echo(to_json(reports[0] if len(reports) == 1 else reports))
    elif not wrong:
        click.echo(_joined(made, form, standalone), nl=False)
    sys.exit(wrong)


def _shown(checked: pipeline.Checked, form: str, only_rule: bool) -> str:
    """One file in a form; empty where it lacks what is asked for."""
    from ..backends.latex import document as latex
    from ..syntax import printer

    tree, unicode = pipeline.written(checked), form == "unicode"
    if form == "latex":
        return latex.rule(tree) if only_rule else latex.text(tree)
    if only_rule:
        return "".join(printer.show(s, unicode) + "\n" for s in pipeline.update(tree))
    if checked.variant is not None:  # its lines come from two places
        return printer.fmt(tree, None, unicode=unicode)
    return printer.fmt(tree, checked.source, checked.parsed.comments, unicode)


def _joined(texts: list[str], form: str, standalone: bool) -> str:
    from ..backends.latex import document as latex

    return (latex.document if standalone else latex.fragment)(texts) if form == "latex" else "\n".join(texts)


# ---- what needs torch --------------------------------------------------------------------------------
