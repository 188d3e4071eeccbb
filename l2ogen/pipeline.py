"""From text to a typed program to generated code: the stages, in order."""

from __future__ import annotations

import keyword
import sys
from dataclasses import dataclass
from pathlib import Path

from .core import ir
from .diagnostics import Diagnostic, catalog, independent
from .passes.algorithm import algorithm
from .passes.infer import infer
from .passes.problem import problem
from .passes.training import Binding, bind
from .resources import specs_folder
from .source import Source, Span
from .syntax import tree as t
from .syntax.parser import Parsed, parse


@dataclass(frozen=True)
class Checked:
    """What is known of one file; `program` is None where mistakes leave nothing to compile."""

    parsed: Parsed
    program: ir.Algorithm | ir.Problem | None
    diagnostics: tuple[Diagnostic, ...]

    @property
    def source(self) -> Source:
        return self.parsed.source

    @property
    def ok(self) -> bool:
        return not any(d.severity == "error" for d in self.diagnostics)


class Library:
    """Problems by name: those beside the file, then the shipped ones; each is read once."""

    def __init__(self, folder: Path | None = None) -> None:
        shipped = specs_folder()
        self.folders = [f for f in (folder, folder and folder / "problems", shipped / "problems") if f and f.is_dir()]
        self.found: dict[str, ir.Problem | None] = {}

    @property
    def known(self) -> list[str]:
        return sorted({p.stem for f in self.folders for p in f.glob("*.l2o")} - self._algorithms())

    def _algorithms(self) -> set[str]:
        """Stems of files that hold algorithms, so that they are not offered as problems."""
        texts = (
            (p.stem, p.read_text(encoding="utf-8", errors="replace")) for f in self.folders for p in f.glob("*.l2o")
        )
        return {stem for stem, text in texts if text.lstrip().startswith("algorithm")}

    def __call__(self, name: str) -> ir.Problem | None:
        if name not in self.found:
            self.found[name] = None  # also ends a file that names itself
            for folder in self.folders:
                path = folder / f"{name}.l2o"
                if path.is_file():
                    program = check(Source.read(path), self).program
                    if isinstance(program, ir.Problem):
                        self.found[name] = program
                        break
        return self.found[name]


def check(source: Source, library: Library | None = None) -> Checked:
    """[text] -> [tree] -> [typed program], with all mistakes; never raises for a user's mistake."""
    library = library or Library(Path(source.name).parent)
    parsed = parse(source)
    if parsed.unclear:
        return Checked(parsed, None, independent(parsed.diagnostics, parsed.shape))
    report = list(parsed.diagnostics)
    program: ir.Algorithm | ir.Problem | None = None
    kinds = [item.kind for item in parsed.tree.items if isinstance(item, t.Header)]
    if parsed.tree.items and not kinds:
        if not isinstance(parsed.tree.items[0], t.Broken):
            report.append(catalog.no_header(parsed.tree.items[0].span))
    elif kinds[:1] == ["algorithm"]:
        program = algorithm(parsed.tree, source, library, library.known, report)
    elif kinds:
        program = problem(parsed.tree, source, report)
    ordered = independent(report, parsed.shape)
    ok = not any(d.severity == "error" for d in ordered)
    return Checked(parsed, program if ok else None, ordered)


def complete(rule: Source) -> tuple[Source | None, tuple[Diagnostic, ...]]:
    """[bare rule] -> [the whole file it stands for], or the mistakes in the rule."""
    parsed = parse(rule, "rule")
    if parsed.diagnostics:
        return None, parsed.diagnostics
    report: list[Diagnostic] = []
    text = infer(parsed, report)
    return (Source("<rule>", text) if text is not None else None), tuple(report)


def find(name: str) -> Path | None:
    """A spec by path, or by the name of a shipped one (`ista`)."""
    path = Path(name)
    if path.exists():
        return path
    stem = name.removesuffix(".l2o").lower()
    for candidate in (specs_folder() / f"{stem}.l2o", specs_folder() / "problems" / f"{stem}.l2o"):
        if candidate.is_file():
            here = Path.cwd()
            return candidate.relative_to(here) if candidate.is_relative_to(here) else candidate
    return None


def stem(checked: Checked) -> str:
    """What generated files are called: the spec's file name as an identifier, or the algorithm's name."""
    name = Path(checked.source.name).stem
    if not (name.isidentifier() and name.isascii()):
        name = checked.program.name.lower() if checked.program is not None else "spec"
    taken = keyword.iskeyword(name) or name in sys.stdlib_module_names or name in ("torch", "l2ogen")
    return f"{name}_spec" if taken or name.endswith("_train") else name


def misfits(program: ir.Algorithm, bound: ir.Problem) -> tuple[Diagnostic, ...]:
    """Why an algorithm can't be bound to a problem; empty where it can."""
    report: list[Diagnostic] = []
    wanted = Binding(program.variable, program.target, program.data, {f.role: f.name for f in program.functions})
    bind(Span(0, 0), bound, wanted, report)
    return tuple(report)
