"""What a training does when: its stages, the weights and the rate of each, the rate's course, points of a search."""
from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from l2ogen.runtime.phrases import suggestion
from l2ogen.runtime.settings import Settings
from l2ogen.vocabulary import Phrase

STEPS = 500     # unless `steps` says otherwise
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}
OfLayer = Callable[[nn.Module, int], list[nn.Parameter]]
"""What layer t = 1 .. K alone learns."""


@dataclass(frozen=True)
class Stage:
    """A part of a training with an optimizer of its own."""

    name: str
    steps: int
    iterations: int             # to unroll, at the end of a curriculum
    rate: float
    layer: int | None = None    # the newest layer that learns; None: all weights learn
    alone: bool = False         # whether older layers rest
    decay: float = 1.0          # the rate of a layer is this much smaller for each newer one


def check_code(settings: Settings, code: Any) -> None:
    """Raises ValueError where the generated loop has not what `schedule` or `search` needs."""
    if any(phase.word == "layerwise" for phase in settings.schedule or ()) and not hasattr(code, "of_layer"):
        raise ValueError(f"`schedule`: {settings.algorithm} has no learned parameter per layer (`NAME_k`), "
                         "so it cannot be trained layer by layer")
    if settings.search is not None:
        known = getattr(code, "SEARCHABLE", ())
        for r in settings.search.ranges:
            if r.name not in known:
                raise ValueError(f"`search` takes learned scalars that all layers share, not `{r.name}`"
                                 + (suggestion(r.name, known) if known else f"; {settings.algorithm} has none"))


def plan(settings: Settings) -> list[Stage]:
    """The stages of a training, in order."""
    s = settings
    if s.search is not None:
        return [Stage("search", count_points(s.search), s.iterations, 0.0)]
    if s.schedule is None:
        return [Stage("", s.steps or STEPS, s.iterations, s.learning_rate)]
    stages = []
    for phase in s.schedule:
        if phase.word == "joint":
            rate = phase.get("rate", s.learning_rate)
            stages.append(Stage("all layers", phase.get("steps"), s.iterations, rate))
            continue
        # The published recipe, relative to the optimizer's rate, where `rates` is silent
        rates = phase.get("rates") or tuple(s.learning_rate * share for share in (1, 0.2, 0.02))
        stages += [
            Stage(f"layer {t} of {s.layers}, stage {number}", phase.get("steps"), t, rate, t, number == 1,
                  phase.get("decay", 1.0))
            for t in range(1, s.iterations + 1) for number, rate in enumerate(rates, 1)]
    return stages


def new_optimizer(settings: Settings, stage: Stage, model: nn.Module, of_layer: OfLayer | None
                  ) -> torch.optim.Optimizer:
    """An optimizer over what this stage trains; everything else needs no gradient. Each group has its `share` of
    the rate."""
    for weight in model.parameters():
        weight.requires_grad_(stage.layer is None)
        weight.grad = None
    if stage.layer is None or of_layer is None:
        groups = [{"params": list(model.parameters()), "share": 1.0}]
    else:
        layers = {t: of_layer(model, t) for t in range(1, settings.iterations + 1)}
        own = {id(weight) for weights in layers.values() for weight in weights}
        oldest = stage.layer if stage.alone else 1
        groups = [{"params": layers[t], "share": stage.decay ** (stage.layer - t)}
                  for t in range(oldest, stage.layer + 1)]
        if shared := [weight for weight in model.parameters() if id(weight) not in own]:
            groups.append({"params": shared, "share": 1.0})     # of no layer alone: every stage trains it
        for group in groups:
            for weight in group["params"]:      # type: ignore[attr-defined]
                weight.requires_grad_(True)
    chosen = settings.optimizer or Phrase("adam")
    options = dict(chosen.options)
    options.pop("rate", None)
    if {"beta1", "beta2"} & options.keys():
        options["betas"] = (options.pop("beta1", 0.9), options.pop("beta2", 0.999))
    return OPTIMIZERS[chosen.word](groups, lr=stage.rate, **options)


def course(settings: Settings, step: int, steps: int) -> float:
    """The share of the rate at step 0 .. steps - 1 of a stage, but for `plateau`, which looks at the validation."""
    rate = settings.rate or Phrase("constant")
    if rate.word == "cosine":
        return 0.5 * (1 + math.cos(math.pi * step / steps))
    if rate.word == "step":
        share: float = rate.get("factor") ** (step // rate.get("every"))
        return share
    return 1.0


def unrolled(settings: Settings, stage: Stage, step: int) -> int:
    """The iterations at a step of a stage: a curriculum grows to the full number."""
    grows = settings.curriculum
    if grows is None:
        return stage.iterations
    length: int = grows.get("horizon") * (1 + step // grows.get("every"))
    return min(stage.iterations, length)


# ---- search --------------------------------------------------------------------------------------
def count_points(search: Phrase) -> int:
    return math.prod(_counts(search)) if search.word == "grid" else search.get("points")


def _counts(search: Phrase) -> tuple[int, ...]:
    """Of a grid: the points of each range"""
    points: tuple[int, ...] = search.get("points")
    return points * len(search.ranges) if len(points) == 1 else points


def points(settings: Settings) -> Iterator[dict[str, float]]:
    """The values that a search tries, the same each time."""
    search: Phrase = settings.search
    names = [r.name for r in search.ranges]
    spacing = search.get("spacing", ("linear",))
    spacing = spacing * len(names) if len(spacing) == 1 else spacing

    def place(at: tuple[float, ...]) -> dict[str, float]:
        found = {}
        for share, r, how in zip(at, search.ranges, spacing, strict=True):
            if how == "log":
                found[r.name] = r.low * (r.high / r.low) ** share
            else:
                found[r.name] = r.low + (r.high - r.low) * share
        return found

    if search.word == "grid":
        axes = [[i / max(count - 1, 1) for i in range(count)] for count in _counts(search)]
        yield from map(place, itertools.product(*axes))
    else:
        random = torch.Generator().manual_seed(settings.seed + 1_000_003 * 4)
        drawn = torch.rand(search.get("points"), len(names), generator=random, dtype=torch.float64)
        yield from (place(tuple(row)) for row in drawn.tolist())
