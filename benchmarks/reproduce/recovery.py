"""Sparse recovery: 16 layers of LISTA and what came after it, on the published dictionary and test signals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import l2ogen

from .common import Lab, Result, target

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from l2ogen.runtime import Trained

SEED = 0
SMALL = {"m": 10, "n": 20, "layers": 2, "batch": 8}
SOURCE = "LISTA-CPSS (2018), figure 5"


@dataclass
class Run:
    """A trained network, with the seconds that its training took, and those of the runs that it started from."""

    trained: Trained
    seconds: float
    seconds_before: float = 0.0
    kept: bool = False
    """Whether no step improved on the run that it starts from, so that these are still those weights."""

    @property
    def total(self) -> float:
        return self.seconds + self.seconds_before


class Recovery:
    """Trains on the published dictionary and tests on the published signals; with `--small` on small random ones."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        if not lab.small:
            for file in ("hyperlista_fixed_A.npz", "lista_x_test_500x1000.npy"):
                lab.file(file)

    def train(self, name: str, spec: str, *, snr: float = math.inf, warm: tuple[str, Run] | None = None,
              **settings: Any) -> Run:
        """The spec, trained at a ratio of signal to noise; `warm`: the name of the run that it starts from, and it."""
        from l2ogen.runtime import checkpoint

        settings = {"snr": snr, "seed": SEED, **settings}
        if warm is not None:
            settings["warm"] = str(self.lab.runs / warm[0])
        if self.lab.small:
            settings |= SMALL | _few(spec, settings)
        else:
            settings["on"] = "published_coding"
        trained, seconds = self.lab.trained(name, spec, **settings)
        if warm is None:
            return Run(trained, seconds)
        _, meta = checkpoint.load(self.lab.runs / name / "weights.safetensors")
        return Run(trained, seconds, warm[1].total, kept=meta["step"] == 0)

    def nmse(self, run: Run, *, snr: float = math.inf, draw: int = 0, **law: float) -> list[float]:
        """NMSE in dB after each layer, k = 0 .. K: 10*log10 of a ratio of sums over 1000 published test signals.

        With `law`, signals are drawn from the law of the training with these numbers changed. `draw`: of these, or of
        the noise, another one.
        """
        import torch

        from l2ogen.runtime import evaluate_recovery

        made, count = run.trained, 50 if self.lab.small else 1000
        generator = torch.Generator().manual_seed(777_000 + draw)
        problem = l2ogen.load("published_coding" if law or self.lab.small else "published_test").compile()
        sizes = {name: int(made.settings.sizes[name]) for name in ("m", "n")}
        drawn = problem.sample(count, **made.shared, **sizes, snr=snr, **law, generator=generator)
        curve = evaluate_recovery({"": made.model}, drawn, made.settings.iterations, dtype=torch.float32).curves[""]
        return [10 * math.log10(max(value, 1e-30)) for value in curve.mean.tolist()]


