"""The main job: a rule as text -> the whole file -> a torch module -> trained -> compared, with a picture."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import api
from .output import write_text

if TYPE_CHECKING:
    from rich.console import Console

    from .runtime import Comparison

RULE = "x+ = prox_r,P(y - P*grad f(y)); y+ = x+ + A*(x+ - x)"
AT = (1, 5, 10, 20, 50, 100)
"""Iterations in the table."""
UNSEEN = 777_000
"""Seed of the test instances; training and validation draw from streams of the run's own seed."""


@dataclass(frozen=True)
class Demo:
    """What was made."""

    folder: Path
    comparisons: tuple[Comparison, ...]
    seconds: float


def run(folder: Path, console: Console, *, rule: str = RULE, data: Path | None = None, **settings: Any) -> Demo:
    """Carry out the demo in a folder that does not exist yet.

    `data` holds bsds_patches_lasso.npz; without it patches are cut from scikit-learn's photographs. Raises
    api.SpecError for a wrong rule, runtime.RunError for a folder in use or a diverged training.
    """
    import torch
    from rich.syntax import Syntax

    from .runtime import bsds_patches, plot_comparisons

    started = time.perf_counter()
    bsds_patches(data, 1)  # a wrong folder is said now, not after the training
    console.rule("1. the rule", align="left")
    console.print(rule, highlight=False, markup=False)
    spec = api.rule(rule).check()
    console.rule("2. what it stands for: the file, no mistakes", align="left")
    console.print(spec.text, highlight=False, markup=False)
    console.rule("3. what is true of it", align="left")
    console.print(str(spec.verdicts()), highlight=False, markup=False)
    console.rule("4. the generated step", align="left")
    code = spec.files()[f"{spec.stem}.py"]
    console.print(Syntax(_step(code), "python", background_color="default"))
    console.rule("5. training", align="left")
    torch.set_num_threads(1)  # matrices this small are slower on two threads, far slower on a busy machine
    made = spec.train(folder / "run", **settings)
    write_text(folder / "rule.l2o", spec.text)
    console.print(f"best validation {made.best:.5g} after step {made.best_step}, {made.seconds:.0f} s")
    console.rule("6. comparison on problems that training never saw", align="left")
    comparisons = _compare(made, data)
    for comparison in comparisons:
        console.print(comparison.table(AT))
        console.print(_verdict(comparison), "\n", highlight=False, markup=False)
    plot_comparisons(comparisons, folder / "comparison.png")
    write_text(folder / "comparison.md", "\n".join(c.markdown(AT) for c in comparisons))
    write_text(
        folder / "comparison.json", json.dumps([json.loads(c.to_json(AT)) for c in comparisons], indent=1) + "\n"
    )
    console.rule("7. made", align="left")
    contents = {
        "rule.l2o": "the spec, to keep and edit",
        f"run/{spec.stem}.py": "the torch module; imports torch alone",
        f"run/{spec.stem}_train.py": "its training loop",
        "run/weights.safetensors": "the best weights",
        "run/metrics.jsonl": "loss and validation, step by step",
        "comparison.png": "the picture",
        "comparison.md, comparison.json": "the numbers",
    }
    for name, what in contents.items():
        console.print(f"  {folder / name}  {what}", highlight=False, markup=False, soft_wrap=True)
    return Demo(folder, tuple(comparisons), time.perf_counter() - started)


def _compare(made: Any, data: Path | None) -> list[Comparison]:
    """The trained module, ISTA and FISTA, on new random instances and on image patches."""
    import torch

    from .runtime import bsds_patches, evaluate

    single = torch.float32  # as trained; the gaps are computed in float64 all the same
    classical = {name: api.load(name.lower()).compile()() for name in ("ISTA", "FISTA")}
    algorithms = {f"{made.settings.algorithm}, learned": made.model, **classical}
    generator = torch.Generator().manual_seed(UNSEEN)
    problem = made.training.sample(made.settings, 1024, generator, made.shared)
    sizes = " x ".join(str(int(made.settings.sizes[n])) for n in ("m", "n"))
    random = evaluate(algorithms, problem, max(AT), title=f"random LASSO, {sizes}", dtype=single)
    patches = bsds_patches(data, 200, dtype=single)
    images = type(problem)(patches.A, patches.b, patches.lam)
    real = evaluate(algorithms, images, max(AT), title="LASSO of image patches", dtype=single)
    real.notes.append(patches.source)
    return [random, real]


def _verdict(comparison: Comparison) -> str:
    """One sentence: where the learned rule is below FISTA in the mean, and what diverged."""
    learned, _, fista = comparison.curves.values()
    below = [k for k in AT if learned.mean[k] < fista.mean[k]]
    above = [k for k in AT if k not in below]
    text = f"mean gap below FISTA's at k = {', '.join(map(str, below)) or 'none'}"
    if above:
        text += f"; not below at k = {', '.join(map(str, above))}"
    return f"{text}; of {comparison.instances} instances {learned.diverged} diverged, {learned.stalled} stalled"


def _step(code: str) -> str:
    """The method `step` of a generated module."""
    lines = code.split("\n")
    start = next(i for i, line in enumerate(lines) if line.startswith("    def step("))
    stop = next(i for i in range(start + 1, len(lines)) if not lines[i])
    return "\n".join(lines[start:stop])


def free_folder(folder: Path) -> Path:
    """The folder, or the first of folder-2, folder-3, … that is not there: an earlier demo is never touched."""
    candidate, i = folder, 1
    while candidate.exists():
        i += 1
        candidate = folder.with_name(f"{folder.name}-{i}")
    return candidate
