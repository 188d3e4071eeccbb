"""Training loop of L2O_PA on lasso: loss mean over k of F(x).   python l2o_pa_train.py --help"""
# mypy: ignore-errors
# ruff: noqa
from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from l2o_pa import L2O_PA, Lasso, State, detach

from l2ogen.runtime import Run, Settings, main

SETTINGS = Settings(
    algorithm="L2O_PA", problem="lasso", sizes={"m": 250, "n": 500, "sparsity": 50},
    horizon=100, truncate=20, steps=500, batch=64, optimizer="adam", rate=1e-2,
)


def build(settings: Settings) -> tuple[L2O_PA, dict[str, Tensor]]:
    """The untrained module and the data that all instances share (none), decided by the seed."""
    torch.manual_seed(settings.seed)
    return L2O_PA().to(**settings.like), {}


def sample(settings: Settings, batch: int, generator: torch.Generator, shared: dict[str, Tensor]) -> Lasso:
    """`batch` fresh problems"""
    return Lasso.sample(batch, **settings.sizes, generator=generator, **settings.like)


def loss(problem: Lasso, state: State) -> Tensor:
    """F(x) of each instance, (..., 1)"""
    return problem.F(state.x)


def segments(settings: Settings, model: L2O_PA, problem: Lasso) -> Iterator[Tensor]:
    """The loss of each segment of `truncate` iterations, averaged over k and the batch.

    Training updates the weights after each; the gradient stops at the border of two.
    """
    state = model.init_state(problem)
    for start in range(0, settings.horizon, settings.truncate):
        stop = min(start + settings.truncate, settings.horizon)
        total = 0.0
        for _ in range(start, stop):
            state = model.step(problem, state)
            total = total + loss(problem, state).mean()
        yield total / (stop - start)
        state = detach(state)


def train(run: Run) -> None:
    """Truncated backpropagation. `run` validates, keeps the best weights, writes checkpoints."""
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
