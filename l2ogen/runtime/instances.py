"""A user's own arrays as a problem, and an algorithm run on it."""
from __future__ import annotations

import copy
import inspect
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Array = Any
"""What NumPy or torch takes for an array of numbers, a Python number or list included."""


def solve(model: nn.Module, problem: Any, iterations: int, *, x0: Array = None,
          return_all: bool = False) -> Tensor:
    """The iterate that `model` reports after so many iterations, (..., n); with `return_all` all from x_0 on,
    (iterations + 1, ..., n). Computed in the type of the problem. Warns where it is not finite."""
    if not isinstance(iterations, int | np.integer) or isinstance(iterations, bool) or iterations < 0:
        raise ValueError(f"`iterations` must be a whole number >= 0, not {iterations!r}")
    run: Any = model
    if any(weight.dtype != problem.like["dtype"] for weight in model.state_dict().values()):
        run = copy.deepcopy(model).to(problem.like["dtype"])
    with torch.no_grad():
        state = run.init_state(_started(problem, x0))
        if x0 is not None and not torch.equal(getattr(state, run.reported), problem.zeros() + problem.x0):
            raise ValueError(f"{run.name} starts where its rule says: `x0` has no effect on it")
        found = [getattr(state, run.reported)]
        for _ in range(iterations):
            state = run.step(problem, state)
            found = [*found, getattr(state, run.reported)] if return_all else [getattr(state, run.reported)]
    bad = int((~found[-1].isfinite()).any(-1).sum())
    if bad:
        warnings.warn(f"{run.name} diverged on {bad} of {math.prod(problem.batch)} instances: after {iterations} "
                      "iterations not all numbers are finite", RuntimeWarning, stacklevel=3)
    return torch.stack(found) if return_all else found[-1]


def made_for(algorithm: Any) -> set[str]:
    """The data and sizes that a generated class asks for: its weights belong to them."""
    parameters = inspect.signature(algorithm).parameters.values()
    return {p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD} - {"layers"}


def _started(problem: Any, x0: Array) -> Any:
    """The same problem, with a start."""
    if x0 is None:
        return problem
    start, shape = _tensor("x0", x0), problem.zeros().shape
    _check_finite("x0", start)
    if start.shape[-1:] != shape[-1:] or _joined(start.shape, shape) != shape:
        raise ValueError(f"x0 must be {tuple(shape)}, not {tuple(start.shape)}")
    problem.x0 = start.to(**problem.like)
    return problem


def problem_of(kind: Any, given: Sequence[Array], named: Mapping[str, Array], *,
               known: Mapping[str, Tensor] | None = None, default: torch.dtype = torch.float64,
               device: torch.device | str = "cpu") -> Any:
    """An object of the problem class `kind` from its data, in order or by name; `known` stand for what is left out.

    Leading dimensions are batch, and broadcast. A scalar of each instance is (...,) or (..., 1). float64 if an array
    is, else float32; without arrays of floats, `default`. Raises TypeError for arguments that are missing or unknown,
    ValueError for values that make no problem.
    """
    known = known or {}
    values = _by_name(kind, given, named, known)
    data = {name: _tensor(name, value) for name, value in values.items()}
    for name, value in data.items():
        _check_finite(name, value)
    dtypes = {value.dtype for name, value in data.items()
              if value.dim() and value.is_floating_point() and values[name] is not known.get(name)}
    dtype = torch.float64 if torch.float64 in dtypes else torch.float32 if dtypes else default
    _check_shapes(kind, data)
    leading = {name: tuple(value.shape[:value.dim() - len(kind.data[name])]) for name, value in data.items()
               if kind.data[name]}
    batch = _joined(*leading.values())
    if batch is None:
        shown = ", ".join(f"{shape} of {name}" for name, shape in leading.items() if shape)
        raise ValueError(f"the leading dimensions do not fit together: {shown}")
    for name, axes in kind.data.items():
        if not axes:
            data[name] = _scalar(name, data[name], batch)
    return kind(**{name: value.to(device, dtype) for name, value in data.items()})


def returned(x: Tensor, given: Iterable[Array]) -> Array:
    """As NumPy, unless an argument was a tensor."""
    return x if any(isinstance(value, Tensor) for value in given) else x.cpu().numpy()


