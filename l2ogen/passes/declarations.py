"""Declarations: spaces and data; shared by problems and algorithms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..core.ir import Datum, Facts
from ..core.sizes import Size
from ..core.symbols import Scope, Symbol
from ..core.types import SCALAR, Type, diag, matrix, vector
from ..diagnostics import Diagnostic, catalog, nearest
from ..source import Span
from ..syntax import tree as t
from .expressions import Expressions, size_of
from .facts import facts


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
        wanted = "`learned`, `predicted`, `precomputed` and `fixed` belong in `parameters`, `shared` in `data`"
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
                    f = facts(d, [name.id], lowering, report)[name.id]
                    if f != Facts(range=f.range):
                        help = "data have ranges: `lam in R with lam > 0`"
                        report.append(catalog.unsupported_fact(d.facts[0].span, help))
                    found.append(Datum(name.id, kind, d.kind == "shared", f.range, name.span))
    return tuple(found)
