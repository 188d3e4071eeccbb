"""The `sample` block of a problem: options, the lines that draw, compute or load, each name once and in order."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from ..core import ir
from ..core.constants import constant
from ..core.symbols import Scope, Symbol
from ..core.types import SCALAR, Type, matrix, vector
from ..diagnostics import Diagnostic, catalog, nearest
from ..source import Span
from ..syntax import tree as t
from ..syntax.printer import show
from ..vocabulary import one_of
from . import declarations as decl
from .expressions import Expressions, fit, size_of

LAWS: dict[str, tuple[str, ...]] = {
    "gaussian": ("std",), "uniform": ("low", "high"), "bernoulli": ("p",), "rademacher": (),
    "sparse_gaussian": ("std",), "bernoulli_gaussian": ("std",),
}  # fmt: skip
"""Distributions and their options. Their arguments are sizes; none: one number for each instance."""
SPARSE = ("sparse_gaussian", "bernoulli_gaussian")
"""Take a size and how much of it is not 0."""
TABLE = ("features", "standardized", "labels")
"""What a .csv file holds."""

Options = tuple[tuple[str, float], ...]


class Sampling:
    """Resolves one `sample` block; what is drawn enters the scope."""

    def __init__(
        self, expressions: Expressions, report: list[Diagnostic], data: tuple[ir.Datum, ...], variable: str, space: Type
    ) -> None:
        self.expressions, self.report, self.data = expressions, report, data
        self.scope: Scope = expressions.scope
        self.variable, self.space = variable, space
        self.places: dict[str, Span] = {}
        """Name -> the first line that draws it."""
        self.drawn: dict[str, Span] = {}
        """What was drawn so far."""

    def run(self, block: t.Block) -> tuple[Options, tuple[ir.Draw | ir.Load, ...]]:
        options = self.options(block)
        for s in reversed(block.body):
            self.places |= {name.id: name.span for name in _names(s)}
        draws: list[ir.Draw | ir.Load] = []
        for s in block.body:
            self.expressions.said.clear()
            made = self.load(s) if isinstance(s, t.Load) else self.draw(s)
            if made is not None:
                draws.append(made)
        missing = [d for d in self.data if d.name not in self.drawn and d.name not in self.scope.broken]
        if missing:
            self.report.append(catalog.data_not_sampled(missing[0].span, [d.name for d in missing]))
        return options, self.once(draws)

    def once(self, draws: list[ir.Draw | ir.Load]) -> tuple[ir.Draw | ir.Load, ...]:
        """Mark what is drawn once: shared data and what they are computed from; nothing else may use the latter."""
        shared = {d.name for d in self.data if d.shared}
        own = {d.name for d in self.data if not d.shared} | {f"{self.variable}_true"}
        needed = set(shared)
        for d in reversed(draws):
            if isinstance(d, ir.Draw) and d.name in needed:
                used = {n for a in d.arguments for n in ir.symbols(a, "data", "truth")}
                for name in sorted(used & own):
                    self.report.append(catalog.shared_from_own(d.span, d.name, name))
                needed |= used
        found: list[ir.Draw | ir.Load] = []
        for d in draws:
            if isinstance(d, ir.Draw):
                used = {n for a in d.arguments for n in ir.symbols(a, "data", "truth")}
                if d.name not in needed:
                    for name in sorted(used & (needed - shared - own)):
                        self.report.append(catalog.not_kept(d.span, name))
                d = replace(d, shared=d.name in needed)
            found.append(d)
        return tuple(found)

    def options(self, block: t.Block) -> Options:
        """The arguments of `sample`: sizes and the rest, with their defaults."""
        options: dict[str, float] = {}
        ratios = _ratios(block)
        for a in block.arguments:
            value = None
            if isinstance(a, t.Keyword):
                none = isinstance(a.value, t.Name) and a.value.id == "inf" and a.name.id in ratios
                value = inf if none else constant(self.expressions.lower(a.value))
            if not isinstance(a, t.Keyword) or value is None:
                self.report.append(catalog.bad_setting(a.span, "sample", "options with default numbers: `m = 250`"))
                continue
            options[a.name.id] = value
            known = self.scope.table.get(a.name.id)
            if known is None or known.role != "size":
                decl.declare(self.scope, self.report, Symbol(a.name.id, "option", SCALAR, a.name.span))
            else:
                known.role, known.uses = "option", 1
        named = {a.name.id for a in block.arguments if isinstance(a, t.Keyword)}  # a bad default is said above
        for name, sym in self.scope.table.items():
            if sym.role == "size" and name in named:
                sym.role = "option"
            if sym.role == "size":
                what, example = f"a default for the size `{name}`", f"sample ({name} = 100)"
                self.report.append(catalog.missing_part(block.keyword_span, what, example))
                sym.role = "option"
        return tuple(options.items())

    # -- lines
    def draw(self, s: t.Node) -> ir.Draw | None:
        if not isinstance(s, t.Draw | t.Compute):
            return None
        made = None
        if not self.too_early(s):
            made = self.law(s) if isinstance(s, t.Draw) else self.compute(s)
        if made is None:  # what is wrong was said; nothing more about the name
            self.scope.broken.add(s.name.id)
            return None
        self.enter(s.name, made.type, s.span)
        return made

    def enter(self, name: t.Name, kind: Type, span: Span) -> None:
        """A name that was drawn: once, in the space where it was declared."""
        known = self.scope.table.get(name.id)
        if name.id in self.drawn:
            self.report.append(catalog.assigned_twice(name.span, name.id, self.drawn[name.id]))
        elif name.id == f"{self.variable}_true" and kind != self.space:
            why = f"it stands for `{self.variable}`"
            self.report.append(catalog.wrong_space(name.span, name.id, str(kind), str(self.space), why))
            self.scope.add(Symbol(name.id, "truth", None, name.span, uses=1))
        elif known is None:
            self.scope.add(Symbol(name.id, "truth", kind, name.span, uses=1))
        elif known.role not in ("data", "truth"):
            self.report.append(catalog.assigned_declared(name.span, name.id, known.what, known.span or name.span))
        elif known.type is not None and known.type != kind:
            found = catalog.wrong_value_type(span, name.id, str(known.type), kind.describe(), known.span)
            self.report.append(found)
        self.drawn.setdefault(name.id, span)

    def too_early(self, s: t.Draw | t.Compute) -> bool:
        """Whether a line uses what is drawn further below, or never."""
        data = {name for name, sym in self.scope.table.items() if sym.role in ("data", "variable")}
        for n in t.walk(s.law if isinstance(s, t.Draw) else s.value):
            if isinstance(n, t.Name) and n.id in data | set(self.places) and n.id not in self.drawn:
                if n.id in self.places and n.id not in self.scope.broken:
                    self.report.append(catalog.drawn_too_late(n.span, n.id, self.places[n.id]))
                return True
        return False

    def law(self, s: t.Draw) -> ir.Draw | None:
        if not isinstance(s.law, t.Call) or s.law.fn.id not in LAWS:
            word = s.law.fn if isinstance(s.law, t.Call) else s.law
            shown = word.id if isinstance(word, t.Name) else show(word)
            self.report.append(catalog.unknown_law(word.span, shown, nearest(shown, LAWS), list(LAWS)))
            return None
        name, values = s.law.fn.id, [a for a in s.law.args if not isinstance(a, t.Keyword)]
        options = self.law_options(s.law)
        if (len(values) != 2) if name in SPARSE else (len(values) > 2):
            wanted = "2 arguments" if name in SPARSE else "at most 2 sizes"
            self.report.append(catalog.wrong_count(s.law.span, f"`{name}`", wanted, len(values)))
            return None
        arguments = [self.expressions.lower(v) for v in values]
        if options is None or any(a is None for a in arguments):
            return None
        sizes = []
        for v in values[:1] if name in SPARSE else values:
            size = size_of(v)
            if size is None:
                self.report.append(catalog.bad_size(v.span))
                return None
            sizes.append(size)
        kind = matrix(*sizes) if len(sizes) == 2 else vector(sizes[0]) if sizes else SCALAR
        known = self.scope.table.get(s.name.id)
        if known is not None and known.type is not None and known.type.kind == "diag" and kind.kind == "vector":
            kind = known.type if known.type.rows == kind.rows else kind  # a diagonal is drawn as its entries
        found = tuple(a for a in arguments if a is not None)
        return ir.Draw(s.name.id, kind, name, found, self.normalized(s), options=options, span=s.span)

    def law_options(self, law: t.Call) -> tuple[tuple[str, ir.Node], ...] | None:
        known, found = LAWS[law.fn.id], {}
        for a in law.args:
            if not isinstance(a, t.Keyword):
                continue
            value = self.expressions.lower(a.value)
            plain = value is not None and all(n.role in ("", "option") for n in value.walk())
            if a.name.id not in known or a.name.id in found or not plain or value is None:
                self.report.append(catalog.law_option(a.span, law.fn.id, list(known)))
                return None
            found[a.name.id] = value
        return tuple(found.items())

    def normalized(self, s: t.Draw) -> bool:
        if s.modifier is None:
            return False
        words = (s.modifier[0].id, s.modifier[1].id)
        if words != ("columns", "normalized"):
            span, wanted = s.modifier[0].span.to(s.modifier[1].span), "`columns normalized`, or nothing, after it"
            self.report.append(catalog.bad_setting(span, s.law.fn.id if isinstance(s.law, t.Call) else "", wanted))
        return words == ("columns", "normalized")

    def compute(self, s: t.Compute) -> ir.Draw | None:
        e, snr, std = s.value, None, None
        if isinstance(e, t.Binary) and e.op == "+" and isinstance(e.right, t.Call) and e.right.fn.id == "noise":
            snr, std = self.noise(e.right)
            e = e.left
        value = self.expressions.lower(e)
        if value is None:
            return None
        kind = value.type
        known = self.scope.table.get(s.name.id)
        if known is not None and known.role == "data" and known.type is not None:
            fitted = fit(value, known.type)
            square = known.type.kind == "sym" and value.type == matrix(known.type.rows, known.type.rows)
            if fitted is not None or square:  # whether it is symmetric is checked when the problem is made
                value, kind = fitted or value, known.type
        return ir.Draw(s.name.id, kind, "", (value,), snr=snr, std=std, span=s.span)

    def noise(self, call: t.Call) -> tuple[ir.Node | None, ir.Node | None]:
        """noise(snr = 40): the ratio in dB, inf is none; noise(std = 0.1): the standard deviation."""
        one = call.args[0] if len(call.args) == 1 else None
        if not isinstance(one, t.Keyword) or one.name.id not in ("snr", "std"):
            wanted = "the ratio in dB, `noise(snr = 40)`, or a deviation, `noise(std = 0.1)`"
            self.report.append(catalog.wrong_count(call.span, "`noise`", wanted, len(call.args)))
            return None, None
        if one.name.id == "snr" and isinstance(one.value, t.Name) and one.value.id == "inf":
            return None, None
        value = self.expressions.lower_as(one.value, SCALAR, one.name.id, None)
        return (value, None) if one.name.id == "snr" else (None, value)

    # -- files
    def load(self, s: t.Load) -> ir.Load | None:
        """`load "file.npz" { A = W; b = Y }`"""
        plain = not any(c in s.file for c in '/\\:"') and s.file.endswith((".npz", ".npy", ".csv")) and s.file[0] != "."
        if not plain:
            self.report.append(catalog.bad_file_name(s.file_span, s.file))
        spaces = {d.name: d.type for d in self.data} | {f"{self.variable}_true": self.space}
        arrays = []
        for item in s.arrays:
            if isinstance(item, t.Broken):
                continue
            kind = spaces.get(item.name.id)
            if kind is None:
                if item.name.id not in self.scope.broken:
                    self.report.append(catalog.loaded_undeclared(item.name.span, item.name.id, list(spaces)))
                    self.scope.broken.add(item.name.id)
                continue
            self.enter(item.name, kind, item.span)
            if s.file.endswith(".csv") and item.array.id not in TABLE:
                meant = nearest(item.array.id, TABLE)
                self.report.append(catalog.bad_setting(item.array.span, "load", one_of(TABLE) + " of a table", meant))
            arrays.append((item.name.id, kind, item.array.id + "'" * item.transposed))
        return ir.Load(s.file, tuple(arrays), s.span) if plain else None


def _ratios(block: t.Block) -> set[str]:
    """What stands in `noise(snr = …)`: it may be inf."""
    calls = [n for s in block.body for n in t.walk(s) if isinstance(n, t.Call) and n.fn.id == "noise"]
    values = [a.value for c in calls for a in c.args if isinstance(a, t.Keyword) and a.name.id == "snr"]
    return {n.id for v in values for n in t.walk(v) if isinstance(n, t.Name)}


def _names(s: t.Node) -> list[t.Name]:
    """What a line draws."""
    match s:
        case t.Draw() | t.Compute():
            return [s.name]
        case t.Load():
            return [item.name for item in s.arrays if isinstance(item, t.Array)]
    return []
