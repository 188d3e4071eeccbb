"""Convergence plots. matplotlib is imported here and in no other file, inside the function that draws."""
from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from l2ogen.runtime.curves import Comparison

# Okabe and Ito's colours, told apart with any colour vision; line styles tell them apart in grey too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
BAND = (0.1, 0.9)   # quantiles of the shaded band


def plot_comparisons(comparisons: Sequence[Comparison], file: Path | str, *, floor: float = 1e-12) -> Path:
    """One panel per comparison, side by side, as PNG: the mean, and 10 % to 90 % of the instances shaded.

    Gaps are drawn on a logarithmic axis that ends at `floor`; NMSE in dB on a linear one.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(comparisons), 3.6), dpi=200, layout="constrained")
    FigureCanvasAgg(figure)     # no display is needed, and pyplot's global state is left alone
    panels = figure.subplots(1, len(comparisons), squeeze=False)[0]
    for panel, comparison in zip(panels, comparisons, strict=True):
        decibel = comparison.metric == "nmse"
        for index, (name, curve) in enumerate(comparison.curves.items()):
            lines = [curve.mean, *(curve.quantile(q) for q in BAND)]
            if decibel:
                lines = [10 * line.clamp(min=1e-30).log10() for line in lines]
            else:
                # Not finite: cut off at the top of the panel; nothing: at its bottom.
                lines = [line.clamp(min=floor, max=1e30) for line in lines]
            mean, low, high = (line.cpu().numpy() for line in lines)
            k = torch.arange(len(mean)).numpy()
            colour, dashes = COLOURS[index % len(COLOURS)], DASHES[index % len(DASHES)]
            panel.plot(k, mean, color=colour, linestyle=dashes, linewidth=1.8, label=name, zorder=3)
            panel.fill_between(k, low, high, color=colour, alpha=0.15, linewidth=0, zorder=2)
        if decibel:
            panel.set_ylabel("NMSE (dB)")
            panel.set_xlabel("layer $k$")
        else:
            start = max(curve.mean[0].item() for curve in comparison.curves.values())
            panel.set_yscale("log")
            panel.set_ylim(floor, 10 * max(start, 10 * floor))
            panel.set_ylabel(r"relative gap $(F(x_k) - F^*)\,/\,F^*$")
            panel.set_xlabel("iteration $k$")
        panel.set_xlim(0, comparison.iterations)
        title = f"{comparison.title} ({comparison.instances} instances)"
        panel.set_title(textwrap.fill(title, 48), fontsize=10)
        panel.grid(True, which="major", color="0.88", linewidth=0.6)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False, fontsize=9, title="mean; band: 10 to 90 %", title_fontsize=8)
    file = Path(file)
    figure.savefig(file, format="png", metadata={"Software": None})
    return file


def plot_layers(sizes: Mapping[str, Sequence[float]], title: str, file: Path | str, *, floor: float = 1e-16) -> Path:
    """One line per name over the layers k = 0, 1, …, on a logarithmic axis: PNG, SVG or PDF by the file's name.

    A size below `floor`, 0 among them, is drawn there.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(4.6, 3.6), dpi=200, layout="constrained")
    FigureCanvasAgg(figure)
    panel = figure.subplots()
    for index, (name, values) in enumerate(sizes.items()):
        colour, dashes = COLOURS[index % len(COLOURS)], DASHES[index % len(DASHES)]
        shown = [max(value, floor) for value in values]
        panel.plot(range(len(shown)), shown, color=colour, linestyle=dashes, marker=".", label=name)
    panel.set_yscale("log")
    panel.set_xlabel("layer $k$")
    panel.set_ylabel("size of what must vanish")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.set_title(textwrap.fill(title, 48).replace("$", r"\$"), fontsize=10)
    panel.grid(True, which="major", color="0.88", linewidth=0.6)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False, fontsize=8)
    file = Path(file)
    nameless = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata=nameless[file.suffix])
    return file
