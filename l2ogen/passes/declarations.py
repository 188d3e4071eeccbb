"""Declarations: spaces, facts, initial values; shared by problems and algorithms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..core.constants import constant
from ..core.ir import Datum, Node, Range
from ..core.sizes import Size
from ..core.symbols import Scope, Symbol
from ..core.types import SCALAR, Type, diag, matrix, vector
from ..diagnostics import Diagnostic, catalog, nearest
from ..source import Span
from ..syntax import tree as t
from .expressions import Expressions, size_of


def parts(file: t.File, report: list[Diagnostic]) -> dict[str, t.Node]:
    """The items of a file by keyword, a second one of a kind reported; functions and the like are left out."""
    found: dict[str, t.Node] = {}
    for item in file.items:
        match item:
            case t.Header():
                what = "header"
            case t.Doc():
                what = "documentation string"
            case t.Block():
                what = item.keyword
            case _:
                continue
        first = found.get(what)
        if first is not None:
            shown = what if what in ("header", "documentation string") else f"`{what}` block"
            report.append(catalog.duplicate_part(_head(item), shown, _head(first)))
            if isinstance(first, t.Block) and isinstance(item, t.Block):  # go on as if they were one
                found[what] = replace(first, body=first.body + item.body)
        else:
            found[what] = item
    return found


def _head(item: t.Node) -> Span:
    return item.keyword_span if isinstance(item, t.Block) else item.span


def broken_names(file: t.File) -> set[str]:
    """Words of statements that did not parse."""
    return {name for node in t.walk(file) if isinstance(node, t.Broken) for name in node.names}


def allow(
    d: t.Declaration, block: str, report: list[Diagnostic], *, kinds: Iterable[str] = (), value: str = ""
) -> None:
    """Report the clauses of a declaration that its block does not know. `value`: which of `=` and `init` it takes."""
    if d.kind is not None and d.kind not in kinds:
        wanted = "`learned`, `predicted` and `fixed` belong in `parameters`, `shared` in `data`"
        report.append(catalog.misplaced_clause(d.span, f"`{d.kind}`", block, wanted))
    if d.value is not None and d.value.word not in value.split():
        report.append(
            catalog.misplaced_clause(
                d.value.span, f"`{d.value.word} …`", block, f"remove it or write `{value or 'with'} …`"
            )
        )
    if d.facts and block == "state":
        report.append(
            catalog.misplaced_clause(d.facts[0].span, "a fact", block, "facts belong to `parameters` and `data`")
        )
    if d.tail is not None and block != "parameters":
        report.append(catalog.misplaced_clause(d.tail.span, "`tail`", block, "tails belong to `parameters`"))


def declare(scope: Scope, report: list[Diagnostic], symbol: Symbol) -> bool:
    """Add a name to the scope; a second declaration is reported. Whether the name is new."""
    assert symbol.span is not None
    known = scope.table.get(symbol.name)
    if known is not None and known.span is None and known.role != "size":
        report.append(catalog.reserved_name(symbol.span, symbol.name, known.what))
        scope.broken.add(symbol.name)
        return False
    earlier = scope.add(symbol)
    if earlier is not None and earlier.span is not None:
        report.append(catalog.duplicate_name(symbol.span, symbol.name, earlier.span))
    return earlier is None


def space(s: t.Space, scope: Scope, report: list[Diagnostic]) -> Type | None:
    """The type a space denotes; sizes are declared by standing here."""
    sizes: list[Size] = []
    for e in s.sizes:
        size = size_of(e)
        if size is None:
            report.append(catalog.bad_size(e.span))
            return None
        sizes.append(size)
        for name in size.names:
            known = scope.table.get(name)
            if known is None:
                scope.table[name] = Symbol(name, "size", SCALAR)
            elif known.role not in ("size", "option"):
                report.append(catalog.bad_operand(e.span, "a size", known.what, "an integer or a free name"))
                return None
    match s.name, len(sizes):
        case "R", 0:
            return SCALAR
        case "R", 1:
            return vector(sizes[0])
        case "R", 2:
            return matrix(*sizes)
        case "diag", 1:
            return diag(sizes[0])
        case "sym", 1:
            return Type("sym", (sizes[0],))
    report.append(
        catalog.unknown_space(
            s.span, s.name if len(sizes) < 3 else "R^(…, …, …)", nearest(s.name, ["R", "diag", "sym"])
        )
    )
    return None


def data(block: t.Node | None, scope: Scope, report: list[Diagnostic]) -> tuple[Datum, ...]:
    """The `data` block: names enter the scope."""
    found: list[Datum] = []
    if not isinstance(block, t.Block):
        return ()
    lowering = Expressions(scope, report)
    for d in block.body:
        if not isinstance(d, t.Declaration):
            continue
        allow(d, "data", report, kinds=("shared",))
        for group in d.groups:
            kind = space(group.space, scope, report)
            for name in group.names:
                new = declare(scope, report, Symbol(name.id, "data", kind, name.span))
                if kind is not None and new:
                    ranges = facts(d, [name.id], lowering, report)
                    found.append(Datum(name.id, kind, d.kind == "shared", ranges.get(name.id), name.span))
    return tuple(found)


def facts(d: t.Declaration, names: list[str], lowering: Expressions, report: list[Diagnostic]) -> dict[str, Range]:
    """What the facts of a declaration say about each of these names."""
    found: dict[str, Range] = {}
    declared = [n.id for n in d.names]
    for fact in d.facts:
        name = _subject(fact, declared, report if names[0] == declared[0] else [])
        if name is None or name.id not in names or not isinstance(fact.relation, t.Compare):
            continue
        one = _range(fact.relation, name, fact, lowering, report)
        if one is not None:
            found[name.id] = _intersect(found.get(name.id), one, name.id, report)
    return found


def _subject(fact: t.Fact, declared: list[str], report: list[Diagnostic]) -> t.Name | None:
    """The declared name that a fact bounds; what is no range of one name is reported."""
    relation = fact.relation
    if fact.limit is not None or not isinstance(relation, t.Compare):
        help = "limits and `bounded` are not available yet; write a range: `lo < v < hi`, `v >= lo`"
        report.append(catalog.unsupported_fact(fact.span, help))
        return None
    operands = [relation.first, *(e for _, e in relation.rest)]
    about = [e for e in operands if isinstance(e, t.Name) and e.id in declared and not e.next]
    if len(about) == 1:
        return about[0]
    if any(isinstance(n, t.Name) and n.id in declared for n in t.walk(relation)):
        report.append(catalog.unsupported_fact(fact.span, "a fact bounds one name alone: `lo < v < hi`"))
    else:
        report.append(catalog.fact_about_nothing(fact.span, declared))
    return None


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


def end(e: t.Expr, lowering: Expressions, report: list[Diagnostic]) -> Node | None:
    """The end of a range: a scalar of numbers, data and Lipschitz constants."""
    node = lowering.lower(e)
    if node is None:
        return None
    if node.type.kind != "scalar":
        report.append(catalog.bad_operand(e.span, "a range", node.type.describe(), "scalar ends"))
        return None
    for n in node.walk():
        if n.op in ("grad", "prox", "value") or n.role not in ("", "data", "lipschitz"):
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
    for side, first, second in (("lower", old.low, new.low), ("upper", old.high, new.high)):
        if first is not None and second is not None:
            report.append(catalog.second_bound(new.span, name, side, old.span))
            return old
    low, low_open = (new.low, new.low_open) if old.low is None else (old.low, old.low_open)
    high, high_open = (new.high, new.high_open) if old.high is None else (old.high, old.high_open)
    both = Range(low, high, low_open, high_open, new.span)
    return old if _is_empty(both, name, report) else both
