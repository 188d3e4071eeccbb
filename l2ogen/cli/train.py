"""train, export, demo: what needs torch."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..diagnostics import render
from .base import main, need_torch, paint


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
@click.option("--tensorboard", is_flag=True, help="Also write the curves for TensorBoard.")
def train(
    words: tuple[str, ...], rule: str | None, folder: Path | None, resume: bool, quiet: bool, tensorboard: bool
) -> None:
    """Train a spec on the problem it names. Every setting of its `train` block is an option: --steps 200
    --m 20 --schedule "layerwise(steps = 50), joint(steps = 500)"."""
    need_torch()
    from .. import api
    from ..runtime import Interrupted, Run, RunError, distributed
    from ..runtime import train as carry_on

    leads = distributed.rank() == 0  # of the processes of torchrun, one speaks
    name = words[0] if words and not words[0].startswith("--") else None  # click cannot tell it from --steps
    changes = _changes(list(words[name is not None :]))
    if resume:
        if folder is None or name is not None or changes:
            raise click.UsageError("--resume takes the run folder alone: l2ogen train -o runs/NAME --resume")
    elif (name is None) == (rule is None):
        raise click.UsageError("name one spec, or give a rule with -e")
    try:
        if resume:
            run = carry_on(Run.resume(str(folder), quiet=quiet, tensorboard=tensorboard))
        else:
            spec = api.rule(rule) if rule is not None else api.load(str(name))
            run = spec.train(folder or Path("runs", spec.stem), quiet=quiet, tensorboard=tensorboard, **changes)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise click.UsageError(str(error)) from None
    except api.SpecError as error:
        click.echo(render(error.diagnostics, error.source, paint), err=True)
        sys.exit(1)
    except (RunError, ValueError) as error:
        if leads:
            click.echo(f"error: {error}", err=True)
        sys.exit(130 if isinstance(error, Interrupted) else 1)
    if leads:
        click.echo(f"{run.result}; weights in {run.folder}")


@main.command()
@click.argument("name", metavar="RUN|NAME")
@click.option("-o", "out", type=click.Path(path_type=Path), required=True, help="FILE.pt2 (torch.export) or FILE.onnx.")
@click.option("--on", "problem", metavar="PROBLEM", help="The problem of a spec [default: that under `train`].")
@click.option("--iterations", type=click.IntRange(min=1), help="[default: as many as were trained]")
def export(name: str, out: Path, problem: str | None, iterations: int | None) -> None:
    """Write the module of a trained run (a folder), or of a spec without weights, as one file that runs without
    l2ogen: the data of a batch in, x out."""
    need_torch()
    from .. import api
    from ..runtime import RunError

    try:
        if Path(name, "settings.json").is_file():
            if problem is not None:
                raise click.UsageError("--on is for a spec; a run has its problem")
            click.echo(api.load_run(name).export(out, iterations))
        else:
            click.echo(api.load(name).export(out, problem=problem, iterations=iterations))
    except (FileNotFoundError, IsADirectoryError, ModuleNotFoundError) as error:
        raise click.UsageError(str(error)) from None
    except api.SpecError as error:
        click.echo(render(error.diagnostics, error.source, paint), err=True)
        sys.exit(1)
    except (RunError, ValueError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


@main.command()
@click.option("-e", "rule", metavar="RULE", help="Another rule than that of the README.")
@click.option("-o", "out", type=click.Path(path_type=Path), default=Path("demo"), show_default=True)
@click.option(
    "--data", type=click.Path(path_type=Path), envvar="L2OGEN_DATA", help="Folder with bsds_patches_lasso.npz."
)
@click.option("--steps", type=click.IntRange(min=1), help="Training steps, where the spec's are too many.")
def demo(rule: str | None, out: Path, data: Path | None, steps: int | None) -> None:
    """From a rule to a checked, generated, trained and compared module, with a picture."""
    need_torch()
    from rich.console import Console

    from .. import api
    from .. import demo as job
    from ..runtime import RunError

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
