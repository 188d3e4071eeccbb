"""Networks and parameters: what an algorithm learns, predicts or computes from a formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..core import ir
from ..core.constants import MARGIN, constant
from ..core.symbols import Symbol
from ..core.types import Type
from ..diagnostics import Diagnostic, catalog, nearest
from ..source import Span
from ..syntax import tree as t
from ..syntax.printer import show
from . import declarations as decl
from .expressions import Expressions

CELLS = ("lstm",)
NETWORK_OPTIONS = {"hidden": 20, "layers": 2, "head": 20}
KINDS = ("learned", "predicted", "fixed")


def network(item: t.Network, report: list[Diagnostic]) -> ir.Network:
    """`phi = lstm(hidden = 20, layers = 2, head = 20) per coordinate`"""
    if item.cell.id not in CELLS:
        meant = nearest(item.cell.id, CELLS)
        report.append(catalog.unknown_cell(item.cell.span, item.cell.id, meant, list(CELLS)))
    options = dict(NETWORK_OPTIONS)
    seen: dict[str, Span] = {}
    for o in item.options:
        if not isinstance(o, t.Keyword):
            report.append(catalog.bad_setting(o.span, item.cell.id, "options by name: `hidden = 20`"))
        elif o.name.id not in options:
            meant = nearest(o.name.id, options)
            owner = f"`{item.cell.id}`"
            report.append(catalog.unknown_option(o.name.span, o.name.id, owner, meant, list(options)))
        elif o.name.id in seen:
            report.append(catalog.duplicate_setting(o.name.span, o.name.id, seen[o.name.id]))
        elif isinstance(o.value, t.Number) and o.value.text.isdigit() and 0 < float(o.value.text) < 10**6:
            options[o.name.id] = int(o.value.text)
            seen[o.name.id] = o.name.span
        else:
            report.append(catalog.bad_setting(o.value.span, o.name.id, "a positive whole number"))
    if not item.per_coordinate:
        report.append(
            catalog.not_available(item.span, "a network over all coordinates", "write `per coordinate` after it")
        )
    return ir.Network(item.name.id, "lstm", options["hidden"], options["layers"], options["head"], item.name.span)


@dataclass
class Parameters:
    """Declares parameters; their formulas are lowered once the states are known too."""

    expressions: Expressions
    report: list[Diagnostic]
    data: tuple[ir.Datum, ...] = ()
    found: dict[str, ir.Parameter] = field(default_factory=dict)
    predictions: dict[str, t.Declaration] = field(default_factory=dict)
    """Predicted parameter -> its declaration, until the network is called."""
    said_shared: set[str] = field(default_factory=set)

    def declare(self, body: tuple[t.Node, ...]) -> list[Callable[[], None]]:
        """Names and spaces now; what lowers formulas, once the states are known too, is returned."""
        later: list[Callable[[], None]] = []
        for item in body:
            if not isinstance(item, t.Declaration):
                continue
            whole = self.check_clauses(item)
            for group in item.groups:
                kind = decl.space(group.space, self.expressions.scope, self.report)
                for name in group.names:
                    symbol = Symbol(name.id, "parameter", kind, name.span)
                    new = decl.declare(self.expressions.scope, self.report, symbol)
                    if not whole:
                        symbol.type = None
                    elif kind is not None and new:
                        later.append(lambda d=item, n=name, k=kind: self.parameter(d, n, k))  # type: ignore[misc]
        return later

    def check_clauses(self, d: t.Declaration) -> bool:
        """Whether the declaration has the parts that its kind needs; what is missing is reported."""
        before = len(self.report)
        word = {"learned": "init", "predicted": "=", "fixed": "="}.get(d.kind or "", "= init")
        if d.kind == "precomputed":
            self.report.append(catalog.not_available(d.span, "`precomputed`", "write `fixed`"))
            return False
        decl.allow(d, "parameters", self.report, kinds=KINDS, value=word)
        first = d.names[0]
        if d.kind is None:
            self.report.append(catalog.kind_needs(first.span, "", "a kind", f"learned {first.id} in …"))
        elif d.kind == "fixed" and d.value is None:
            self.report.append(catalog.kind_needs(first.span, "fixed", "a formula", f"fixed {first.id} in R = 1/L"))
        elif d.kind == "predicted" and (d.value is None or not isinstance(d.value.expr, t.Call)):
            place = d.value.span if d.value is not None else first.span
            example = f"predicted {first.id} in diag(n) = phi(x, grad f(x))"
            self.report.append(catalog.kind_needs(place, "predicted", "a network call", example))
        if d.kind == "fixed" and d.facts:
            self.report.append(catalog.fixed_fact(d.facts[0].span, first.id))
        if d.tail is not None:
            self.check_tail(d, d.tail)
        return len(self.report) == before

    def check_tail(self, d: t.Declaration, tail: t.Tail) -> None:
        name = d.names[0].id
        if tail.formula is not None:
            self.report.append(catalog.not_available(tail.span, "a tail by formula", "write `tail repeat last`"))
        elif d.kind != "learned":
            help = "only a learned parameter has a last layer"
            self.report.append(catalog.misplaced_clause(tail.span, "`tail`", f"a {d.kind} parameter", help))
        elif not name.endswith("_k"):
            what = "`tail` says what follows the last layer"
            self.report.append(catalog.not_per_iteration(tail.span, name, what))

    def parameter(self, d: t.Declaration, name: t.Name, kind: Type) -> None:
        if self.expressions.scope.table[name.id].type is None:
            return
        ranges = decl.facts(d, [name.id], self.expressions, self.report)
        range_ = ranges.get(name.id)
        if range_ is not None and kind.kind in ("matrix", "sym"):
            help = "ranges are for scalars, vectors and diagonals"
            self.report.append(catalog.unsupported_fact(range_.span, help))
        value = init = None
        if d.kind == "fixed":
            value = self.formula(d, name, kind)
        elif d.kind == "learned":
            if kind.kind == "sym":
                found, wanted = kind.describe(), "`R`, `R^n`, `R^(m, n)` or `diag(n)`"
                self.report.append(catalog.bad_operand(name.span, "a learned parameter", found, wanted))
            if d.value is not None:
                init = self.initial(d.value, name, kind, range_)
        else:
            if kind.kind not in ("diag", "vector") and any(name is group.names[0] for group in d.groups):
                wanted = "outputs in `diag(n)` or `R^n`"
                self.report.append(
                    catalog.bad_operand(name.span, "a network `per coordinate`", kind.describe(), wanted)
                )
            self.predictions[name.id] = d
        self.found[name.id] = ir.Parameter(
            name.id, d.kind, kind, name.span, value, init, range_, clauses(d, name.id)  # type: ignore[arg-type]
        )  # fmt: skip

    def formula(self, d: t.Declaration, name: t.Name, kind: Type) -> ir.Node | None:
        """The value of a fixed parameter: of k, data, L and the parameters above."""
        assert d.value is not None
        table = self.expressions.scope.table
        for n in t.walk(d.value.expr):
            known = table.get(n.id) if isinstance(n, t.Name) else None
            if isinstance(n, t.Name) and known is not None and known.span is not None:
                if known.role == "state":
                    needs, example = "a formula without states", f"{name.id} = …` in `update"
                    self.report.append(catalog.kind_needs(n.span, "fixed", needs, example))
                    return None
                if known.role == "parameter" and known.type is not None and n.id not in self.found:
                    self.report.append(catalog.declared_below(n.span, n.id, known.span))
                    return None
        value = self.expressions.lower_as(d.value.expr, kind, name.id, name.span)
        if ir.symbols(value, "iteration") and not name.id.endswith("_k"):
            what = "the formula differs between iterations"
            self.report.append(catalog.not_per_iteration(d.value.span, name.id, what))
        return value

    # -- initial values of learned parameters
    def initial(self, given: t.Value, name: t.Name, kind: Type, range_: ir.Range | None) -> ir.Node | None:
        init = self.expressions.lower_as(given.expr, kind, name.id, name.span)
        if init is None:
            return None
        for datum in self.data:
            if datum.name in ir.symbols(init, "data") and not datum.shared and datum.name not in self.said_shared:
                self.said_shared.add(datum.name)
                self.report.append(catalog.init_needs_shared(given.span, name.id, datum.name, datum.span))
        if any(n.op in ("grad", "prox", "value") or n.role not in ("", "data") for n in init.walk()):
            needs, example = "an initial value from numbers and shared data", f"learned {name.id} in R init 0.1"
            self.report.append(catalog.kind_needs(given.span, "learned", needs, example))
        elif range_ is not None:
            self.check_initial(given, name, init, range_)
        return init

    def check_initial(self, given: t.Value, name: t.Name, init: ir.Node, range_: ir.Range) -> None:
        """The initial value lies in the range, which the same for all instances."""
        for end in (range_.low, range_.high):
            moving = sorted(ir.symbols(end, "data", "lipschitz"))
            if moving:
                self.report.append(catalog.init_in_moving_range(given.span, name.id, moving[0], range_.span))
                return
        at, low, high = constant(init), constant(range_.low), constant(range_.high)
        if at is None:
            return
        margin = MARGIN * (high - low) if low is not None and high is not None else 0.0  # kept from open ends
        below = low is not None and (at < low + margin * range_.low_open or (at == low and range_.low_open))
        above = high is not None and (at > high - margin * range_.high_open or (at == high and range_.high_open))
        if below or above:
            self.report.append(catalog.init_outside(given.span, name.id, range_.span))

    def check_sizes(self, body: tuple[t.Node, ...], known: set[str]) -> None:
        """Every size of a parameter is the size of something that the problem brings along."""
        said: set[str] = set()
        for d in body:
            for group in d.groups if isinstance(d, t.Declaration) else ():
                kind = self.expressions.scope.table[group.names[0].id].type
                names = {n for size in (kind.sizes if kind is not None else ()) for n in size.names}
                for size in sorted(names - known - said):
                    said.add(size)
                    help = f"sizes come from the reported state and the data: {', '.join(sorted(known)) or 'none here'}"
                    self.report.append(catalog.unbound_size(group.space.span, size, help))
                if names - known:
                    for name in group.names:
                        self.expressions.scope.table[name.id].type = None


def clauses(d: t.Declaration, name: str) -> str:
    """The value and the facts about this name, for docstrings: `= 1/L`, `init 0.1, theta_k >= 0`."""
    facts = [show(f) for f in d.facts if any(isinstance(n, t.Name) and n.id == name for n in t.walk(f))]
    value = [show(d.value)] if d.value is not None and d.kind != "predicted" else []
    return ", ".join(value + facts)
