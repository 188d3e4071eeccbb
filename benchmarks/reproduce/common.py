"""What every reproduction needs: runs that are made once and resumed, and results that write themselves down."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import l2ogen
from l2ogen.output import write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from l2ogen.runtime import Trained

COMMAND = "python -m benchmarks.reproduce"


@dataclass(frozen=True)
class Lab:
    """Where a reproduction reads and writes."""

    data: Path | None
    """published data: see docs/reproduction/README.md"""
    runs: Path
    out: Path
    small: bool = False
    """tiny sizes and few steps, to try a reproduction out: the numbers mean nothing"""

    def file(self, name: str) -> Path:
        """A file of the published data. Raises FileNotFoundError with what to do."""
        if self.data is None or not (self.data / name).is_file():
            raise FileNotFoundError(f"{name} is needed: name its folder with --data or L2OGEN_DATA")
        return self.data / name

    def trained(self, name: str, spec: str | l2ogen.Spec, **settings: Any) -> tuple[Trained, float]:
        """The run called `name`, with the seconds that its training took: made now, carried on, or taken as it is.

        Raises ValueError if there is one of another spec or other settings: nothing is deleted.
        """
        from l2ogen.runtime import Run, load_run, train

        found = l2ogen.load(spec) if isinstance(spec, str) else spec
        key = json.dumps({"spec": found.check().text, "settings": {k: str(v) for k, v in settings.items()}}, indent=1)
        folder, stamp = self.runs / name, self.runs / f"{name}.json"
        if (folder / "settings.json").is_file():
            if not stamp.is_file() or stamp.read_text(encoding="utf-8") != key:
                raise ValueError(f"{folder} was made with another spec or other settings: move it or name other --runs")
            run = train(Run.resume(folder))
        else:
            write_text(stamp, key)
            run = found.train(folder, **settings)
        return load_run(folder), run.seconds


@dataclass
class Row:
    """One number beside the published one; smaller is better."""

    what: str
    ours: float | None
    unit: str
    published: float | None = None
    goal: float | None = None
    """at most"""
    reached: bool | None = None
    seed: int | None = None
    seconds: float | None = None
    note: str = ""


@dataclass
class Result:
    """The numbers of one target, its curves, and its picture."""

    rows: list[Row] = field(default_factory=list)
    curves: dict[str, dict[str, list[float | None]]] = field(default_factory=dict)
    """panel -> name -> a value per iteration, k = 0, 1, ..."""
    tables: dict[str, list[list[str]]] = field(default_factory=dict)
    """title -> heading and lines, as they stand on the page"""
    figure: Figure | None = None

    def row(self, what: str, ours: float, unit: str, *, goal: float | None = None, **more: Any) -> None:
        """Note a number; it reaches its goal where it is at most that."""
        reached = None if goal is None else bool(ours <= goal)
        if "seconds" in more:
            more["seconds"] = round(more["seconds"], 1)
        self.rows.append(Row(what, _round(ours), unit, goal=goal, reached=reached, **more))

    def curve(self, panel: str, name: str, values: Sequence[float]) -> None:
        self.curves.setdefault(panel, {})[name] = [_round(float(v)) for v in values]


def _round(value: float | None) -> float | None:
    """Four digits; JSON has no infinity"""
    return float(f"{value:.4g}") if value is not None and math.isfinite(value) else None


# ---- targets ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Target:
    name: str
    title: str
    make: Callable[[Lab], Result]

    def run(self, lab: Lab) -> Result:
        """Make everything and write it down: NAME.json, NAME.png, and the page of all results."""
        made = self.make(lab)
        document = {
            "target": self.name, "title": self.title, "command": f"make reproduce-{self.name}",
            "rows": [{k: v for k, v in asdict(row).items() if v not in (None, "")} for row in made.rows],
            "tables": made.tables, "curves": made.curves,
        }  # fmt: skip
        if made.figure is not None:
            lab.out.mkdir(parents=True, exist_ok=True)
            part = lab.out / f".{self.name}.part.png"
            made.figure.savefig(part, metadata={"Software": None})
            part.replace(lab.out / f"{self.name}.png")
        write_text(lab.out / f"{self.name}.json", dumps(document))
        write_text(lab.out / "README.md", page(lab.out))
        return made


TARGETS: dict[str, Target] = {}


def target(name: str, title: str) -> Callable[[Callable[[Lab], Result]], Callable[[Lab], Result]]:
    """Registers what makes the result called `name`."""

    def register(make: Callable[[Lab], Result]) -> Callable[[Lab], Result]:
        TARGETS[name] = Target(name, title, make)
        return make

    return register


def dumps(document: Mapping[str, Any]) -> str:
    """JSON with a list of numbers on one line"""
    text = json.dumps(document, indent=1, ensure_ascii=False)
    return re.sub(r"\[[\s\d.eE+,null-]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text) + "\n"


# ---- the page --------------------------------------------------------------------------------------
INTRODUCTION = """# Reproductions

Each table is written by its command, which trains, evaluates and draws. Numbers stand beside the published ones, or
those of the published code where a paper prints none; seconds are those of training on two cores. `make reproduce`
makes all of them, in hours. Published data are read from the folder that `L2OGEN_DATA` names:

| file | what |
|---|---|
| `hyperlista_fixed_A.npz` | `A` 250 x 500 and its weights, as published with HyperLISTA (NeurIPS 2021) |
| `lista_x_test_500x1000.npy` | 1000 sparse test signals, as published with LISTA-CPSS (NeurIPS 2018) |
| `bsds_patches_lasso.npz` | `W` 64 x 128, `Y` 1000 x 64, `rho`: patches of BSDS500, as in Liu et al. (ICML 2023) |
| `ionosphere.csv` | 351 rows, 34 features, label g or b last (UCI) |
"""


def page(folder: Path) -> str:
    """The results in a folder as Markdown, in the order of the targets."""
    parts = [INTRODUCTION]
    for name, each in TARGETS.items():
        path = folder / f"{name}.json"
        if not path.is_file():
            continue
        document = json.loads(path.read_text(encoding="utf-8"))
        parts.append(f"## {each.title}\n\n`{document['command']}`\n\n{_table(document['rows'])}")
        for title, (heading, *lines) in document.get("tables", {}).items():
            parts.append(f"{title}:\n\n{_lines([heading, ['---'] * len(heading), *lines])}")
        if (folder / f"{name}.png").is_file():
            parts.append(f"![{each.title}]({name}.png)\n")
    return "\n".join(parts)


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = ["what", "ours", "published", "goal", "unit", "reached", "seed", "seconds", "note"]
    used = [c for c in columns if any(c in row for row in rows)]
    lines = [used, ["---"] * len(used), *([_cell(row.get(c)) for c in used] for row in rows)]
    return _lines(lines)


def _lines(lines: Sequence[Sequence[str]]) -> str:
    escaped = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in escaped) + "\n"


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)
