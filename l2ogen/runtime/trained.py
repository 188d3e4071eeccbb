"""A run folder, ready for use."""
from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from torch import Tensor, nn

from l2ogen.runtime import checkpoint
from l2ogen.runtime.run import WEIGHTS, Run, RunError, copy_into
from l2ogen.runtime.settings import Settings


class Trained(NamedTuple):
    """A finished (or stopped) run, ready for use"""

    model: nn.Module            # with the best validated weights
    shared: dict[str, Tensor]   # the data that all instances share, {} for most algorithms
    settings: Settings
    training: ModuleType        # its `sample(settings, batch, generator, shared)` draws problems


def load_run(folder: Path | str) -> Trained:
    """The best weights of a run folder. Raises RunError where there are none."""
    folder = Path(folder)
    run = Run.resume(folder, quiet=True)
    try:
        tensors, _ = checkpoint.load(folder / WEIGHTS)
    except FileNotFoundError:
        raise RunError(f"{folder} has no weights yet") from None
    copy_into(run.shared, checkpoint.part("shared", tensors))
    run.model.load_state_dict(checkpoint.part("model", tensors))
    return Trained(run.model.eval(), run.shared, run.settings, run.training)
