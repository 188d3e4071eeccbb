"""Convergence plots. matplotlib is imported here and in no other file, inside the function that draws."""
from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from l2ogen.runtime.checkpoint import write_atomically
from l2ogen.runtime.curves import Comparison

# Okabe and Ito's colours, told apart with any colour vision; line styles tell them apart in grey too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
BAND = (0.1, 0.9)   # quantiles of the shaded band
# Neither date nor version in the file: the same numbers give the same picture.
NAMELESS: dict[str, dict[str, None]] = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
STYLE: dict[str, Any] = {"pdf.fonttype": 42, "svg.hashsalt": "l2ogen", "axes.linewidth": 0.8}    # fonts are embedded


def plot_comparisons(comparisons: Sequence[Comparison], file: Path | str, *, floor: float = 1e-12,
                     axes: Sequence[str] = ("iterations",)) -> Path:
    """`drawn` in a file: PNG, SVG or PDF by its name, PNG where it has none of these. It is written at once."""
    file = Path(file)
    known = file.suffix.removeprefix(".")
    write_atomically(file, drawn(comparisons, known if known in NAMELESS else "png", floor=floor, axes=axes))
    return file


def drawn(comparisons: Sequence[Comparison], kind: str = "png", *, floor: float = 1e-12,
          axes: Sequence[str] = ("iterations",)) -> bytes:
    """A column of panels per comparison: the mean, and 10 % to 90 % of the instances shaded. `kind`: png, svg or pdf.

    A row of panels for each of the `axes`: "iterations", and "time" for milliseconds per instance. Gaps are drawn on a
    logarithmic axis that ends at `floor`; NMSE in dB on a linear one.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if kind not in NAMELESS:
        raise ValueError(f"a picture is one of {', '.join(NAMELESS)}, not {kind}")
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(4.6 * len(comparisons), 3.6 * len(axes)), dpi=200, layout="constrained")
        FigureCanvasAgg(figure)     # no display is needed, and pyplot's global state is left alone
        panels = figure.subplots(len(axes), len(comparisons), squeeze=False)
        for row, axis in zip(panels, axes, strict=True):
            for panel, comparison in zip(row, comparisons, strict=True):
                _panel(panel, comparison, axis, floor)
                if axis == axes[0]:
                    title = f"{comparison.title} ({comparison.instances} instances)"
                    panel.set_title(textwrap.fill(title, 48).replace("$", r"\$"), fontsize=10)
        first = panels[0][0]
        many = len(comparisons[0].curves) > 5
        place: dict[str, Any] = {"loc": "outside right upper"} if many else {}
        (figure if many else first).legend(
            *first.get_legend_handles_labels(), frameon=False, fontsize=9, title="mean; band: 10 to 90 %",
            title_fontsize=8, **place)
        made = io.BytesIO()
        figure.savefig(made, format=kind, metadata=NAMELESS[kind])
    return made.getvalue()


def _panel(panel: Any, comparison: Comparison, axis: str, floor: float) -> None:
    """All curves of a comparison over one axis."""
    decibel, timed, least = comparison.metric == "nmse", axis == "time", 1.0
    for index, (name, curve) in enumerate(comparison.curves.items()):
        lines = [curve.mean, *(curve.quantile(q) for q in BAND)]
        if decibel:
            lines = [10 * line.clamp(min=1e-30).log10() for line in lines]
        # Not finite: cut off at the top of the panel; nothing: at its bottom.
        lines = [line.clamp(min=-300.0 if decibel else floor, max=1e30) for line in lines]
        places = curve.milliseconds if timed else torch.arange(len(curve.values))
        start_at = int(timed)       # there is no time 0 on a logarithmic axis
        x, mean, low, high = (line[start_at:].cpu().numpy() for line in (places, *lines))
        least = min(least, float(low.min()))
        look = {"color": COLOURS[index % len(COLOURS)]}
        dashes = DASHES[(index + index // len(COLOURS)) % len(DASHES)]      # no pair of the two comes twice soon
        panel.plot(x, mean, linestyle=dashes, linewidth=1.8, label=name.replace("$", r"\$"), zorder=3, **look)
        panel.fill_between(x, low, high, alpha=0.15, linewidth=0, zorder=2, **look)
    first = torch.stack([curve.mean[0] for curve in comparison.curves.values()])
    start = first[first.isfinite()].max().item() if first.isfinite().any() else 1.0
    if decibel:
        panel.set_ylabel("NMSE (dB)")
        panel.set_ylim(top=10 * math.log10(max(start, 1e-30)) + 10)
    else:
        panel.set_yscale("log")
        panel.set_ylim(max(floor, 0.3 * least), 10 * max(start, 10 * floor))
        panel.set_ylabel(r"relative gap $(F(x_k) - F^*)\,/\,F^*$")
    if timed:
        panel.set_xscale("log")
        panel.set_xlabel("milliseconds per instance")
    else:
        panel.set_xlabel("layer $k$" if decibel else "iteration $k$")
        panel.set_xlim(0, max(comparison.iterations, 1))
    panel.grid(True, which="major", color="0.88", linewidth=0.6)
    panel.spines[["top", "right"]].set_visible(False)


def plot_layers(
    sizes: Mapping[str, Sequence[float]], title: str, file: Path | str, *, floor: float = 1e-16,
    also: Mapping[str, Mapping[int, float]] | None = None,
) -> Path:
    """One line per name over the layers k = 0, 1, …, on a logarithmic axis: PNG, SVG or PDF by the file's name.
    `also`: lines at chosen k.

    A size below `floor`, 0 among them, is drawn there.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(4.6, 3.6), dpi=200, layout="constrained")
    FigureCanvasAgg(figure)
    panel = figure.subplots()
    lines = {name: dict(enumerate(values)) for name, values in sizes.items()} | dict(also or {})
    for index, (name, values) in enumerate(lines.items()):
        colour, dashes = COLOURS[index % len(COLOURS)], DASHES[index % len(DASHES)]
        shown = [max(value, floor) for value in values.values()]
        panel.plot(list(values), shown, color=colour, linestyle=dashes, marker=".", label=name)
    panel.set_yscale("log")
    panel.set_xlabel("layer $k$")
    panel.set_ylabel("size of what must vanish" if sizes else "size")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.set_title(textwrap.fill(title, 48).replace("$", r"\$"), fontsize=10)
    panel.grid(True, which="major", color="0.88", linewidth=0.6)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False, fontsize=8)
    file = Path(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata=NAMELESS[file.suffix[1:]])
    return file
