"""Facts: `0 < v < 2/L`, `bounded(c)`, `-> 0 like E`, `margin(m)`.

Assumed of data, enforced on parameters, proved of formulas.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..core import ir
from ..core.constants import constant, exact, positive, vanishes
from ..core.ir import Facts, Node, Range
from ..core.types import SCALAR
from ..diagnostics import Diagnostic, catalog
from ..source import Span
from ..syntax import tree as t
from ..syntax.printer import show
from .expressions import Expressions, number

ABOUT_ALL = ("bounded", "margin")
"""Facts written as calls hold for every name of their declaration."""


def facts(d: t.Declaration, names: list[str], lowering: Expressions, report: list[Diagnostic]) -> dict[str, Facts]:
    """What the facts of a declaration say about each of these names."""
    found = dict.fromkeys(names, Facts())
    declared = [n.id for n in d.names]
    # what is wrong about the whole declaration is said once
    report_all = report if names[0] == declared[0] else []
    seen: dict[str, Span] = {}
    for fact in d.facts:
        if isinstance(fact.relation, t.Call) and fact.relation.fn.id in ABOUT_ALL and fact.limit is None:
            word = fact.relation.fn.id
            if seen.setdefault(word, fact.span) != fact.span:
                what = "margin" if word == "margin" else "bound"
                report_all.append(catalog.second_bound(fact.span, names[0], what, seen[word]))
            elif word == "margin" and not any(_is_strict(f.relation) for f in d.facts):
                help = "a margin is kept from the open ends of a range: `0 < v < 1, margin(1e-3)`"
                report_all.append(catalog.unsupported_fact(fact.span, help))
            for each in names:
                found[each] = _about_all(fact.relation, found[each], lowering, report_all)
            continue
        name = _subject(fact, declared, report_all)
        if name is None or name.id not in names:
            continue
        old = found[name.id]
        if fact.limit is not None:
            limit = f"{name.id} ->"
            if seen.setdefault(limit, fact.span) != fact.span:
                report.append(catalog.second_bound(fact.span, name.id, "limit", seen[limit]))
            found[name.id] = _limit(fact, name.id, old, lowering, report)
        elif isinstance(fact.relation, t.Compare):
            one = _range(fact.relation, name, fact, lowering, report)
            if one is not None:
                found[name.id] = replace(old, range=_intersect(old.range, one, name.id, report))
    for each, f in found.items():
        _compatible(each, f, report)
    return found


def _subject(fact: t.Fact, declared: list[str], report: list[Diagnostic]) -> t.Name | None:
    """The declared name that a fact is about; what is about no name, or several, is reported."""
    relation = fact.relation
    if fact.limit is None and not isinstance(relation, t.Compare):
        help = "write a range `lo < v < hi`, `bounded(c)`, `v -> 0 like 1/(k + 1)^2` or `margin(1e-3)`"
        report.append(catalog.unsupported_fact(fact.span, help))
        return None
    operands = [relation]
    if isinstance(relation, t.Compare):
        operands = [relation.first, *(e for _, e in relation.rest)]
    about = [e for e in operands if isinstance(e, t.Name) and e.id in declared and not e.next]
    if len(about) == 1:
        return about[0]
    if any(isinstance(n, t.Name) and n.id in declared for n in t.walk(relation)):
        report.append(catalog.unsupported_fact(fact.span, "a fact is about one name alone: `lo < v < hi`"))
    else:
        report.append(catalog.fact_about_nothing(fact.span, declared))
    return None


def _is_strict(relation: t.Expr) -> bool:
    return isinstance(relation, t.Compare) and any(op in ("<", ">") for op, _ in relation.rest)


def _about_all(call: t.Call, old: Facts, lowering: Expressions, report: list[Diagnostic]) -> Facts:
    """`bounded(c)`, c > 0, or `margin(m)`: 0, or a number from 1e-6, which float32 can keep, to 0.1."""
    word = call.fn.id
    value = None
    if len(call.args) == 1 and not isinstance(call.args[0], t.Keyword):
        value = end(call.args[0], lowering, report)
        if value is None:
            return old
    if word == "margin":
        margin = constant(value)
        if margin is None or not (margin == 0 or 1e-6 <= margin <= 0.1):
            help = "a margin is 0, or a number from 1e-6 to 0.1, such as `margin(1e-3)`"
            report.append(catalog.unsupported_fact(call.span, help))
            return old
        return replace(old, margin=margin)
    at = constant(value)
    if value is None or (at is not None and at <= 0):
        report.append(catalog.unsupported_fact(call.span, "a bound is positive: `bounded(1)`"))
        return old
    return replace(old, bound=value)


def _limit(fact: t.Fact, name: str, old: Facts, lowering: Expressions, report: list[Diagnostic]) -> Facts:
    """`v -> 0`, `v -> 0 like E`"""
    assert fact.limit is not None
    if not (isinstance(fact.limit, t.Number) and float(fact.limit.text) == 0):
        report.append(catalog.unsupported_fact(fact.limit.span, "only the limit 0 can be enforced: `v -> 0`"))
        return old
    if fact.envelope is None:
        return replace(old, vanishes=True)
    envelope = end(fact.envelope, lowering, report, ("iteration",))
    if envelope is None:
        return old
    if not positive(envelope, {}, zero=True):
        help = "an envelope is made of nonnegative parts, such as `1/(k + 1)^2` or `0.9^k`"
        report.append(catalog.unsupported_fact(fact.envelope.span, help))
        return old
    if not vanishes(envelope, {}):
        report.append(catalog.envelope_stays(fact.envelope.span, name, show(fact.envelope)))
        return old
    return replace(old, vanishes=True, envelope=envelope)


def _compatible(name: str, f: Facts, report: list[Diagnostic]) -> None:
    """A bound beside a range: only a sign goes with it."""
    if f.range is None or (f.envelope is None and f.bound is None):
        return
    for side in (f.range.low, f.range.high):
        if side is not None and exact(side) != 0:
            help = f"beside it only a sign can be declared: `{name} >= 0`"
            report.append(catalog.unsupported_fact(f.range.span, help))
            return
    if f.range.low is not None and f.range.high is not None:
        report.append(catalog.unsupported_fact(f.range.span, f"one sign: `{name} >= 0` or `{name} <= 0`"))


def _range(
    relation: t.Compare, name: t.Name, fact: t.Fact, lowering: Expressions, report: list[Diagnostic]
) -> Range | None:
    operands = [relation.first, *(e for _, e in relation.rest)]
    at = next(i for i, e in enumerate(operands) if e is name)
    ops = [op for op, _ in relation.rest]
    low = high = None
    low_open = high_open = False
    if len(operands) > 3 or (len(operands) == 3 and at != 1) or len({op[0] for op in ops}) > 1:
        report.append(catalog.unsupported_fact(fact.span, "write `lo < v < hi` with both signs in one direction"))
        return None
    for i, e in enumerate(operands):
        if i == at:
            continue
        node = end(e, lowering, report)
        if node is None:
            return None
        strict = len(ops[min(i, at)]) == 1
        below = (i < at) == (ops[0][0] == "<")
        if below:
            low, low_open = node, strict
        else:
            high, high_open = node, strict
    found = Range(low, high, low_open, high_open, fact.span)
    return None if _is_empty(found, name.id, report) else found


def end(e: t.Expr, lowering: Expressions, report: list[Diagnostic], more: tuple[str, ...] = ()) -> Node | None:
    """The end of a range: a scalar of numbers, sizes, data and Lipschitz constants, and of what else is named."""
    node = lowering.lower(e)
    if node is None:
        return None
    if node.op in ("scale", "identity") and node.type.kind == "identity":  # of `P < 2/L*I`
        node = node.args[0] if node.args else number(1)
    if node.type.kind != "scalar":
        report.append(catalog.bad_operand(e.span, "a range", node.type.describe(), "scalar ends"))
        return None
    for n in node.walk():
        if n.op in ir.OF_PROBLEM or n.role not in ("", "data", "size", "option", "lipschitz", *more):
            help = "the ends of a range are made of numbers, data and the Lipschitz constant"
            report.append(catalog.unsupported_fact(e.span, help))
            return None
    return node


def _is_empty(r: Range, name: str, report: list[Diagnostic]) -> bool:
    """Whether no number lies in a range of constant ends; reported."""
    low, high = constant(r.low), constant(r.high)
    if low is None or high is None or low < high or (low == high and not (r.low_open or r.high_open)):
        return False
    report.append(catalog.empty_range(r.span, name, f"{low:g}", f"{high:g}"))
    return True


def _intersect(old: Range | None, new: Range, name: str, report: list[Diagnostic]) -> Range:
    """Two one-sided facts about one name."""
    if old is None:
        return new
    for side, first, second in (("lower bound", old.low, new.low), ("upper bound", old.high, new.high)):
        if first is not None and second is not None:
            report.append(catalog.second_bound(new.span, name, side, old.span))
            return old
    low, low_open = (new.low, new.low_open) if old.low is None else (old.low, old.low_open)
    high, high_open = (new.high, new.high_open) if old.high is None else (old.high, old.high_open)
    both = Range(low, high, low_open, high_open, new.span)
    return old if _is_empty(both, name, report) else both


# ---- facts about formulas --------------------------------------------------------------------------


def follows(value: Node, f: Facts, ranges: Mapping[str, Range | None]) -> dict[str, bool]:
    """Which facts are proved of a formula, for all values in the ranges of data and parameters: `range`, and `limit`,
    as which a bound and an envelope count, too."""
    value = entry(value)
    known = value.type.kind in ("scalar", "vector", "diag")

    def holds(op: str, a: Node, b: Node, strict: bool = False) -> bool:
        return known and positive(Node(op, (a, b), SCALAR), ranges, zero=not strict)

    r, found = f.range, {"range": True, "limit": True}
    if r is not None:
        found["range"] = (r.low is None or holds("subtract", value, r.low, r.low_open)) and (
            r.high is None or holds("subtract", r.high, value, r.high_open)
        )
    bounds = [b for b in (f.bound, f.envelope) if b is not None]
    found["limit"] = all(holds("subtract", b, value) and holds("add", b, value) for b in bounds)
    if f.vanishes and f.envelope is None:
        found["limit"] &= known and vanishes(value, ranges)
    return found


def contains_zero(r: Range | None, ranges: Mapping[str, Range | None]) -> bool:
    """Whether what is scaled down towards 0 provably stays in a range."""
    if r is None:
        return True
    low = r.low is None or positive(Node("negate", (r.low,), SCALAR), ranges, zero=True)
    return low and (r.high is None or positive(r.high, ranges, zero=True))


def entry(value: Node) -> Node:
    """c of a constant vector, a diagonal c*I or a multiple of the identity; else the value itself."""
    if value.op == "identity":
        return number(1)
    if value.op == "broadcast":
        return value.args[0]
    if value.op in ("scale", "times") and value.args[1].op == "identity":
        return value.args[0]
    if value.op in ("shrink", "over") and value.args[0].op == "identity":
        return Node("over", (number(1), value.args[1]), SCALAR, span=value.span)
    return value
