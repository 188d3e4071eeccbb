"""How far from the solution after k iterations: curves per instance in float64, compared over algorithms."""
from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from rich.box import SIMPLE_HEAD
from rich.table import Table
from torch import Tensor, nn

AT = (1, 5, 10, 20, 50, 100)    # iterations shown in tables


# ---- the solution --------------------------------------------------------------------------------
@dataclass(frozen=True)
class Solution:
    """A minimizer of each instance, and how well it is known"""

    x: Tensor                   # (..., n), float64
    F: Tensor                   # (..., 1)
    residual: float             # largest ||x - prox_r,1/L(x - grad f(x)/L)||_2 / ||x||_2
    duality_gap: float | None   # largest upper bound of (F(x) - F*)/F*, where the dual is known
    iterations: int

    def __str__(self) -> str:
        gap = "" if self.duality_gap is None else f", relative duality gap <= {self.duality_gap:.1e}"
        return f"F* by restarted FISTA in float64: fixed-point residual <= {self.residual:.1e}{gap}"


def as_dtype(problem: Any, dtype: torch.dtype) -> Any:
    """The same problem in another floating-point type. Raises ValueError where callables fix the type."""
    if not problem.data:
        if problem.like["dtype"] != dtype:
            raise ValueError(f"`{problem.name}` is made of callables in {problem.like['dtype']}, not in {dtype}")
        return problem
    data = [getattr(problem, name).to(dtype) for name in problem.data]
    x_true = problem.x_true
    made = type(problem)(*data, x_true=None if x_true is None else x_true.to(dtype))
    for name in ("minibatch", "generator", "x0"):    # what was set on this object, not on its class
        if (value := vars(problem).get(name)) is not None:
            setattr(made, name, value.to(dtype) if isinstance(value, Tensor) else value)
    return made


@torch.no_grad()
def solve(problem: Any, *, tolerance: float = 1e-12, iterations: int = 20_000) -> Solution:
    """Minimize F of each instance by FISTA, restarted where its momentum points uphill (O'Donoghue, Candes).

    Ends when the fixed-point residual of every instance is at most `tolerance`, or after `iterations`.
    """
    problem = as_dtype(problem, torch.float64)
    step = 1 / problem.L
    x = z = problem.zeros()
    t = torch.ones(*problem.batch, 1, **problem.like)
    residual, k = torch.full_like(t, math.inf), 0
    while k < iterations and residual.max() > tolerance:
        for _ in range(20):     # the residual is looked at now and then
            x_next = problem.prox_r(z - step * problem.grad_f(z), step)
            uphill = ((z - x_next) * (x_next - x)).sum(-1, keepdim=True) > 0
            t_next = 0.5 * (1 + (1 + 4 * t * t).sqrt())
            z = x_next + torch.where(uphill, 0.0, (t - 1) / t_next) * (x_next - x)
            x, t = x_next, torch.where(uphill, 1.0, t_next)
            k += 1
        moved = _norm(x - problem.prox_r(x - step * problem.grad_f(x), step))
        size = _norm(x)
        residual = moved / torch.where(size > 0, size, 1.0)
    F = problem.F(x)
    return Solution(x, F, residual.max().item(), _lasso_gap(problem, x, F), k)


def _norm(v: Tensor) -> Tensor:
    return torch.linalg.vector_norm(v, dim=-1, keepdim=True)


def _lasso_gap(problem: Any, x: Tensor, F: Tensor) -> float | None:
    """The largest relative duality gap, if this is 1/2*||A*x - b||_2^2 + lam*||x||_1 (else None).

    The dual point is the residual, scaled until ||A'*nu||_inf <= lam.
    """
    if set(problem.data) != {"A", "b", "lam"}:
        return None
    A, b, lam = problem.A, problem.b, problem.lam
    r = b - (A @ x.unsqueeze(-1)).squeeze(-1)
    objective = 0.5 * r.square().sum(-1, keepdim=True) + lam * x.abs().sum(-1, keepdim=True)
    if not torch.allclose(F, objective, rtol=1e-9):
        return None
    largest = (A.mT @ r.unsqueeze(-1)).squeeze(-1).abs().amax(-1, keepdim=True)
    nu = r * (lam / largest.clamp(min=1e-300)).clamp(max=1.0)
    dual = 0.5 * (b.square() - (b - nu).square()).sum(-1, keepdim=True)
    return _relative(F - dual, F).max().item()


