"""`l2ogen check --weights`: what only training can make vanish, measured on a trained run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .backends.torch.names import attribute, python_name
from .core import ir

if TYPE_CHECKING:
    from .analysis.numeric.measure import Given, Weights


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

    def __str__(self) -> str:
        rows = [["k", *self.sizes]]
        layers = enumerate(zip(*self.sizes.values(), strict=True))
        rows += [[str(k), *(f"{value:.3e}" for value in layer)] for k, layer in layers]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = ["  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
        lines = [f"{self.title} in {self.folder}: spectral norms of matrices, largest absolute entries of the rest"]
        lines += [f"  {line}" for line in table]
        lines += [f"  {' and '.join(self.drawn)}: of one instance, drawn anew"] if self.drawn else []
        lines += [f"  not measured: {text}: {reason}" for text, reason in self.left_out.items()]
        return "\n".join(lines)


def measure(program: ir.Algorithm, folder: Path) -> Measured:
    """The obligations of all targets, layer by layer. Needs torch.

    Raises ValueError where the folder is no run of this program, or nothing can be measured.
    """
    from .analysis.evaluate import free
    from .analysis.fixed_point import fixed_point
    from .analysis.model import models
    from .analysis.numeric.interpreter import CannotRun
    from .analysis.numeric.measure import Misfit, Unmeasurable, size

    found = [fixed_point(model) for model in models(program)]
    obligations = {text: f.values.get(text) for f in found for text in f.obligations}
    if not obligations:
        raise ValueError(f"no verdict on {program.title} depends on weights: there is nothing to measure")
    instance, weights, shared = _read(program, folder)
    made = Measured(program.title, folder)
    for text, what in obligations.items():
        if what is None:
            made.left_out[text] = "weights alone do not decide it"
            continue
        try:
            made.sizes[text] = [size(what, program, instance, weights, k) for k in range(weights.layers)]
        except Unmeasurable as unmeasurable:
            made.left_out[text] = str(unmeasurable)
            continue
        except (Misfit, CannotRun) as misfit:
            raise ValueError(f"{folder} is a run of another {program.title}: {misfit}") from None
        made.drawn += [d for d in sorted(free(what) & set(instance.data) - shared) if d not in made.drawn]
    if not made.sizes:
        reasons = "; ".join(f"{text}: {reason}" for text, reason in made.left_out.items())
        raise ValueError(f"nothing of {program.title} can be measured: {reasons}")
    return made


def _read(program: ir.Algorithm, folder: Path) -> tuple[Given, Weights, set[str]]:
    """One instance and the best weights of a run, in NumPy; names of the data that all instances share."""
    import numpy as np

    from .analysis.numeric.measure import Given, Weights
    from .runtime import load_run
    from .runtime.run import SETTINGS

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
    data: dict[str, Any] = {}
    for d in program.data:
        if hasattr(drawn, d.name):
            value = array(getattr(drawn, d.name))
            if d.type.kind == "scalar":
                data[d.name] = np.float64(value.reshape(-1)[0])
            else:  # without the axis of instances
                axes = 2 if d.type.kind in ("matrix", "sym") else 1
                data[d.name] = value.reshape(value.shape[value.ndim - axes :])
    numbers = {name: float(array(getattr(drawn, name)).reshape(-1)[0]) for name in ("L", "mu") if hasattr(drawn, name)}
    instance = Given(drawn.zeros().shape[-1], data, **numbers)
    return instance, Weights(raw, getattr(trained.model, "layers", 1)), set(trained.shared)


def draw(measured: Measured, file: Path) -> None:
    """The table as a picture."""
    from .runtime import plot_layers

    plot_layers(measured.sizes, f"{measured.title} in {measured.folder.name}", file)
