"""The Python interface: specs loaded, checked, compiled and trained."""

from __future__ import annotations

import linecache
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any

from . import pipeline
from .backends.torch import generate
from .backends.torch.emit import class_name
from .core import ir
from .diagnostics import Diagnostic, render
from .source import Source

if TYPE_CHECKING:
    from .runtime import Run


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

    def check(self) -> Spec:
        """This spec, if it has no mistakes; raises SpecError otherwise."""
        if not self.checked.ok:
            raise SpecError(self.diagnostics, self.checked.source)
        return self

    def files(self, problem: str | None = None) -> dict[str, str]:
        """File name -> generated text, with the named problem instead of the one under `train`."""
        return generate.files(self._program(problem), self.stem)

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
        return getattr(self.module(problem), class_name(self._program(problem).name))

    def train(self, folder: Path | str, *, problem: str | None = None, quiet: bool = False, **settings: Any) -> Run:
        """Train in a new run folder; settings override those of the spec. Returns the finished run."""
        from .runtime import Run, train

        texts = self.files(problem)
        if f"{self.stem}_train.py" not in texts:
            raise ValueError(f"`{self.stem}` has nothing to train, or its `train` block lacks `on` or `loss`")
        with TemporaryDirectory() as place:
            for name, text in {**texts, "spec.l2o": self.text}.items():
                (Path(place) / name).write_text(text, encoding="utf-8")
            run = Run.create(folder, place, spec=Path(place) / "spec.l2o", quiet=quiet, **settings)
        return train(run)

    def _program(self, problem: str | None) -> ir.Algorithm | ir.Problem:
        self.check()
        program = self.checked.program
        assert program is not None
        if problem is None:
            return program
        if not isinstance(program, ir.Algorithm):
            raise ValueError(f"`{program.name}` is a problem; only an algorithm is compiled for one")
        library = pipeline.Library(Path(self.checked.source.name).parent)
        bound = library(problem)
        if bound is None:
            raise ValueError(f"no problem is called `{problem}`; known: {', '.join(library.known)}")
        report = pipeline.misfits(program, bound)
        if report:
            raise SpecError(report, program.source)
        return replace(program, training=replace(program.training, problem=bound, sizes=()))


def load(name: Path | str) -> Spec:
    """A spec by path or by the name of a shipped one. Raises FileNotFoundError; mistakes are kept in `diagnostics`."""
    path = pipeline.find(str(name))
    if path is None:
        raise FileNotFoundError(f"no spec {name}")
    return Spec(pipeline.check(Source.read(path)))


def rule(text: str) -> Spec:
    """A bare rule, e.g. `x+ = prox_r,P(y - P*grad f(y)); y+ = x+ + A*(x+ - x)`; everything else is inferred.

    Raises SpecError where the rule has mistakes or does not say what a name is.
    """
    source = Source("<rule>", text)
    completed, mistakes = pipeline.complete(source)
    if completed is None:
        raise SpecError(mistakes, source)
    return Spec(pipeline.check(completed))
