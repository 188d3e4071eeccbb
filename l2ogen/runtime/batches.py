"""A batch of instances of a problem: in another type, some of them, all in parts that fit the memory."""
from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

MEMORY = 2**27          # bytes of the data of one part, in float64


def _remade(problem: Any, change: Callable[[Tensor, int], Tensor]) -> Any:
    """The same problem with `change(value, axes of one instance)` applied to its data and to what was set on it."""
    x_true = problem.x_true
    data = [change(getattr(problem, name), _axes(problem, name)) for name in problem.data]
    made = type(problem)(*data, x_true=None if x_true is None else change(x_true, 1))
    for name in ("minibatch", "generator", "x0", "x_star"):     # what was set on this object, not on its class
        if (value := vars(problem).get(name)) is not None:
            setattr(made, name, change(value, 1) if isinstance(value, Tensor) else value)
    return made


def divisible(problem: Any) -> bool:
    """Whether the problem has data and says which of their axes are those of one instance: callables have none, and
    modules of old run folders do not say it."""
    return len(problem.batch) == 1 and isinstance(problem.data, dict) and bool(problem.data)


def _axes(problem: Any, name: str) -> int:
    """How many axes a datum has in one instance: a number has one."""
    return max(len(problem.data[name]), 1) if isinstance(problem.data, dict) else 0


def as_dtype(problem: Any, dtype: torch.dtype) -> Any:
    """The same problem in another floating-point type. Raises ValueError where callables fix the type."""
    if problem.like["dtype"] == dtype:
        return problem
    if not problem.data:
        raise ValueError(f"`{problem.name}` is made of callables in {problem.like['dtype']}, not in {dtype}")
    return _remade(problem, lambda value, axes: value.to(dtype))


def take(problem: Any, rows: slice | Tensor) -> Any:
    """Some instances of a batch with one leading dimension; what they share, such as a dictionary, is not copied.

    Raises ValueError where the problem is not divisible.
    """
    if not divisible(problem):
        raise ValueError(f"the instances of `{problem.name}` can't be taken apart: its data do not say "
                         "which axes are those of one instance")
    count = problem.batch[0]

    def pick(value: Tensor, axes: int) -> Tensor:
        return value[rows] if value.dim() > axes and value.shape[0] == count else value

    made = _remade(problem, pick)
    for name in ("L", "modulus"):       # computed already: not again for each part
        if name in vars(problem):
            vars(made)[name] = pick(vars(problem)[name], 1)
    return made


def parts(problem: Any) -> Iterator[slice | None]:
    """The batch in parts whose data take at most MEMORY in float64; None is the whole, where it can't be cut."""
    if not divisible(problem):
        yield None
        return
    count = problem.batch[0]
    if count == 0:
        raise ValueError(f"there are no instances of `{problem.name}`")
    values = [(getattr(problem, name), _axes(problem, name)) for name in problem.data]
    own = sum(value.numel() for value, axes in values if value.dim() > axes) * 8
    size = max(1, min(count, MEMORY * count // max(own, 1)))
    even = math.ceil(count / math.ceil(count / size))       # parts of one size, or nearly
    yield from (slice(start, min(start + even, count)) for start in range(0, count, even))
