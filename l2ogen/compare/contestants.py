"""The algorithms of a comparison: trained runs, and specs without weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import api, pipeline
from ..core import ir
from ..diagnostics import nearest
from ..resources import specs_folder

if TYPE_CHECKING:
    from ..runtime import Trained


@dataclass(frozen=True)
class Contestant:
    """One algorithm, under a name that no other has."""

    name: str
    origin: str
    """How it was named on the command line."""
    run: Trained | None
    spec: api.Spec | None
    """Of a run: the spec in its folder; None where there is none."""

    def model(self, on: str | None) -> Any:
        """The module for a problem, None: the one that the spec names. Raises ValueError where weights are missing."""
        if self.run is not None:
            return self.run.model
        assert self.spec is not None
        try:
            model = self.spec.compile(on)()
        except TypeError:
            model = None
        if model is None or any(True for _ in model.parameters()):
            advice = f"l2ogen train {self.origin}, then name its run folder"
            raise ValueError(f"{self.origin} has weights to train: {advice}")
        return model


def gather(names: tuple[str, ...]) -> list[Contestant]:
    """What was named: run folders and specs, by path or shipped, variants behind a colon.

    Raises FileNotFoundError for an unknown name, RunError for a run without weights, SpecError for a spec with
    mistakes, ValueError for a problem.
    """
    read = [_read(name) for name in names]
    titles = [run.settings.algorithm if run is not None else spec.checked.program.title  # type: ignore[union-attr]
              for run, spec in read]
    for longer in (lambda name: Path(name).resolve().name, str):
        titles = [title if titles.count(title) == 1 else f"{title.partition(' (')[0]} ({longer(name)})"
                  for title, name in zip(titles, names, strict=True)]
    found: dict[str, Contestant] = {}
    for name, title, (run, spec) in zip(names, titles, read, strict=True):
        title = _free(title, found)
        found[title] = Contestant(title, name, run, spec)
    return list(found.values())


def _read(name: str) -> tuple[Trained | None, api.Spec | None]:
    from ..runtime import load_run

    folder = Path(name)
    if (folder / "settings.json").is_file():
        run = load_run(folder)
        return run, _spec_of(folder, run.settings.algorithm)
    if folder.is_dir():
        raise FileNotFoundError(f"{name} is no run folder: it holds no settings.json")
    if pipeline.find(name) is None:
        meant = nearest(name, [p.stem for p in specs_folder().glob("*.l2o")])
        help = f"; did you mean {meant}?" if meant else ""
        raise FileNotFoundError(f"there is no run folder and no spec called {name}{help}")
    spec = api.load(name).check()
    if isinstance(spec.checked.program, ir.Problem):
        raise ValueError(f"{spec.stem} is a problem: name it with --on")
    return None, spec


def _spec_of(folder: Path, title: str) -> api.Spec | None:
    """The spec that a run was compiled from."""
    variant = title.partition(":")[2]
    file = folder / "spec.l2o"
    if not file.is_file():
        return None
    spec = api.load(file)
    spec = spec.variant(variant) if variant and spec.checked.variant is None else spec
    return spec if spec.checked.ok and isinstance(spec.checked.program, ir.Algorithm) else None


def _free(title: str, taken: dict[str, Contestant]) -> str:
    """The title, with a number if it is taken."""
    i, free = 1, title
    while free in taken:
        i, free = i + 1, f"{title} {i + 1}"
    return free
