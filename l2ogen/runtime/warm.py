"""Weights of another run as the start of a training."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from l2ogen.runtime import checkpoint

WEIGHTS = "weights.safetensors"


def find(place: str, model: nn.Module) -> Path:
    """The file of weights of the run folder `place`. Raises ValueError where it is missing or nothing in it fits."""
    path = Path(place)
    path = path / WEIGHTS if path.is_dir() else path
    try:
        tensors, _ = checkpoint.load(path)
    except FileNotFoundError:
        raise ValueError(f"`warm`: there are no weights in {place}") from None
    if not agreeing(model.state_dict(), checkpoint.part("model", tensors)):
        raise ValueError(f"`warm`: no weight in {place} has the name and shape of one that is trained here")
    return path


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
