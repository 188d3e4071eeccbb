"""Files that are the old or the new version, never half of one; the state of a training as such a file."""
from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import safe_open
from torch import Tensor


def write_atomically(path: Path, data: bytes) -> None:
    """Kill the process at any moment: `path` holds the old content or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)      # the new name itself must reach the disk too
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def save(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Tensors and JSON-able metadata as one safetensors file, at once."""
    # Cloned: safetensors refuses tensors that share memory, as tied weights do.
    ready = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_atomically(path, safetensors.torch.save(ready, {"l2ogen": json.dumps(meta)}))


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `save` wrote, on the CPU. Raises ValueError for a file that it did not write."""
    try:
        with safe_open(path, framework="pt") as file:
            meta = json.loads(file.metadata()["l2ogen"])
            return {name: file.get_tensor(name) for name in file.keys()}, meta  # noqa: SIM118
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(f"{path} is not a file of weights written by l2ogen: {error}") from None


def joined(**parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Groups of tensors as one, with names PART.NAME"""
    return {f"{part}.{name}": tensor for part, tensors in parts.items() for name, tensor in tensors.items()}


def part(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """One group of `joined` tensors"""
    prefix = name + "."
    return {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}


def flatten_optimizer(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The state of any torch optimizer as flat tensors, `INDEX.NAME`, and JSON for the rest."""
    state = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    rest: dict[str, Any] = {}
    for index, entries in state["state"].items():
        for name, value in entries.items():
            place = tensors if isinstance(value, Tensor) else rest
            place[f"{index}.{name}"] = value
    return tensors, {"groups": state["param_groups"], "rest": rest}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor],
                      meta: Mapping[str, Any]) -> None:
    state: dict[int, dict[str, Any]] = {}
    for key, value in [*tensors.items(), *meta["rest"].items()]:
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": meta["groups"]})


def random_state(generator: torch.Generator) -> dict[str, Tensor]:
    """Where the run's generator and torch's own ones stand"""
    state = {"run": generator.get_state(), "torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def restore_random_state(generator: torch.Generator, state: Mapping[str, Tensor]) -> None:
    generator.set_state(state["run"])
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
