"""`l2ogen eval`: trained runs and weightless specs on the same unseen instances."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import api
from .core import ir
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
    runs = [load_run(name) for name in names if (Path(name) / "settings.json").is_file()]
    specs = [api.load(name).check() for name in names if not (Path(name) / "settings.json").is_file()]
    for spec in specs:
        if isinstance(spec.checked.program, ir.Problem):
            raise ValueError(f"{spec.stem} is a problem: name it with --on")
    generator = torch.Generator().manual_seed(seed)
    if runs and problem is None:
        first = runs[0]
        drawn = first.training.sample(first.settings, instances, generator, first.shared)
    else:
        on = specs[0].problem(problem) if specs else api.problem(str(problem))
        made, shared = on.compile(), runs[0].shared if runs else {}
        if made.shared and set(made.shared) != set(shared):
            raise ValueError(f"{on.stem} has data that all instances share: name a run trained on it, without --on")
        drawn = made.sample(instances, **shared, generator=generator)
    for run in runs:
        algorithms[_free(run.settings.algorithm, algorithms)] = run.model
    for spec in specs:
        model = _untrained(spec, problem)
        algorithms[_free(type(model).__name__, algorithms)] = model
    judge = evaluate if hasattr(drawn, "F") else evaluate_recovery
    try:
        comparison = judge(algorithms, drawn, iterations)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise ValueError(f"not all of these can run on `{drawn.name}`: {error}") from None
    files: list[Path] = []
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        files = [out.with_suffix(s) for s in (".png", ".md", ".json")]
        plot_comparisons([comparison], files[0])
        write_text(files[1], comparison.markdown())
        write_text(files[2], comparison.to_json())
    return comparison.table(), files


def _untrained(spec: api.Spec, problem: str | None) -> Any:
    """A module of a spec without weights."""
    advice = f"{spec.stem} has weights to train: l2ogen train {spec.stem}, then name its run folder"
    try:
        model = spec.compile(problem)()
    except TypeError:
        raise ValueError(advice) from None
    if any(True for _ in model.parameters()):
        raise ValueError(advice)
    return model


def _free(name: str, taken: dict[str, Any]) -> str:
    """The name, numbered if it is taken."""
    i, free = 1, name
    while free in taken:
        i, free = i + 1, f"{name} {i + 1}"
    return free