def _relative(gap: Tensor, F: Tensor) -> Tensor:
    """gap/F*, undivided where F* = 0"""
    return gap / torch.where(F > 0, F, 1.0)


# ---- curves --------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Curve:
    """One algorithm: a value per iteration k = 0 .. K and instance, (K + 1, instances). Smaller is better."""

    values: Tensor
    seconds: float              # per iteration of the whole batch
    weights: Tensor             # of the instances in the mean; they sum to 1

    @property
    def mean(self) -> Tensor:
        return (self.values * self.weights).sum(-1)

    @property
    def worst(self) -> Tensor:
        return self.values.amax(-1)

    def quantile(self, q: float) -> Tensor:
        return torch.quantile(self.values, q, dim=-1, interpolation="nearest")

    @property
    def median(self) -> Tensor:
        return self.quantile(0.5)

    @property
    def diverged(self) -> int:
        """Instances that end not finite or above where they began"""
        return int(self._diverged().sum())

    @property
    def stalled(self) -> int:
        """Further instances that make no progress, a cycle for example, above 1e-6.

        Their largest value in the last quarter of the iterations is at least 95 % of that in the quarter before.
        """
        quarter = (len(self.values) - 1) // 4
        if quarter == 0:
            return 0
        last, before = self.values[-quarter:].amax(0), self.values[-2 * quarter:-quarter].amax(0)
        return int((~self._diverged() & (last > 1e-6) & (last >= 0.95 * before)).sum())

    def _diverged(self) -> Tensor:
        return ~self.values[-1].isfinite() | (self.values[-1] > self.values[0])


@dataclass
class Comparison:
    """Curves of several algorithms on the same problems; prints as a rich table, Markdown or JSON."""

    title: str
    metric: str                 # "gap": (F(x_k) - F*)/F*; "nmse": ||x_k - x_true||^2/||x_true||^2, in dB
    curves: dict[str, Curve] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def instances(self) -> int:
        return next(iter(self.curves.values())).values.shape[-1]

    @property
    def iterations(self) -> int:
        return next(iter(self.curves.values())).values.shape[0] - 1

    @property
    def caption(self) -> str:
        what = "relative gap (F(x_k) - F*)/F*" if self.metric == "gap" else "NMSE in dB"
        return f"{what}, {self.instances} instances of {self.title}"

    def shown(self, value: float) -> str:
        if self.metric == "nmse" and value >= 0:
            return f"{10 * math.log10(max(value, 1e-30)):.1f}"
        if math.isfinite(value) and abs(value) < 1e-15:     # below what float64 resolves
            return "<1e-15"
        digits, _, exponent = f"{value:.1e}".partition("e")
        return f"{digits}e{int(exponent)}" if exponent else digits      # 1.2e-3, inf

    def rows(self, at: tuple[int, ...] = AT) -> list[list[str]]:
        """Heading and rows: mean / median / worst at the iterations `at`, instances that fail, ms per iteration"""
        at = tuple(k for k in at if k <= self.iterations) or (self.iterations,)
        heading = ["algorithm", "", *(f"k={k}" for k in at), "div.", "stall", "ms"]
        if self.metric == "nmse":       # the layers of a network need not improve one by one
            heading.remove("stall")
        rows = [heading]
        for name, curve in self.curves.items():
            for label, line in (("mean", curve.mean), ("median", curve.median), ("worst", curve.worst)):
                first = label == "mean"
                ends = [str(curve.diverged), str(curve.stalled), f"{1e3 * curve.seconds:.1f}"]
                if self.metric == "nmse":
                    del ends[1]
                rows.append([name if first else "", label, *(self.shown(line[k].item()) for k in at),
                             *(ends if first else [""] * len(ends))])
        return rows

    def table(self, at: tuple[int, ...] = AT) -> Table:
        heading, *rows = self.rows(at)
        table = Table(title=self.caption, caption="; ".join(self.notes) or None, title_justify="left",
                      caption_justify="left",
                      box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)   # fits 80 columns
        for index, name in enumerate(heading):
            table.add_column(name, justify="left" if index < 2 else "right", no_wrap=True)
        for index, row in enumerate(rows):
            table.add_row(*row, style="bold" if row[1] == "mean" else "dim", end_section=index % 3 == 2)
        return table

    def markdown(self, at: tuple[int, ...] = AT) -> str:
        heading, *rows = self.rows(at)
        lines = [heading, ["---", "---", *["---:"] * (len(heading) - 2)], *rows]
        notes = "".join(f"\n{note}.\n" for note in self.notes)
        table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return f"{self.caption}:\n\n{table}\n{notes}"

    def to_json(self, at: tuple[int, ...] | None = None) -> str:
        """Mean, median and worst at every iteration (or those in `at`). What is not finite becomes null."""
        at = tuple(range(self.iterations + 1)) if at is None else at
        algorithms = {
            name: {"mean": _numbers(curve.mean, at), "median": _numbers(curve.median, at),
                   "worst": _numbers(curve.worst, at), "diverged": curve.diverged, "stalled": curve.stalled,
                   "seconds_per_iteration": curve.seconds}
            for name, curve in self.curves.items()}
        document = {"problem": self.title, "metric": self.metric, "instances": self.instances,
                    "iterations": list(at), "algorithms": algorithms, "notes": self.notes}
        return json.dumps(document, indent=2) + "\n"


