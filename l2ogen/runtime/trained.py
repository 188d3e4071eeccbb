"""A run folder, ready for use."""
from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, get_type_hints

import torch
from torch import Tensor, nn

from l2ogen.runtime import checkpoint, instances, warm
from l2ogen.runtime.instances import Array
from l2ogen.runtime.loading import load_module, training_file
from l2ogen.runtime.run import SETTINGS, WEIGHTS, RunError, copy_into
from l2ogen.runtime.settings import Settings


class Trained(NamedTuple):
    """A finished (or stopped) run, ready for use"""

    model: nn.Module            # with the best validated weights
    shared: dict[str, Tensor]   # the data that all instances share, {} for most algorithms
    settings: Settings
    training: ModuleType        # its `sample(settings, batch, generator, shared)` draws problems

    @property
    def problem(self) -> Any:
        """The class of the problems that it was trained on"""
        return get_type_hints(self.training.sample)["return"]

    def solve(self, *data: Array, iterations: int | None = None, x0: Array = None, return_all: bool = False,
              **named: Array) -> Array:
        """The iterate x, (..., n), for one instance or a batch: the problem's data in order or by name.

        Data that all instances share are those of the training, and can be left out. `iterations`: as many as were
        trained. `x0`: where to start. `return_all`: every iterate from x_0 on, (iterations + 1, ..., n). NumPy in,
        NumPy out; a tensor in, a tensor on the module's device out. Computed in float64 where an array is.

        Raises TypeError for arguments that are missing or unknown; ValueError for shapes that do not fit, for numbers
        that are not finite or no such problem, and for another size or matrix than the weights were trained for.
        """
        problem = instances.problem_of(self.problem, data, named, known=self.shared,
                                       default=self.settings.like["dtype"], device=self.settings.like["device"])
        self._check_fit(problem)
        x = instances.solve(self.model, problem, self.settings.iterations if iterations is None else iterations,
                            x0=x0, return_all=return_all)
        return instances.returned(x, [*data, *named.values(), x0])

    def _check_fit(self, problem: Any) -> None:
        """Weights may be made for the data that were shared, or for their sizes: then the module asks for them."""
        self.check_sizes(problem)
        made_for = instances.made_for(type(self.model))
        for name in self.shared if made_for else ():
            ours, theirs = self.shared[name], getattr(problem, name)
            if ours.shape != theirs.shape or not torch.allclose(ours.to(theirs.dtype), theirs, rtol=1e-4, atol=1e-6):
                raise ValueError(f"this {self.settings.algorithm} was trained for one {name}, and the one given is "
                                 f"another: leave it out, or train for yours")

    def check_sizes(self, problem: Any) -> None:
        """Raises ValueError where the weights are made for other sizes than a problem's."""
        title, sizes, made_for = self.settings.algorithm, self.settings.sizes, instances.made_for(type(self.model))
        for name in sorted(made_for & sizes.keys()):
            if (found := getattr(problem, name, sizes[name])) != sizes[name]:
                raise ValueError(f"{title} was trained for {name} = {sizes[name]}, not {found}")
        for name, ours in self.shared.items() if made_for else ():
            theirs = tuple(getattr(problem, name, ours).shape)
            if theirs[-ours.dim():] != tuple(ours.shape):
                raise ValueError(f"{title} was trained for {name} of the shape {tuple(ours.shape)}, not {theirs}")

    def export(self, file: Path | str, iterations: int | None = None, example: Any = None) -> Path:
        """The module alone as FILE.pt2 (torch.export) or FILE.onnx: data of a batch in, x after so many iterations out.

        `example`: a problem of the batch size 2 or more; None: drawn. Raises ValueError as `runtime.export` does.
        """
        from l2ogen.runtime.export import export

        if example is None:
            example = self.training.sample(self.settings, 3, self.settings.generator(3), self.shared)
        return export(self.model, example, file, self.settings.iterations if iterations is None else iterations)

    def save(self, file: Path | str) -> None:
        """The weights and the shared data as one safetensors file."""
        tensors = checkpoint.joined(model=self.model.state_dict(), shared=self.shared)
        checkpoint.save(Path(file), tensors, {
            "algorithm": self.settings.algorithm, "problem": self.settings.problem, "facts": warm.facts(self.model)})

    def load(self, file: Path | str) -> Trained:
        """This run with the weights and the shared data of such a file, or of a run's weights.safetensors.

        Raises FileNotFoundError, and ValueError for what does not fit; then nothing is changed.
        """
        return self._take(file, *checkpoint.load(Path(file)))

    def _take(self, file: Path | str, tensors: dict[str, Tensor], meta: dict[str, Any]) -> Trained:
        found = {"model": checkpoint.part("model", tensors), "shared": checkpoint.part("shared", tensors)}
        for part, ours in (("model", self.model.state_dict()), ("shared", self.shared)):
            shapes, theirs = ({n: tuple(v.shape) for n, v in group.items()} for group in (ours, found[part]))
            if wrong := sorted(n for n in shapes.keys() | theirs.keys() if shapes.get(n) != theirs.get(n)):
                n = wrong[0]
                raise ValueError(f"the weights in {file} are no {self.settings.algorithm} of this size: `{n}` is "
                                 f"{theirs.get(n, 'missing')} there, {shapes.get(n, 'missing')} here")
        if other := warm.misread(self.model, found["model"], meta):
            raise ValueError(f"the weights in {file} stand for other values than those of this "
                             f"{self.settings.algorithm}: {other}")
        copy_into(self.shared, found["shared"])
        self.model.load_state_dict(found["model"])
        return self


def load_run(folder: Path | str, device: str | None = None) -> Trained:
    """The best weights of a run folder, on the run's device or another one. Raises RunError where there are none."""
    folder = Path(folder)
    if not (folder / SETTINGS).is_file():
        raise RunError(f"there is no run in {folder}: it has no {SETTINGS}")
    try:
        settings = Settings.from_json((folder / SETTINGS).read_text(encoding="utf-8"))
        training = load_module(training_file(folder))
    except (FileNotFoundError, ValueError) as error:
        raise RunError(f"{folder} is no run folder: {error}") from None
    settings = settings if device is None else replace(settings, device=device)
    try:
        tensors, meta = checkpoint.load(folder / WEIGHTS)
    except FileNotFoundError:
        raise RunError(f"{folder} has no weights yet") from None
    # On the shared data beside the weights: the file that the training read them from may be gone by now.
    shared = {name: value.to(**settings.like) for name, value in checkpoint.part("shared", tensors).items()}
    takes = "shared" in inspect.signature(training.build).parameters    # not in older folders
    model, shared = training.build(settings, shared) if takes else training.build(settings)
    return Trained(model.eval(), shared, settings, training)._take(folder / WEIGHTS, tensors, meta)