def _few(spec: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """A training of that kind, as short as can be."""
    training = l2ogen.load(spec).checked.program.training  # type: ignore[union-attr]
    said = dict(training.settings)
    if "search" in said:
        return {"search": str(said["search"].with_options(points=3))}
    if "schedule" in said or "schedule" in settings:
        return {"schedule": "layerwise(steps = 1, rates = 1e-2)", "validate_batch": 8}
    return {"steps": 2, "validate_batch": 8}


def _row(result: Result, name: str, curve: Sequence[float], run: Run, **more: Any) -> None:
    """The last layer of a curve beside the published number."""
    if run.kept:  # a number of another network: nothing is reached by it
        more["note"] = "no step improved on the network that it starts from, whose number this is"
    if run.total:  # published weights were not trained here
        more |= {"seed": SEED, "seconds": run.total}
    result.row(name, curve[-1], "dB", **more)
    if run.kept:
        result.rows[-1].reached = False if "goal" in more else None


def _figure(panels: Mapping[str, Mapping[str, Sequence[float | None]]], across: str, along: str,
            other: Mapping[str, tuple[str, str]] = {}) -> Figure:
    """A panel for each name, with its curves; `other` labels for panels by name."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from l2ogen.runtime.plots import COLOURS, DASHES

    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4.6 * columns, 3.4 * rows), dpi=96, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).flat
    for panel, (title, curves) in zip(axes, panels.items(), strict=False):
        for i, (name, values) in enumerate(curves.items()):
            style = {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i % len(DASHES)], "linewidth": 1.6}
            heights: Any = values
            panel.plot(range(len(values)), heights, label=name, **style)
        panel.set_title(title, fontsize=10)
        below, left = other.get(title, (across, along))
        panel.set_xlabel(below)
        panel.set_ylabel(left)
        panel.grid(True, color="0.88", linewidth=0.6)
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(frameon=False, fontsize=8)
    return figure


def _decibel(result: Result) -> None:
    """The picture of curves in dB."""
    result.figure = _figure(result.curves, "layer $k$", "NMSE (dB)")


# ---- ALISTA ----------------------------------------------------------------------------------------
def _alista(world: Recovery, snr: float = math.inf) -> tuple[str, Run]:
    name = "alista" if snr == math.inf else f"alista_{snr:g}"
    return name, world.train(name, "alista:geometric" if snr >= 40 else "alista:noisy", snr=snr)


@target("alista", "ALISTA: the analytic weight, and recovery without noise, at 40 dB and at 20 dB")
def alista(lab: Lab) -> Result:
    world, result = Recovery(lab), Result()
    runs = {snr: _alista(world, snr)[1] for snr in (math.inf, 40.0, 20.0)}
    W: Any = runs[math.inf].trained.model.W
    A = runs[math.inf].trained.shared["A"]
    off, coherence = _off_diagonal(W, A)
    published = "HyperLISTA's A; closed form against the shipped W"
    result.row("analytic W: squared Frobenius norm of W'*A off the diagonal", off, "", published=502.05, note=published,
               goal=502.1)
    result.row("analytic W: coherence", coherence, "", published=0.204, goal=0.205)
    source = "NA-ALISTA's logs, K = 16"
    for snr, published_db, goal, note in (
        (math.inf, None, -69.0, "the paper prints none; -69.2 was measured with public code"),
        (40.0, -39.07, -39.0, source), (20.0, -21.08, -21.0, source),
    ):
        name = "no noise" if snr == math.inf else f"SNR {snr:g} dB"
        curve = world.nmse(runs[snr], snr=snr)
        result.curve("ALISTA", name, curve)
        _row(result, f"ALISTA, {name}", curve, runs[snr], published=published_db, goal=goal,
             note=f"{note}; {SHARE}" if snr == 20 else note)
    exact = world.train("alista_20_exact", "alista", snr=20.0)
    _row(result, "ALISTA, SNR 20 dB, the analytic W alone", world.nmse(exact, snr=20.0), exact, published=-21.08,
         note=source)
    _decibel(result)
    return result


SHARE = "with a share of A' in the weight, as a descent that stops early leaves it: W' alone makes the noise larger"


def _off_diagonal(W: Tensor, A: Tensor) -> tuple[float, float]:
    """||W'*A||_F^2 without the diagonal, and the largest |w_i'*a_j|, of columns scaled to w_i'*a_i = 1; in float64."""
    W, A = W.detach().double(), A.double()
    W = W / (W * A).sum(0)
    products = W.mT @ A
    products.fill_diagonal_(0.0)
    return products.square().sum().item(), products.abs().max().item()


# ---- the LISTA family ------------------------------------------------------------------------------
def _family(world: Recovery, snr: float) -> dict[str, Run]:
    """Each starts from the one that has fewer weights, with selection of the support and without:
    ALISTA -> LISTA-CPSS -> LISTA-SS, ALISTA without selection -> LISTA-CP -> LISTA."""
    clean = snr == math.inf
    end = "" if clean else f"_{snr:g}"
    start = _alista(world, snr)
    found = {"ALISTA": start[1]}
    cpss = f"lista_cpss{end}"
    found["LISTA-CPSS"] = world.train(cpss, "lista_cpss:scaled" if clean else "lista_cpss:noisy", snr=snr, warm=start)
    found["LISTA-SS"] = world.train(f"lista_ss{end}", "lista_ss:residual" if clean else "lista_ss:noisy", snr=snr,
                                    warm=(cpss, found["LISTA-CPSS"]))
    plain: tuple[str, Run] = "alista_plain", world.train("alista_plain", "alista:plain_geometric")
    cp = "lista_cp", world.train("lista_cp", "lista_cp:analytic", warm=plain)
    if not clean:
        long: dict[str, Any] = {"warm": cp, "rate": 2e-2, "steps": 3000}
        cp = f"lista_cp{end}", world.train(f"lista_cp{end}", "lista_cp:analytic", snr=snr, **long)
    found["LISTA-CP"] = cp[1]
    found["LISTA"] = world.train(f"lista{end}", "lista:residual", snr=snr, warm=cp)
    return found


PUBLISHED = {
    math.inf: {"LISTA": (-39.2, -39.2), "LISTA-CP": (-39.8, -39.8), "LISTA-SS": (-54.2, -64.9),
               "LISTA-CPSS": (-64.9, -64.9)},
    30.0: {"LISTA": (-28.1, -28.0), "LISTA-CP": (-27.9, -28.0), "LISTA-SS": (-31.3, -33.0),
           "LISTA-CPSS": (-33.9, -33.9)},
}  # fmt: skip
"""(published, goal) after 16 layers; the published are read off figure 5 of the paper, 0.15 dB accurate."""


@target("lista", "LISTA, LISTA-CP, LISTA-SS, LISTA-CPSS: without noise and at 30 dB")
def lista(lab: Lab) -> Result:
    world, result = Recovery(lab), Result()
    for snr, published in PUBLISHED.items():
        title = "no noise" if snr == math.inf else f"SNR {snr:g} dB"
        runs = _family(world, snr)
        for name in (*published, "ALISTA"):
            curve = world.nmse(runs[name], snr=snr)
            result.curve(title, name, curve)
            if name in published:
                seen, goal = published[name]
                _row(result, f"{name}, {title}", curve, runs[name], published=seen, goal=goal, note=SOURCE)
    _decibel(result)
    return result


@target("tilista", "TiLISTA: one learned weight for all layers")
def tilista(lab: Lab) -> Result:
    world, result = Recovery(lab), Result()
    start = _alista(world)
    cpss = world.train("lista_cpss", "lista_cpss:scaled", warm=start)
    made = world.train("tilista", "tilista:geometric", warm=start)
    curves = {"LISTA-CPSS": world.nmse(cpss), "TiLISTA": world.nmse(made), "ALISTA": world.nmse(start[1])}
    for name, curve in curves.items():
        result.curve("no noise", name, curve)
    _row(result, "TiLISTA, no noise", curves["TiLISTA"], made, goal=curves["LISTA-CPSS"][-1],
         note="no number is published; the goal is LISTA-CPSS here")
    A = made.trained.shared["A"]
    weights: dict[str, Any] = {"A": A, "analytic W": start[1].trained.model.W, "TiLISTA's W": _tied(made)}
    columns = "largest |w_i'a_j| of every tenth column, sorted"
    for name, W in weights.items():
        goal = 0.22 if name == "TiLISTA's W" and not made.kept else None
        result.row(f"coherence of {name}, unit diagonal", _off_diagonal(W, A)[1], "", goal=goal)
        result.curve(columns, name, _largest(W, A))
    result.figure = _figure(result.curves, "layer $k$", "NMSE (dB)", {columns: ("column", "coherence")})
    return result


def _tied(made: Run) -> Tensor:
    """TiLISTA's weight: what its training added to the analytic one is scaled down there."""
    model: Any = made.trained.model
    tied: Tensor = model.W + model.D / 100
    return tied


def _largest(W: Tensor, A: Tensor) -> list[float]:
    """max over j != i of |w_i'*a_j|, unit diagonal, sorted: 50 of them"""
    W = W.detach() / (W.detach() * A).sum(0)
    products = (W.mT @ A).abs()
    products.fill_diagonal_(0.0)
    ordered = products.amax(1).sort().values
    return ordered[:: max(1, len(ordered) // 50)].tolist()


# ---- HyperLISTA and NA-ALISTA ----------------------------------------------------------------------
DRAWS = 9
"""Of 1000 signals each: one signal that is not recovered makes 1000 worse by 10 dB and more."""


@target("hyperlista", "HyperLISTA: three numbers, and signals of another law")
def hyperlista(lab: Lab) -> Result:
    world, result = Recovery(lab), Result()
    # Densities between the two that are tested: of 0.125, 0.1275, 0.13 and 0.135 the one that serves both. A large
    # batch: failures are rare.
    density, batch = 0.1275, 2048
    names = {"hyperlista:whitened": "hyperlista_whitened", "hyperlista": "hyperlista"}
    made, printed = (world.train(name, spec, density=density, batch=batch) for spec, name in names.items())
    noisy, printed_noisy = (world.train(f"{name}_30", spec, snr=30.0, batch=batch) for spec, name in names.items())
    public, learned = None if lab.small else _public(lab, made, result), _alista(world)[1]
    for name, law, snr, published, goal in (
        ("density 0.1", {}, math.inf, -86.4, -86.0), ("density 0.15", {"density": 0.15}, math.inf, -42.3, -42.0),
        ("deviation 2", {"sigma": 2.0}, math.inf, -83.9, -83.9), ("SNR 30 dB", {}, 30.0, -31.9, -31.9),
    ):  # fmt: skip
        found = {"HyperLISTA": made, "its formula as printed": printed}
        if snr != math.inf:
            found = {"HyperLISTA": noisy, "its formula as printed": printed_noisy, "searched without noise": made}
        if public is not None:
            found["its public constants and weights"] = public
        draws = DRAWS if law or snr != math.inf else 1
        for method, run in (found | {"ALISTA": learned}).items():
            curves = sorted((world.nmse(run, snr=snr, draw=draw, **law) for draw in range(draws)), key=lambda c: c[-1])
            curve = curves[draws // 2]
            result.curve(name, method, curve)
            notes = [f"median of {draws} draws, {curves[0][-1]:.1f} to {curves[-1][-1]:.1f}"] if draws > 1 else []
            if method == "HyperLISTA":
                notes.append("searched at this SNR" if run is noisy else f"searched at density {density}")
                notes.append("published: one draw, public constants")
                _row(result, f"HyperLISTA, {name}", curve, run, published=published, goal=goal, note="; ".join(notes))
            elif method != "ALISTA":
                _row(result, f"HyperLISTA, {name}, {method}", curve, run, published=published, note="; ".join(notes))
    _decibel(result)
    return result


def _public(lab: Lab, made: Run, result: Result) -> Run:
    """The numbers 0.01, 0.0046, 0.4 of the public code, with its W and G: the coherence is part of its first two.

    How far W and G are from those computed here goes into the result.
    """
    import copy

    import numpy as np
    import torch

    with np.load(lab.file("hyperlista_fixed_A.npz"), allow_pickle=False) as arrays:
        A, G, W_gram = (torch.as_tensor(arrays[key], dtype=torch.float64) for key in ("A", "G", "W_gram"))
    model: Any = copy.deepcopy(made.trained.model)
    W, mu = G.mT @ W_gram, _off_diagonal(G.mT @ W_gram, A)[1]
    for name, public, ours in (("W", W, model.W), ("G", G, A @ model.B.double())):  # A*pinv(A)*G
        difference = torch.linalg.matrix_norm(ours - public) / torch.linalg.matrix_norm(public)
        result.row(f"HyperLISTA, {name}: ||ours - public||_F/||public||_F", difference.item(), "")
    with torch.no_grad():
        for buffer, value in ((model.W, W), (model.B, torch.linalg.pinv(A) @ G)):
            buffer.copy_(value)
        model.mu.fill_(mu)
        for name, value in (("c1", 0.01 / mu), ("c2", 0.0046 / mu), ("c3", 0.4)):
            made.trained.training.assign(model, name, torch.full((1,), value))
    return Run(made.trained._replace(model=model), 0.0)


@target("na_alista", "NA-ALISTA: step and threshold from the norm of the residual")
def na_alista(lab: Lab) -> Result:
    world, result = Recovery(lab), Result()
    for snr, published in ((40.0, -42.2), (20.0, -21.6)):
        name, source = f"NA-ALISTA, SNR {snr:g} dB", "its logs, K = 16"
        made = world.train(f"na_alista_{snr:g}", "na_alista:noisy", snr=snr)
        exact = world.train(f"na_alista_{snr:g}_exact", "na_alista", snr=snr, optimizer="adam(rate = 5e-4)")
        for label, run in (("NA-ALISTA", made), ("the analytic W alone", exact), ("ALISTA", _alista(world, snr)[1])):
            curve = world.nmse(run, snr=snr)
            result.curve(f"SNR {snr:g} dB", label, curve)
            if run is made:
                _row(result, name, curve, run, published=published, goal=published, note=f"{source}; {SHARE}")
            elif run is exact:
                _row(result, f"{name}, {label}", curve, run, published=published, note=source)
    _decibel(result)
    return result


# ---- the coupling of LISTA's weights ---------------------------------------------------------------
PARTS = (50, 200)
"""Steps per layer and rate of LISTA's trainings after which its weights are measured."""


@target("coupling", "LISTA: do free weights become W2 = I - W1*A, and do thresholds vanish?")
def coupling(lab: Lab) -> Result:
    """W2_k = 0 and W1_k = A'/L at first, where the distance is 1; W2_0 stays, since it is applied to x_0 = 0."""
    world, result = Recovery(lab), Result()
    for steps in PARTS:
        schedule = f"layerwise(steps = {steps}, rates = (5e-3, 1e-3, 2e-4))"
        made = world.train(f"lista_free_{steps}", "lista:free", schedule=schedule)
        distance, theta = _coupling(made.trained)
        result.curve("||W2_k - (I - W1_k*A)||_2", f"{steps} steps per layer and rate", [math.nan, *distance[1:]])
        result.curve("theta_k", f"{steps} steps per layer and rate", theta)
    start = "it starts at 1"
    for what, ours in (("worst layer after the first", max(distance[1:])), ("median", median(distance[1:])),
                       ("best", min(distance[1:]))):
        result.row(f"||W2_k - (I - W1_k*A)||_2, {what}", ours, "", goal=1.0, seed=SEED, seconds=made.total, note=start)
    result.row("theta_k, last layer / first layer", theta[-1] / theta[0], "", seed=SEED, seconds=made.total)
    curve = world.nmse(made)
    result.row("the trained network, no noise", curve[-1], "dB", seed=SEED, seconds=made.total)
    result.figure = _figure(result.curves, "layer $k$", "")
    return result


def _coupling(made: Trained) -> tuple[list[float], list[float]]:
    """||W2_k - (I - W1_k*A)||_2 and theta_k of each layer"""
    import torch

    model: Any = made.model
    A = made.shared["A"].double()
    eye = torch.eye(A.shape[1], dtype=torch.float64)
    pairs = zip(model.W1, model.W2, strict=True)
    distance = [torch.linalg.matrix_norm(W2.double() - eye + W1.double() @ A, 2).item() for W1, W2 in pairs]
    return distance, [theta.abs().item() for theta in model.theta]
