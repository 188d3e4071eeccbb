"""From text to a typed program to generated code: the stages, in order."""

from __future__ import annotations

import keyword
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from .core import ir
from .diagnostics import Diagnostic, catalog, nearest
from .passes import variants
from .passes.algorithm import algorithm
from .passes.infer import infer
from .passes.problem import problem
from .passes.simplify import simplify
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
    variant: str | None = None

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


def check(source: Source, library: Library | None = None, variant: str | None = None) -> Checked:
    """[text] -> [tree] -> [typed program], with all mistakes; never raises for a user's mistake.

    Without `variant` the algorithm itself; mistakes in its variants are found by `check_all`.
    """
    library = library or Library(Path(source.name).parent)
    parsed = parse(source)
    report = list(parsed.diagnostics)
    program: ir.Algorithm | ir.Problem | None = None
    kinds = [item.kind for item in parsed.tree.items if isinstance(item, t.Header)]
    if parsed.tree.items and not kinds:
        if not isinstance(parsed.tree.items[0], t.Broken):
            report.append(catalog.no_header(parsed.tree.items[0].span))
    elif kinds:
        variants.check(parsed.tree, report)
        tree = variants.without(parsed.tree)
        if variant is not None:
            known = variants.variants(parsed.tree)
            if variant in known:
                tree = variants.apply(parsed.tree, known[variant], report)
            else:
                meant = nearest(variant, known)
                report.append(catalog.unknown_variant(Span(0, 0), variant, meant, list(known)))
        if kinds[0] == "algorithm":
            program = algorithm(tree, source, library, library.known, report, variant)
        else:
            program = problem(tree, source, report)
    ordered = tuple(sorted(set(report), key=lambda d: (d.span.start, d.code)))
    ok = not any(d.severity == "error" for d in ordered)
    return Checked(parsed, program if ok else None, ordered, variant)


def check_all(source: Source, library: Library | None = None) -> list[Checked]:
    """The algorithm (or problem) of a file, then each of its variants. A mistake is reported once: in the first that
    has it."""
    library = library or Library(Path(source.name).parent)
    found = [check(source, library)]
    said = set(found[0].diagnostics)
    for name in variants.variants(found[0].parsed.tree) if found[0].ok else ():
        one = check(source, library, name)
        found.append(
            replace(one, diagnostics=tuple(d for d in one.diagnostics if d not in said or one.program is None))
        )
        said |= set(one.diagnostics)
    return found


def complete(rule: Source) -> tuple[Source | None, tuple[Diagnostic, ...]]:
    """[bare rule] -> [the whole file it stands for], or the mistakes in the rule."""
    parsed = parse(rule, "rule")
    if parsed.diagnostics:
        return None, parsed.diagnostics
    report: list[Diagnostic] = []
    text = infer(parsed, report)
    return (Source("<rule>", text) if text is not None else None), tuple(report)


def find(name: str) -> tuple[Path, str | None] | None:
    """A spec by path, or by the name of a shipped one (`ista`), with the variant behind a colon: `pba12:PA`."""
    path = Path(name)
    if path.exists():
        return path, None
    name, _, variant = name.partition(":")
    if variant and Path(name).is_file():
        return Path(name), variant
    stem = name.removesuffix(".l2o").lower()
    if not stem.isidentifier():
        return None
    for candidate in (specs_folder() / f"{stem}.l2o", specs_folder() / "problems" / f"{stem}.l2o"):
        if candidate.is_file():
            here = Path.cwd()
            return candidate.relative_to(here) if candidate.is_relative_to(here) else candidate, variant or None
    return None


def written(checked: Checked) -> t.File:
    """The file; of a variant, the algorithm that it is, as a file of its own. For specs without mistakes."""
    program = checked.program
    if checked.variant is None or program is None:
        return checked.parsed.tree
    assert isinstance(program.tree, t.File)
    name = t.Name(f"{program.name}_{checked.variant}")
    items = (replace(i, name=name) if isinstance(i, t.Header) else i for i in program.tree.items)
    return replace(program.tree, items=tuple(items))


def update(file: t.File) -> tuple[t.Node, ...]:
    """The lines of the update rule."""
    return tuple(s for i in file.items if isinstance(i, t.Block) and i.keyword == "update" for s in i.body)


def stem(checked: Checked) -> str:
    """What generated files are called: the spec's file name as an identifier, or the algorithm's name; with the variant
    behind it."""
    name = Path(checked.source.name).stem
    if not (name.isidentifier() and name.isascii()):
        name = checked.program.name.lower() if checked.program is not None else "spec"
    if checked.variant:
        name += f"_{checked.variant.lower()}"
    taken = keyword.iskeyword(name) or name in sys.stdlib_module_names or name in ("torch", "l2ogen")
    return f"{name}_spec" if taken or name.endswith("_train") else name


def misfits(program: ir.Algorithm, bound: ir.Problem) -> tuple[Diagnostic, ...]:
    """Why an algorithm can't be bound to a problem; empty where it can."""
    report: list[Diagnostic] = []
    wanted = Binding(program.variable, program.target, program.data, {f.role: f.name for f in program.functions})
    bind(Span(0, 0), bound, wanted, report)
    return tuple(report)


def compilable(checked: Checked) -> Checked:
    """The same, simplified for the backend; what only the checker can use, such as `any(C)`, is a mistake here."""
    program = checked.program
    if not isinstance(program, ir.Algorithm):
        return checked
    report = obstacles(program)
    if report:
        return replace(checked, program=None, diagnostics=(*checked.diagnostics, *report))
    return replace(checked, program=simplify(program))


def obstacles(program: ir.Algorithm) -> tuple[Diagnostic, ...]:
    """What no code can be generated for."""
    found = [catalog.only_checked(n.span, f"`{n.name}` is any map") for n in program.networks if n.cell == "any"]
    if found:
        return tuple(found)
    for s in program.statements:
        if isinstance(s, ir.Assignment) and s.implicit is not None and s.implicit.metric is None:
            why = (
                f"the rule is not `{s.name}+ = u - P*{s.implicit.name}`, P a scalar or a diagonal, so no prox solves it"
            )
            found.append(catalog.only_checked(s.span, why))
    return tuple(found)
