"""The Python interface: specs loaded, checked, compiled and trained."""

from __future__ import annotations

import inspect
import linecache
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any

from . import pipeline
from .backends.latex import document as latex
from .backends.torch import generate
from .backends.torch.names import classes
from .core import ir
from .diagnostics import Diagnostic, render
from .source import Source
from .syntax import tree as t

if TYPE_CHECKING:
    from .analysis.report import Report
    from .runtime import Run, Trained


class SpecError(Exception):
    """A spec with mistakes; the message is the rendered diagnostics."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...], source: Source) -> None:
        super().__init__("\n" + render(diagnostics, source))
        self.diagnostics, self.source = diagnostics, source


@dataclass(frozen=True)
class Spec:
    """One algorithm or problem."""

    checked: pipeline.Checked

    @property
    def text(self) -> str:
        """The file as text; for a bare rule, what was inferred."""
        return self.checked.source.text

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        return self.checked.diagnostics

    @property
    def stem(self) -> str:
        """What its generated files are called."""
        return pipeline.stem(self.checked)

    @property
    def variants(self) -> tuple[str, ...]:
        """Names of the variants in the file."""
        return tuple(pipeline.variants.variants(self.checked.parsed.tree))

    def variant(self, name: str) -> Spec:
        """A variant of this algorithm; one that is not in the file has that mistake in its diagnostics."""
        return Spec(pipeline.check(self.checked.source, variant=name))

    def check(self) -> Spec:
        """This spec, if it has no mistakes; raises SpecError otherwise."""
        if not self.checked.ok:
            raise SpecError(self.diagnostics, self.checked.source)
        return self

    def verdicts(self, limit: float | None = None) -> Report:
        """What is true of this algorithm: `print(spec.verdicts())`, or `.as_dicts()` as in `check --json`. What takes
        longer than `limit` seconds is unknown.

        Raises SpecError if it has mistakes, TypeError for a problem.
        """
        from .analysis.report import examine

        program = self.check().checked.program
        if not isinstance(program, ir.Algorithm):
            raise TypeError("verdicts are about algorithms; this is a problem")
        return examine(program, limit)

    def files(self, problem: str | None = None) -> dict[str, str]:
        """File name -> generated text, with the named problem instead of the one under `train`."""
        return generate.files(self._program(problem), self.stem)

    def latex(self, *, rule: bool = False, standalone: bool = False) -> str:
        """This spec as LaTeX for amsmath and amssymb; with `rule` its update alone, with `standalone` a whole document.
        Raises SpecError where it has mistakes."""
        tree = pipeline.written(self.check().checked)
        made = latex.rule(tree) if rule else latex.text(tree)
        return latex.document([made]) if standalone else latex.fragment([made])

    def module(self, problem: str | None = None) -> ModuleType:
        """The generated code as a Python module, held in memory: the algorithm's class, the problem's, State."""
        name = f"{self.stem}.py"
        text = self.files(problem)[name]
        made = ModuleType(self.stem)
        made.__file__ = f"<generated {name}>"
        linecache.cache[made.__file__] = (len(text), None, text.splitlines(True), made.__file__)
        exec(compile(text, made.__file__, "exec"), made.__dict__)
        return made

    def compile(self, problem: str | None = None) -> Any:
        """The generated class: a torch.nn.Module, or the class of a problem."""
        names = classes(self._program(problem))
        return getattr(self.module(problem), names["algorithm" if "algorithm" in names else "problem"])

    def solve(
        self, *data: Any, problem: str | None = None, iterations: int | None = None, x0: Any = None,
        return_all: bool = False, **named: Any,
    ) -> Any:  # fmt: skip
        """The iterate after so many iterations of an algorithm without weights, on your own arrays: the data of
        `problem`, or of the one under `train`, as in `Trained.solve`. Raises ValueError for one with weights."""
        from .runtime import instances

        model, kind = self._weightless(problem)
        instance = instances.problem_of(kind, data, named)
        x = instances.solve(model, instance, _length(model, iterations), x0=x0, return_all=return_all)
        return instances.returned(x, [*data, *named.values(), x0])

    def export(
        self, file: Path | str, *, problem: str | None = None, iterations: int | None = None, example: Any = None
    ) -> Path:
        """An algorithm without weights as FILE.pt2 or FILE.onnx, as in `Trained.export`."""
        from .runtime.export import export

        model, kind = self._weightless(problem)
        if example is None:
            example = kind.sample(3, **(kind.sample_shared() if kind.shared else {}))
        return export(model, example, file, _length(model, iterations))

    def _weightless(self, problem: str | None) -> tuple[Any, Any]:
        """The module and the class of its problem. Raises ValueError where something is to be trained."""
        from .runtime import instances

        names, module = classes(self._program(problem)), self.module(problem)
        if "algorithm" not in names or "problem" not in names:
            raise ValueError(f"`{self.stem}` {'is a' if 'problem' in names else 'names no'} problem")
        made = getattr(module, names["algorithm"])
        if instances.made_for(made) or any(True for _ in made().parameters()):
            raise ValueError(f"`{self.stem}` has weights: train it, and name its run folder (`l2ogen.load_run`)")
        return made(), getattr(module, names["problem"])

    def train(
        self, folder: Path | str, *, problem: str | None = None, quiet: bool = False, tensorboard: bool = False,
        **settings: Any,
    ) -> Run:  # fmt: skip
        """Train in a new run folder; settings override those of the spec. Returns the finished run."""
        from .runtime import Run, train

        compiled = {word: str(settings.pop(word)) for word in ("on", "loss") if settings.get(word) is not None}
        if compiled:  # the code depends on them
            changed = self.with_settings(**compiled)
            return changed.train(folder, problem=problem, quiet=quiet, tensorboard=tensorboard, **settings)
        texts = self.files(problem)
        if f"{self.stem}_train.py" not in texts:
            raise ValueError(f"`{self.stem}` has nothing to train, or its `train` block lacks `on` or `loss`")
        with TemporaryDirectory() as place:
            for name, text in {**texts, "spec.l2o": self.text}.items():
                (Path(place) / name).write_text(text, encoding="utf-8")
            spec = Path(place) / "spec.l2o"
            run = Run.create(folder, place, spec=spec, quiet=quiet, tensorboard=tensorboard, **settings)
        return train(run)

    def with_settings(self, **settings: str) -> Spec:
        """This spec with other statements in its `train` block, e.g. `loss="mean over k of F(x)"`."""
        items = self.checked.parsed.tree.items
        chosen = [i for i in items if isinstance(i, t.Variant) and i.name.id == self.checked.variant]
        blocks = [i for i in (*items, *(i for v in chosen for i in v.body)) if isinstance(i, t.Block)]
        blocks = [b for b in blocks if b.keyword == "train"]
        lines = {word: f"{word} {value}" for word, value in settings.items()}
        statements = [s for b in blocks for s in b.body if isinstance(s, t.Setting | t.Loss)]
        edits = [(s.span.start, s.span.end, lines[s.word]) for s in statements if s.word in lines]
        new = [line for word, line in lines.items() if word not in {s.word for s in statements}]
        if blocks:
            inside = self.text.index("{", blocks[0].keyword_span.end) + 1
            edits += [(inside, inside, f" {line};") for line in new]
        text = self.text if blocks else f"{self.text.rstrip()}\ntrain {{ {'; '.join(new)} }}\n"
        for start, end, line in sorted(edits, reverse=True):
            text = text[:start] + line + text[end:]
        return Spec(pipeline.check(Source(self.checked.source.name, text), variant=self.checked.variant))

    def problem(self, name: str | None = None) -> Spec:
        """A problem as a spec of its own: the named one, looked for beside this file and among the shipped, else the
        one under `train`. Raises ValueError where there is none."""
        program = self.check().checked.program
        if name is None and isinstance(program, ir.Problem):
            return self
        bound = program.training.problem if name is None and isinstance(program, ir.Algorithm) else None
        if name is not None:
            return problem(name, Path(self.checked.source.name).parent)
        if bound is None:
            raise ValueError(f"`{self.stem}` names no problem; say which")
        return Spec(pipeline.check(bound.source))

    def _program(self, problem: str | None) -> ir.Algorithm | ir.Problem:
        ready = Spec(pipeline.compilable(self.checked)).check()
        program = ready.checked.program
        assert program is not None
        if problem is None:
            return program
        if not isinstance(program, ir.Algorithm):
            raise ValueError(f"`{program.name}` is a problem; only an algorithm is compiled for one")
        bound = self.problem(problem).checked.program
        assert isinstance(bound, ir.Problem)
        report = pipeline.misfits(program, bound)
        if report:
            raise SpecError(report, program.source)
        return replace(program, training=replace(program.training, problem=bound, sizes=()))


def _length(model: Any, iterations: int | None) -> int:
    """As many iterations as a module makes unless told."""
    default: int = inspect.signature(model.forward).parameters["iterations"].default
    return default if iterations is None else iterations


def load(name: Path | str) -> Spec:
    """A spec by path or by the name of a shipped one, a variant behind a colon (`pba12:PA`); mistakes are kept in
    `diagnostics`. Raises FileNotFoundError."""
    place = pipeline.find(str(name))
    if place is None or place[0].is_dir():
        raise FileNotFoundError(f"no spec {name}")
    return Spec(pipeline.check(Source.read(place[0]), variant=place[1]))


def problem(name: str, folder: Path = Path(".")) -> Spec:
    """A problem by path, or by name: beside `folder` first, then the shipped ones. Raises ValueError, SpecError."""
    if Path(name).is_file():
        found = Spec(pipeline.check(Source.read(Path(name)))).check()
        if not isinstance(found.checked.program, ir.Problem):
            raise ValueError(f"{name} is no problem")
        return found
    library = pipeline.Library(folder)
    bound = library(name)
    if bound is None:
        raise ValueError(f"no problem is called `{name}`; known: {', '.join(library.known)}")
    return Spec(pipeline.check(bound.source))


def load_run(folder: Path | str, device: str | None = None) -> Trained:
    """A trained run, ready for use: `load_run("runs/pa").solve(A, b, lam)`. Needs torch.

    Raises runtime.RunError where the folder holds no run, or no weights yet; ValueError for a device that is not there.
    """
    try:
        from .runtime import load_run as read
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{error}; what was trained needs torch: pip install 'l2ogen[train]'") from None
    return read(folder, device)


def rule(text: str) -> Spec:
    """A bare rule, e.g. `x+ = prox_r,P(y - P*grad f(y)); y+ = x+ + A*(x+ - x)`; everything else is inferred.

    Raises SpecError where the rule has mistakes or does not say what a name is.
    """
    source = Source("<rule>", text)
    completed, mistakes = pipeline.complete(source)
    if completed is None:
        raise SpecError(mistakes, source)
    return Spec(pipeline.check(completed))
