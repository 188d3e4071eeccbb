"""The command line. Every command takes files, folders, names of shipped specs, or a bare rule with -e.

Exit code 0: fine; 1: the input has mistakes; 2: wrong usage. check, compile, fmt and show never import torch.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any

import click

from . import __version__, output, pipeline
from .core import ir
from .diagnostics import formats, nearest, render, summary
from .diagnostics.explain import Example
from .diagnostics.explain import pages as all_pages
from .source import Source

if TYPE_CHECKING:
    from .analysis.report import Report

STYLES: dict[str, dict[str, Any]] = {
    "error": {"fg": "red", "bold": True},
    "warning": {"fg": "yellow", "bold": True},
    "note": {"fg": "cyan"},
    "frame": {"fg": "blue"},
    "help": {"fg": "green"},
}


def paint(text: str, style: str) -> str:
    """Colours for a terminal; click drops them where the output is no terminal."""
    return click.style(text, **STYLES[style])


@dataclass(frozen=True)
class Job:
    """One thing to work on: an algorithm, one of its variants or a problem, where its file stands below the folder that
    was named, and whether it was a rule."""

    checked: pipeline.Checked
    relative: Path
    rule: bool = False
    part: bool = False
    """Whether this is a variant that comes with its file, not one that was named."""


INPUT = [
    click.argument("names", nargs=-1, metavar="[FILE|FOLDER|NAME]..."),
    click.option("-e", "rule", metavar="RULE", help="A bare rule, such as 'x+ = x - alpha*grad f(x)'."),
]


def takes_input(command: Any) -> Any:
    for decorate in reversed(INPUT):
        command = decorate(command)
    return command


def jobs(names: tuple[str, ...], rule: str | None) -> Iterator[Job]:
    """Everything the user named, checked. Wrong usage ends the program with exit code 2."""
    if not names and rule is None:
        raise click.UsageError("name a file, a folder or a shipped spec, or give a rule with -e")
    if rule is not None:
        yield Job(complete(rule), Path("rule.l2o"), True)
    for name in names:
        try:
            place = pipeline.find(name)
        except OSError:  # longer than any file's name
            place = None
        if place is None:
            raise click.UsageError(f"there is no file, folder or shipped spec called {name}")
        path, variant = place
        files = sorted(p for p in path.rglob("*.l2o") if not p.is_dir()) if path.is_dir() else [path]
        if not files:
            raise click.UsageError(f"{path} holds no .l2o files")
        for file in files:
            relative = file.relative_to(path) if path.is_dir() else Path(file.name)
            if not file.is_file():  # a pipe would be waited for
                raise click.UsageError(f"{file} is no regular file")
            try:
                source = Source.read(file)
            except OSError as error:
                raise click.UsageError(f"{file} can't be read: {error.strerror}") from None
            if variant is not None:
                yield Job(pipeline.check(source, variant=variant), relative)
            else:
                first, *others = pipeline.check_all(source)
                yield Job(first, relative)
                yield from (Job(checked, relative, part=True) for checked in others)


def complete(rule: str) -> pipeline.Checked:
    """A bare rule, completed and checked."""
    source = Source("<rule>", rule)
    completed, mistakes = pipeline.complete(source)
    if completed is None:
        return pipeline.Checked(pipeline.parse(source, "rule"), None, mistakes)
    return pipeline.check(completed)


def example(given: Example, name: str) -> pipeline.Checked:
    """An example of `explain`, checked the way that it asks for."""
    if given.rule:
        return complete(given.text)
    source = Source(name, given.text)
    if given.variant:
        return pipeline.check(source, variant=given.variant)
    checked = next((c for c in pipeline.check_all(source) if not c.ok), pipeline.check(source))
    return pipeline.compilable(checked) if given.compiled else checked


def complain(found: list[Job]) -> bool:
    """Print the diagnostics of all jobs; whether any is an error."""
    for job in found:
        if job.checked.diagnostics:
            click.echo(render(job.checked.diagnostics, job.checked.source, paint) + "\n", err=True)
    return any(not job.checked.ok for job in found)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="l2ogen")
def main() -> None:
    """Update rules of optimization algorithms: checked, and compiled into torch modules."""


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
    help="Also write the verdicts to a new file, as Markdown.",
)  # fmt: skip
def check(
    names: tuple[str, ...], rule: str | None, as_json: bool, form: str, steps: bool, fixed: Path | None,
    run: Path | None, plot: Path | None, document: Path | None,
) -> None:  # fmt: skip
    """Say whether specs are right, and what is true of their rules: fixed points, normal form, convergence.

    A bare rule is completed to the whole file first, which is printed.
    """
    if plot is not None and run is None:
        raise click.UsageError("--plot is for --weights")
    if run is not None and (fixed is not None or as_json or form != "text"):
        raise click.UsageError("--weights prints a table; leave out --fix, --json and --format")
    if document is not None and (fixed is not None or run is not None or as_json or form != "text"):
        raise click.UsageError("--report goes with the verdicts as text: leave out the other options")
    if document is not None and document.exists():
        raise click.UsageError(f"{document} exists")
    found = list(jobs(names, rule))
    if run is not None:
        _measure(found, run, plot)
        return
    if fixed is not None:
        _fix(found, fixed, steps)
        return
    results = [(job.checked.source, job.checked.diagnostics) for job in found]
    worse = False
    if as_json or form == "json":
        documents = [_report(job) for job in found]
        worse = any(made["worse"] for made in documents)
        click.echo(_json(documents[0] if len(documents) == 1 else documents))
    elif form == "sarif":
        click.echo(_json(formats.sarif(results, __version__)))
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
            report = _examined(job.checked)
            if report is not None:
                worse |= _verdicts(report, steps)
                examined.append(report)
        if document is not None:
            _write_report(examined, document)
    sys.exit(worse or any(not job.checked.ok for job in found))


def _examined(checked: pipeline.Checked) -> Report | None:
    """The verdicts on an algorithm without mistakes."""
    from .analysis.report import examine

    return examine(checked.program) if checked.ok and isinstance(checked.program, ir.Algorithm) else None


def _write_report(reports: list[Report], path: Path) -> None:
    """The verdicts on all algorithms without mistakes, as one document."""
    from .analysis.report import markdown

    if not reports:
        click.echo(f"there are no verdicts; {path} was not written", err=True)
        return
    output.write_text(path, "\n".join(["# Verdicts\n", *map(markdown, reports)]))
    click.echo(f"wrote {path}")


def _verdicts(report: Report, steps: bool) -> bool:
    """Print them; whether one is worse than the file expects."""
    from .analysis.report import text

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


def _measure(found: list[Job], run: Path, plot: Path | None) -> None:
    """Print how far the obligations of the one spec in `found` are from met by a trained run; draw it, too."""
    if plot is not None and plot.suffix not in (".png", ".svg", ".pdf"):
        raise click.UsageError(f"{plot} ends neither in .png nor in .svg nor in .pdf")
    _, program = _one(found, "--weights")
    _need_torch()
    from .measure import draw, measure

    try:
        measured = measure(program, run)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    click.echo(str(measured))
    if plot is not None:
        draw(measured, plot)
        click.echo(plot)


def _fix(found: list[Job], path: Path, steps: bool) -> None:
    """Write the one spec in `found`, changed so that more is proved, to a new file."""
    from .analysis.report import examine
    from .mend import mend, text

    if path.exists():
        raise click.UsageError(f"{path} exists")
    checked, program = _one(found, "--fix")
    patch = mend(checked, examine(program))
    if patch is None:
        click.echo("no change is known that proves more", err=True)
        sys.exit(1)
    output.write_text(path, text(patch.tree))
    click.echo("\n".join(patch.lines))
    click.echo(f"wrote {path}: {'; '.join(patch.gains())}")
    changed = _examined(pipeline.check(Source.read(path)))
    sys.exit(changed is not None and _verdicts(changed, steps))


def _json(document: Any) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False)


def _describe(checked: pipeline.Checked) -> str:
    program = checked.program
    if program is None:
        return ""
    return f"algorithm {program.title}, " if isinstance(program, ir.Algorithm) else f"problem {program.name}, "


def _report(job: Job) -> dict[str, Any]:
    checked = job.checked
    program = checked.program
    examined = _examined(checked)
    report: dict[str, Any] = {
        "file": checked.source.name,
        "algorithm": program.name if isinstance(program, ir.Algorithm) else None,
        "variant": checked.variant,
        "ok": checked.ok,
        "diagnostics": [d.as_dict(checked.source) for d in checked.diagnostics],
        "targets": examined.as_dicts() if examined is not None else [],
        "worse": examined.worse() if examined is not None else [],
    }
    if job.rule and program is not None:
        report["text"] = checked.source.text
    return report


@main.command()
@click.argument("code", required=False, metavar="[CODE]")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on the standard output.")
def explain(code: str | None, as_json: bool) -> None:
    """Say what a code means, with a wrong and a right example; without a code, list all."""
    pages = all_pages()
    if code is None:
        if as_json:
            click.echo(_json([{"code": page.code, "title": page.title} for page in pages.values()]))
        else:
            click.echo("\n".join(f"{page.code}  {page.title}" for page in pages.values()))
        return
    wanted = code.upper() if not code.isdigit() else f"L2O{code}"
    page = pages.get(wanted)
    if page is None:
        meant = nearest(wanted, pages)
        raise click.UsageError(f"there is no code {code}" + (f"; did you mean {meant}?" if meant else ""))
    if as_json:
        click.echo(_json({
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


@main.command("compile")
@takes_input
@click.option("-o", "out", type=click.Path(path_type=Path), default=Path("generated"), help="Folder for the code.")
@click.option("--force", is_flag=True, help="Overwrite files that were edited.")
def compile_(names: tuple[str, ...], rule: str | None, out: Path, force: bool) -> None:
    """Write the torch modules, and a training loop beside each that learns something."""
    from .backends.torch import generate
    from .output import Edited, write_all

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
    from .output import write_text
    from .syntax.printer import fmt as canonical
    from .syntax.printer import show

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
        reports = [_report(job) | {"form": form, "text": text} for job, text in zip(found, whole, strict=True)]
        click.echo(json.dumps(reports[0] if len(reports) == 1 else reports, indent=1, ensure_ascii=False))
    elif not wrong:
        click.echo(_joined(made, form, standalone), nl=False)
    sys.exit(wrong)


def _shown(checked: pipeline.Checked, form: str, only_rule: bool) -> str:
    """One file in a form; empty where it lacks what is asked for."""
    from .backends.latex import document as latex
    from .syntax import printer

    tree, unicode = pipeline.written(checked), form == "unicode"
    if form == "latex":
        return latex.rule(tree) if only_rule else latex.text(tree)
    if only_rule:
        return "".join(printer.show(s, unicode) + "\n" for s in pipeline.update(tree))
    if checked.variant is not None:  # its lines come from two places
        return printer.fmt(tree, None, unicode=unicode)
    return printer.fmt(tree, checked.source, checked.parsed.comments, unicode)


def _joined(texts: list[str], form: str, standalone: bool) -> str:
    from .backends.latex import document as latex

    return (latex.document if standalone else latex.fragment)(texts) if form == "latex" else "\n".join(texts)


# ---- what needs torch --------------------------------------------------------------------------------


def _need_torch() -> None:
    """End with a clear message where the extra is not installed."""
    try:
        import torch  # noqa: F401
    except ImportError:
        raise click.UsageError("this command needs torch: pip install 'l2ogen[train]'") from None


def _changes(arguments: list[str]) -> dict[str, str]:
    """--steps 100 --rate=0.01 -> {"steps": "100", "rate": "0.01"}; names and values are checked by Settings."""
    found: dict[str, str] = {}
    rest = iter(arguments)
    for word in rest:
        if not word.startswith("--"):
            raise click.UsageError(f"unexpected argument {word}")
        name, equals, value = word[2:].partition("=")
        if name.replace("-", "_") in ("folder", "spec", "console", "problem", "generated", "sizes"):
            raise click.UsageError(f"no such option: --{name}")
        if not equals:
            value = next(rest, "")
        if not value:
            raise click.UsageError(f"--{name} needs a value")
        found[name.replace("-", "_")] = value
    return found


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[FILE|NAME]")
@click.option("-e", "rule", metavar="RULE", help="A bare rule instead of a file.")
@click.option("-o", "folder", type=click.Path(path_type=Path), help="The run folder [default: runs/NAME].")
@click.option("--resume", is_flag=True, help="Continue the run in the folder at its last checkpoint.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def train(words: tuple[str, ...], rule: str | None, folder: Path | None, resume: bool, quiet: bool) -> None:
    """Train a spec on the problem it names. Every setting of its `train` block is an option: --steps 200
    --m 20 --schedule "layerwise(steps = 50), joint(steps = 500)"."""
    _need_torch()
    from . import api
    from .runtime import Interrupted, Run, RunError
    from .runtime import train as carry_on

    name = words[0] if words and not words[0].startswith("--") else None  # click cannot tell it from --steps
    changes = _changes(list(words[name is not None :]))
    if resume:
        if folder is None or name is not None or changes:
            raise click.UsageError("--resume takes the run folder alone: l2ogen train -o runs/NAME --resume")
    elif (name is None) == (rule is None):
        raise click.UsageError("name one spec, or give a rule with -e")
    try:
        if resume:
            run = carry_on(Run.resume(str(folder), quiet=quiet))
        else:
            spec = api.rule(rule) if rule is not None else api.load(str(name))
            run = spec.train(folder or Path("runs", spec.stem), quiet=quiet, **changes)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise click.UsageError(str(error)) from None
    except api.SpecError as error:
        click.echo(render(error.diagnostics, error.source, paint), err=True)
        sys.exit(1)
    except (RunError, ValueError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(130 if isinstance(error, Interrupted) else 1)
    click.echo(f"{run.result}; weights in {run.folder}")


@main.command("eval")
@click.argument("names", nargs=-1, required=True, metavar="[RUN|NAME]...")
@click.option("--on", "problem", metavar="PROBLEM", help="The problem [default: that of the first].")
@click.option("--instances", type=click.IntRange(min=1), default=256, show_default=True)
@click.option("--iterations", type=click.IntRange(min=1), default=100, show_default=True)
@click.option("--seed", default=777_000, show_default=True)
@click.option("-o", "out", type=click.Path(path_type=Path), help="Also write OUT.png, OUT.md and OUT.json.")
def eval_(
    names: tuple[str, ...], problem: str | None, instances: int, iterations: int, seed: int, out: Path | None
) -> None:
    """Compare trained runs (folders) and specs without weights on the same unseen instances."""
    _need_torch()
    from .compare import compare
    from .runtime import RunError

    try:
        table, files = compare(names, problem, instances, iterations, seed, out)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise click.UsageError(str(error)) from None
    except (RunError, ValueError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    from rich.console import Console

    console = Console()
    console.width = max(console.width, 92)
    console.print(table)
    for path in files:
        click.echo(path)


@main.command()
@click.option("-e", "rule", metavar="RULE", help="Another rule than that of the README.")
@click.option("-o", "out", type=click.Path(path_type=Path), default=Path("demo"), show_default=True)
@click.option(
    "--data", type=click.Path(path_type=Path), envvar="L2OGEN_DATA", help="Folder with bsds_patches_lasso.npz."
)
@click.option("--steps", type=click.IntRange(min=1), help="Training steps, where the spec's are too many.")
def demo(rule: str | None, out: Path, data: Path | None, steps: int | None) -> None:
    """From a rule to a checked, generated, trained and compared module, with a picture."""
    _need_torch()
    from rich.console import Console

    from . import api
    from . import demo as job
    from .runtime import RunError

    console = Console()
    console.width = max(console.width, 92)  # the tables need it, also where the output is no terminal
    try:
        made = job.run(job.free_folder(out), console, rule=rule or job.RULE, data=data, steps=steps)
    except api.SpecError as error:
        click.echo(render(error.diagnostics, error.source, paint), err=True)
        sys.exit(1)
    except (RunError, ValueError, FileNotFoundError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    console.print(f"done in {made.seconds:.0f} s")


if __name__ == "__main__":
    main()
