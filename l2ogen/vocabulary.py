"""The vocabulary of `train`: every setting, the forms of its value, the options of a form, what contradicts what.

The compiler checks a spec against it, the runtime a command line; neither has a list of its own. A value such as
`step(every = 100, factor = 0.5)` is a Phrase, and the text of a phrase is what the language writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Any, NamedTuple

# ---- kinds of values -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Number:
    """Finite numbers low < v < high; a closed end may be reached."""

    wanted: str
    low: float = 0.0
    high: float = inf
    closed: str = ""
    """The ends that may be reached: `low`, `high`, `low high`."""
    whole: bool = False

    def read(self, value: object) -> Any:
        """The value, or None where it does not fit."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            return None
        above = value > self.low or ("low" in self.closed and value == self.low)
        below = value < self.high or ("high" in self.closed and value == self.high)
        if not (above and below) or (self.whole and value != int(value)):
            return None
        return int(value) if self.whole else float(value)


@dataclass(frozen=True)
class Word:
    """One of several words."""

    words: tuple[str, ...]

    @property
    def wanted(self) -> str:
        return one_of(self.words)

    def read(self, value: object) -> Any:
        return value if isinstance(value, str) and value in self.words else None


@dataclass(frozen=True)
class Series:
    """One value, or one for each of several things: `(1e-2, 2e-3)`."""

    of: Number | Word

    @property
    def wanted(self) -> str:
        return f"{self.of.wanted}, or several in parentheses"

    def read(self, value: object) -> Any:
        values = value if isinstance(value, tuple) else (value,)
        found = tuple(map(self.of.read, values))
        return None if not found or None in found else found


Kind = Number | Word | Series

WHOLE = Number("a positive whole number", 1, closed="low", whole=True)
SEED = Number("a whole number", 0, 2**63, closed="low", whole=True)
POSITIVE = Number("a positive number")
NONNEGATIVE = Number("a number that is not negative", closed="low")
SHARE = Number("a number between 0 and 1", 0, 1)
AVERAGE = Number("a number from 0 up to, but not, 1", 0, 1, closed="low")
DECAY = Number("a number between 0 and 1", 0, 1, closed="high")


@dataclass(frozen=True)
class Form:
    """What may stand in the parentheses after a word. The option "" is the one without a name."""

    options: Mapping[str, Kind] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    ranges: bool = False
    """Whether it takes `c in [low, high]`."""
    usage: str = ""


Forms = Mapping[str, Form]

_ADAM = {"rate": POSITIVE, "beta1": AVERAGE, "beta2": AVERAGE, "weight_decay": NONNEGATIVE}
_SGD = {"rate": POSITIVE, "momentum": AVERAGE, "weight_decay": NONNEGATIVE}


def _of(options: Mapping[str, Kind]) -> Form:
    return Form(options, usage="rate = 1e-3")


def _all(usage: str, **options: Kind) -> Form:
    """A form that needs all of its options"""
    return Form(options, tuple(options), usage=usage)


_SEARCH: dict[str, Kind] = {"points": Series(WHOLE), "spacing": Series(Word(("linear", "log")))}

NUMBERS: Mapping[str, Number] = {
    "layers": WHOLE, "horizon": WHOLE, "truncate": WHOLE, "clip_norm": POSITIVE, "steps": WHOLE, "batch": WHOLE,
    "patience": WHOLE, "seed": SEED,
}  # fmt: skip
TEXTS = ("warm",)
FORMS: Mapping[str, Forms] = {
    "optimizer": {"adam": _of(_ADAM), "adamw": _of(_ADAM), "sgd": _of(_SGD)},
    "rate": {
        "constant": Form(),
        "cosine": Form(),
        "step": _all("every = 100, factor = 0.5", every=WHOLE, factor=SHARE),
        "plateau": _all("patience = 5, factor = 0.5", patience=WHOLE, factor=SHARE),
    },
    "samples": {"fresh": Form(), "fixed": Form({"": WHOLE}, ("",), usage="1000")},
    "schedule": {
        "layerwise": Form(
            {"steps": WHOLE, "rates": Series(POSITIVE), "decay": DECAY}, ("steps",),
            usage="steps = 50, rates = (1e-2, 2e-3)",
        ),
        "joint": Form({"steps": WHOLE, "rate": POSITIVE}, ("steps",), usage="steps = 1000, rate = 1e-4"),
    },
    "search": {
        "grid": Form(_SEARCH, ("points",), True, usage="c in [0, 1], points = 11"),
        "random": Form(_SEARCH | {"points": WHOLE}, ("points",), True, usage="c in [0, 1], points = 200"),
    },
    "curriculum": {"curriculum": _all("horizon = 20, every = 100", horizon=WHOLE, every=WHOLE)},
    "validate": {"validate": Form({"every": WHOLE, "batch": WHOLE}, usage="every = 20, batch = 256")},
    "dtype": {"float32": Form(), "float64": Form(), "bfloat16": Form()},
}  # fmt: skip
LISTS = ("schedule",)
"""Settings whose value is a list of phrases."""
SETTINGS = ("on", "loss", *NUMBERS, *TEXTS, *FORMS)


