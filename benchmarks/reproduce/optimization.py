"""Solving problems, each with data of its own: L2O-PA (Liu et al., ICML 2023), its variants, and its competitors.

The paper prints figures alone. The numbers called published are those of its code, measured with few instances
(16 LASSO problems of 250 x 500, 200 patches); a goal is a share of what FISTA reaches on the same instances.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import l2ogen

from .common import Lab, Result, target

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

UNSEEN = 895_000
"""Seed of the test instances; trainings draw from streams of their own seeds."""
CHUNK = 64
"""Instances that are solved at once: 1024 matrices of 250 x 500 in float64 would take 1 GB."""
FLOOR = 1.7e-7
"""The relative gap that float32 resolves, in the published code."""
SHOWN = (1, 5, 10, 20, 50, 100, 200)
IN_CURVES = (*range(21), *range(25, 51, 5), *range(60, 201, 20))
"""Iterations in the JSON file."""

PA, SAFE, CERTIFIED, P = "L2O-PA", "L2O-PA, safeguarded", "L2O-PA, certified", "L2O-P, certified"
HAND_MADE = {"ISTA": "ista", "FISTA": "fista", "Adam": "adam", "AdamHD": "adam_hd"}
LOGISTIC = {"on": "logistic_l1(m = 30, n = 20, sparsity = 5)", "steps": "400", "batch": "32"}
"""As hard as real features: hardly more rows than columns."""


# ---- trainings ---------------------------------------------------------------------------------------
@dataclass
class Models:
    """Modules by name, with the seconds of their training."""

    lab: Lab
    of: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def train(self, name: str, run: str, spec: str, **settings: str) -> None:
        """One run: with the spec's own recipe, but for `settings`."""
        few = {"steps": "2", "batch": "2", "validate": "validate(every = 2, batch = 2)"} if self.lab.small else {}
        made, self.seconds[name] = self.lab.trained(run, spec, **{**settings, **few})
        self.of[name] = made.model

    def again(self, name: str, spec: str, weights_of: str) -> None:
        """The weights of another module in the rule of `spec`, which is not trained."""
        self.of[name] = l2ogen.load(spec).compile()()
        self.of[name].load_state_dict(self.of[weights_of].state_dict())

    def hand_made(self, *names: str) -> None:
        for name in names:
            self.of[name] = l2ogen.load(HAND_MADE[name]).compile()()


def lasso_models(lab: Lab) -> Models:
    """What is trained on 20 x 40 and used on every LASSO problem."""
    models = Models(lab)
    models.train(PA, "l2o_pa", "l2o_pa")
    models.again(SAFE, "l2o_pa:safeguarded", PA)
    models.train(CERTIFIED, "l2o_pa_certified", "l2o_pa_certified")
    models.train(P, "l2o_p", "l2o_p")
    models.train("L2O-DM", "l2o_dm", "l2o_dm")
    models.train("RNNprop", "rnnprop", "rnnprop")
    models.hand_made(*HAND_MADE)
    return models


# ---- curves ------------------------------------------------------------------------------------------
@dataclass
class Curves:
    """Relative gaps (F(x_k) - F*)/F* of all instances, (K + 1, instances), by algorithm."""

    title: str
    of: dict[str, Tensor]

    def mean(self, name: str) -> Tensor:
        return self.of[name].mean(-1)

    def at_most(self, name: str, gap: float) -> int | None:
        """The first iteration with a mean gap of at most `gap`"""
        found = (self.mean(name) <= gap).nonzero()
        return int(found[0]) if len(found) else None

    def diverged(self, name: str) -> int:
        """Instances that end above where they began"""
        values = self.of[name]
        return int((~(values[-1] <= values[0])).sum())

    def ratio(self, name: str, other: str, down_to: float = 0.0) -> float:
        """The largest ratio of mean gaps, over the k = 1, 2, ... where either is above `down_to`"""
        one, two = self.mean(name)[1:], self.mean(other)[1:]
        counted = (one > down_to) | (two > down_to)
        return float((one / two)[counted].max())


def chunks(problem: Any, count: int, **sizes: int) -> Iterator[Any]:
    """`count` unseen instances of a class of problems, some at a time"""
    import torch

    generator = torch.Generator().manual_seed(UNSEEN)
    for start in range(0, count, CHUNK):
        yield problem.sample(min(CHUNK, count - start), **sizes, generator=generator)


