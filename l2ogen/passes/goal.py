"""What an algorithm is for: the `problem` block, with functions known by their properties alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ..core import ir
from ..core.constants import constant, positive
from ..core.symbols import Symbol
from ..core.types import SCALAR, Type
from ..diagnostics import Diagnostic, catalog, nearest
from ..source import Span
from ..syntax import tree as t
from . import declarations as decl
from .expressions import Expressions, fit

PROPERTIES = ("convex", "smooth", "proximable", "coercive", "strongly_convex")
RECOVER_PROPERTIES = ("sparse",)


@dataclass
class Goal:
    """The target and what it is made of; filled by `run`, checked against the states by `check_states`."""

    expressions: Expressions
    report: list[Diagnostic]
    target: Literal["minimize", "recover"] = "minimize"
    variable: str = "x"
    functions: dict[str, ir.Function] = field(default_factory=dict)
    data: tuple[ir.Datum, ...] = ()
    recover: t.Recover | None = None
    failed: bool = False
    """Whether mistakes leave open what the problem is."""

    def run(self, body: tuple[t.Node, ...], header: Span) -> None:
        for item in body:
            if isinstance(item, t.Block):
                self.data += decl.data(item, self.expressions.scope, self.report)
        self.declare_functions([item for item in body if isinstance(item, t.FunctionDeclaration)])
        goals = [item for item in body if isinstance(item, t.Minimize | t.Recover)]
        for extra in goals[1:]:
            self.report.append(catalog.duplicate_part(extra.span, "goal", goals[0].span))
        if not goals and not any(isinstance(item, t.Broken) for item in body):
            self.report.append(catalog.missing_part(header, "the goal", "minimize f(x) + r(x)"))
        for goal in goals[:1]:
            if isinstance(goal, t.Recover):
                self.target, self.variable, self.recover = "recover", goal.variable.id, goal
                check_properties(goal, self.report)
            else:
                self.objective(goal)
        for item in body:
            if isinstance(item, t.FunctionDefinition):
                help = "an algorithm knows its functions by their properties: `f(x) : convex, smooth(L)`"
                self.report.append(catalog.misplaced_clause(item.span, "a formula", "problem", help))

    # -- functions
    def declare_functions(self, declared: list[t.FunctionDeclaration]) -> None:
        if declared:
            self.variable = declared[0].variable.id
        for f in declared:
            if f.variable.id != self.variable:
                first = declared[0].variable.span
                self.report.append(catalog.variable_mismatch(f.variable.span, f.variable.id, self.variable, first))
            self.function(f)

    def function(self, f: t.FunctionDeclaration) -> None:
        names = tuple(p.fn.id for p in f.properties)
        lipschitz = modulus = None
        before = len(self.report)
        for p in f.properties:
            if p.fn.id == "smooth":
                lipschitz = self.named_constant(p, "lipschitz", "the name of the Lipschitz constant, `smooth(L)`")
            elif p.fn.id == "strongly_convex":
                modulus = self.modulus(p)
            elif p.fn.id not in PROPERTIES:
                meant = nearest(p.fn.id, PROPERTIES)
                self.report.append(catalog.unknown_property(p.fn.span, p.fn.id, meant, list(PROPERTIES)))
            elif p.args:
                self.report.append(catalog.wrong_count(p.span, f"`{p.fn.id}`", "no argument", len(p.args)))
        whole = f.name.id == "F" and "smooth" not in names and "proximable" not in names
        if "smooth" not in names and "proximable" not in names and not whole and len(self.report) == before:
            self.report.append(catalog.role_missing(f.name.span, f.name.id))
        role: Literal["f", "r", "F"] = "F" if whole else "f" if "smooth" in names else "r"
        made = ir.Function(f.name.id, role, names, lipschitz, f.name.span, modulus)
        broken = self.expressions.scope.broken
        if len(self.report) > before:  # what it is, and what its properties name, is not known
            broken |= {n.id for p in f.properties for n in t.walk(p) if isinstance(n, t.Name)} | {f.name.id}
        others = [g for g in self.functions.values() if g.role == role and g.name not in broken]
        if others and f.name.id not in broken:
            shown = "smooth" if role == "f" else "proximable"
            self.report.append(catalog.role_taken(f.name.span, f.name.id, shown, others[0].span))
            broken.add(f.name.id)
        self.functions[f.name.id] = made
        decl.declare(self.expressions.scope, self.report, Symbol(f.name.id, "function", None, f.name.span, made))

    @property
    def roles(self) -> dict[str, str]:
        """Role -> function."""
        return {f.role: f.name for f in self.functions.values()}

    def named_constant(self, p: t.Call, role: str, wanted: str) -> str | None:
        """`smooth(L)` declares L."""
        if len(p.args) != 1 or not isinstance(p.args[0], t.Name) or p.args[0].next:
            self.report.append(catalog.wrong_count(p.span, f"`{p.fn.id}`", wanted, len(p.args)))
            return None
        name = p.args[0]
        decl.declare(self.expressions.scope, self.report, Symbol(name.id, role, SCALAR, name.span))
        return name.id

    def modulus(self, p: t.Call) -> ir.Node | None:
        """mu of `strongly_convex(mu)`: a positive number, or a name for one."""
        one = p.args[0] if len(p.args) == 1 else None
        if isinstance(one, t.Name) and one.id not in self.expressions.scope.table:
            name = self.named_constant(p, "modulus", "")
            self.expressions.scope.table[one.id].uses += 1  # no formula need use it
            return None if name is None else ir.Node("symbol", (), SCALAR, ("modulus", name), one.span)
        value = self.expressions.lower(one) if isinstance(one, t.Expr) else None
        if value is None or not positive(value, {d.name: d.range for d in self.data}):
            wanted = "a positive number or a name, `strongly_convex(mu)`"
            self.report.append(catalog.wrong_count(p.span, "`strongly_convex`", wanted, len(p.args)))
            return None
        return value

    # -- objective
    def objective(self, goal: t.Minimize) -> None:
        """`minimize f(x) + r(x)`: every declared function, once."""
        parts: set[str] = set()
        broken = self.expressions.scope.broken
        before = len(self.report)
        for term in summands(goal.objective):
            match term:
                case t.Call(fn=t.Name(id=fn), args=(t.Name(id=point, next=False) as at,)) if fn in self.functions:
                    parts.add(fn)
                    if point != self.variable:
                        first = next(iter(self.functions.values())).span
                        self.report.append(catalog.variable_mismatch(at.span, point, self.variable, first))
                case t.Call(fn=t.Name(id=fn) as name) if fn not in self.functions:
                    if fn not in broken:
                        self.report.append(catalog.unknown_name(name.span, fn, nearest(fn, self.functions)))
                    if "f" not in self.roles:  # its declaration would bring the Lipschitz constant
                        broken.add("L")
                case _:
                    help = "write `f(x) + r(x)` and declare what `f` and `r` are"
                    self.report.append(catalog.unnamed_part(term.span, help))
        for missing, f in self.functions.items():
            if missing not in parts and missing not in broken and len(self.report) == before:
                self.report.append(catalog.not_minimized(f.span, missing, goal.span))

    # -- states
    def check_states(self, states: dict[str, ir.State]) -> None:
        """Functions live where the reported state lives; what is recovered fits the measurements."""
        reported = states.get(self.variable)
        if reported is None:
            return
        for name in self.functions:
            self.expressions.scope.table[name].type = reported.type
        if self.functions and "F" not in self.expressions.scope.table:  # the language's name for the whole objective
            whole = ir.Function("F", "F", ("convex",), None, reported.span)
            self.expressions.scope.table["F"] = Symbol("F", "function", reported.type, None, whole)
        self.check_spaces(reported, states)
        r = self.recover
        if r is not None:
            measured, model = self.expressions.lower(r.measured), self.expressions.lower(r.model)
            if measured is not None and model is not None and fit(model, measured.type) is None:
                self.report.append(
                    catalog.wrong_value_type(
                        r.model.span, r.measured.id, str(measured.type), model.type.describe(), measured.span
                    )
                )
            self.expressions.scope.table[self.variable].uses = 0

    def check_spaces(self, reported: ir.State, states: dict[str, ir.State]) -> None:
        wanted: Type = reported.type
        if wanted.kind != "vector":
            why = "what is reported is a vector"
            self.report.append(catalog.wrong_space(reported.span, reported.name, str(wanted), "R^n", why))
            self.expressions.scope.table[reported.name].type = None
            return
        known = {size for d in self.data for size in d.type.sizes} | {wanted.rows}
        for s in states.values():
            if s.type.kind != "scalar" and (s.type.kind != "vector" or s.type.rows not in known):
                spaces = [f"`R^{size}`" for size in sorted(known, key=str)]
                why = "a state is a scalar, or a vector of a size that the problem brings along"
                self.report.append(catalog.wrong_space(s.span, s.name, str(s.type), " or ".join(spaces), why))
                self.expressions.scope.table[s.name].type = None


METHODS = ("descent", "deviation")


def safeguard(item: t.Safeguard, goal: Goal, report: list[Diagnostic]) -> ir.Safeguard | None:
    """`safeguard descent`, `safeguard deviation(delta = 0.05)`: for rules that minimize f + r with a smooth f."""
    e = item.method
    name = e.fn if isinstance(e, t.Call) else e
    if not isinstance(name, t.Name) or name.id not in METHODS:
        shown = name.id if isinstance(name, t.Name) else ""
        wanted = "`descent` or `deviation(delta = 0.05)`"
        report.append(catalog.bad_setting(e.span, "safeguard", wanted, nearest(shown, METHODS)))
        return None
    delta = 0.05
    options = e.args if isinstance(e, t.Call) else ()
    for o in options:
        known = ["delta"] if name.id == "deviation" else ["none"]
        if not isinstance(o, t.Keyword) or o.name.id not in known:
            word = o.name.id if isinstance(o, t.Keyword) else "…"
            span = o.name.span if isinstance(o, t.Keyword) else o.span
            report.append(catalog.unknown_option(span, word, f"`{name.id}`", nearest(word, known), known))
            return None
        value = constant(goal.expressions.lower(o.value))
        if value is None or not 0 < value < 1:
            report.append(catalog.bad_setting(o.value.span, "delta", "a number between 0 and 1"))
            return None
        delta = value
    if goal.target != "minimize" or "f" not in goal.roles:
        report.append(catalog.safeguard_needs(item.span, "an objective with a smooth part to compare with"))
        return None
    return ir.Safeguard(name.id, delta, item.span)  # type: ignore[arg-type]


def check_properties(r: t.Recover, report: list[Diagnostic]) -> None:
    """`sparse(x)` after `recover … :`."""
    for p in r.properties:
        if p.fn.id not in RECOVER_PROPERTIES:
            meant = nearest(p.fn.id, RECOVER_PROPERTIES)
            report.append(catalog.unknown_property(p.fn.span, p.fn.id, meant, list(RECOVER_PROPERTIES)))
        elif len(p.args) != 1 or not isinstance(p.args[0], t.Name) or p.args[0].id != r.variable.id:
            report.append(catalog.wrong_count(p.span, f"`{p.fn.id}`", f"`{r.variable.id}`", len(p.args)))


def summands(e: t.Expr) -> list[t.Expr]:
    """a + b + c -> [a, b, c]"""
    if isinstance(e, t.Paren):
        return summands(e.arg)
    if isinstance(e, t.Binary) and e.op == "+":
        return summands(e.left) + summands(e.right)
    return [e]
