"""Weights of another run as the start of a training."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from l2ogen.runtime import checkpoint

WEIGHTS = "weights.safetensors"


def find(place: str, model: nn.Module) -> Path:
    """The file of weights of the run folder `place`.

    Raises ValueError where it is missing, nothing in it fits, or what fits stands for other values.
    """
    path = Path(place)
    path = path / WEIGHTS if path.is_dir() else path
    try:
        tensors, meta = checkpoint.load(path)
    except FileNotFoundError:
        raise ValueError(f"`warm`: there are no weights in {place}") from None
    taken = agreeing(model.state_dict(), checkpoint.part("model", tensors))
    if not taken:
        raise ValueError(f"`warm`: no weight in {place} has the name and shape of one that is trained here")
    if other := misread(model, taken, meta):
        raise ValueError(f"`warm`: numbers in {place} stand for other values than here: {other}. Declare the same "
                         "facts in both specs, or use another name in one of them")
    return path


def misread(model: nn.Module, names: Iterable[str], meta: Mapping[str, Any]) -> str:
    """Which of these tensors, from a file with this metadata, stand for other values in the module, and which values.

    Raw numbers are mapped into what is declared, so that they mean something under the same facts alone. Where file or
    module do not say their facts, as before they did, nothing is known.
    """
    ours, theirs = facts(model), meta.get("facts")
    if ours is None or theirs is None:
        return ""
    parameters = dict.fromkeys(name.partition(".")[0] for name in names)
    return "; ".join(f"`{name}` is learned {_with(theirs, name)} there, {_with(ours, name)} here"
                     for name in parameters if theirs.get(name) != ours.get(name))


def facts(model: nn.Module) -> dict[str, str] | None:
    """What the raw numbers of learned parameters are mapped into, by name; None of a module that does not say it.

    Read off the class: a module compiled before it said so may have a parameter of this name.
    """
    found: dict[str, str] | None = vars(type(model)).get("facts")
    return found


def _with(said: Mapping[str, str], name: str) -> str:
    return f"with {said[name]}" if name in said else "without a range"


def agreeing(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> list[str]:
    """The names of tensors that have the same name and shape."""
    return [name for name, value in ours.items() if name in theirs and theirs[name].shape == value.shape]


@torch.no_grad()
def start(model: nn.Module, shared: dict[str, Tensor], path: Path) -> str:
    """Copy what agrees, in place; returns what to tell the user. The shared data come along: weights belong to them."""
    tensors, _ = checkpoint.load(path)
    weights, data = checkpoint.part("model", tensors), checkpoint.part("shared", tensors)
    ours = model.state_dict()
    taken = agreeing(ours, weights)
    for name in taken:
        ours[name].copy_(weights[name])     # state_dict shares memory with the model
    kept = agreeing(shared, data)
    for name in kept:
        shared[name].copy_(data[name])
    rest = sorted(ours.keys() - set(taken))
    left = sorted(weights.keys() - set(taken))
    text = f"warm start: {len(taken)} of {len(ours)} tensors taken"
    text += f", and the data {', '.join(kept)}" if kept else ""
    text += f"; new: {', '.join(rest)}" if rest else ""
    return text + (f"; not used: {', '.join(left)}" if left else "")
