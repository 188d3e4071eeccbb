"""`l2ogen eval`: trained runs and weightless specs on the same unseen instances."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import api, pipeline
from .output import write_text

if TYPE_CHECKING:
    from rich.table import Table


def compare(
    names: tuple[str, ...], problem: str | None, instances: int, iterations: int, seed: int, out: Path | None
) -> tuple[Table, list[Path]]:
    """The table, and the files written beside `out`.

    A name is a run folder, a spec file or a shipped spec. Raises FileNotFoundError for an unknown name, ValueError for
    a spec whose weights are not trained.
    """
    import torch

    from .runtime import evaluate, evaluate_recovery, load_run, plot_comparisons

    algorithms: dict[str, Any] = {}
    trained = None
    for name in names:
        if (Path(name) / "settings.json").is_file():
            run = load_run(name)
            trained = trained or run
            algorithms[_free(run.settings.algorithm, algorithms)] = run.model
            continue
        spec = api.load(name)
        module = spec.compile(problem)
        try:
            algorithms[_free(module.__name__, algorithms)] = module()
        except TypeError:
            raise ValueError(
                f"{name} has weights for one set of shared data: train it, then name its run folder"
            ) from None
        if any(True for _ in algorithms[_last(algorithms)].parameters()):
            raise ValueError(f"{name} has weights to train: l2ogen train {name}, then name its run folder")
    generator = torch.Generator().manual_seed(seed)
    if trained is not None and problem is None:
        drawn = trained.training.sample(trained.settings, instances, generator, trained.shared)
    else:
        chosen = problem or _problem_of(names[0])
        drawn = api.load(_problem_file(chosen)).compile().sample(instances, generator=generator)
    judge = evaluate if hasattr(drawn, "F") else evaluate_recovery
    comparison = judge(algorithms, drawn, iterations)
    files: list[Path] = []
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        files = [out.with_suffix(s) for s in (".png", ".md", ".json")]
        plot_comparisons([comparison], files[0])
        write_text(files[1], comparison.markdown())
        write_text(files[2], comparison.to_json())
    return comparison.table(), files


def _last(algorithms: dict[str, Any]) -> str:
    return list(algorithms)[-1]


def _free(name: str, taken: dict[str, Any]) -> str:
    """The name, numbered if it is taken."""
    i, free = 1, name
    while free in taken:
        i, free = i + 1, f"{name} {i + 1}"
    return free


def _problem_of(name: str) -> str:
    """The problem that a spec trains on."""
    program = api.load(name).check().checked.program
    bound = getattr(getattr(program, "training", None), "problem", None)
    if bound is None:
        raise ValueError(f"{name} names no problem; say which with --on")
    found: str = bound.name
    return found


def _problem_file(name: str) -> str:
    path = pipeline.find(name)
    if path is None:
        raise FileNotFoundError(f"no problem is called {name}")
    return str(path)