def _numbers(line: Tensor, at: tuple[int, ...]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in (line[k].item() for k in at)]


# ---- running the algorithms ----------------------------------------------------------------------
@torch.no_grad()
def _iterates(model: Any, problem: Any, iterations: int, dtype: torch.dtype) -> tuple[list[Tensor], float]:
    """The reported iterates x_0 .. x_K in float64, and the seconds per iteration."""
    problem = as_dtype(problem, dtype)
    model = copy.deepcopy(model).to(**problem.like).eval()
    state = model.init_state(problem)           # the step constant L is computed here or in the first step
    found, spent = [getattr(state, model.reported).double()], []
    for _ in range(iterations):
        started = time.perf_counter()
        state = model.step(problem, state)
        spent.append(time.perf_counter() - started)
        found.append(getattr(state, model.reported).double())
    return found, sorted(spent)[len(spent) // 2]


def evaluate(algorithms: Mapping[str, nn.Module], problem: Any, iterations: int = 100, *,
             title: str | None = None, solution: Solution | None = None,
             dtype: torch.dtype = torch.float64) -> Comparison:
    """Curves of the relative gap (F(x_k) - F*)/F*, k = 0 .. iterations, computed in float64.

    The algorithms run in `dtype`; where F* = 0 the gap is not divided. `solution` saves solving again.
    """
    exact = as_dtype(problem, torch.float64)
    solution = solution or solve(exact)
    comparison = Comparison(title or problem.name, "gap", notes=[str(solution)])
    zero = int((solution.F <= 0).sum())
    if zero:
        comparison.notes.append(f"F* = 0 for {zero} instances: their gap is not divided")
    count = math.prod(problem.batch)
    weights = torch.full((count,), 1 / count, dtype=torch.float64, device=solution.F.device)
    for name, model in algorithms.items():
        found, seconds = _iterates(model, problem, iterations, dtype)
        gaps = torch.stack([_relative(exact.F(x) - solution.F, solution.F).reshape(-1) for x in found])
        comparison.curves[name] = Curve(gaps.nan_to_num(nan=math.inf, posinf=math.inf), seconds, weights)
    return comparison


def evaluate_recovery(algorithms: Mapping[str, nn.Module], problem: Any, layers: int | None = None, *,
                      title: str | None = None, dtype: torch.dtype = torch.float64) -> Comparison:
    """Curves of ||x_k - x_true||^2/||x_true||^2 over the layers; the mean is the NMSE, a ratio of sums.

    `layers`: at most how many; default: as many as the deepest algorithm has. Instances with x_true = 0 have
    weight 0 in the mean and count as undivided errors elsewhere.
    """
    x_true = problem.x_true.double()
    layers = layers or max(getattr(model, "layers", 0) for model in algorithms.values()) or 16
    size = x_true.square().sum(-1).reshape(-1)
    comparison = Comparison(title or problem.name, "nmse")
    for name, model in algorithms.items():
        found, seconds = _iterates(model, problem, layers, dtype)
        errors = torch.stack([(x - x_true).square().sum(-1).reshape(-1) for x in found])
        values = _relative(errors, size).nan_to_num(nan=math.inf, posinf=math.inf)
        comparison.curves[name] = Curve(values, seconds, size / size.sum())
    return comparison
