"""eval: algorithms compared on the same instances."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from ..compare import FORMATS, USUAL, Options, compare, places
from ..diagnostics import render
from .base import main, need_torch, paint

ENDINGS = {f".{kind}": kind for kind in FORMATS}


class Numbers(click.ParamType):
    """Numbers between commas: 1,10,100"""

    name = "numbers"

    def __init__(self, kind: type, wanted: str) -> None:
        self.kind, self.wanted = kind, wanted

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if isinstance(value, tuple):
            return value
        try:
            found = tuple(self.kind(part) for part in str(value).split(","))
        except ValueError:
            found = ()
        if not found or (self.kind is int and min(found) < 0):
            self.fail(f"{value!r} is no list of {self.wanted}", param, ctx)
        return found


@main.command("eval")
@click.argument("names", nargs=-1, required=True, metavar="[RUN|NAME]...")
@click.option(
    "--on", "problems", multiple=True, metavar="PROBLEM",
    help="A problem, by file or name; several give several tables [default: that of the first run or spec].",
)  # fmt: skip
@click.option("--set", "values", multiple=True, metavar="NAME=NUMBER", help="Of the problems: sizes, snr, std, lam.")
@click.option("--data", type=click.Path(path_type=Path), envvar="L2OGEN_DATA", help="Folder with files of data.")
@click.option("--instances", type=click.IntRange(min=1), default=256, show_default=True)
@click.option("--iterations", type=click.IntRange(min=1), default=100, show_default=True)
@click.option("--at", type=Numbers(int, "iterations"), help="Iterations in the table: 1,10,100")
@click.option("--accuracy", type=Numbers(float, "levels"), help="Gaps, or NMSE in dB, to reach: 1e-2,1e-4")
@click.option("--dtype", type=click.Choice(["float64", "float32"]), default="float64", show_default=True)
@click.option("--seed", default=777_000, show_default=True)
@click.option("--title", help="What the tables and pictures are called.")
@click.option("-o", "out", type=click.Path(path_type=Path), help="Also write OUT.md, OUT.csv, OUT.json and OUT.png.")
@click.option("--format", "kinds", metavar="KINDS", help="Of OUT: more of svg,pdf,html.")
def eval_(
    names: tuple[str, ...], problems: tuple[str, ...], values: tuple[str, ...], out: Path | None, kinds: str | None,
    **options: Any,
) -> None:  # fmt: skip
    """Compare trained runs (folders) and specs without weights on the same unseen instances: the gap to a certified
    minimum (or the NMSE), and the time to reach an accuracy."""
    need_torch()
    from rich.console import Console

    from .. import api
    from ..runtime import RunError

    chosen = _kinds(out, kinds)
    if out is not None and out.suffix in ENDINGS:
        out = out.with_suffix("")
    command = shlex.join(["l2ogen", *sys.argv[1:]])
    made = Options(values=_values(values), command=command, **options)
    try:
        if out is not None:
            places(out, chosen)
        found = compare(names, problems, made)
        files = [] if out is None else found.save(out, chosen)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise click.UsageError(str(error)) from None
    except api.SpecError as error:
        click.echo(render(error.diagnostics, error.source, paint), err=True)
        sys.exit(1)
    except (RunError, ValueError, OSError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    console = Console()
    console.width = max(console.width, 92)
    for comparison in found.comparisons:
        console.print(comparison.table(found.at), "", comparison.accuracy_table(made.accuracy), "", sep="\n")
    for path in files:
        click.echo(path)


def _kinds(out: Path | None, kinds: str | None) -> tuple[str, ...]:
    """The files to write: the usual ones, the ending of -o, and those of --format."""
    more = tuple(kind.strip().removeprefix(".") for kind in (kinds or "").split(",") if kind.strip())
    for kind in more:
        if kind not in FORMATS:
            raise click.UsageError(f"--format {kind}: known are {', '.join(FORMATS)}")
    if more and out is None:
        raise click.UsageError("--format needs -o, the name of the files")
    ending = (ENDINGS[out.suffix],) if out is not None and out.suffix in ENDINGS else ()
    return (*USUAL, *ending, *more)


def _values(pairs: tuple[str, ...]) -> dict[str, str]:
    """snr=20 -> {"snr": "20"}; several may stand between commas."""
    found: dict[str, str] = {}
    for pair in (p for text in pairs for p in text.split(",")):
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not (name and equals and value):
            raise click.UsageError(f"--set {pair}: write NAME=NUMBER, such as snr=20")
        if name in found:
            raise click.UsageError(f"--set {name} is given twice")
        found[name] = value
    return found
