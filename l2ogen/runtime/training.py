"""Training from the command line of a generated loop, and as one call."""
from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from l2ogen.runtime import distributed
from l2ogen.runtime.loading import load_module
from l2ogen.runtime.run import Interrupted, Run, RunError
from l2ogen.runtime.settings import Settings
from l2ogen.vocabulary import FORMS

FIXED = {"algorithm", "problem", "sizes", "loss"}   # what the code itself decides; each size is an option of its own


def train(run: Run) -> Run:
    """Carry out what is left of a run; afterwards its model has the best validated weights.

    Raises Diverged, or Interrupted after Ctrl-C; both leave a folder that can be used.
    """
    with run.session():
        (run.training.search if run.settings.search is not None else run.training.train)(run)
    return run


def main(file: str, arguments: list[str] | None = None) -> None:
    """The command line of the generated training loop in `file`."""
    source = Path(file)
    sys.exit(_main(source, load_module(source).SETTINGS, arguments))


def _main(source: Path, settings: Settings, arguments: list[str] | None) -> int:
    parser = argparse.ArgumentParser(
        prog=f"python {source.name}", description=f"Train {settings.algorithm} on {settings.problem}.")
    parser.add_argument("--run", type=Path, default=Path("runs", source.stem.removesuffix("_train")),
                        metavar="FOLDER", help="the run folder (default: %(default)s)")
    parser.add_argument("--resume", action="store_true", help="continue the run at its last checkpoint")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    parser.add_argument("--tensorboard", action="store_true", help="also write the curves for TensorBoard")
    values = {name: value for name, value in settings.as_dict().items() if name not in FIXED}
    for name, value in [*settings.sizes.items(), *values.items()]:
        option = "--" + name.replace("_", "-")
        parser.add_argument(option, dest=name, metavar="VALUE", help=f"default: {value}".replace("%", "%%"))
    for setting, forms in FORMS.items():        # --validate-every 50
        for option in dict.fromkeys(option for form in forms.values() for option in form.options if option):
            parser.add_argument(f"--{setting}-{option}".replace("_", "-"), dest=f"{setting}_{option}",
                                help=argparse.SUPPRESS)
    options: dict[str, Any] = vars(parser.parse_args(arguments))
    folder, resume = options.pop("run"), options.pop("resume")
    shown = {name: options.pop(name) for name in ("quiet", "tensorboard")}
    changes = {name: value for name, value in options.items() if value is not None}
    if resume and changes:
        parser.error(f"a resumed run keeps its settings; leave out {', '.join(changes)}")
    console = Console(stderr=True)
    try:
        run = (Run.resume(folder, **shown) if resume
               else Run.create(folder, source, **shown, **changes))
        train(run)
    except (RunError, ValueError) as error:
        console.quiet = distributed.rank() > 0
        console.print(f"error: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
        if isinstance(error, Interrupted):
            console.print(f"python {source} --run {folder} --resume", highlight=False, markup=False,
                          soft_wrap=True)
        return 130 if isinstance(error, Interrupted) else 1
    run.display.say(f"{run.result}; weights in {folder}")
    return 0
