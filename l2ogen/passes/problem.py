"""The tree of a `problem` file -> ir.Problem: data, derived functions, the law that instances are drawn from."""

from __future__ import annotations

from typing import Literal

from ..core import ir
from ..core.constants import constant, positive
from ..core.symbols import Scope, Symbol
from ..core.types import SCALAR, Type, matrix, vector
from ..diagnostics import Diagnostic, catalog, nearest
from ..source import Source, Span
from ..syntax import tree as t
from ..syntax.printer import show
from . import declarations as decl
from . import derive
from .expressions import Expressions, fit, size_of, symbol
from .goal import check_properties, summands

LAWS = {"gaussian": 2, "sparse_gaussian": 2, "bernoulli_gaussian": 2}
"""Distributions and their number of arguments."""


def problem(file: t.File, source: Source, report: list[Diagnostic]) -> ir.Problem | None:
    """Resolve a whole problem; None where a mistake leaves nothing to go on with."""
    before = len(report)
    result = _Resolver(file, source, report).run()
    failed = any(d.severity == "error" for d in report[before:])
    return None if failed or decl.broken_names(file) else result


class _Resolver:
    def __init__(self, file: t.File, source: Source, report: list[Diagnostic]) -> None:
        self.file, self.source, self.report = file, source, report
        self.parts = decl.parts(file, report)
        self.scope = Scope(broken=decl.broken_names(file))
        self.expressions = Expressions(self.scope, report)
        self.variable, self.variable_type = "", vector(decl.Size.of("n"))
        self.target: Literal["minimize", "recover"] = "minimize"
        self.values: dict[str, tuple[ir.Node, t.FunctionDefinition]] = {}
        self.ranges: dict[str, ir.Range | None] = {}
        self.places: dict[str, Span] = {}
        """Name -> the first line of `sample` that draws it."""
        self.drawn: dict[str, Span] = {}
        """What was drawn so far."""

    def run(self) -> ir.Problem | None:
        header = self.parts["header"]
        assert isinstance(header, t.Header)
        for item in self.file.items:
            if isinstance(item, t.Block) and item.keyword not in ("data", "variable", "sample"):
                self.report.append(
                    catalog.misplaced_part(item.keyword_span, f"`{item.keyword}`", "a problem", "an algorithm file")
                )
            elif isinstance(item, t.FunctionDeclaration):
                self.report.append(
                    catalog.misplaced_part(item.span, "a function without a formula", "a problem", "an algorithm file")
                )
        data = decl.data(self.parts.get("data"), self.scope, self.report)
        self.ranges = {d.name: d.range for d in data}
        self.declare_variable(header)
        for item in self.file.items:
            if isinstance(item, t.FunctionDefinition):
                self.define(item)
        smooth, prox, text = self.objective(header)
        sample = self.parts.get("sample")
        options, draws = self.sample(sample, data) if isinstance(sample, t.Block) else ((), ())
        self.check_sizes(data)
        if not any(d.severity == "error" for d in self.report):
            for name, sym in self.scope.table.items():
                if sym.role == "data" and not sym.uses and sym.span:
                    self.report.append(catalog.unused_name(sym.span, name, "data"))
            for name in self.values:
                if not self.scope.table[name].uses:
                    place = self.scope.table[name].span or header.span
                    self.report.append(catalog.unused_name(place, name, "function"))
        doc = self.parts.get("documentation string")
        return ir.Problem(
            header.name.id, doc.text if isinstance(doc, t.Doc) else "", self.source, self.target, self.variable,
            self.variable_type, data, smooth, prox, options, draws, text, self.file,
        )  # fmt: skip

    def declare_variable(self, header: t.Header) -> None:
        block = self.parts.get("variable")
        body = [d for d in block.body if isinstance(d, t.Declaration)] if isinstance(block, t.Block) else []
        if len(body) != 1 or len(body[0].names) != 1:
            if not isinstance(block, t.Block) or not any(isinstance(d, t.Broken) for d in block.body):
                self.report.append(catalog.missing_part(header.span, "the one variable", "variable { x in R^n }"))
            return
        decl.allow(body[0], "variable", self.report)
        name, kind = body[0].names[0], decl.space(body[0].groups[0].space, self.scope, self.report)
        if kind is not None and kind.kind != "vector":
            self.report.append(
                catalog.bad_operand(body[0].groups[0].space.span, "`variable`", kind.describe(), "a vector in `R^n`")
            )
            return
        decl.declare(self.scope, self.report, Symbol(name.id, "variable", kind, name.span))
        self.variable, self.variable_type = name.id, kind or self.variable_type

    def define(self, f: t.FunctionDefinition) -> None:
        if f.variable.id != self.variable:
            if self.variable:
                first = self.scope.table[self.variable].span or f.variable.span
                self.report.append(catalog.variable_mismatch(f.variable.span, f.variable.id, self.variable, first))
            self.scope.broken.add(f.name.id)
            return
        value = self.expressions.lower_as(f.body, SCALAR, f.name.id, f.name.span)
        made = ir.Function(f.name.id, "f", (), None, f.name.span)
        decl.declare(self.scope, self.report, Symbol(f.name.id, "function", self.variable_type, f.name.span, made))
        if value is not None:
            self.values[f.name.id] = (value, f)
        else:
            self.scope.broken.add(f.name.id)

    # -- objective
    def objective(self, header: t.Header) -> tuple[ir.SmoothPart | None, ir.ProxPart | None, str]:
        goals = [i for i in self.file.items if isinstance(i, t.Minimize | t.Recover)]
        if not goals:
            if not any(isinstance(i, t.Broken) for i in t.walk(self.file)):
                self.report.append(catalog.missing_part(header.span, "the goal", "minimize f(x) + r(x)"))
            return None, None, ""
        for extra in goals[1:]:
            self.report.append(catalog.duplicate_part(extra.span, "goal", goals[0].span))
        goal = goals[0]
        if isinstance(goal, t.Recover):
            self.target = "recover"
            check_properties(goal, self.report)
            self.expressions.lower(goal.variable)
            measured, model = self.expressions.lower(goal.measured), self.expressions.lower(goal.model)
            if measured is not None and model is not None and fit(model, measured.type) is None:
                self.report.append(
                    catalog.wrong_value_type(
                        goal.model.span, goal.measured.id, str(measured.type), model.type.describe(), measured.span
                    )
                )
            return None, None, show(goal)
        smooth, prox = None, None
        before = len(self.report)
        self.expressions.lower(goal.objective)
        x = symbol("variable", self.variable, self.variable_type)
        for term in summands(goal.objective):
            named = term.fn.id if isinstance(term, t.Call) and term.fn.id in self.values else None
            if named is not None and isinstance(term, t.Call) and show(term) != f"{named}({self.variable})":
                first = self.scope.table[self.variable].span or term.span
                at = term.args[0].span if term.args else term.span
                self.report.append(catalog.variable_mismatch(at, show(term)[len(named) + 1 : -1], self.variable, first))
                continue
            if named is None:
                if len(self.report) == before and (not isinstance(term, t.Call) or term.fn.id not in self.scope.broken):
                    help = "name each part: `f(x) = …`, `r(x) = …`, then `minimize f(x) + r(x)`"
                    self.report.append(catalog.unnamed_part(term.span, help))
                continue
            value, definition = self.values[named]
            found = derive.smooth(value, x)
            step = derive.prox(value, x)
            if found is not None or step is not None:
                c = found.coefficient if found is not None else step.coefficient if step is not None else value
                if not positive(c, self.ranges, zero=found is None):
                    notes = self.expressions.origin(*c.walk())
                    help = _facts_for(c, self.ranges)
                    self.report.append(catalog.unknown_sign(definition.body.span, named, help, notes))
                    continue
            if found is not None and smooth is None:
                smooth = ir.SmoothPart(value, found.gradient, found.lipschitz, show(definition.body))
                continue
            if step is not None and prox is None:
                prox = ir.ProxPart(value, step.step, show(definition.body))
            elif (found or step) is None:
                help = "smooth: `c*||A*x - b||_2^2`; proximable: `c*||x||_1`"
                self.report.append(catalog.not_derivable(definition.body.span, named, "gradient or prox", help))
            else:
                kind = "smooth" if found is not None else "proximable"
                self.report.append(catalog.duplicate_part(definition.span, f"{kind} part", goal.span))
        text = " + ".join(show(self.values[n][1].body) for n in self.values)
        return smooth, prox, f"minimize over {self.variable}: {text}"

    # -- sample
    def sample(
        self, block: t.Block, data: tuple[ir.Datum, ...]
    ) -> tuple[tuple[tuple[str, float], ...], tuple[ir.Draw, ...]]:
        options: dict[str, float] = {}
        for a in block.arguments:
            value = constant(self.expressions.lower(a.value)) if isinstance(a, t.Keyword) else None
            if not isinstance(a, t.Keyword) or value is None:
                self.report.append(catalog.bad_setting(a.span, "sample", "options with default numbers: `m = 250`"))
                self.scope.broken |= {n.id for n in t.walk(a) if isinstance(n, t.Name)}
                continue
            options[a.name.id] = value
            known = self.scope.table.get(a.name.id)
            if known is None or known.role != "size":
                decl.declare(self.scope, self.report, Symbol(a.name.id, "option", SCALAR, a.name.span))
            else:
                known.role, known.uses = "option", 1
        for name, sym in self.scope.table.items():
            if sym.role == "size":
                what, example = f"a default for the size `{name}`", f"sample ({name} = 100)"
                self.report.append(catalog.missing_part(block.keyword_span, what, example))
                sym.role = "option"
        self.places = {s.name.id: s.name.span for s in reversed(block.body) if isinstance(s, t.Draw | t.Compute)}
        draws = []
        for s in block.body:
            self.expressions.said.clear()
            made = self.draw(s)
            if made is not None:
                draws.append(made)
                self.drawn.setdefault(made.name, made.span)
        drawn = {d.name for d in draws} | self.scope.broken
        for datum in data:
            if datum.name not in drawn:
                self.report.append(catalog.data_not_sampled(datum.span, datum.name))
        return tuple(options.items()), tuple(draws)

    def draw(self, s: t.Node) -> ir.Draw | None:
        if not isinstance(s, t.Draw | t.Compute):
            return None
        made = None
        if not self.too_early(s):
            made = self.law(s) if isinstance(s, t.Draw) else self.compute(s)
        if made is None:  # what is wrong was said; nothing more about the name
            self.scope.broken.add(s.name.id)
            return None
        known = self.scope.table.get(made.name)
        if made.name in self.drawn:
            self.report.append(catalog.assigned_twice(s.name.span, made.name, self.drawn[made.name]))
        elif made.name == f"{self.variable}_true" and made.type != self.variable_type:
            why = f"it stands for `{self.variable}`"
            found, wanted = str(made.type), str(self.variable_type)
            self.report.append(catalog.wrong_space(s.name.span, made.name, found, wanted, why))
            self.scope.add(Symbol(made.name, "truth", None, s.name.span, uses=1))
        elif known is None:
            self.scope.add(Symbol(made.name, "truth", made.type, s.name.span, uses=1))
        elif known.role not in ("data", "truth"):
            self.report.append(catalog.assigned_declared(s.name.span, made.name, known.what, known.span or s.name.span))
        elif known.type is not None and known.type != made.type:
            self.report.append(
                catalog.wrong_value_type(s.span, made.name, str(known.type), made.type.describe(), known.span)
            )
        return made

    def too_early(self, s: t.Draw | t.Compute) -> bool:
        """Whether a line uses what is drawn further below, or never."""
        data = {name for name, sym in self.scope.table.items() if sym.role in ("data", "variable")}
        for n in t.walk(s.law if isinstance(s, t.Draw) else s.value):
            if isinstance(n, t.Name) and n.id in data | set(self.places) and n.id not in self.drawn:
                if n.id in self.places and n.id not in self.scope.broken:
                    self.report.append(catalog.drawn_too_late(n.span, n.id, self.places[n.id]))
                return True
        return False

    def check_sizes(self, data: tuple[ir.Datum, ...]) -> None:
        """The variable's size is read off the data."""
        plain = {str(size) for d in data for size in d.type.sizes}
        block = self.parts.get("variable")
        sizes = sorted(self.variable_type.rows.names - plain)
        if isinstance(block, t.Block) and self.variable and sizes and not decl.broken_names(self.file):
            help = f"sizes are read off the data: {', '.join(sorted(plain)) or 'none here'}"
            self.report.append(catalog.unbound_size(block.body[0].span, sizes[0], help))

    def law(self, s: t.Draw) -> ir.Draw | None:
        if not isinstance(s.law, t.Call) or s.law.fn.id not in LAWS:
            word = s.law.fn if isinstance(s.law, t.Call) else s.law
            shown = word.id if isinstance(word, t.Name) else show(word)
            self.report.append(catalog.unknown_law(word.span, shown, nearest(shown, LAWS), list(LAWS)))
            return None
        name, values = s.law.fn.id, [a for a in s.law.args if not isinstance(a, t.Keyword)]
        if len(values) != LAWS[name] or len(values) != len(s.law.args):
            self.report.append(catalog.wrong_count(s.law.span, f"`{name}`", f"{LAWS[name]} arguments", len(s.law.args)))
            return None
        arguments = [self.expressions.lower(v) for v in values]
        sizes = [size_of(v) for v in values]
        if any(a is None for a in arguments):
            return None
        if sizes[0] is None or (name == "gaussian" and sizes[1] is None):
            self.report.append(catalog.bad_size(values[0].span if sizes[0] is None else values[1].span))
            return None
        kind: Type = matrix(sizes[0], sizes[1]) if name == "gaussian" and sizes[1] is not None else vector(sizes[0])
        normalized = False
        if s.modifier is not None:
            words = (s.modifier[0].id, s.modifier[1].id)
            normalized = words == ("columns", "normalized")
            if not normalized:
                self.report.append(
                    catalog.bad_setting(
                        s.modifier[0].span.to(s.modifier[1].span),
                        name,
                        "`columns normalized`, or nothing, after it",
                    )
                )
        return ir.Draw(s.name.id, kind, name, tuple(a for a in arguments if a is not None), normalized, span=s.span)

    def compute(self, s: t.Compute) -> ir.Draw | None:
        e, snr = s.value, None
        if isinstance(e, t.Binary) and e.op == "+" and isinstance(e.right, t.Call) and e.right.fn.id == "noise":
            snr = self.noise(e.right)
            e = e.left
        value = self.expressions.lower(e)
        if value is None:
            return None
        known = self.scope.table.get(s.name.id)
        if known is not None and known.role == "data" and known.type is not None:
            fitted = fit(value, known.type)
            if fitted is not None:
                return ir.Draw(s.name.id, known.type, "", (fitted,), snr=snr, span=s.span)
        return ir.Draw(s.name.id, value.type, "", (value,), snr=snr, span=s.span)

    def noise(self, call: t.Call) -> ir.Node | None:
        """noise(snr = 40): the ratio in dB; inf is no noise."""
        one = call.args[0] if len(call.args) == 1 else None
        if not isinstance(one, t.Keyword) or one.name.id != "snr":
            self.report.append(
                catalog.wrong_count(call.span, "`noise`", "the ratio in dB, `noise(snr = 40)`", len(call.args))
            )
            return None
        if isinstance(one.value, t.Name) and one.value.id == "inf":
            return None
        return self.expressions.lower(one.value)


def _facts_for(c: ir.Node, ranges: dict[str, ir.Range | None]) -> str:
    """What to declare so that a coefficient is proved positive."""
    names = [n for n in sorted(ir.symbols(c, "data")) if ranges.get(n) is None]
    return "declare " + " and ".join(f"`{n} in R with {n} > 0`" for n in names) if names else "make it positive"
