"""Training loop of LISTA on sparse_coding: loss ||x - x_true||_2^2.   python lista_train.py --help"""
# mypy: ignore-errors
# ruff: noqa
from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lista import LISTA, SparseCoding, State

from l2ogen.runtime import Run, Settings, main

SETTINGS = Settings(
    algorithm="LISTA", problem="sparse_coding", sizes={"m": 250, "n": 500, "density": 0.1},
    layers=16, steps=2000, batch=64, optimizer="adam", rate=5e-4,
)


def build(settings: Settings) -> tuple[LISTA, dict[str, Tensor]]:
    """The untrained module and the data that all instances share, decided by the seed."""
    torch.manual_seed(settings.seed)
    shared = SparseCoding.sample_shared(**settings.sizes, generator=settings.generator(), **settings.like)
    return LISTA(**shared, layers=settings.layers).to(**settings.like), shared


def sample(settings: Settings, batch: int, generator: torch.Generator, shared: dict[str, Tensor]) -> SparseCoding:
    """`batch` fresh problems"""
    return SparseCoding.sample(batch, **shared, **settings.sizes, generator=generator, **settings.like)


def loss(problem: SparseCoding, state: State) -> Tensor:
    """||x - x_true||_2^2 of each instance, (..., 1)"""
    return (state.x - problem.x_true).square().sum(-1, keepdim=True)


def segments(settings: Settings, model: LISTA, problem: SparseCoding) -> Iterator[Tensor]:
    """The loss after the last layer, averaged over the batch: one update of the weights."""
    state = model.init_state(problem)
    for _ in range(settings.layers):
        state = model.step(problem, state)
    yield loss(problem, state).mean()


def train(run: Run) -> None:
    """Backpropagation through all layers. `run` validates, keeps the best weights, writes checkpoints."""
    settings, model = run.settings, run.model
    optimizer = settings.new_optimizer(model)
    for _ in run.steps(optimizer):
        problem = sample(settings, settings.batch, run.generator, run.shared)
        for value in segments(settings, model, problem):
            run.log(value)              # ends the training if it isn't finite
            optimizer.zero_grad()
            value.backward()
            run.clip()                  # to `clip_norm`, where one is set
            optimizer.step()


if __name__ == "__main__":
    main(__file__)
