"""Updates that would do harm are dropped; a training that keeps failing is ended."""
from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

EXPLODED = 1e6      # a loss this many times the first validation comes from an instance that diverges
FAILURES = 5        # updates in a row that fail before training ends


class Guard:
    """Looks at the loss and the gradient of every update.

    An instance that diverges now and then is a matter of chance, and its shortened gradient teaches the network to
    avoid it. So an update is dropped only when the gradient is not finite, or the loss has exploded and nothing
    limits the gradient.
    """

    def __init__(self) -> None:
        self.dropped = 0            # updates that were not made
        self.row, self.since = 0, 0  # failures in a row, and the step of the first
        self.first: float | None = None     # the validation that losses are compared with
        self.failure = ""           # of the present update
        self.culprit = ""           # the parameter with the largest gradient when one failed

    def out_of_range(self, loss: float) -> bool:
        scale = abs(self.first) if self.first and math.isfinite(self.first) else 1.0
        return not loss <= EXPLODED * scale     # NaN too

    def note(self, loss: float) -> None:
        self.failure = f"the loss is {loss:.3g}" if self.out_of_range(loss) else ""

    def clip(self, model: nn.Module, limit: float | None, step: int) -> bool:
        """Shorten the gradient to `limit`, or drop it (the gradients become None). False: the training has failed."""
        norm = nn.utils.clip_grad_norm_(model.parameters(), math.inf if limit is None else limit).item()
        if not math.isfinite(norm):
            self.failure = self.failure or f"the gradient's norm is {norm:.3g}"
        if not self.failure:
            self.row = 0
            return True
        self.culprit = _largest_gradient(model)
        if not math.isfinite(norm) or limit is None:
            self.dropped += 1
            model.zero_grad(set_to_none=True)
        self.since = self.since if self.row else step
        self.row += 1
        return self.row < FAILURES

    @torch.no_grad()
    def report(self, training: Any, settings: Any, model: Any, problem: Any, iterations: int) -> str:
        """What failed, since when; on the last problems, the first iteration whose loss is out of range."""
        text = (f"training diverged in step {self.since}: {self.failure}, and {FAILURES} updates in a row failed "
                "like this. ")
        state = model.init_state(problem) if problem is not None else None
        for k in range(1, iterations + 1 if problem is not None else 1):
            with settings.precision():
                state = model.step(problem, state)
            if self.out_of_range(training.loss(problem, state).mean().item()):
                text += f"On the last problems the loss is out of range from iteration {k} on. "
                break
        return text + (f"The largest gradient is that of `{self.culprit}`. " if self.culprit else "")

    def state(self) -> list[Any]:
        """For a checkpoint"""
        return [self.dropped, self.row, self.since, self.first]

    def restore(self, state: list[Any]) -> None:
        self.dropped, self.row, self.since, self.first = state


def _largest_gradient(model: nn.Module) -> str:
    """The parameter whose gradient is not finite, or largest"""
    found, name = -1.0, ""
    for each, weight in model.named_parameters():
        if weight.grad is not None:
            size = weight.grad.norm().item()
            size = size if math.isfinite(size) else math.inf
            found, name = (size, each) if size > found else (found, name)
    return name
