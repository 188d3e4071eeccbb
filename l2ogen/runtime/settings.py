"""The settings of one training run: a frozen value that is checked when it is made and survives JSON."""
from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import torch

from l2ogen import vocabulary as v
from l2ogen.runtime.phrases import phrase, suggestion

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.float32}


@dataclass(frozen=True)
class Settings:
    """What a training run depends on, besides the code.

    Every setting is called as in the `train` block of a spec, and takes a number or the text that stands there;
    it is kept as a number or a Phrase. Raises ValueError for a value that makes no sense and for contradictions.
    """

    algorithm: str
    problem: str
    sizes: Mapping[str, float] = field(default_factory=dict)    # of the problems, e.g. {"m": 20, "n": 40}
    loss: str = ""                  # as in the spec; the code decides it
    horizon: int | None = None      # iterations, or
    layers: int | None = None       # layers: one of the two
    truncate: int | None = None     # iterations per update of the weights; None: the horizon
    curriculum: Any = None          # curriculum(horizon = 20, every = 100): so much longer after so many steps
    steps: int | None = None        # batches of problems; None: 500, or what `schedule` or `search` says
    batch: int = 64                 # problems per batch
    samples: Any = "fresh"          # fresh | fixed(1000)
    optimizer: Any = None           # adam | adamw | sgd, with (rate = 0.001) and more; None: adam
    rate: Any = None                # constant | cosine | step(...) | plateau(...); None: constant
    clip_norm: float | None = None  # the gradient is shortened to this 2-norm; None: never
    schedule: Any = None            # layerwise(...), joint(...), one after another; None: all weights at once
    search: Any = None              # grid(...) | random(...) over learned scalars, instead of gradients
    seed: int = 0
    dtype: Any = "float32"          # float32 | float64 | bfloat16: float32 weights, the iterations autocast
    device: str = "auto"            # auto: cuda where there is one, else cpu
    validate: Any = "validate"      # validate(every = 20, batch = 256): steps; a checkpoint is written each time
    patience: int | None = None     # validations without improvement that end a training, or a part of `schedule`
    warm: str | None = None         # a run folder whose weights the training starts from

    def __post_init__(self) -> None:
        object.__setattr__(self, "sizes", {n: _size(n, value) for n, value in dict(self.sizes).items()})
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None and each.name not in ("sizes", "loss"):
                object.__setattr__(self, each.name, _checked(each.name, value))
            elif value is None and each.default is not None:
                raise ValueError(f"`{each.name}` must be set")
        if self.horizon is None and self.layers is None:
            raise ValueError("a training needs either `horizon` (iterations) or `layers`, not both")
        defaults = {each.name: each.default for each in fields(self)} | {"samples": v.Phrase("fresh")}
        given = {name: value for name, old in defaults.items() if (value := getattr(self, name)) != old}
        for clash in v.clashes(given, " over k of " in self.loss if self.loss else None):
            raise ValueError(f"{clash.message}: {clash.help}")
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

    @property
    def validate_every(self) -> int:
        every: int = self.validate.get("every", 20)
        return every

    @property
    def validate_batch(self) -> int:
        batch: int = self.validate.get("batch", 256)
        return batch

    @property
    def learning_rate(self) -> float:
        """The rate that the optimizer starts with."""
        rate: float = self.optimizer.get("rate", 1e-3) if self.optimizer is not None else 1e-3
        return rate

    @cached_property
    def like(self) -> dict[str, Any]:
        """dtype and device, as keyword arguments of torch's constructors. Raises ValueError for a device that is not
        there."""
        device = self.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if device == "cuda" and "LOCAL_RANK" in os.environ:     # torchrun: a GPU for each process
            device = f"cuda:{os.environ['LOCAL_RANK']}"
        try:
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise ValueError(f"`device` {device} is not there: {str(error).splitlines()[0]}") from None
        return {"dtype": DTYPES[self.dtype.word], "device": torch.device(device)}

    def precision(self) -> AbstractContextManager[Any]:
        """Around an iteration: with `dtype bfloat16`, products are computed in it; weights and data stay float32."""
        if self.dtype.word != "bfloat16":
            return nullcontext()
        return torch.autocast(self.like["device"].type, torch.bfloat16)

    def generator(self, offset: int = 0) -> torch.Generator:
        """Random numbers on the device, decided by the seed; another `offset` gives an independent stream."""
        # A prime far from the small numbers that people take for seeds keeps the streams of two seeds apart.
        return torch.Generator(self.like["device"]).manual_seed(self.seed + 1_000_003 * offset)

    def override(self, **changes: Any) -> Settings:
        """The same settings with some changed. None changes nothing.

        A size may be given by its own name, an option by those of its setting and its own: `validate_every=50`.
        A number for `rate` is the optimizer's rate. `layers`, `horizon`, `schedule`, `search` also replace what they
        contradict.
        """
        changes = {name: value for name, value in changes.items() if value is not None}
        sizes = dict(self.sizes) | dict(changes.pop("sizes", {}))
        for name in [name for name in changes if name in self.sizes]:
            sizes[name] = _size(name, changes.pop(name))
            if isinstance(self.sizes[name], float):     # a share, a ratio
                sizes[name] = float(sizes[name])
            elif not float(sizes[name]).is_integer():
                raise ValueError(f"`{name}` must be a whole number > 0, not {sizes[name]!r}")
        for name in sizes:
            if self.sizes and name not in self.sizes:
                raise ValueError(f"unknown size `{name}`{suggestion(name, self.sizes)}")
        names = [each.name for each in fields(self)]
        if "loss" in changes:
            raise ValueError("`loss` is part of the code: change it in the spec, or with `l2ogen train --loss`")
        if _is_number(changes.get("rate")):
            changes["optimizer_rate"] = changes.pop("rate")
        options = {name: changes.pop(name) for name in list(changes) if name not in names and _owner(name)}
        for name in changes:
            if name not in names:
                raise ValueError(f"unknown setting `{name}`{suggestion(name, [*names, *self.sizes])}")
        for name, others in v.REPLACES.items():
            if name in changes:
                changes = dict.fromkeys(others) | changes
        if "schedule" in changes and self.optimizer is not None and v.rated(phrase("schedule", changes["schedule"])):
            changes = {"optimizer": self.optimizer.with_options(rate=None)} | changes
        for name, value in options.items():
            owner, option = str(_owner(name)), name.removeprefix(f"{_owner(name)}_")
            old = changes.get(owner, getattr(self, owner)) or {"optimizer": "adam"}.get(owner)
            if old is None:
                raise ValueError(f"`{name}` is an option of `{owner}`, which is not set")
            changes[owner] = str(phrase(owner, old).with_options(**{option: value}))
        return replace(self, **changes, sizes=sizes)

    def as_dict(self) -> dict[str, Any]:
        """What JSON can hold: numbers, and phrases as text."""
        sizes = {name: value if math.isfinite(value) else str(value) for name, value in self.sizes.items()}
        return {each.name: v.text(getattr(self, each.name)) for each in fields(self)} | {"sizes": sizes}

    def to_json(self) -> str:
        return json.dumps(self.as_dict(), indent=2) + "\n"

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


def _owner(name: str) -> str | None:
    """`validate` for `validate_every`"""
    owner, _, option = name.partition("_")
    return owner if any(option in form.options for form in v.FORMS.get(owner, {}).values()) and option else None


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, bool)


def _number(value: Any) -> Any:
    """A number may come as text, as on a command line."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _checked(name: str, value: Any) -> Any:
    if name in v.NUMBERS:
        number = v.NUMBERS[name].read(_number(value))
        if number is None:
            raise ValueError(f"`{name}` must be {v.NUMBERS[name].wanted}, not {value!r}")
        return number
    if name in v.FORMS:
        return phrase(name, value)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"`{name}` must be text, not {value!r}")
    return value


def _size(name: str, value: Any) -> float:
    """m = 20, but density = 0.1; a ratio of signal to noise may be inf"""
    number = _number(value)
    if isinstance(value, bool) or not isinstance(number, int | float) or not number > 0:
        raise ValueError(f"`{name}` must be a number > 0, not {value!r}")
    return int(number) if float(number).is_integer() and not isinstance(value, float) else number