def wanted(setting: str) -> str:
    """What a setting takes, for messages."""
    if setting in NUMBERS:
        return NUMBERS[setting].wanted
    if setting in TEXTS:
        return 'a run folder in quotation marks: `warm "runs/first"`'
    return one_of(word + (f"({form.usage})" if form.usage else "") for word, form in FORMS[setting].items())


def one_of(words: Sequence[str] | Iterator[str]) -> str:
    """`a`, `b` or `c`"""
    quoted = [f"`{word}`" for word in words]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + " or " + quoted[-1]


# ---- phrases ---------------------------------------------------------------------------------------


class Range(NamedTuple):
    """`c in [low, high]`"""

    name: str
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.name} in [{self.low!r}, {self.high!r}]"


@dataclass(frozen=True)
class Phrase:
    """A word and its options: `adam(rate = 0.01)`"""

    word: str
    options: tuple[tuple[str, Any], ...] = ()
    ranges: tuple[Range, ...] = ()

    def get(self, name: str, default: Any = None) -> Any:
        return dict(self.options).get(name, default)

    def with_options(self, **changes: Any) -> Phrase:
        """With some options changed; None takes one out."""
        options = {n: value for n, value in (dict(self.options) | changes).items() if value is not None}
        return Phrase(self.word, tuple(options.items()), self.ranges)

    def __str__(self) -> str:
        inside = [*map(str, self.ranges), *(f"{n} = {_text(v)}" if n else _text(v) for n, v in self.options)]
        return f"{self.word}({', '.join(inside)})" if inside else self.word


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_text, value))})" if len(value) != 1 else _text(value[0])
    return str(value)


def text(value: Any) -> Any:
    """A checked value as a number or as what the language writes."""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value) if isinstance(value, Phrase) else value


Item = Range | tuple[str, object]
"""What stands between the commas: `c in [low, high]`, or (name, value), without a name ("", value)."""


class Mistake(NamedTuple):
    """What is wrong with a phrase, and in which of its items; `at` is None for the phrase as a whole."""

    at: int | None
    name: str
    """The option, or what takes something else."""
    wanted: str
    known: tuple[str, ...] = ()
    """Of an unknown option or word: those there are."""


def read(setting: str, word: str, items: Sequence[Item]) -> tuple[Phrase | None, list[Mistake]]:
    """A phrase, checked; None where there are mistakes."""
    forms = FORMS[setting]
    if word not in forms:
        return None, [Mistake(None, setting, wanted(setting), tuple(forms))]
    form, mistakes = forms[word], []
    options: dict[str, Any] = {}
    ranges: list[Range] = []
    for at, item in enumerate(items):
        if isinstance(item, Range):
            if not form.ranges:
                mistakes.append(Mistake(at, word, _options(word, form)))
            elif not (isfinite(item.low) and isfinite(item.high) and item.low < item.high):
                mistakes.append(Mistake(at, item.name, "a range from a smaller to a larger number"))
            elif item.name in (r.name for r in ranges):
                mistakes.append(Mistake(at, item.name, "one range"))
            else:
                ranges.append(item)
            continue
        name, value = item
        if name not in form.options:
            known = tuple(n for n in form.options if n)
            mistakes.append(Mistake(at, name, "", known) if name and known else Mistake(at, word, _options(word, form)))
        elif name in options:
            mistakes.append(Mistake(at, name or word, "one value"))
        else:
            options[name] = form.options[name].read(value)
            if options[name] is None:
                mistakes.append(Mistake(at, name or word, form.options[name].wanted))
    missing = [n for n in form.needs if n not in options] or (form.ranges and not ranges)
    if missing and not mistakes:
        mistakes.append(Mistake(None, word, _options(word, form)))
    phrase = Phrase(word, tuple(options.items()), tuple(ranges))
    if not mistakes and form.ranges:
        mistakes += _search(phrase, {item[0]: at for at, item in enumerate(items)})
    return (None if mistakes else phrase), mistakes


