"""The settings of one training run: a frozen value that is checked when it is made and survives JSON."""
from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import torch
from torch import nn

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}
# The learning rate as a fraction of `rate`, at the fraction t of the training, 0 <= t < 1.
SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda t: 1.0,
    "cosine": lambda t: 0.5 * (1 + math.cos(math.pi * t)),
}
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def suggestion(name: str, known: Iterable[str]) -> str:
    """" (did you mean ...?)", or the choices where nothing is near."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else f" (there is {', '.join(known)})"


@dataclass(frozen=True)
class Settings:
    """What a training run depends on, besides the code.

    A step draws one batch of problems. Either the algorithm runs for `horizon` iterations on it, with one
    update of the weights after each segment of `truncate` iterations (truncated backpropagation), or it has
    `layers` layers and one update. Raises ValueError for a value that makes no sense.
    """

    algorithm: str
    problem: str
    sizes: Mapping[str, float] = field(default_factory=dict)    # of the problems, e.g. {"m": 20, "n": 40}
    horizon: int | None = None      # iterations, or
    layers: int | None = None       # layers: one of the two
    truncate: int | None = None     # iterations per update of the weights; None: the horizon
    steps: int = 500                # batches of problems
    batch: int = 64                 # problems per batch
    optimizer: str = "adam"         # adam | adamw | sgd
    rate: float = 1e-3              # learning rate
    schedule: str = "constant"      # constant | cosine, which goes from `rate` to 0
    clip_norm: float | None = None  # the gradient is shortened to this 2-norm; None: never
    seed: int = 0
    dtype: str = "float32"          # float32 | float64
    device: str = "auto"            # auto: cuda where there is one, else cpu
    validate_every: int = 20        # steps; a checkpoint is written each time
    validate_batch: int = 256       # problems in the fixed validation set
    patience: int | None = None     # validations without improvement before training ends; None: never

    def __post_init__(self) -> None:
        object.__setattr__(self, "sizes", dict(self.sizes))
        for each in fields(self):
            object.__setattr__(self, each.name, _of_kind(each.name, str(each.type), getattr(self, each.name)))
        if (self.horizon is None) == (self.layers is None):
            raise ValueError("a training needs either `horizon` (iterations) or `layers`, not both")
        if self.truncate is not None and self.truncate > self.iterations:
            raise ValueError(f"`truncate` is {self.truncate}, more than the {self.iterations} iterations")
        for name, choices in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES), ("dtype", DTYPES)):
            if (value := getattr(self, name)) not in choices:
                raise ValueError(f"`{name}` cannot be {value!r}{suggestion(value, choices)}")
        if self.device != "auto":
            try:
                torch.device(self.device)
            except RuntimeError as error:
                reason = str(error).splitlines()[0]
                raise ValueError(f"`device` cannot be {self.device!r}: {reason}") from None

    @property
    def iterations(self) -> int:
        return self.horizon or self.layers or 0

    @property
    def segment(self) -> int:
        """Iterations per update of the weights."""
        return self.truncate or self.iterations

    @cached_property
    def like(self) -> dict[str, Any]:
        """dtype and device, as keyword arguments of torch's constructors"""
        device = self.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        return {"dtype": DTYPES[self.dtype], "device": torch.device(device)}

    def generator(self, offset: int = 0) -> torch.Generator:
        """Random numbers on the device, decided by the seed; another `offset` gives an independent stream."""
        # A prime far from the small numbers that people take for seeds keeps the streams of two seeds apart.
        return torch.Generator(self.like["device"]).manual_seed(self.seed + 1_000_003 * offset)

    def new_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        return OPTIMIZERS[self.optimizer](model.parameters(), lr=self.rate)

    def rate_at(self, step: int) -> float:
        """The learning rate of step 0 .. steps - 1"""
        return self.rate * SCHEDULES[self.schedule](step / self.steps)

    def override(self, **changes: Any) -> Settings:
        """The same settings with some changed; a size may be given by its own name. None changes nothing."""
        changes = {name: value for name, value in changes.items() if value is not None}
        names = [each.name for each in fields(self)]
        sizes = dict(self.sizes) | dict(changes.pop("sizes", {}))
        for name in [name for name in changes if name in self.sizes]:
            sizes[name] = changes.pop(name)
            if isinstance(self.sizes[name], int) and float(sizes[name]) != int(float(sizes[name])):
                raise ValueError(f"`{name}` must be a whole number > 0, not {sizes[name]!r}")
        for name in changes:
            if name not in names:
                raise ValueError(f"unknown setting `{name}`{suggestion(name, [*names, *self.sizes])}")
        for name in sizes:
            if self.sizes and name not in self.sizes:
                raise ValueError(f"unknown size `{name}`{suggestion(name, self.sizes)}")
        return replace(self, **changes, sizes=sizes)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Settings:
        values, names = json.loads(text), [each.name for each in fields(cls)]
        for name in values:
            if name not in names:
                raise ValueError(f"unknown setting `{name}`{suggestion(name, names)}")
        if missing := [each.name for each in fields(cls) if each.default is MISSING
                       and each.default_factory is MISSING and each.name not in values]:
            raise ValueError(f"settings without {', '.join(missing)}")
        return cls(**values)


def _of_kind(name: str, kind: str, value: Any) -> Any:
    """The value as the kind that its annotation names; a number may come as text, as on a command line."""
    if name == "sizes":
        return {size: _of_kind(size, "size", number) for size, number in value.items()}
    if value is None and kind.endswith("None"):
        return None
    try:
        if kind.startswith("str"):
            if not isinstance(value, str):
                raise ValueError
            return value
        if isinstance(value, bool):
            raise ValueError
        number = float(value)
        whole = number == int(number)
        if kind == "size":          # m = 20, but density = 0.1
            number = int(number) if whole and not isinstance(value, float) else number
        elif kind.startswith("int"):
            if not whole:
                raise ValueError
            number = int(number)
        least = 0 if name == "seed" else None
        if not math.isfinite(number) or (number < 0 if least == 0 else number <= 0):
            raise ValueError
        return number
    except (TypeError, ValueError, OverflowError):
        wanted = ("text" if kind.startswith("str") else "a number > 0" if not kind.startswith("int")
                  else "a whole number >= 0" if name == "seed" else "a whole number > 0")
        raise ValueError(f"`{name}` must be {wanted}, not {value!r}") from None
