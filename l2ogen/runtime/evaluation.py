"""Algorithms run on the same instances: how far from the solution after k iterations, in float64, and how long it took.

Instances are taken in parts, so that neither the data in float64 nor the iterates of all iterations fill the memory.
"""
from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from l2ogen.runtime.batches import as_dtype, parts, take
from l2ogen.runtime.curves import Comparison, Curve
from l2ogen.runtime.solver import Solution, relative, solve

Judge = Callable[[Tensor], Tensor]  # an iterate in float64 -> a value per instance
Report = Callable[[str, int], None]  # what is done, and for how many instances


def _silent(what: str, instances: int) -> None: ...


def evaluate(algorithms: Mapping[str, nn.Module], problem: Any, iterations: int = 100, *,
             title: str | None = None, solution: Solution | None = None,
             dtype: torch.dtype = torch.float64, report: Report = _silent) -> Comparison:
    """Curves of the relative gap (F(x_k) - F*)/|F*|, k = 0 .. iterations, computed in float64.

    The algorithms run in `dtype`; where F* = 0 the gap is not divided. `solution` saves solving again. `report` is
    told the progress. Raises ValueError where an algorithm can't run on the problem.
    """
    solution = solution or solve(problem, report=lambda done: report("F*", done))
    comparison = Comparison(title or problem.name, "gap", notes=[str(solution)], solution=solution)
    zero = int((solution.F == 0).sum())
    if zero:
        comparison.notes.append(f"F* = 0 for {zero} instance{'s' * (zero > 1)}: their gap is not divided")
    count = math.prod(problem.batch)
    weights = torch.full((count,), 1 / count, dtype=torch.float64, device=solution.F.device)

    def judge(exact: Any, rows: slice | None) -> Judge:
        F = solution.F if rows is None else solution.F[rows]
        return lambda x: relative(exact.F(x) - F, F)

    _run(comparison, algorithms, problem, iterations, dtype, judge, weights, report)
    return comparison


def evaluate_recovery(algorithms: Mapping[str, nn.Module], problem: Any, layers: int | None = None, *,
                      title: str | None = None, dtype: torch.dtype = torch.float64,
                      report: Report = _silent) -> Comparison:
    """Curves of ||x_k - x_true||^2/||x_true||^2 over the layers; the mean is the NMSE, a ratio of sums.

    `layers`: at most how many; default: as many as the deepest algorithm has. Instances with x_true = 0 have
    weight 0 in the mean and count as undivided errors elsewhere. Raises ValueError without an x_true, and where an
    algorithm can't run on the problem.
    """
    if problem.x_true is None:
        raise ValueError(f"`{problem.name}` has no x_true to compare with, and no objective")
    x_true = problem.x_true.double().expand(*problem.batch, -1)
    layers = layers or max(getattr(model, "layers", 0) for model in algorithms.values()) or 16
    size = x_true.square().sum(-1, keepdim=True)
    comparison = Comparison(title or problem.name, "nmse")

    def judge(exact: Any, rows: slice | None) -> Judge:
        x, s = (x_true, size) if rows is None else (x_true[rows], size[rows])
        return lambda found: relative((found - x).square().sum(-1, keepdim=True), s)

    _run(comparison, algorithms, problem, layers, dtype, judge, (size / size.sum()).reshape(-1), report)
    return comparison


def _run(comparison: Comparison, algorithms: Mapping[str, nn.Module], problem: Any, iterations: int,
         dtype: torch.dtype, judge: Callable[[Any, slice | None], Judge], weights: Tensor, report: Report) -> None:
    """Fill the comparison: a curve for each algorithm, part by part."""
    values: dict[str, list[Tensor]] = {name: [] for name in algorithms}
    seconds: dict[str, list[Tensor]] = {name: [] for name in algorithms}
    sizes = []
    for rows in parts(problem):
        part = problem if rows is None else take(problem, rows)
        exact, own = as_dtype(part, torch.float64), as_dtype(part, dtype)
        sizes.append(math.prod(part.batch))
        for name, model in algorithms.items():
            try:
                found, spent = _curve(model, own, iterations, judge(exact, rows))
            except (RuntimeError, AttributeError, TypeError, IndexError) as error:
                if isinstance(error, torch.OutOfMemoryError):
                    raise
                raise ValueError(f"`{name}` can't run on `{problem.name}`: {error}") from error
            values[name].append(found)
            seconds[name].append(spent)
            report(name, sizes[-1])
    for name in algorithms:
        spent = torch.stack(seconds[name]).sum(0)
        elapsed = torch.cat([torch.zeros(1, dtype=torch.float64), smoothed(spent).cumsum(0)])
        comparison.curves[name] = Curve(torch.cat(values[name], -1), spent.median().item(), weights, elapsed)
    comparison.notes.append(_conditions(sizes, dtype, problem))


def _curve(model: Any, problem: Any, iterations: int, judge: Judge) -> tuple[Tensor, Tensor]:
    """Values of the reported iterates x_0 .. x_K, (K + 1, instances), and the seconds of each step, (K)."""
    model = copy.deepcopy(model).to(**problem.like).eval()
    if hasattr(type(problem), "L") and problem.data:
        _ = problem.L                           # computed now: no step is charged for it
    cuda = torch.device(problem.like["device"]).type == "cuda"
    with torch.no_grad():
        state = model.init_state(problem)
        values, spent = [judge(getattr(state, model.reported).double())], []
        for _ in range(iterations):
            started = _clock(cuda)
            state = model.step(problem, state)
            spent.append(_clock(cuda) - started)
            values.append(judge(getattr(state, model.reported).double()))
    found = torch.stack([value.reshape(-1) for value in values]).nan_to_num(nan=math.inf, posinf=math.inf)
    return found, torch.tensor(spent, dtype=torch.float64)


def smoothed(spent: Tensor, window: int = 9) -> Tensor:
    """The median of each step's neighbours: what else the machine did in one step is not the algorithm's."""
    half = min(window, len(spent)) // 2
    padded = torch.cat([spent[:half].flip(0), spent, spent[len(spent) - half:].flip(0)])
    return padded.unfold(0, 2 * half + 1, 1).median(-1).values


def _clock(cuda: bool) -> float:
    if cuda:
        torch.cuda.synchronize()
    return time.perf_counter()


def _conditions(sizes: Iterable[int], dtype: torch.dtype, problem: Any) -> str:
    """How the time was taken"""
    sizes = sorted(set(sizes))
    batches = " and ".join(str(size) for size in ({sizes[0], sizes[-1]} if len(sizes) > 1 else sizes))
    threads = torch.get_num_threads()
    where = str(problem.like["device"])
    where += f", {threads} thread{'s' * (threads > 1)}" if where == "cpu" else ""
    precision = str(dtype).removeprefix("torch.")
    how = f"in batches of {batches}, {precision}, {where}; medians of 9 steps, without set-up"
    return f"ms: of one iteration for all instances, {how}"


__all__ = ["Comparison", "Curve", "Solution", "evaluate", "evaluate_recovery", "solve"]
