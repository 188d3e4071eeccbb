"""`l2ogen eval`: trained runs and specs without weights on the same unseen instances."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..output import write_bytes
from .contestants import Contestant, gather
from .instances import Instances, drawn, unknown

if TYPE_CHECKING:
    from ..runtime import Comparison

FORMATS = ("md", "csv", "json", "png", "svg", "pdf", "html")
USUAL = ("md", "csv", "json", "png")


@dataclass(frozen=True)
class Options:
    """How algorithms are compared; as on the command line of `l2ogen eval`."""

    instances: int = 256
    iterations: int = 100
    seed: int = 777_000
    dtype: str = "float64"
    """What the algorithms compute in; gaps are computed in float64 all the same."""
    at: tuple[int, ...] | None = None
    accuracy: tuple[float, ...] | None = None
    values: Mapping[str, str] | None = None
    """Sizes, noise and numbers of the problems, `--set`."""
    data: Path | None = None
    title: str | None = None
    command: str = ""


@dataclass(frozen=True)
class Evaluation:
    """What was compared on what, and how it came out: a comparison for each batch of instances."""

    contestants: tuple[Contestant, ...]
    instances: tuple[Instances, ...]
    comparisons: tuple[Comparison, ...]
    options: Options

    @property
    def at(self) -> tuple[int, ...]:
        from ..runtime.curves import AT

        return self.options.at or AT

    def text(self, kind: str) -> str:
        """The evaluation as md, csv, json (for several problems a list) or html."""
        o = self.options
        match kind:
            case "md":
                return "\n".join(c.markdown(self.at, o.accuracy) for c in self.comparisons)
            case "csv":
                first, *others = (c.to_csv() for c in self.comparisons)
                return first + "".join(text.partition("\n")[2] for text in others)
            case "json":
                found = [c.document(None, o.accuracy) for c in self.comparisons]
                return json.dumps(found[0] if len(found) == 1 else found, indent=2) + "\n"
        from .report import html

        return html(self)

    def save(self, out: Path, kinds: Sequence[str] = USUAL) -> list[Path]:
        """OUT.md, OUT.csv, …: everything is made before the first file is written, and each file is whole."""
        from ..runtime.plots import drawn as picture

        made: dict[Path, bytes] = {}
        for place, kind in places(out, kinds).items():
            pixels = kind in ("png", "svg", "pdf")
            made[place] = picture(self.comparisons, kind, axes=AXES) if pixels else self.text(kind).encode()
        for place, content in made.items():
            write_bytes(place, content)
        return list(made)


AXES = ("iterations", "time")


def places(out: Path, kinds: Sequence[str]) -> dict[Path, str]:
    """The files to write, and what they are. Raises ValueError where they can't be written, before any work is done."""
    found = {out.with_name(f"{out.name}.{kind}"): kind for kind in kinds}
    folder = next(p for p in (out.parent, *out.parent.resolve().parents) if p.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise ValueError(f"{folder} is no folder to write in")
    for place in found:
        if place.is_dir():
            raise ValueError(f"{place} is a folder")
    return found


def compare(names: tuple[str, ...], problems: tuple[str, ...] = (), options: Options | None = None) -> Evaluation:
    """Run what is named on each problem; without one, on that of the first run, else of the first spec.

    A name is a run folder, a spec file or a shipped spec. Raises FileNotFoundError for an unknown name, ValueError
    (RunError, SpecError) for what has no weights, does not fit or has mistakes.
    """
    options = options or Options()
    contestants = gather(names)
    runs = [c.run for c in contestants if c.run is not None]
    specs = [c.spec for c in contestants if c.run is None and c.spec is not None]
    values = options.values or {}
    count, seed, data = options.instances, options.seed, options.data
    batches = [drawn(on, runs, specs, count, seed, values, data) for on in problems or (None,)]
    for name in values:
        if not any(name in batch.changed for batch in batches) and batches[0].spec is not None:
            raise ValueError(unknown(name, batches[0].spec))
    modules = [{c.name: c.model(batch.on) for c in contestants} for batch in batches]
    found = []
    for models, batch in zip(modules, batches, strict=True):
        for run in runs:
            run.check_sizes(batch.problem)
        found.append(_judged(models, batch, options))
        if options.title is not None and len(problems) > 1:
            found[-1].title += f", {batch.title}"
        found[-1].notes += _strangers(contestants, batch)
    return Evaluation(tuple(contestants), tuple(batches), tuple(found), options)


def _judged(models: dict[str, Any], batch: Instances, options: Options) -> Comparison:
    import torch

    from ..runtime import evaluate, evaluate_recovery
    from ..runtime.progress import counting

    problem, dtype = batch.problem, getattr(torch, options.dtype)
    minimized = hasattr(problem, "F")
    judge: Any = evaluate if minimized else evaluate_recovery
    title = batch.title if options.title is None else options.title
    with counting(title, options.instances * (len(models) + minimized)) as report:
        found: Comparison = judge(models, problem, options.iterations, title=title, dtype=dtype, report=report)
    found.settings = {
        "sizes": dict(batch.sizes), "set": dict(batch.changed), "seed": options.seed, "dtype": options.dtype,
        "l2ogen": __version__, "torch": torch.__version__, "threads": torch.get_num_threads(),
        "command": options.command,
    }  # fmt: skip
    return found


def _strangers(contestants: Sequence[Contestant], batch: Instances) -> list[str]:
    """A note about the runs that were trained with other shared data than these instances have."""
    import torch

    found = []
    for c in contestants:
        for name, value in (c.run.shared if c.run is not None else {}).items():
            own = getattr(batch.problem, name, None)
            if own is not None and (own.shape != value.shape or not torch.equal(own.to(value), value)):
                found.append(f"{c.name} was trained with another {name} than these instances have")
    return found


__all__ = ["FORMATS", "USUAL", "Evaluation", "Options", "compare", "places"]
