"""The problems that algorithms are compared on: found by name, changed by `--set`, drawn."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import api, pipeline
from ..core import ir
from ..diagnostics import nearest
from ..source import Source
from ..syntax import tree as t

if TYPE_CHECKING:
    from ..runtime import Trained

DATA = "L2OGEN_DATA"
"""The environment variable by which generated code finds files of data."""


@dataclass(frozen=True)
class Instances:
    """A batch that no training saw."""

    problem: Any
    title: str
    on: str | None
    """What compiles an algorithm for it: a path or a name; None for the problem that the algorithm names itself."""
    spec: api.Spec | None
    sizes: Mapping[str, float]
    changed: Mapping[str, str]
    """What of `--set` it has."""


def find(name: str, beside: Sequence[api.Spec] = ()) -> api.Spec:
    """A problem by path, or by name: in this folder, beside the specs named, among the shipped ones. Raises ValueError
    where there is none, SpecError where it has mistakes."""
    if Path(name).is_file():
        return api.problem(name)
    for folder in (Path("."), *(Path(s.checked.source.name).parent for s in beside)):
        for path in (folder / f"{name}.l2o", folder / "problems" / f"{name}.l2o"):
            if path.is_file() and isinstance((found := api.load(path)).check().checked.program, ir.Problem):
                return found
    return api.problem(name)


def unknown(name: str, spec: api.Spec) -> str | None:
    """What to say about a name that can't be set in this problem; None for one that can."""
    program = spec.checked.program
    assert isinstance(program, ir.Problem)
    known = sorted({*dict(program.options), *_places(spec, program)})
    if name in known:
        return None
    meant = nearest(name, known)
    help = f"did you mean `{meant}`?" if meant else f"it has {', '.join(known) or 'nothing to set'}"
    return f"`{program.name}` has no `{name}` to set; {help}"


def changed(spec: api.Spec, values: Mapping[str, str]) -> tuple[api.Spec, dict[str, float]]:
    """The problem with its noise and numbers set, in its text; and the sizes among `values`, arguments of `sample`.

    Raises ValueError for what is no number, and for a size that is not whole.
    """
    program = spec.checked.program
    assert isinstance(program, ir.Problem)
    places = _places(spec, program)
    sizes: dict[str, float] = {}
    edits: list[tuple[int, int, str]] = []
    for name, text in values.items():
        number = _number(name, text)
        if name in dict(program.options):
            value = float(dict(program.options)[name])
            whole = float(number).is_integer()  # not for inf, which a ratio of signal to noise may be
            if name not in program.reals and value.is_integer() and not whole:
                raise ValueError(f"`{name}` is a whole number, such as {value:g}, not {text}")
            sizes[name] = int(number) if whole and name not in program.reals else number
        else:
            edits += [(start, end, word.format(f"{number:.12g}")) for start, end, word in places[name]]
    source = spec.checked.source.text
    for start, end, word in sorted(edits, reverse=True):
        source = source[:start] + word + source[end:]
    return api.Spec(pipeline.check(Source(spec.checked.source.name, source))).check(), sizes


def _places(spec: api.Spec, program: ir.Problem) -> dict[str, list[tuple[int, int, str]]]:
    """What can be set in the text: name -> (start, end, what to write there), with {} for the number."""
    scalars = {d.name for d in program.data if d.type.kind == "scalar"}
    found: dict[str, list[tuple[int, int, str]]] = {}
    for s in t.walk(spec.checked.parsed.tree):
        if isinstance(s, t.Compute) and s.name.id in scalars:
            found[s.name.id] = [(s.value.span.start, s.value.span.end, "{}")]
        if isinstance(s, t.Call) and s.fn.id == "noise":
            for kind in ("snr", "std"):
                place = s.args[0].span
                found.setdefault(kind, []).append((place.start, place.end, f"{kind} = {{}}"))
    return found


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isfinite(number) or (name == "snr" and number == math.inf):
        return number
    raise ValueError(f"--set {name}={text}: a number is needed")


def drawn(
    on: str | None, runs: Sequence[Trained], specs: Sequence[api.Spec], count: int, seed: int,
    values: Mapping[str, str], data: Path | None,
) -> Instances:  # fmt: skip
    """`count` instances. Without `on` they are of the first run's problem, in its sizes, else of the first spec's. What
    of `values` the problem has is set.

    Raises ValueError where there is no such problem, where data are missing, and for sizes that make no sense.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    with _data(data):
        if on is None and runs and not values:
            first = runs[0]
            problem = _sampled(lambda: first.training.sample(first.settings, count, generator, first.shared))
            return Instances(problem, problem.name, None, _bound(runs), first.settings.sizes, {})
        sizes: dict[str, float] = {}
        if on is None and runs:
            on, sizes = runs[0].settings.problem, dict(runs[0].settings.sizes)
        spec = find(on, specs) if on is not None else specs[0].problem()
        own = {name: value for name, value in values.items() if unknown(name, spec) is None}
        spec, given = changed(spec, own)
        made = spec.compile()
        if not hasattr(made, "sample"):
            raise ValueError(f"`{made.name}` has no `sample` block that draws instances")
        shared = _shared(made, runs, sizes)
        sizes = {name: value for name, value in sizes.items() if name in made.defaults} | given
        if made.shared and not shared:
            shared = _sampled(lambda: made.sample_shared(generator=torch.Generator().manual_seed(seed + 1), **sizes))
        problem = _sampled(lambda: made.sample(count, **shared, **sizes, generator=generator))
        if empty := next((name for name in problem.data if not getattr(problem, name).numel()), None):
            raise ValueError(f"no instances in these sizes: `{empty}` has no entries")
    title = ", ".join([made.name, *(f"{name} = {value}" for name, value in own.items())])
    return Instances(problem, title, spec.checked.source.name, spec, dict(made.defaults) | sizes, own)


def _bound(runs: Sequence[Trained]) -> api.Spec | None:
    """The problem of the first run as a spec, for its text, where it can be found."""
    try:
        return find(runs[0].settings.problem)
    except (ValueError, api.SpecError):
        return None


def _shared(made: Any, runs: Sequence[Trained], sizes: dict[str, float]) -> dict[str, Any]:
    """The shared data of the first run that has this problem's, whose sizes then hold, too."""
    for run in runs:
        if made.shared and set(run.shared) == set(made.shared):
            sizes |= run.settings.sizes
            return dict(run.shared)
    return {}


def _sampled(draw: Any) -> Any:
    try:
        return draw()
    except FileNotFoundError as error:
        raise ValueError(f"{str(error).partition(':')[0]}: name its folder with --data, or set {DATA}") from None
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"no instances in these sizes: {str(error).splitlines()[0]}") from None


@contextmanager
def _data(folder: Path | None) -> Iterator[None]:
    """Inside, generated code looks for files of data in this folder."""
    before = os.environ.get(DATA)
    if folder is not None:
        if not folder.is_dir():
            raise ValueError(f"--data: there is no folder {folder}")
        os.environ[DATA] = str(folder)
    try:
        yield
    finally:
        if folder is not None:
            os.environ.pop(DATA)
            os.environ.update({DATA: before} if before is not None else {})
