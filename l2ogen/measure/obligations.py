"""`l2ogen check --weights`: what only training can make vanish, measured on a trained run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..backends.torch.names import attribute, python_name
from ..core import ir
from .structure import MeanForm, NoStructure, gradient, mean_form

if TYPE_CHECKING:
    from ..analysis.numeric.measure import Given, Weights


@dataclass
class Measured:
    """Sizes of what must vanish: the spectral norm of a matrix, the largest absolute entry of what is none."""

    title: str
    folder: Path
    sizes: dict[str, list[float]] = field(default_factory=dict)
    """Obligation -> its size in the layers k = 0, 1, …"""
    left_out: dict[str, str] = field(default_factory=dict)
    """Obligation -> why it has no size."""
    drawn: list[str] = field(default_factory=list)
    """Data that differ between instances; the sizes are those at one instance."""
    form: MeanForm | None = None
    """Of a step that is a black box."""

    def __str__(self) -> str:
        what = [] if self.form is None else ["the step as x+ = x - P_k*g - b_k on one instance, g its gradient at x_k"]
        if self.sizes:
            what.insert(0, "spectral norms of matrices, largest absolute entries of the rest")
        lines = [f"{self.title} in {self.folder}: {what[0]}"]
        if self.sizes:
            lines += _table(range(self.layers), self.sizes)
            lines += [f"  {' and '.join(self.drawn)}: of one instance, drawn anew"] if self.drawn else []
        if self.form is not None:
            lines += what[1:] + _table(self.form.at, self.form.columns)
        lines += [f"  not measured: {text}: {reason}" for text, reason in self.left_out.items()]
        return "\n".join(lines)

    @property
    def layers(self) -> int:
        return len(next(iter(self.sizes.values()), []))

    def as_dict(self) -> dict[str, Any]:
        """What `check --weights --json` prints."""
        form = self.form
        return {
            "algorithm": self.title, "run": str(self.folder), "sizes": self.sizes, "not_measured": self.left_out,
            "of_one_instance": self.drawn,
            "structure": None if form is None else {"k": form.at, "P": form.P, "b": form.b, "distance": form.distance},
        }  # fmt: skip


def _table(at: Iterable[int], columns: dict[str, list[float]]) -> list[str]:
    lines = zip(at, *columns.values(), strict=True)
    rows = [["k", *columns], *([str(k), *map("{:.3e}".format, sizes)] for k, *sizes in lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]


def measure(program: ir.Algorithm, folder: Path, limit: float | None = None) -> Measured:
    """The obligations of all targets, layer by layer, and the structure of a black box. Needs torch.

    `limit`: seconds for finding the obligations. Raises ValueError where that takes longer, the folder is no run of
    this program, or nothing can be measured.
    """
    from ..analysis.deadline import TimeLimit, deadline
    from ..analysis.fixed_point import fixed_point
    from ..analysis.model import models

    try:
        with deadline(limit):
            found = [fixed_point(model) for model in models(program)]
            black_box = _is_black_box(program)
    except TimeLimit:
        raise ValueError(f"finding what to measure took longer than the time limit of {limit:g} seconds") from None
    obligations = {text: f.values.get(text) for f in found for text in f.obligations}
    if not obligations and not black_box:
        raise ValueError(f"no verdict on {program.title} depends on weights: there is nothing to measure")
    run = _read(program, folder)
    made = Measured(program.title, folder)
    _obligations(made, obligations, program, run)
    if black_box:
        try:
            made.form = mean_form(program, run.trained, run.problem)
        except NoStructure as reason:
            made.left_out["the structure of the step"] = str(reason)
    if not made.sizes and made.form is None:
        reasons = "; ".join(f"{text}: {reason}" for text, reason in made.left_out.items())
        raise ValueError(f"nothing of {program.title} can be measured: {reasons}")
    return made


def _is_black_box(program: ir.Algorithm) -> bool:
    """Whether nothing but numbers says what multiplies the gradient."""
    from ..analysis.evaluate import Unknown
    from ..analysis.model import Model
    from ..analysis.normal_form import normal_form

    try:
        gradient(program)
        return normal_form(Model(program, "minimizer")).P.is_zero
    except NoStructure:
        return False
    except Unknown:
        return True


def _obligations(made: Measured, obligations: dict[str, Any], program: ir.Algorithm, run: _Run) -> None:
    from ..analysis.evaluate import free
    from ..analysis.numeric.interpreter import CannotRun
    from ..analysis.numeric.measure import Misfit, Unmeasurable, size

    for text, what in obligations.items():
        if what is None:
            made.left_out[text] = "weights alone do not decide it"
            continue
        try:
            made.sizes[text] = [size(what, program, run.instance, run.weights, k) for k in range(run.weights.layers)]
        except Unmeasurable as unmeasurable:
            made.left_out[text] = str(unmeasurable)
            continue
        except (Misfit, CannotRun) as misfit:
            raise ValueError(f"{made.folder} is a run of another {program.title}: {misfit}") from None
        made.drawn += [d for d in sorted(free(what) & set(run.instance.data) - run.shared) if d not in made.drawn]


class _Run(NamedTuple):
    """A trained run in NumPy, at one instance, and as it is."""

    instance: Given
    weights: Weights
    shared: set[str]
    """Names of the data that all instances share."""
    trained: Any
    problem: Any


def _read(program: ir.Algorithm, folder: Path) -> _Run:
    """One instance and the best weights of a run. Raises ValueError where it is no run of this program."""
    from ..analysis.numeric.measure import Given, Weights
    from ..runtime import load_run
    from ..runtime.run import SETTINGS

    if not (folder / SETTINGS).is_file():
        raise ValueError(f"{folder} is no run folder: l2ogen train writes one")
    try:
        trained = load_run(folder)
    except Exception as error:  # the folder's code is run, which may be damaged in any way
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f"{folder} can't be used: {reason}") from None
    if trained.settings.algorithm != program.title:
        raise ValueError(f"{folder} is a run of {trained.settings.algorithm}, not of {program.title}")

    def array(tensor: Any) -> Any:
        return tensor.detach().cpu().double().numpy()

    own = {attribute(program, p): p.name for p in program.parameters}
    own |= {python_name(n.name): n.name for n in program.networks}
    raw = {}
    for name, tensor in trained.model.state_dict().items():
        first, dot, rest = name.partition(".")
        if first not in own:
            raise ValueError(f"{folder} is a run of another {program.title}: it has learned `{first}`")
        raw[own[first] + dot + rest] = array(tensor)
    for p in program.parameters:
        if p.kind == "learned" and (f"{p.name}.0" if p.per_iteration else p.name) not in raw:
            raise ValueError(f"{folder} is a run of another {program.title}: it has not learned `{p.name}`")
    drawn = trained.training.sample(trained.settings, 1, trained.settings.generator(3), trained.shared)
    numbers = {name: float(array(getattr(drawn, name)).reshape(-1)[0]) for name in ("L", "mu") if hasattr(drawn, name)}
    instance = Given(drawn.zeros().shape[-1], _data(program, drawn, array), **numbers)
    weights = Weights(raw, getattr(trained.model, "layers", 1))
    same = {name for name in drawn.data if getattr(drawn, name).dim() == 0}  # one number for all
    return _Run(instance, weights, set(trained.shared) | same, trained, drawn)


def _data(program: ir.Algorithm, drawn: Any, array: Callable[[Any], Any]) -> dict[str, Any]:
    """Of one instance, without the axis of instances: what the rule reads, and numbers of the problem, such as lam."""
    import numpy as np

    kinds = dict.fromkeys(drawn.data, "scalar") | {d.name: d.type.kind for d in program.data}
    data: dict[str, Any] = {}
    for name, kind in kinds.items():
        value = array(getattr(drawn, name)) if hasattr(drawn, name) else None
        if value is None or (kind == "scalar" and value.size != 1):
            continue
        axes = 2 if kind in ("matrix", "sym") else 1
        data[name] = np.float64(value.item()) if kind == "scalar" else value.reshape(value.shape[value.ndim - axes :])
    return data


def draw(measured: Measured, file: Path) -> None:
    """The tables as a picture."""
    from ..runtime import plot_layers

    form = measured.form
    also = {} if form is None else {name: dict(zip(form.at, line, strict=True)) for name, line in form.columns.items()}
    plot_layers(measured.sizes, f"{measured.title} in {measured.folder.name}", file, also=also)
