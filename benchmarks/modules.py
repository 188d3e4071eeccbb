"""Speed of the generated L2O-PA against two hand-written baselines, alternating in one process.

    python benchmarks/modules.py [--threads 1] [--rounds 7] [--json FILE]

`three gradients` does what the published implementation does: nn.LSTM over coordinates, all five heads, the gradient of
the smooth part three times per iteration, matrices times column vectors. `naive` computes one gradient and two heads,
the rest alike. All three run the same weights and must agree before anything is timed. Ratios are baseline over
generated, medians over the rounds; CPU time, so that a busy machine changes them little.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import l2ogen

SIZES = {"20x40": (20, 40, 5), "250x500": (250, 500, 50)}
BATCH, ITERATIONS = 64, 20


class Baseline(nn.Module):
    """L2O-PA as one would write it down without a compiler."""

    def __init__(self, gradients: int, heads: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(2, 20, 2, batch_first=True)
        self.head = nn.Linear(20, 20)
        self.outs = nn.ModuleList([nn.Linear(20, 1) for _ in range(heads)])
        self.gradients = gradients

    def forward(self, A: Tensor, b: Tensor, lam: float, L: Tensor, iterations: int) -> list[Tensor]:
        batch, _, n = A.shape
        x = y = torch.zeros(batch, n, 1)
        b, L = b.unsqueeze(-1), L.unsqueeze(-1)
        state = (torch.zeros(2, batch * n, 20), torch.zeros(2, batch * n, 20))
        found = []

        def gradient(v: Tensor) -> Tensor:
            return torch.bmm(A.mT, torch.bmm(A, v) - b)

        for _ in range(iterations):
            g, *_ = (gradient(v) for v in (y, y, x)[: self.gradients])
            u = torch.cat((y.detach(), g.detach()), -1).reshape(batch * n, 1, 2)
            o, state = self.lstm(u, state)
            o = torch.relu(self.head(o))
            outs = [out(o).reshape(batch, n, 1) for out in self.outs]
            P = 2 / L * (1e-3 + 0.998 * torch.sigmoid(outs[0]))
            a = 2 * (1e-3 + 0.998 * torch.sigmoid(outs[1]))
            v = y - P * g
            x_next = torch.sign(v) * torch.relu(v.abs() - lam * P)
            y, x = x_next + a * (x_next - x), x_next
            found.append(x.squeeze(-1))
        return found


def same_weights(model: Any, baseline: Baseline) -> None:
    """Copy the generated module's weights into the baseline; its further heads stay random, nothing reads them."""
    with torch.no_grad():
        for i, cell in enumerate(model.phi.cells):
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                getattr(baseline.lstm, f"{kind}_l{i}").copy_(getattr(cell, kind))
        baseline.head.load_state_dict(model.phi.head.state_dict())
        for i in range(2):
            baseline.outs[i].weight.copy_(model.phi.out.weight[i : i + 1])
            baseline.outs[i].bias.copy_(model.phi.out.bias[i : i + 1])


def cpu_seconds(job: Callable[[], Any]) -> float:
    started = time.process_time()
    job()
    return time.process_time() - started


def measure(size: str, rounds: int) -> dict[str, Any]:
    """CPU milliseconds per iteration of each variant, inference and training (forward and backward)."""
    m, n, sparsity = SIZES[size]
    torch.manual_seed(0)
    module = l2ogen.load("l2o_pa").module()
    problem = module.Lasso.sample(BATCH, m=m, n=n, sparsity=sparsity, generator=torch.Generator().manual_seed(1))
    model, L = module.L2O_PA(), problem.L
    baselines = {"three gradients": Baseline(3, 5), "naive": Baseline(1, 2)}

    def generated() -> list[Tensor]:
        state, found = model.init_state(problem), []
        for _ in range(ITERATIONS):
            state = model.step(problem, state)
            found.append(state.x)
        return found

    variants: dict[str, Callable[[], list[Tensor]]] = {"generated": generated}
    for name, baseline in baselines.items():
        same_weights(model, baseline)
        variants[name] = lambda b=baseline: b(problem.A, problem.b, 0.1, L, ITERATIONS)  # type: ignore[misc]
        with torch.no_grad():
            worst = max((x - z).abs().max().item() for x, z in zip(generated(), variants[name](), strict=True))
        assert worst < 1e-4, f"{name} computes something else: {worst}"

    def inference(run: Callable[[], list[Tensor]]) -> None:
        with torch.no_grad():
            run()

    def training(run: Callable[[], list[Tensor]]) -> None:
        torch.stack([problem.F(x).mean() for x in run()]).mean().backward()

    report: dict[str, Any] = {}
    for kind, job in (("inference", inference), ("training", training)):
        times: dict[str, list[float]] = {name: [] for name in variants}
        for round_ in range(rounds + 1):
            for name, run in variants.items():
                seconds = cpu_seconds(lambda j=job, r=run: j(r))  # type: ignore[misc]
                if round_:  # the first warms up
                    times[name].append(1e3 * seconds / ITERATIONS)
        median = {name: sorted(ms)[len(ms) // 2] for name, ms in times.items()}
        report[kind] = {
            "ms per iteration": {name: round(ms, 3) for name, ms in median.items()},
            "ratio": {name: round(median[name] / median["generated"], 2) for name in baselines},
        }
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    report = {size: measure(size, options.rounds) for size in SIZES}
    for size, kinds in report.items():
        for kind, numbers in kinds.items():
            ms, ratio = numbers["ms per iteration"], numbers["ratio"]
            shown = ", ".join(f"{r:.2f}x faster than {name} ({ms[name]:.2f} ms)" for name, r in ratio.items())
            print(f"{size} {kind}: {ms['generated']:.2f} ms per iteration, {shown}")
    if options.json:
        options.json.write_text(json.dumps({"batch": BATCH, "threads": options.threads, **report}, indent=1) + "\n")


if __name__ == "__main__":
    main()