def _by_name(kind: Any, given: Sequence[Array], named: Mapping[str, Array], known: Mapping[str, Tensor]
             ) -> dict[str, Array]:
    names = list(kind.data)
    if not names:
        raise TypeError(f"`{kind.name}` is made of torch callables, not of arrays: build {kind.__name__}(…), and call "
                        "the module with it")
    own = [name for name in names if name not in known]
    order = own if len(given) <= len(own) else names
    call = f"solve({', '.join(own)})"
    if len(given) > len(order):
        raise TypeError(f"{call} takes no {len(given)} arrays")
    for name in named:
        if name not in names:
            raise TypeError(f"{call} has no argument `{name}`")
    found = dict(zip(order, given, strict=False))
    if twice := found.keys() & named.keys():
        raise TypeError(f"{call}: `{min(twice)}` is given twice")
    found = {**known, **found, **named}
    if missing := [name for name in names if name not in found]:
        raise TypeError(f"{call}: {', '.join(f'`{name}`' for name in missing)} is missing")
    return {name: found[name] for name in names}


def _tensor(name: str, value: Array) -> Tensor:
    if not isinstance(value, Tensor):
        try:
            array = np.asarray(value)
        except ValueError:      # rows of different lengths
            raise ValueError(f"{name} is no array of numbers") from None
        if array.dtype.kind not in "iufb":
            raise ValueError(f"{name} must hold real numbers, not {array.dtype}")
        dtype = array.dtype.newbyteorder("=")
        if dtype.kind == "f":
            dtype = np.dtype(np.float64 if dtype.itemsize >= 8 else np.float32)
        value = torch.from_numpy(np.array(array, dtype=dtype, order="C"))   # a copy: the array may be read-only
    if value.is_complex():
        raise ValueError(f"{name} must hold real numbers, not {value.dtype}")
    return value.detach()


def _check_finite(name: str, value: Tensor) -> None:
    bad = (~value.isfinite()).nonzero().tolist()
    if bad and value.dim():
        raise ValueError(f"{name} has {len(bad)} of {value.numel()} entries that are not finite, "
                         f"the first at {tuple(bad[0])}")
    if bad:
        raise ValueError(f"{name} is {value.item()}")


def _check_shapes(kind: Any, data: Mapping[str, Tensor]) -> None:
    """Every axis against the size that it is called by, which the first array with that name decides."""
    sizes: dict[str, tuple[int, str]] = {}
    for name, axes in kind.data.items():
        if not axes:
            continue
        shape, shared, known = tuple(data[name].shape), name in kind.shared, dict(sizes)
        fits = len(shape) == len(axes) if shared else len(shape) >= len(axes)
        for size, length in zip(axes, shape[-len(axes):], strict=False):
            if size.isidentifier():     # a formula such as 2*n is the constructor's
                fits = sizes.setdefault(size, (length, name))[0] == length and fits
        if not fits:
            own = ", ".join(axes) + "," * (len(axes) == 1)
            wanted = f"({own})" if shared else f"(..., {', '.join(axes)})"
            why = " and ".join(f"{size} = {known[size][0]} from {known[size][1]}" for size in dict.fromkeys(axes)
                               if size in known)
            raise ValueError(f"{name} must be {wanted}{why and f' with {why}'}, not {shape}")
        if 0 in shape[-len(axes):]:
            raise ValueError(f"{name} has no entries: its shape is {shape}")


def _scalar(name: str, value: Tensor, batch: torch.Size) -> Tensor:
    """() or (..., 1)"""
    if value.dim() and value.shape == batch:
        return value.unsqueeze(-1)
    if value.dim() and (value.shape[-1] != 1 or _joined(value.shape[:-1], batch) is None):
        each = f", or one for each instance: {tuple(batch)}" if batch else ""
        raise ValueError(f"{name} must be a number{each}, not of the shape {tuple(value.shape)}")
    return value


def _joined(*shapes: Sequence[int]) -> torch.Size | None:
    """What they broadcast to; None where they do not fit together."""
    try:
        return torch.broadcast_shapes(*map(tuple, shapes))
    except RuntimeError:
        return None
