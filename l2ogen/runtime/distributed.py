"""Data-parallel training: under torchrun every process works on its part of the same batches.

torch.distributed does the work, with gloo on CPUs and NCCL on GPUs. All processes draw the whole batch with the same
random numbers and keep their rows, so the gradients add up to those of one process. They are summed by one all_reduce
before each update. DistributedDataParallel would do that inside the backward pass of a forward(); here a segment of
truncated backpropagation calls step() many times, and a `schedule` changes which weights learn.
"""
from __future__ import annotations

import atexit
import importlib
import os
from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import nn

from l2ogen.runtime import batches

T = TypeVar("T")


def world() -> int:
    """The number of processes: 1, unless torchrun started this one."""
    return dist.get_world_size() if _joined() else int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Which process this is: 0 is the one that writes files and shows progress."""
    return dist.get_rank() if _joined() else int(os.environ.get("RANK", "0"))


def _joined() -> bool:
    return dist.is_available() and dist.is_initialized()


def join(device: torch.device) -> None:
    """Meet the other processes, where there are some."""
    if world() == 1 or _joined():
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    # Its functions take the default group as a default argument. Imported later (an optimizer imports it), they would
    # keep the group beyond atexit, and a thread of gloo that ends during the interpreter's shutdown aborts the process.
    importlib.import_module("torch.distributed.nn.functional")
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    atexit.register(dist.destroy_process_group)


def check(**rows: int) -> None:
    """Raises ValueError where a setting that counts problems leaves a process without any."""
    for name, count in rows.items():
        if count < world():
            raise ValueError(f"`{name}` has {count} problems for {world()} processes: take more problems, or fewer "
                             "processes")


def first(job: Callable[[], T]) -> T:
    """Process 0 does the job; all get what it returns or raises."""
    if world() == 1:
        return job()
    answer: list[Any] = [None, None]
    if rank() == 0:
        try:
            answer[0] = job()
        except Exception as error:
            answer[1] = error
    dist.broadcast_object_list(answer)
    if answer[1] is not None:
        raise answer[1]
    made: T = answer[0]
    return made


def part(problem: Any) -> tuple[Any, float]:
    """This process's instances of a batch, and their share of it."""
    if world() == 1:
        return problem, 1.0
    count = problem.batch[0]
    rows = torch.arange(count).tensor_split(world())[rank()]
    return batches.take(problem, slice(int(rows[0]), int(rows[-1]) + 1)), len(rows) / count


def separate(seed: int, step: int) -> None:
    """What an algorithm draws itself differs between processes, and is the same again after resuming."""
    if rank():
        torch.manual_seed(seed + 1_000_003 * (100 + rank()) + step)


def total(*values: float) -> list[float]:
    """The sums over the processes."""
    if world() == 1:
        return list(values)
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    found = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(found)
    return found.tolist()


@torch.no_grad()
def sum_gradients(model: nn.Module, share: float) -> None:
    """The gradient of the whole batch, in every process: those of the parts, weighted with their shares of it."""
    if world() == 1:
        return
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients]) * share
    dist.all_reduce(flat)
    for gradient, summed in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
        gradient.copy_(summed.view_as(gradient))