def patches(lab: Lab) -> Iterator[Any]:
    """The LASSO problems of all patches, some at a time"""
    import torch

    from l2ogen.runtime import bsds_patches

    lab.file("bsds_patches_lasso.npz")
    A, b, lam, _ = bsds_patches(lab.data, 20 if lab.small else None, dtype=torch.float32)
    lasso = l2ogen.api.problem("lasso").compile()
    for start in range(0, len(b), 250):
        yield lasso(A, b[start : start + 250], lam)


def measure(title: str, models: Mapping[str, Any], problems: Iterator[Any], iterations: int) -> Curves:
    """Every algorithm on every instance, run in float32; gaps and F* in float64."""
    import torch

    from l2ogen.runtime import evaluate

    torch.set_num_threads(1)
    found: dict[str, list[Tensor]] = {name: [] for name in models}
    for problem in problems:
        torch.manual_seed(UNSEEN)
        compared = evaluate(models, problem, iterations, dtype=torch.float32)
        for name, curve in compared.curves.items():
            found[name].append(curve.values)
    return Curves(title, {name: torch.cat(parts, -1) for name, parts in found.items()})


# ---- results -----------------------------------------------------------------------------------------
def tabulate(result: Result, curves: Curves, models: Models, tails: tuple[str, ...] = (PA, SAFE, CERTIFIED)) -> None:
    """The table of one set of problems, the curves behind it, and how long the trainings took."""
    count = next(iter(curves.of.values())).shape
    shown = [k for k in SHOWN if k < count[0]]
    kept = [k for k in IN_CURVES if k < count[0]]
    lines = [["algorithm", "", *(f"k = {k}" for k in shown), "diverged"]]
    result.curve(f"{curves.title}: iterations", "k", kept)
    for name, values in curves.of.items():
        kinds = {"mean": curves.mean(name)}
        if name in tails:
            kinds |= {"median": values.quantile(0.5, -1), "p99": values.quantile(0.99, -1), "worst": values.amax(-1)}
        for kind, line in kinds.items():
            result.curve(f"{curves.title}: {kind}", name, line[kept].tolist())
            ends = [name, kind], [str(curves.diverged(name)) if kind == "mean" else ""]
            lines.append([*ends[0], *(_short(float(line[k])) for k in shown), *ends[1]])
    result.tables[f"Relative gap (F(x_k) - F\\*)/F\\*, {count[1]} instances of {curves.title}"] = lines
    for name, seconds in models.seconds.items():
        if name in curves.of:
            result.row(f"training of {name}", seconds, "s")


def _short(value: float) -> str:
    return "<1e-15" if abs(value) < 1e-15 else f"{value:.1e}"


def tame(result: Result, curves: Curves, name: str) -> None:
    """What is asked of problems that training never saw: none diverges; L2O-PA is below ISTA, and below FISTA."""
    before, goal = f"{curves.title}, {name}", 1.0 if name in (PA, SAFE) else None
    ratio = curves.ratio(name, "ISTA", 1e-12)
    result.row(f"{before}: largest ratio of its mean gap to ISTA's", ratio, "", goal=goal)
    ratio = curves.ratio(name, "FISTA", 1e-6)
    result.row(f"{before}: the same to FISTA's, until both are below 1e-6", ratio, "", goal=goal)
    result.row(f"{before}: instances that diverge", curves.diverged(name), "", goal=0)
    last = curves.of[name][-1]
    result.row(f"{before}: instances above 1e-6 at the end", int((~(last <= 1e-6)).sum()), "", goal=0)