def _options(word: str, form: Form) -> str:
    return f"options as in `{word}({form.usage})`" if form.usage else "no options"


def _search(phrase: Phrase, where: Mapping[str, int]) -> list[Mistake]:
    """What does not fit together in a search; `where` the items stand, by name."""
    found, count = [], len(phrase.ranges)
    several = f", or one for each of the {count} ranges" if count > 1 else ""
    for option in ("points", "spacing"):
        value = phrase.get(option)
        if isinstance(value, tuple) and len(value) not in (1, count):
            found.append(Mistake(where[option], option, "one value" + several))
    spacing = phrase.get("spacing", ("linear",))
    for r, how in zip(phrase.ranges, spacing * count if len(spacing) == 1 else spacing, strict=False):
        if how == "log" and r.low <= 0:
            found.append(Mistake(where[r.name], r.name, "a range of positive numbers where the spacing is log"))
    return found


# ---- what contradicts what -------------------------------------------------------------------------


class Clash(NamedTuple):
    """Two settings that can't both hold."""

    setting: str
    other: str
    message: str
    help: str


NOT_IN_A_SEARCH = ("steps", "optimizer", "rate", "schedule", "clip_norm", "patience", "curriculum", "truncate")


REPLACES: Mapping[str, tuple[str, ...]] = {
    "layers": ("horizon",), "horizon": ("layers",), "schedule": ("steps",), "search": NOT_IN_A_SEARCH,
}  # fmt: skip
"""What a variant or a command line that sets one of these leaves behind."""


def rated(schedule: Sequence[Phrase]) -> bool:
    """Whether each part of a schedule says its rate, so that none starts from the optimizer's."""
    return all(phase.get("rate") or phase.get("rates") for phase in schedule)


def clashes(given: Mapping[str, Any], over_k: bool | None = None) -> list[Clash]:
    """The contradictions among the settings that were given; `over_k`: whether the loss is a sum or a mean over k."""
    found = []

    def clash(setting: str, other: str, message: str, help: str) -> None:
        found.append(Clash(setting, other, message, help))

    length = "horizon" if "horizon" in given else "layers"
    iterations = given.get(length, inf)
    if "layers" in given and "horizon" in given:
        clash("horizon", "layers", "`layers` and `horizon` both say how many iterations are trained", "keep one")
    if given.get("truncate", 0) > iterations:
        help = f"take at most {iterations}, or leave it out"
        clash("truncate", length, f"`truncate` is longer than `{length}`", help)
    elif "truncate" in given and over_k is False:
        message = "`truncate` updates the weights after each segment, but the loss looks at the last iterate alone"
        clash("truncate", "loss", message, "write `loss mean over k of …`, or leave `truncate` out")
    if "curriculum" in given and given["curriculum"].get("horizon") > iterations:
        clash("curriculum", length, f"`curriculum` starts beyond `{length}`", f"start at {iterations} or below")
    fixed = given["samples"].get("", inf) if "samples" in given else inf
    if given.get("batch", 0) > fixed:
        clash("batch", "samples", f"a batch is larger than the {fixed} fixed samples", f"take at most {fixed}")
    if "search" in given:
        for other in NOT_IN_A_SEARCH:
            if other in given:
                message = f"`search` tries values without gradients, so `{other}` has no meaning"
                clash(other, "search", message, "keep one of the two")
        return found
    if "schedule" in given:
        if "steps" in given:
            clash("steps", "schedule", "`schedule` already says how many steps each part takes", "leave `steps` out")
        if rated(given["schedule"]) and "optimizer" in given and given["optimizer"].get("rate") is not None:
            message = "`schedule` gives each part its own rate, so that of the optimizer is never used"
            clash("optimizer", "schedule", message, "leave one of them out")
        if any(phase.word == "layerwise" for phase in given["schedule"]):
            for other, why in (
                ("horizon", "is for rules that are trained as they run; layer by layer needs `layers`"),
                ("curriculum", "grows the horizon, as layer-wise training does by itself"),
                ("truncate", "cuts the iterations into segments; layer-wise training goes layer by layer"),
            ):
                if other in given and not (other == "horizon" and "layers" in given):
                    clash(other, "schedule", f"`{other}` {why}", "keep one of the two")
            if over_k:
                message = "layer-wise training takes the loss of the newest layer alone"
                clash("loss", "schedule", message, "leave `over k of` out")
    return found
