"""A learned step size: against 1/L on quadratic functions, against constant rates in the training of a network.

No published number could be found (docs/discrepancies.md). The network's loss is a torch callable, which no file can
draw, so its training loop stands here.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import l2ogen

from .common import Lab, Result, target
from .optimization import Models, chunks, draw, measure, tabulate

if TYPE_CHECKING:
    from torch import Tensor

RATES = tuple(10 ** (-3 + i / 4) for i in range(13))
"""The constant rates to beat, 1e-3 to 1."""
BEYOND = tuple(10 ** (i / 4) for i in range(1, 5))
"""Larger ones, which the network's rate may take as well."""
SEEDS = tuple(range(1000, 1005))


@target("step-size", "A learned step size")
def step_size(lab: Lab) -> Result:
    result = Result()
    models = Models(lab)
    models.train("learned step", "learned_step", "learned_step")
    models.of["1/L"] = l2ogen.load("gd").compile()()
    quadratic = l2ogen.api.problem("quadratic").compile()
    panels = []
    for n in (20, 100):
        problems = chunks(quadratic, 8 if lab.small else 1024, n=n)
        curves = measure(f"quadratics, n = {n}", models.of, problems, 20 if lab.small else 100)
        ratio, note = curves.ratio("learned step", "1/L", 1e-12), "trained on n = 20"
        result.row(f"n = {n}: largest ratio of the mean gap to that of 1/L", ratio, "", goal=1.0, note=note)
        tabulate(result, curves, models if n == 20 else Models(lab), tails=("learned step",))
        panels.append(curves)
    digits(lab, result)
    result.figure = draw(panels)
    return result


# ---- a network on handwritten digits -----------------------------------------------------------------
def digits(lab: Lab, result: Result) -> None:
    """Trains the rule on other starts and draws; then the loss after equal steps, for five starts and draws."""
    steps = 10 if lab.small else 100
    started = time.perf_counter()
    model = meta_trained(2 if lab.small else 150, steps)
    result.row("digits, training of the learned step", time.perf_counter() - started, "s", seed=0)
    rates = (*RATES, *BEYOND)
    for length in (steps, 4 * steps):
        learned, constant = [], []
        for seed in SEEDS:
            learned.append(float(descent(seed, length, model)))
            constant.append(descent(seed, length, rates).tolist())
        best = [min(losses[: len(RATES)]) for losses in constant]
        wider = [min(losses) for losses in constant]
        one = [sum(of_rate) / len(SEEDS) for of_rate in zip(*constant, strict=True)]
        chosen = rates[one.index(min(one[: len(RATES)]))]
        shown = ", ".join(f"{a:.3f} / {b:.3f}" for a, b in zip(learned, best, strict=True))
        mean, goal = (sum(losses) / len(SEEDS) for losses in (learned, best))
        note = f"goal: the best of 13 rates, 1e-3 to 1, for each start; learned / best: {shown}"
        result.row(f"digits, loss after {length} steps, mean of {len(SEEDS)} starts", mean, "", goal=goal, note=note)
        result.row(f"digits, loss after {length} steps, the best single rate, {chosen:.3g}", min(one[: len(RATES)]), "")
        result.row(f"digits, loss after {length} steps, the best of 17 rates, up to 10, for each start",
                   sum(wider) / len(SEEDS), "")  # fmt: skip


def external(seed: int, batch: tuple[int, ...] = ()) -> Any:
    """The training loss of a small network, from a start and with draws that the seed decides."""
    import torch

    from l2ogen.runtime import digits_mlp

    made = l2ogen.load("external").compile()
    return made(**digits_mlp(batch=batch, seed=seed), generator=torch.Generator().manual_seed(seed))


def meta_trained(updates: int, steps: int, segment: int = 20, starts: int = 8) -> Any:
    """The rule's network, trained on the mean loss over the steps: truncated backpropagation, as everywhere else."""
    import torch

    torch.manual_seed(0)
    module = l2ogen.load("learned_step:stochastic").module("external")
    model = module.LearnedStep_stochastic()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    course = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)
    for update in range(updates):
        problem = external(update, (starts,))
        state = model.init_state(problem)
        for _ in range(0, steps, segment):
            loss = problem.zeros(1).mean()
            for _ in range(segment):
                state = model.step(problem, state)
                loss = loss + problem.draw()(state.x).mean() / segment  # of other digits
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            state = module.detach(state)
        course.step()
    return model


def descent(seed: int, steps: int, how: Any) -> Tensor:
    """The loss after so many steps, of the rule or of each constant rate, on the same draws."""
    import torch

    problem = external(seed)
    with torch.no_grad():
        if not isinstance(how, tuple):
            return problem.F(how(problem, steps)).squeeze(-1)
        x, rate = problem.x0.expand(len(how), -1), torch.tensor(how).unsqueeze(-1)
        for _ in range(steps):
            x = x - rate * problem.stochgrad_f(x, problem.draw())
        return problem.F(x).squeeze(-1)