def draw(panels: list[Curves]) -> Figure:
    """Mean gaps, side by side; a band from the median to the worst for the learned rule of the paper"""
    from matplotlib.figure import Figure

    from l2ogen.runtime.plots import COLOURS, DASHES

    figure = Figure(figsize=(1.6 + 4.2 * len(panels), 3.8), dpi=110, layout="constrained")
    lines: dict[str, Any] = {}
    names = list(dict.fromkeys(name for curves in panels for name in curves.of))
    for panel, curves in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for name, values in curves.of.items():
            i = names.index(name)
            style = {"color": COLOURS[i % 7], "linestyle": DASHES[(i + i // 7) % 7]}
            (lines[name],) = panel.plot(curves.mean(name).clamp(1e-14, 1e30).numpy(), linewidth=1.6, **style)
            if name == PA:
                ends = [v.clamp(1e-14, 1e30).numpy() for v in (values.quantile(0.5, -1), values.amax(-1))]
                panel.fill_between(range(len(ends[0])), *ends, color=style["color"], alpha=0.15, linewidth=0)
        panel.set_yscale("log")
        panel.set_ylim(1e-13, 20)
        panel.set_xlim(0, len(next(iter(curves.of.values()))) - 1)
        panel.set_title(curves.title, fontsize=10)
        panel.set_xlabel("iteration $k$")
        panel.grid(True, color="0.88", linewidth=0.6)
    figure.axes[0].set_ylabel("mean of $(F(x_k) - F^*)/F^*$")
    figure.legend(lines.values(), lines.keys(), loc="outside right upper", frameon=False, fontsize=8)
    return figure


# ---- targets -----------------------------------------------------------------------------------------
@target("l2o-pa", "L2O-PA on LASSO: random matrices of 250 x 500, a fresh one for each instance")
def l2o_pa(lab: Lab) -> Result:
    models, result = lasso_models(lab), Result()
    sizes = {"m": 20, "n": 40, "sparsity": 5} if lab.small else {"m": 250, "n": 500, "sparsity": 50}
    models.train("Ada-LISTA", "ada_lista", "ada_lista", **({k: str(v) for k, v in sizes.items()} if lab.small else {}))
    lasso = l2ogen.api.problem("lasso").compile()
    iterations, count = (20, 8) if lab.small else (200, 1024)
    main = {name: models.of[name] for name in (PA, SAFE, CERTIFIED, P, "ISTA", "FISTA")}
    curves = measure("random LASSO", main, chunks(lasso, count, **sizes), iterations)
    others = {name: model for name, model in models.of.items() if name not in main} | {"FISTA": main["FISTA"]}
    beside = measure("random LASSO, other methods", others, chunks(lasso, count // 8, **sizes), iterations)
    last = len(curves.of[PA]) - 1
    for name, published in (("ISTA", {10: 0.429, 50: 4.5e-2}), ("FISTA", {10: 0.230, 50: 9.5e-5})):
        for k, value in ((k, v) for k, v in published.items() if k <= last):
            result.row(f"{name}: mean gap at k = {k}", float(curves.mean(name)[k]), "", published=value)
    for k, share in ((k, share) for k, share in ((10, 2), (20, 5), (50, 50)) if k <= last):
        goal = float(curves.mean("FISTA")[k]) / share
        probe = {10: 0.106, 20: 2.7e-3, 50: 3.0e-7}[k]
        result.row(f"{PA}: mean gap at k = {k}", float(curves.mean(PA)[k]), "", goal=goal, published=probe,
                   note=f"1/{share} of FISTA's")  # fmt: skip
    result.row(f"{PA}: mean gap at k = {last}", float(curves.mean(PA)[last]), "", goal=FLOOR)
    result.row(f"{PA}: instances that diverge", curves.diverged(PA), "", goal=0)
    price(result, curves)
    tabulate(result, curves, models)
    tabulate(result, beside, models, tails=())
    result.figure = draw([curves, beside])
    return result


def price(result: Result, curves: Curves) -> None:
    """What a proof of convergence costs: iterations until the mean gap is 1e-4"""
    free = curves.at_most(PA, 1e-4)
    goal = None if free is None else round(1.1 * free, 1)
    for name in (PA, SAFE, CERTIFIED, P, "FISTA"):
        needed, what = curves.at_most(name, 1e-4), f"{name}: iterations to a mean gap of 1e-4"
        aim, note = goal if name in (SAFE, CERTIFIED) else None, "the weights of L2O-PA" if name == SAFE else ""
        result.row(what, float("nan") if needed is None else needed, "", goal=aim, note=note)


@target("bsds", "LASSO on image patches by what was trained on random matrices of 20 x 40")
def bsds(lab: Lab) -> Result:
    models, result = lasso_models(lab), Result()
    curves = measure("LASSO of image patches", models.of, patches(lab), 20 if lab.small else 200)
    for name, published in (("ISTA", {10: 4.9e-2, 50: 5.8e-3}), ("FISTA", {10: 2.3e-2, 50: 3.8e-5})):
        for k, value in ((k, v) for k, v in published.items() if k < len(curves.of[name])):
            result.row(f"{name}: mean gap at k = {k}", float(curves.mean(name)[k]), "", published=value)
    for name in (PA, SAFE, CERTIFIED, P):
        tame(result, curves, name)
    price(result, curves)
    tabulate(result, curves, models)
    result.figure = draw([curves])
    return result


@target("logistic", "Logistic regression: random data as in training, and Ionosphere")
def logistic(lab: Lab) -> Result:
    result = Result()
    models = Models(lab)
    models.train(PA, "l2o_pa_logistic", "l2o_pa", **LOGISTIC)
    models.again(SAFE, "l2o_pa:safeguarded", PA)
    models.train(CERTIFIED, "l2o_pa_certified_logistic", "l2o_pa_certified", **LOGISTIC)
    models.train("L2O-DM", "l2o_dm_logistic", "l2o_dm", **LOGISTIC)
    models.train("RNNprop", "rnnprop_logistic", "rnnprop", **LOGISTIC)
    models.hand_made(*HAND_MADE)
    lab.file("ionosphere.csv")
    random, ionosphere = l2ogen.api.problem("logistic_l1").compile(), l2ogen.api.problem("ionosphere").compile()
    iterations, count = (20, 8) if lab.small else (200, 1024)
    inside = measure("random logistic", models.of, chunks(random, count, m=30, n=20, sparsity=5), iterations)
    outside = measure("Ionosphere", models.of, iter([ionosphere.sample(1, folder=str(lab.data))]), iterations)
    for name, value in (("ISTA", 9.3e-3), ("FISTA", 2.6e-3)):
        result.row(f"Ionosphere, {name}: gap at k = 10", float(outside.mean(name)[10]), "", published=value)
    for curves in (inside, outside):
        for name in (PA, SAFE, CERTIFIED):
            tame(result, curves, name)
    tabulate(result, inside, models)
    tabulate(result, outside, Models(lab), tails=())
    result.figure = draw([inside, outside])
    return result


ABLATION = {"PBA12": "pba12", "PBA12, envelopes": "pba12:envelopes"}
ABLATION |= {name: f"pba12:{name}" for name in ("PBA1", "PBA2", "PBA", "PA", "P", "A")}


@target("ablation", "What each part of PBA12 gives, on LASSO with a fresh matrix for each instance")
def ablation(lab: Lab) -> Result:
    models, result = Models(lab), Result()
    for name, spec in ABLATION.items():
        models.train(name, spec.replace(":", "_").lower(), spec, steps="300")
    models.hand_made("ISTA", "FISTA")
    lasso = l2ogen.api.problem("lasso").compile()
    iterations, count = (20, 8) if lab.small else (100, 1024)
    small = measure("LASSO, 20 x 40", models.of, chunks(lasso, count, m=20, n=40, sparsity=5), iterations)
    sizes = {"m": 40, "n": 80, "sparsity": 10} if lab.small else {"m": 250, "n": 500, "sparsity": 50}
    large = measure("LASSO, 250 x 500", models.of, chunks(lasso, count // 8, **sizes), iterations)
    result.row("20 x 40, PA: instances that diverge", small.diverged("PA"), "", goal=0, published=6,
               note="published: the public code after its own training")  # fmt: skip
    best = min((name for name in ABLATION if name != "PA"), key=lambda name: float(large.mean(name)[-1]))
    for k in (10, 20, 50):
        if k <= iterations:
            others = min(float(large.mean(name)[k]) for name in ABLATION if name != "PA")
            result.row(f"250 x 500, PA: mean gap at k = {k}", float(large.mean("PA")[k]), "", goal=others,
                       note="the best of the other variants")  # fmt: skip
    tabulate(result, small, models, tails=())
    tabulate(result, large, Models(lab), tails=(best,))
    result.figure = draw([small, large])
    return result
