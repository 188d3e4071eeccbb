"""Parameters: what an algorithm learns, predicts, precomputes or computes from a formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ..core import ir
from ..core.constants import constant, exact, positive, tends
from ..core.symbols import Symbol
from ..core.types import Type
from ..diagnostics import Diagnostic, catalog
from ..syntax import tree as t
from ..syntax.printer import show
from . import declarations as decl
from .expressions import Expressions, number
from .facts import ABOUT_ALL, facts, prove

KINDS = ("learned", "predicted", "precomputed", "fixed")


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
        word = {"learned": "init", "predicted": "=", "fixed": "=", "precomputed": "="}.get(d.kind or "", "= init")
        decl.allow(d, "parameters", self.report, kinds=KINDS, value=word)
        first = d.names[0]
        if d.kind is None:
            self.report.append(catalog.kind_needs(first.span, "", "a kind", f"learned {first.id} in …"))
        elif d.kind == "fixed" and d.value is None:
            self.report.append(catalog.kind_needs(first.span, "fixed", "a formula", f"fixed {first.id} in R = 1/L"))
        elif d.kind == "precomputed" and d.value is None:
            example = f"precomputed {first.id} in R^(m, n) = analytic_weight(A)"
            self.report.append(catalog.kind_needs(first.span, "precomputed", "a formula", example))
        elif d.kind == "predicted" and (d.value is None or not isinstance(d.value.expr, t.Call)):
            place = d.value.span if d.value is not None else first.span
            example = f"predicted {first.id} in diag(n) = phi(x, grad f(x))"
            self.report.append(catalog.kind_needs(place, "predicted", "a network call", example))
        if d.kind == "precomputed" and d.facts:
            self.report.append(catalog.fixed_fact(d.facts[0].span, first.id))
        return len(self.report) == before

    def tail(self, d: t.Declaration, name: t.Name, facts: ir.Facts) -> ir.Tail:
        """What follows the last layer; where the parameter vanishes it does so behind the last layer, too."""
        tail = d.tail
        if tail is None:
            return ir.Tail("decay", number("0.9")) if facts.vanishes and facts.envelope is None else ir.Tail()
        if d.kind != "learned":
            help = "only a learned parameter has a last layer"
            self.report.append(catalog.misplaced_clause(tail.span, "`tail`", f"a {d.kind} parameter", help))
            return ir.Tail()
        if not name.id.endswith("_k"):
            what = "`tail` says what follows the last layer"
            self.report.append(catalog.not_per_iteration(tail.span, name.id, what))
            return ir.Tail()
        made = self.tail_of(tail, name)
        vanishing = made.kind in ("decay", "none") or (made.value is not None and tends(made.value) == "zero")
        if facts.vanishes and facts.envelope is None and not vanishing:
            fact = next(f.span for f in d.facts if f.limit is not None)
            self.report.append(catalog.tail_breaks_limit(tail.span, name.id, fact))
        self.stays_in_range(made, d, name, facts)
        return made

    def stays_in_range(self, made: ir.Tail, d: t.Declaration, name: t.Name, facts: ir.Facts) -> None:
        """What follows the last layer obeys the facts, too: formulas by proof, what decays if 0 is no farther than an end."""
        ranges = {x.name: x.range for x in self.data}
        if made.kind == "formula" and made.value is not None:
            prove(made.value, replace(facts, vanishes=False, margin=ir.MARGIN), d, name.id, ranges, self.report)
        elif made.kind == "decay" and facts.range is not None:
            closed = replace(facts.range, low_open=False, high_open=False)
            prove(number(0), ir.Facts(closed), d, name.id, ranges, self.report)

    def tail_of(self, tail: t.Tail, name: t.Name) -> ir.Tail:
        e = tail.formula
        if e is None:
            return ir.Tail()
        if isinstance(e, t.Name) and e.id == "none":
            return ir.Tail("none")
        if isinstance(e, t.Call) and e.fn.id == "decay" and "decay" not in self.expressions.scope.table:
            one = e.args[0] if len(e.args) == 1 and isinstance(e.args[0], t.Expr) else None
            rho = self.expressions.lower(one) if one is not None else None
            share = constant(rho)
            if share is None or not 0 < share < 1:
                self.report.append(catalog.bad_setting(e.span, "decay", "a number between 0 and 1: `tail decay(0.9)`"))
                return ir.Tail()
            return ir.Tail("decay", rho)
        kind = self.expressions.scope.table[name.id].type
        value = self.expressions.lower_as(e, kind, name.id, name.span) if kind is not None else None
        if value is not None and not self.is_known_at_once(value):
            needs = "a tail of numbers, data, `k` and the parameters above"
            self.report.append(catalog.kind_needs(e.span, "per-iteration", needs, "tail decay(0.9)"))
        return ir.Tail("formula", value)

    def is_known_at_once(self, value: ir.Node) -> bool:
        """Whether a value needs no state and asks nothing of the problem's functions."""
        roles = ("", "data", "iteration", "size", "option", "lipschitz", "parameter")
        return all(n.op not in ir.OF_PROBLEM and n.role in roles for n in value.walk())

    def parameter(self, d: t.Declaration, name: t.Name, kind: Type) -> None:
        if self.expressions.scope.table[name.id].type is None:
            return
        about = facts(d, [name.id], self.expressions, self.report)[name.id]
        self.check_facts(d, name, kind, about)
        value = init = None
        if d.kind in ("fixed", "precomputed"):
            value = self.formula(d, name, kind)
            if value is not None and d.facts:
                prove(value, about, d, name.id, {x.name: x.range for x in self.data}, self.report)
        elif d.kind == "learned":
            if d.value is not None:
                init = self.initial(d.value, name, kind, about)
        else:
            self.predictions[name.id] = d
        self.found[name.id] = ir.Parameter(
            name.id, d.kind, kind, name.span, value, init, about, self.tail(d, name, about),  # type: ignore[arg-type]
            clauses(d, name.id),
        )  # fmt: skip

    def check_facts(self, d: t.Declaration, name: t.Name, kind: Type, about: ir.Facts) -> None:
        """Facts that nothing could enforce."""
        if about.range is not None and kind.kind == "matrix":
            help = "ranges are for scalars, vectors, diagonals and symmetric matrices; write `bounded(c)` for the norm"
            self.report.append(catalog.unsupported_fact(about.range.span, help))
        if about.vanishes and kind.kind in ("matrix", "sym"):
            help = "limits are for scalars, vectors and diagonals"
            self.report.append(catalog.unsupported_fact(d.facts[0].span, help))
        elif about.vanishes and about.envelope is None and d.kind in ("learned", "predicted"):
            fact = next(f for f in d.facts if f.limit is not None)
            if d.kind == "predicted":
                self.report.append(catalog.limit_needs_envelope(fact.span, name.id, "a network's output has no layers"))
            elif not name.id.endswith("_k"):
                why = "it is one value for all iterations"
                self.report.append(catalog.limit_needs_envelope(fact.span, name.id, why))
        low = about.range.low if about.range is not None else None
        if about.vanishes and low is not None and exact(low) != 0 and positive(low, {}):
            help = "a range away from 0 and the limit 0 exclude each other"
            self.report.append(catalog.unsupported_fact(d.facts[0].span, help))

    def formula(self, d: t.Declaration, name: t.Name, kind: Type) -> ir.Node | None:
        """The value of a fixed parameter: of k, data, L and the parameters above; of a precomputed one: without k."""
        assert d.value is not None
        word, table = d.kind or "fixed", self.expressions.scope.table
        for n in t.walk(d.value.expr):
            known = table.get(n.id) if isinstance(n, t.Name) else None
            if isinstance(n, t.Name) and known is not None and known.span is not None:
                if known.role == "state":
                    needs, example = "a formula without states", f"{name.id} = …` in `update"
                    self.report.append(catalog.kind_needs(n.span, word, needs, example))
                    return None
                if known.role == "parameter" and known.type is not None and n.id not in self.found:
                    self.report.append(catalog.declared_below(n.span, n.id, known.span))
                    return None
        value = self.expressions.lower_as(d.value.expr, kind, name.id, name.span)
        if value is None:
            return None
        if ir.symbols(value, "iteration") and not name.id.endswith("_k") and word == "fixed":
            what = "the formula differs between iterations"
            self.report.append(catalog.not_per_iteration(d.value.span, name.id, what))
        if word == "precomputed":
            later = [p for p in ir.symbols(value, "parameter") if self.found[p].kind not in ("precomputed", "fixed")]
            if ir.symbols(value, "iteration") or later or any(n.op in ir.OF_PROBLEM for n in value.walk()):
                needs, example = "a formula of data alone", f"fixed {name.id} in {kind} = …"
                self.report.append(catalog.kind_needs(d.value.span, word, needs, example))
        return value

    def shared(self, value: ir.Node) -> str | None:
        """The name of what differs between instances in a value; None where all of it is shared."""
        for name in sorted(ir.symbols(value, "data")):
            datum = next((d for d in self.data if d.name == name), None)
            if datum is not None and not datum.shared:
                return name
        for name in sorted(ir.symbols(value, "parameter")):
            below = self.found[name].value
            if below is not None and (own := self.shared(below)) is not None:
                return own
        return next(iter(sorted(ir.symbols(value, "lipschitz"))), None)

    # -- initial values of learned parameters
    def initial(self, given: t.Value, name: t.Name, kind: Type, about: ir.Facts) -> ir.Node | None:
        init = self.expressions.lower_as(given.expr, kind, name.id, name.span)
        if init is None:
            return None
        own = self.shared(init)
        datum = next((d for d in self.data if d.name == own), None)
        if datum is not None and own not in self.said_shared:
            self.said_shared.add(datum.name)
            self.report.append(catalog.init_needs_shared(given.span, name.id, datum.name, datum.span))
        known = ("", "data", "size")
        precomputed = {p.name for p in self.found.values() if p.kind == "precomputed"}
        if any(
            n.op in ir.OF_PROBLEM or (n.role not in known and not (n.role == "parameter" and n.name in precomputed))
            for n in init.walk()
        ):
            needs, example = "an initial value from numbers and shared data", f"learned {name.id} in R init 0.1"
            self.report.append(catalog.kind_needs(given.span, "learned", needs, example))
        elif about.envelope is not None and exact(_entry(init)) != 0:
            help = f"start at 0: the envelope of `{name.id}` shrinks from layer to layer"
            self.report.append(catalog.misplaced_clause(given.span, f"`{show(given)}`", "a vanishing parameter", help))
        elif about.range is not None:
            self.check_initial(given, name, _entry(init), about.range, about.margin)
        return init

    def check_initial(self, given: t.Value, name: t.Name, init: ir.Node, range_: ir.Range, share: float) -> None:
        """The initial value lies in the range, which is the same for all instances."""
        for end in (range_.low, range_.high):
            moving = sorted(ir.symbols(end, "data", "lipschitz"))
            if moving:
                self.report.append(catalog.init_in_moving_range(given.span, name.id, moving[0], range_.span))
                return
        at, low, high = constant(init), constant(range_.low), constant(range_.high)
        if at is None:
            return
        margin = share * (high - low) if low is not None and high is not None else 0.0  # kept from open ends
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


def _entry(value: ir.Node) -> ir.Node:
    """c of a constant vector, diagonal or multiple of I."""
    if value.op == "broadcast" or (value.op == "scale" and value.args[1].op == "identity"):
        return value.args[0]
    return number(1) if value.op == "identity" else value


def clauses(d: t.Declaration, name: str) -> str:
    """The value, the facts about this name and its tail, for docstrings: `= 1/L`, `init 0.1, theta_k >= 0`."""
    about = [
        show(f) for f in d.facts
        if (isinstance(f.relation, t.Call) and f.relation.fn.id in ABOUT_ALL)
        or any(isinstance(n, t.Name) and n.id == name for n in t.walk(f.relation))
    ]  # fmt: skip
    value = [show(d.value)] if d.value is not None and d.kind != "predicted" else []
    return ", ".join([*value, *about, *([show(d.tail)] if d.tail is not None else [])])
