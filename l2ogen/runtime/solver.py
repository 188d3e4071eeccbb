"""The minimum of each instance, and a bound of how far it can be off: accelerated proximal gradient in float64.

The step q = prox_r,1/L(x - grad f(x)/L) gives a subgradient for free: L*(x - q) - grad f(x) lies in the subdifferential
of r at q, so s = L*(x - q) - grad f(x) + grad f(q) lies in that of F. For convex F, F(q) - F* is at most
    ||s||_2^2/(2*mu)            where F is strongly convex with the modulus mu (Nesterov 2018, 2.1.24),
    <s, q> + ||s||_2*R          where a minimizer has ||x*||_2 <= R, for example R = F(q)/lam where lam*||x||_1 is in F.
A problem class knows its mu and R (`modulus`, `radius`) from its formulas and data. Both bounds hold up to the
rounding of s, some 1e-16 of its terms, and of F.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from l2ogen.runtime.batches import as_dtype, divisible, parts, take

GAP = 1e-12             # relative, at which the solver stops: curves are drawn down to it
CERTIFIED = 1e-10       # relative, at which F* counts as certified, where rounding allowed no more
LOOK = 20               # iterations between two looks at the bound
STILL = torch.finfo(torch.float64).eps  # fixed-point residual at which nothing moves any more


@dataclass(frozen=True)
class Solution:
    """A minimizer of each instance, and how well it is known"""

    x: Tensor                   # (..., n), float64
    F: Tensor                   # (..., 1)
    residual: float             # largest ||x - prox_r,1/L(x - grad f(x)/L)||_2 / ||x||_2
    duality_gap: float | None   # largest certified bound of (F(x) - F*)/|F*|; None where none is known
    iterations: int
    gaps: Tensor                # that bound of each instance, (..., 1); infinite where none is known
    level: float = CERTIFIED    # at which an instance counts as certified

    @property
    def uncertified(self) -> list[int]:
        """The instances, by number, whose F* is not known to a relative gap of `level`"""
        return (self.gaps > self.level).reshape(-1).nonzero()[:, 0].tolist()

    def __str__(self) -> str:
        how = "F* by restarted FISTA in float64"
        rest = self.uncertified
        if not rest:
            return f"{how}, certified: relative gap <= {self.gaps.max().item():.1e} for every instance"
        where = f"fixed-point residual <= {self.residual:.1e}"
        if self.duality_gap is None:
            return f"{how}, NOT certified (no bound is known for this problem): {where}"
        numbers = ", ".join(map(str, rest[:5])) + (", …" if len(rest) > 5 else "")
        return (f"{how}, NOT certified to {self.level:g} for {len(rest)} of {self.gaps.numel()} instances "
                f"({numbers}): relative gap <= {self.gaps.max().item():.1e}, {where}")


@torch.no_grad()
def solve(problem: Any, *, tolerance: float = 1e-12, iterations: int = 20_000, gap: float = GAP,
          report: Callable[[int], None] = lambda done: None) -> Solution:
    """Minimize F of each instance by FISTA, restarted where its momentum points uphill (O'Donoghue, Candes 2015).

    An instance is done when its certified relative gap is at most `gap` and its fixed-point residual at most
    `tolerance`, so that x is accurate, too; where the problem knows no certificate the residual decides alone. It is
    given up after `iterations`, or when rounding lets it come no further. `report` is told how many are done.
    """
    found: list[tuple[Tensor, Tensor, Tensor, Tensor, int]] = []
    for rows in parts(problem):
        part = as_dtype(problem if rows is None else take(problem, rows), torch.float64)
        found.append(_solve(part, tolerance, gap, iterations))
        report(math.prod(part.batch))
    x, F, gaps, residual = (torch.cat(values) if len(values) > 1 else values[0]
                            for values in list(zip(*found, strict=True))[:4])
    known = gaps.isfinite().any() if gaps.numel() else False
    largest = gaps.max().item() if known else None
    return Solution(x, F, residual.max().item(), largest, max(k for *_, k in found), gaps,
                    max(gap, CERTIFIED))


def _solve(problem: Any, tolerance: float, gap: float, iterations: int) -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
    """(x, F, relative bounds, residuals, iterations) of one part. What is done leaves the batch."""
    best = [problem.zeros(), *(torch.full_like(problem.zeros(1), math.inf) for _ in range(3))]
    cut = divisible(problem)
    left: Any = torch.arange(problem.batch[0], device=best[0].device) if cut else slice(None)
    x = z = problem.zeros()
    t, step, k = torch.ones_like(problem.zeros(1)), 1 / problem.L, 0
    start = problem.F(problem.prox_r(x - step * problem.grad_f(x), step)).abs()
    while True:
        for _ in range(min(LOOK, iterations - k)):
            x_next = problem.prox_r(z - step * problem.grad_f(z), step)
            uphill = ((z - x_next) * (x_next - x)).sum(-1, keepdim=True) > 0
            t_next = 0.5 * (1 + (1 + 4 * t * t).sqrt())
            z = x_next + torch.where(uphill, 0.0, (t - 1) / t_next) * (x_next - x)
            x, t = x_next, torch.where(uphill, 1.0, t_next)
            k += 1
        values = _judged(problem, x, step, start, gap)
        for old, new in zip(best, values, strict=True):
            old[left] = new
        gaps, residual = values[2:]
        enough = (gaps <= gap) | gaps.isinf() | (residual <= STILL)
        done = (enough & (residual <= tolerance)).squeeze(-1)
        if done.all() or k >= iterations:
            return *best, k
        if cut and 4 * int(done.sum()) >= len(done):
            rest = (~done).nonzero()[:, 0]
            problem, left = take(problem, rest), left[rest]
            x, z, t, start, step = x[rest], z[rest], t[rest], start[rest], 1 / problem.L


def _judged(problem: Any, x: Tensor, step: Tensor, start: Tensor, gap: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The next point q, F(q), its certified relative gap, and the relative fixed-point residual at x.

    F* lies in [F(q) - bound, F(q)]. Where this holds 0, the gap is relative to F at the `start`, and F* = 0 if it is
    small.
    """
    g = problem.grad_f(x)
    q = problem.prox_r(x - step * g, step)
    F, size = problem.F(q), norm(q)
    off = bound(problem, q, F, (x - q) / step - g + problem.grad_f(q)) + 4 * STILL * F.abs()    # F is rounded, too
    least = torch.where(F < 0, -F, F - off)                 # of |F*|
    zero = (off > 0) & ~(least > 0)
    gaps = off / torch.where(zero, start, torch.where(least > 0, least, 1.0))
    gaps = torch.where(off.isfinite(), gaps, math.inf)
    residual = norm(x - q) / torch.where(size > 0, size, 1.0)
    return q, torch.where(zero & (gaps <= gap), 0.0, F), gaps, residual


def bound(problem: Any, x: Tensor, F: Tensor, s: Tensor) -> Tensor:
    """An upper bound of F(x) - F* from s in the subdifferential of F at x, (..., 1); infinite where none is known."""
    found = torch.full_like(F, math.inf)
    if hasattr(problem, "modulus"):
        by_curvature = s.square().sum(-1, keepdim=True) / (2 * problem.modulus)
        found = torch.where(problem.modulus > 0, by_curvature, found)
    if hasattr(problem, "radius"):
        by_place = (s * x).sum(-1, keepdim=True) + norm(s) * problem.radius(F)
        found = torch.minimum(found, by_place.nan_to_num(nan=math.inf, posinf=math.inf).clamp(min=0))
    return found


def norm(v: Tensor) -> Tensor:
    return torch.linalg.vector_norm(v, dim=-1, keepdim=True)


def relative(gap: Tensor, F: Tensor) -> Tensor:
    """gap/|F*|, undivided where F* = 0"""
    return gap / torch.where(F != 0, F.abs(), 1.0)
