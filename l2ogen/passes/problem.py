"""The tree of a `problem` file -> ir.Problem: data, functions and what follows from them, the law of its instances."""

from __future__ import annotations

from typing import Literal

from ..core import ir
from ..core.symbols import Scope, Symbol
from ..core.types import IDENTITY, SCALAR, vector
from ..diagnostics import Diagnostic, catalog
from ..source import Source
from ..syntax import tree as t
from ..syntax.printer import show
from . import declarations as decl
from .expressions import Expressions, fit, symbol
from .goal import check_properties, summands
from .parts import Objective, Part
from .sample import Sampling

BLOCKS = ("data", "variable", "sample")


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
        self.scope.table["I"] = Symbol("I", "identity", IDENTITY)
        self.expressions = Expressions(self.scope, report)
        self.expressions.in_problem = True
        self.variable, self.variable_type = "", vector(decl.Size.of("n"))
        self.target: Literal["minimize", "recover"] = "minimize"
        self.data: tuple[ir.Datum, ...] = ()
        self.functions: dict[str, Part] = {}
        self.external: t.FunctionDeclaration | None = None

    def run(self) -> ir.Problem | None:
        header = self.parts["header"]
        assert isinstance(header, t.Header)
        for item in self.file.items:
            if isinstance(item, t.Block) and item.keyword not in BLOCKS:
                what = f"`{item.keyword}`"
                self.report.append(catalog.misplaced_part(item.keyword_span, what, "a problem", "an algorithm file"))
        self.data = decl.data(self.parts.get("data"), self.scope, self.report)
        self.declare_variable(header)
        for item in self.file.items:
            if isinstance(item, t.FunctionDefinition):
                self.define(item)
            elif isinstance(item, t.FunctionDeclaration):
                self.declare_external(item)
        objective = self.goal(header)
        sample = self.parts.get("sample")
        options, draws = (), ()
        if isinstance(sample, t.Block):
            sampling = Sampling(self.expressions, self.report, self.data, self.variable, self.variable_type)
            options, draws = sampling.run(sample)  # type: ignore[assignment]
        self.check_sizes()
        self.check_external()
        self.warn_of_unused(header)
        doc = self.parts.get("documentation string")
        return ir.Problem(
            header.name.id, doc.text if isinstance(doc, t.Doc) else "", self.source, self.target, self.variable,
            self.variable_type, self.data, objective.smooth, objective.prox, options, draws, objective.text,
            objective.convex, objective.coercive, objective.strong, objective.modulus, objective.radius,
            objective.groups, objective.boxes, self.file,
        )  # fmt: skip

    def warn_of_unused(self, header: t.Header) -> None:
        if any(d.severity == "error" for d in self.report):
            return
        for name, sym in self.scope.table.items():
            if sym.role in ("data", "function") and not sym.uses:
                self.report.append(catalog.unused_name(sym.span or header.span, name, sym.role))

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

    # -- functions
    def define(self, f: t.FunctionDefinition) -> None:
        if not self.of_variable(f):
            return
        value = self.expressions.lower_as(f.body, SCALAR, f.name.id, f.name.span)
        self.function(f)
        if value is not None:
            self.functions[f.name.id] = Part(f.name.id, value, f.body, f.span)
        else:
            self.scope.broken.add(f.name.id)

    def declare_external(self, f: t.FunctionDeclaration) -> None:
        """`f(x) : external`"""
        if [p.fn.id for p in f.properties] != ["external"] or f.properties[0].args:
            what, place = "a function without a formula that is not `external`", "an algorithm file"
            self.report.append(catalog.misplaced_part(f.span, what, "a problem", place))
            self.scope.broken.add(f.name.id)
        elif self.of_variable(f):
            if self.external is not None:
                self.report.append(catalog.duplicate_part(f.span, "external function", self.external.span))
            self.function(f)
            self.external = self.external or f
            self.functions[f.name.id] = Part(f.name.id, None, f.name, f.span)

    def of_variable(self, f: t.FunctionDefinition | t.FunctionDeclaration) -> bool:
        if f.variable.id == self.variable:
            return True
        if self.variable:
            first = self.scope.table[self.variable].span or f.variable.span
            self.report.append(catalog.variable_mismatch(f.variable.span, f.variable.id, self.variable, first))
        self.scope.broken.add(f.name.id)
        return False

    def function(self, f: t.FunctionDefinition | t.FunctionDeclaration) -> None:
        made = ir.Function(f.name.id, "f", (), None, f.name.span)
        decl.declare(self.scope, self.report, Symbol(f.name.id, "function", self.variable_type, f.name.span, made))

    # -- goal
    def goal(self, header: t.Header) -> Objective:
        ranges = {d.name: d.range for d in self.data}
        objective = Objective(symbol("variable", self.variable, self.variable_type), ranges, self.report)
        goals = [i for i in self.file.items if isinstance(i, t.Minimize | t.Recover)]
        if not goals:
            if not any(isinstance(i, t.Broken) for i in t.walk(self.file)):
                self.report.append(catalog.missing_part(header.span, "the goal", "minimize f(x) + r(x)"))
            return objective
        for extra in goals[1:]:
            self.report.append(catalog.duplicate_part(extra.span, "goal", goals[0].span))
        goal = goals[0]
        if isinstance(goal, t.Recover):
            self.recover(goal)
            objective.text = show(goal)
            return objective
        before = len(self.report)
        self.expressions.lower(goal.objective)
        named = [part for term in summands(goal.objective) if (part := self.named(term, before)) is not None]
        for i, part in enumerate(named):
            if part in named[:i]:
                what = f"`{part.name}({self.variable})` in the objective"
                self.report.append(catalog.duplicate_part(goal.objective.span, what, part.span))
                return objective
        objective.run(named, goal.span)
        text = " + ".join(show(p.tree) if p.value is not None else f"{p.name}({self.variable})" for p in named)
        objective.text = f"minimize over {self.variable}: {text}"
        return objective

    def named(self, term: t.Expr, before: int) -> Part | None:
        """The function of a summand `f(x)`."""
        found = self.functions.get(term.fn.id) if isinstance(term, t.Call) else None
        if found is None:
            if len(self.report) == before and (not isinstance(term, t.Call) or term.fn.id not in self.scope.broken):
                help = "name each part: `f(x) = …`, `r(x) = …`, then `minimize f(x) + r(x)`"
                self.report.append(catalog.unnamed_part(term.span, help))
            return None
        if isinstance(term, t.Call) and show(term) != f"{found.name}({self.variable})":
            first = self.scope.table[self.variable].span or term.span
            at = term.args[0].span if term.args else term.span
            shown = show(term)[len(found.name) + 1 : -1]
            self.report.append(catalog.variable_mismatch(at, shown, self.variable, first))
            return None
        return found

    def recover(self, goal: t.Recover) -> None:
        self.target = "recover"
        check_properties(goal, self.report)
        self.expressions.lower(goal.variable)
        measured, model = self.expressions.lower(goal.measured), self.expressions.lower(goal.model)
        if measured is not None and model is not None and fit(model, measured.type) is None:
            found = model.type.describe()
            self.report.append(
                catalog.wrong_value_type(goal.model.span, goal.measured.id, str(measured.type), found, measured.span)
            )

    # -- sizes
    def check_sizes(self) -> None:
        """Every size is read off the data, where it stands alone; the variable's of an external problem is given."""
        plain = {str(size) for d in self.data for size in d.type.sizes}
        block = self.parts.get("variable")
        given = any(isinstance(item, t.FunctionDeclaration) for item in self.file.items)
        if given or not isinstance(block, t.Block) or not self.variable:
            return
        values = [p.value for p in self.functions.values() if p.value is not None]
        used = {n.name: n.span for value in values for n in value.walk() if n.role == "size"}
        used |= dict.fromkeys(self.variable_type.rows.names, block.body[0].span)
        help = f"sizes are read off the data: {', '.join(sorted(plain)) or 'none here'}"
        for name in sorted(used.keys() - plain):
            if not decl.broken_names(self.file):
                self.report.append(catalog.unbound_size(used[name], name, help))

    def check_external(self) -> None:
        """An external problem is made of callables: it has no data, and nothing draws it."""
        for keyword in ("data", "sample"):
            block = self.parts.get(keyword)
            if self.external is not None and isinstance(block, t.Block):
                self.report.append(catalog.external_alone(block.keyword_span, keyword))
