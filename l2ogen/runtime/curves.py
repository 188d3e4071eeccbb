"""Curves of several algorithms over iterations and over time, as tables, Markdown, CSV and JSON."""
from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass, field
from typing import Any

import torch
from rich.box import SIMPLE_HEAD
from rich.table import Table
from torch import Tensor

from l2ogen.runtime.solver import Solution

AT = (1, 5, 10, 20, 50, 100)                # iterations shown in tables
ACCURACY = {"gap": (1e-2, 1e-4, 1e-6), "nmse": (-10.0, -20.0, -30.0)}   # levels to reach; NMSE in dB
STATISTICS = ("mean", "median", "p99", "worst")


@dataclass(frozen=True)
class Curve:
    """One algorithm: a value per iteration k = 0 .. K and instance, (K + 1, instances). Smaller is better."""

    values: Tensor
    seconds: float              # per iteration of the whole batch
    weights: Tensor             # of the instances in the mean; they sum to 1
    elapsed: Tensor | None = None   # (K + 1): seconds of the whole batch up to each iteration; None: k*seconds

    @property
    def mean(self) -> Tensor:
        weighted = (self.values * self.weights).where(self.weights > 0, 0.0)    # 0*inf is not a number
        return weighted.sum(-1)

    @property
    def worst(self) -> Tensor:
        return self.values.amax(-1)

    def quantile(self, q: float) -> Tensor:
        return torch.quantile(self.values, q, dim=-1, interpolation="nearest")

    @property
    def median(self) -> Tensor:
        return self.quantile(0.5)

    @property
    def p99(self) -> Tensor:
        return self.quantile(0.99)

    @property
    def milliseconds(self) -> Tensor:
        """Per instance, up to each iteration, (K + 1)"""
        total = torch.arange(len(self.values)) * self.seconds if self.elapsed is None else self.elapsed
        return 1e3 * total / self.values.shape[-1]

    def reached(self, level: float, statistic: str = "mean") -> int | None:
        """The first iteration whose mean (median, …) is at most `level`"""
        below = (getattr(self, statistic) <= level).nonzero()
        return int(below[0, 0]) if len(below) else None

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
    """Curves of several algorithms on the same problems; prints as rich tables, Markdown, CSV or JSON.

    `at` are the iterations shown, `accuracy` the levels to reach (of the NMSE in dB); without them the usual ones.
    """

    title: str
    metric: str                 # "gap": (F(x_k) - F*)/|F*|; "nmse": ||x_k - x_true||^2/||x_true||^2, in dB
    curves: dict[str, Curve] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    solution: Solution | None = None
    settings: dict[str, Any] = field(default_factory=dict)  # how it was made, for JSON and reports

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

    @property
    def accuracy_caption(self) -> str:
        return "Time to accuracy: iterations k, and ms per instance"

    def shown(self, value: float) -> str:
        if self.metric == "nmse" and value >= 0:
            return f"{10 * math.log10(max(value, 1e-30)):.1f}"
        if math.isfinite(value) and abs(value) < 1e-15:     # below what float64 resolves
            return "<1e-15"
        digits, _, exponent = f"{value:.1e}".partition("e")
        return f"{digits}e{int(exponent)}" if exponent else digits      # 1.2e-3, inf

    def levels(self, accuracy: tuple[float, ...] | None = None) -> list[tuple[str, float]]:
        """(as text, as a value of the curves): ("1e-4", 1e-4), ("-20 dB", 1e-2)"""
        chosen = accuracy or ACCURACY[self.metric]
        if self.metric == "nmse":
            return [(f"{level:g} dB", 10 ** (level / 10)) for level in chosen]
        return [(_short(level), level) for level in chosen]

    # ---- as rows
    def rows(self, at: tuple[int, ...] = AT) -> list[list[str]]:
        """Heading and rows: the statistics at the iterations `at`, instances that fail, ms per iteration"""
        at = tuple(k for k in at if k <= self.iterations) or (self.iterations,)
        ends = ["div.", "stall", "ms"] if self.metric == "gap" else ["div.", "ms"]  # layers need not improve
        rows = [["algorithm", "", *(f"k={k}" for k in at), *ends]]
        for name, curve in self.curves.items():
            facts = {"div.": str(curve.diverged), "stall": str(curve.stalled), "ms": f"{1e3 * curve.seconds:.3g}"}
            for label in STATISTICS:
                line, first = getattr(curve, label), label == STATISTICS[0]
                rows.append([name if first else "", label, *(self.shown(line[k].item()) for k in at),
                             *(facts[end] if first else "" for end in ends)])
        return rows

    def accuracy_rows(self, accuracy: tuple[float, ...] | None = None) -> list[list[str]]:
        """Heading and rows: iterations and ms per instance until the mean, and the median, is at most each level"""
        levels = self.levels(accuracy)
        rows = [["algorithm", "", *(f"{unit} to {text}" for text, _ in levels for unit in ("k", "ms"))]]
        for name, curve in self.curves.items():
            for label in ("mean", "median"):
                cells = []
                for _, level in levels:
                    k = curve.reached(level, label)
                    cells += ["-", "-"] if k is None else [str(k), f"{curve.milliseconds[k].item():.3g}"]
                rows.append([name if label == "mean" else "", label, *cells])
        return rows

    # ---- as text
    def table(self, at: tuple[int, ...] = AT) -> Table:
        return _table(self.rows(at), self.caption, "; ".join(self.notes), len(STATISTICS))

    def accuracy_table(self, accuracy: tuple[float, ...] | None = None) -> Table:
        return _table(self.accuracy_rows(accuracy), self.accuracy_caption, "", 2)

    def markdown(self, at: tuple[int, ...] = AT, accuracy: tuple[float, ...] | None = None) -> str:
        notes = "".join(f"\n{note}.\n" for note in self.notes)
        return (f"{self.caption}:\n\n{_markdown(self.rows(at))}\n{notes}"
                f"\n{self.accuracy_caption}:\n\n{_markdown(self.accuracy_rows(accuracy))}\n")

    def to_csv(self) -> str:
        """One line per algorithm and iteration, with a heading; NMSE as a ratio."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["problem", "metric", "algorithm", "iteration", *STATISTICS, "milliseconds_per_instance"])
        for name, curve in self.curves.items():
            lines = [getattr(curve, label).tolist() for label in STATISTICS]
            for k, values in enumerate(zip(*lines, curve.milliseconds.tolist(), strict=True)):
                writer.writerow([self.title, self.metric, name, k, *(f"{value:.9g}" for value in values)])
        return text.getvalue()

    def to_json(self, at: tuple[int, ...] | None = None, accuracy: tuple[float, ...] | None = None) -> str:
        """The statistics at every iteration (or those in `at`). What is not finite becomes null."""
        return json.dumps(self.document(at, accuracy), indent=2) + "\n"

    def document(self, at: tuple[int, ...] | None = None, accuracy: tuple[float, ...] | None = None) -> dict[str, Any]:
        """What `to_json` writes"""
        at = tuple(range(self.iterations + 1)) if at is None else at
        found: dict[str, Any] = {"problem": self.title, "metric": self.metric, "instances": self.instances,
                                 "iterations": list(at), "algorithms": {}, "notes": self.notes}
        for name, curve in self.curves.items():
            found["algorithms"][name] = {
                **{label: _numbers(getattr(curve, label), at) for label in STATISTICS},
                "diverged": curve.diverged, "stalled": curve.stalled, "seconds_per_iteration": curve.seconds,
                "milliseconds_per_instance": _numbers(curve.milliseconds, at),
                "to_accuracy": [self._reached(curve, *level) for level in self.levels(accuracy)],
            }
        if self.solution is not None:
            s = self.solution
            found["solution"] = {
                "relative_gap": s.duality_gap, "uncertified": s.uncertified, "residual": s.residual,
                "iterations": s.iterations}
        return found | ({"settings": self.settings} if self.settings else {})

    def _reached(self, curve: Curve, text: str, level: float) -> dict[str, Any]:
        found: dict[str, Any] = {"level": text}
        for label in ("mean", "median"):
            k = curve.reached(level, label)
            found[label] = None if k is None else {
                "iteration": k, "milliseconds_per_instance": curve.milliseconds[k].item()}
        return found


def _table(rows: list[list[str]], title: str, caption: str, section: int) -> Table:
    """A table whose algorithms take `section` rows each; the first of them is bold."""
    table = Table(title=title, caption=caption or None, title_justify="left", caption_justify="left",
                  box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)   # fits 80 columns
    for index, name in enumerate(rows[0]):
        table.add_column(name, justify="left" if index < 2 else "right", no_wrap=True)
    for index, row in enumerate(rows[1:]):
        table.add_row(*row, style="dim" if index % section else "bold", end_section=index % section == section - 1)
    return table


def _markdown(rows: list[list[str]]) -> str:
    heading, *others = rows
    lines = [heading, ["---", "---", *["---:"] * (len(heading) - 2)], *others]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _short(level: float) -> str:
    """0.0025 -> 2.5e-3"""
    digits, exponent = f"{level:.2e}".split("e")
    return f"{digits.rstrip('0').rstrip('.')}e{int(exponent)}"


def _numbers(line: Tensor, at: tuple[int, ...]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in (line[k].item() for k in at)]
