"""What the commands share: their input, colours, diagnostics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from .. import __version__, pipeline
from ..core import ir
from ..diagnostics import render
from ..source import Source

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


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Ends the program with a clear message where a file can't be written."""
    try:
        yield
    except OSError as error:
        raise click.UsageError(f"{path} can't be written: {error.strerror or error}") from None


def to_json(document: Any) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False)


def need_torch() -> None:
    """End with a clear message where the extra is not installed."""
    try:
        import torch  # noqa: F401
    except ImportError:
        raise click.UsageError("this command needs torch: pip install 'l2ogen[train]'") from None


def about(job: Job) -> dict[str, Any]:
    """What the JSON of all commands says of a job."""
    checked = job.checked
    program = checked.program
    report: dict[str, Any] = {
        "file": checked.source.name,
        "algorithm": program.name if isinstance(program, ir.Algorithm) else None,
        "variant": checked.variant,
        "ok": checked.ok,
        "diagnostics": [d.as_dict(checked.source) for d in checked.diagnostics],
    }
    if job.rule and program is not None:
        report["text"] = checked.source.text
    return report
