"""A module as a file that runs without this package: data in, the iterate after K iterations out."""
from __future__ import annotations

import importlib
import io
import logging
import re
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from l2ogen.runtime.checkpoint import write_atomically


class Unrolled(nn.Module):
    """`iterations` steps of an algorithm, as a function of the data that differ between instances: (batch, ...) each,
    a scalar (batch, 1), to x, (batch, n). Data that all instances share are constants in it."""

    def __init__(self, algorithm: Any, example: Any, iterations: int):
        super().__init__()
        self.algorithm, self.kind, self.iterations = algorithm, type(example), iterations
        self.names = tuple(name for name in example.data if name not in example.shared)
        for name in example.shared:
            self.register_buffer(name, getattr(example, name))

    def forward(self, *data: Tensor) -> Tensor:
        problem: Any = object.__new__(self.kind)    # its constructor checks values, which a graph cannot
        for name, value in zip(self.names, data, strict=True):
            setattr(problem, name, value)
        for name in self.kind.shared:
            setattr(problem, name, getattr(self, name))
        for name, axes in self.kind.data.items():
            shape = getattr(problem, name).shape
            for place, size in enumerate(axes):
                if size.isidentifier():
                    setattr(problem, size, shape[place - len(axes)])
        problem.like, problem.batch = {"dtype": data[0].dtype, "device": data[0].device}, data[0].shape[:1]
        x: Tensor = self.algorithm(problem, self.iterations)
        return x


def export(algorithm: nn.Module, example: Any, file: Path | str, iterations: int) -> Path:
    """Write x after so many iterations as a program of torch.export (.pt2) or as ONNX (.onnx).

    `example` is a problem with a batch of at least 2 instances, in the type and on the device of the module. The batch
    may have any size later, and so may the other axes in a .pt2, where the module makes no use of their length; what
    remains of the example, such as m < n, is checked when the file is used. Raises ValueError for another ending, for
    what is made of callables, and for operators that the format lacks; ModuleNotFoundError without the onnx packages.
    """
    path = Path(file)
    if path.suffix not in (".pt2", ".onnx"):
        raise ValueError(f"{path} must end in .pt2 (torch.export) or .onnx")
    if not example.data:
        raise ValueError(f"`{example.name}` is made of callables, so there are no data to put in")
    if not all(hasattr(example, name) for name in example.data) or len(example.batch) != 1 or example.batch[0] < 2:
        raise ValueError("the example must be a batch of at least 2 instances")
    unrolled = Unrolled(algorithm.eval(), example, iterations)
    data = tuple(_batched(getattr(example, name), axes, example.batch[0])
                 for name, axes in example.data.items() if name not in example.shared)
    write = _pt2 if path.suffix == ".pt2" else _onnx
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")     # of the exporters, about themselves
            made = write(unrolled, data)
    except ImportError as error:
        raise ModuleNotFoundError(f"{error}; .onnx needs more packages: pip install 'l2ogen[onnx]'") from None
    except (RuntimeError, torch._dynamo.exc.TorchDynamoException) as error:
        lacks = re.search(r"No ONNX function found for <OpOverload\(op='([\w.:]+)'", str(error))
        why = f"it has no operator for {lacks[1]}; .pt2 has" if lacks else str(error).splitlines()[0]
        raise ValueError(f"{getattr(algorithm, 'name', 'this')} cannot be written as {path.suffix}: {why}") from None
    write_atomically(path, made)
    return path


def _batched(value: Tensor, axes: tuple[str, ...], batch: int) -> Tensor:
    """(batch, ...), where all instances of the example may have the same."""
    shape = value.shape[-len(axes):] if axes else (1,)
    return value.expand(batch, *shape).contiguous()


def _pt2(unrolled: Unrolled, data: tuple[Tensor, ...]) -> bytes:
    batch = Dim("batch")
    free = tuple({0: batch} | {axis: Dim.AUTO for axis in range(1, value.dim()) if value.shape[axis] > 1}
                 for value in data)
    file = io.BytesIO()
    torch.export.save(torch.export.export(unrolled, data, dynamic_shapes=(free,)), file)
    return file.getvalue()


def _onnx(unrolled: Unrolled, data: tuple[Tensor, ...]) -> bytes:
    for package in ("onnx", "onnxscript"):
        importlib.import_module(package)    # torch would say it at length
    batch = Dim("batch")
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        program = torch.onnx.export(unrolled, data, dynamo=True, dynamic_shapes=(tuple({0: batch} for _ in data),),
                                    input_names=list(unrolled.names), output_names=["x"], verbose=False)
    finally:
        log.setLevel(level)
    assert program is not None
    with TemporaryDirectory() as place:
        program.save(Path(place) / "made.onnx", external_data=False)
        return (Path(place) / "made.onnx").read_bytes()
