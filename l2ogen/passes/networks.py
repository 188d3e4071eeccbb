"""Networks: their options, and the calls that the rule makes."""

from __future__ import annotations

from typing import Any

from ..core import ir
from ..core.sizes import Size
from ..core.types import SCALAR, Type
from ..diagnostics import Diagnostic, catalog, nearest, one_of
from ..source import Span
from ..syntax import tree as t
from .expressions import Expressions
from .facts import end

CELLS = ("lstm", "gru", "mlp", "any")
WORDS = {
    "activation": ("relu", "elu", "tanh", "sigmoid", "softplus"), "bias": ("true", "false"),
    "start": ("zero", "random", "learned"), "inputs": ("raw", "standardized"),
}  # fmt: skip
OPTIONS = {
    "lstm": ("hidden", "layers", "embed", "head", "activation", "bias", "start", "inputs"),
    "mlp": ("hidden", "layers", "activation", "bias", "inputs"),
}
OPTIONS["gru"] = OPTIONS["lstm"]


def network(item: t.Network, lowering: Expressions, report: list[Diagnostic]) -> ir.Network:
    """`phi = lstm(hidden = 20, layers = 2, head = 20) per coordinate`, `psi = mlp(hidden = 32)`, `d = any(C)`"""
    cell = item.cell.id
    if cell not in CELLS:
        report.append(catalog.unknown_cell(item.cell.span, cell, nearest(cell, CELLS), list(CELLS)))
        lowering.scope.broken.add(item.name.id)
        cell = "lstm"
    if cell == "any":
        return _any(item, lowering, report)
    found: dict[str, Any] = {}
    seen: dict[str, Span] = {}
    for o in item.options:
        if not isinstance(o, t.Keyword):
            report.append(catalog.bad_setting(o.span, cell, "options by name: `hidden = 20`"))
        elif o.name.id not in OPTIONS[cell]:
            word = o.name.id
            report.append(
                catalog.unknown_option(
                    o.name.span, word, f"`{cell}`", nearest(word, OPTIONS[cell]), list(OPTIONS[cell])
                )
            )
        elif o.name.id in seen:
            report.append(catalog.duplicate_setting(o.name.span, o.name.id, seen[o.name.id]))
        else:
            seen[o.name.id] = o.name.span
            _option(o, found, report)
    return ir.Network(item.name.id, cell, item.name.span, item.per_coordinate, **found)  # type: ignore[arg-type]


def _option(o: t.Keyword, found: dict[str, Any], report: list[Diagnostic]) -> None:
    name, value = o.name.id, o.value
    if name in WORDS:
        if isinstance(value, t.Name) and value.id in WORDS[name]:
            found[name] = value.id == "true" if name == "bias" else value.id
        else:
            meant = nearest(value.id, WORDS[name]) if isinstance(value, t.Name) else None
            report.append(catalog.bad_setting(value.span, name, one_of(WORDS[name]), meant))
        return
    absent = name in ("embed", "head")
    if absent and isinstance(value, t.Name) and value.id == "none":
        found[name] = 0
    elif isinstance(value, t.Number) and value.text.isdigit() and 0 < float(value.text) < 10**6:
        found[name] = int(value.text)
    else:
        wanted = "a positive whole number, or `none`" if absent else "a positive whole number"
        report.append(catalog.bad_setting(value.span, name, wanted))


def _any(item: t.Network, lowering: Expressions, report: list[Diagnostic]) -> ir.Network:
    """`d = any(C)`: C a number, or a name that stands for one."""
    bound = None
    one = item.options[0] if len(item.options) == 1 else None
    if isinstance(one, t.Name) and one.id not in lowering.scope.table:
        bound = ir.Node("symbol", (), SCALAR, ("bound", one.id), one.span)
    elif isinstance(one, t.Expr):
        bound = end(one, lowering, report)
    else:
        wanted = "the bound of its Jacobian, `any(C)`"
        report.append(catalog.wrong_count(item.span, "`any`", wanted, len(item.options)))
    if item.per_coordinate:
        report.append(catalog.bad_setting(item.span, "any", "no `per coordinate`: it is any map"))
    return ir.Network(item.name.id, "any", item.name.span, False, bound=bound)


class Calls:
    """The calls of each network: they agree in what goes in and comes out."""

    def __init__(self, expressions: Expressions, networks: dict[str, ir.Network], report: list[Diagnostic]) -> None:
        self.expressions, self.networks, self.report = expressions, networks, report
        self.first: dict[str, tuple[tuple[ir.Node, ...], int, Span]] = {}
        """Network -> inputs, number of outputs and place of its first call."""

    def inputs(self, call: t.Call, size: Size | None = None) -> tuple[ir.Node, ...] | None:
        """The arguments, lowered: vectors and diagonals of one size, and scalars. None where one is wrong."""
        net, found, wrong = self.networks[call.fn.id], [], False
        for a in call.args:
            if isinstance(a, t.Keyword):
                owner = f"`{call.fn.id}`"
                self.report.append(catalog.unknown_option(a.name.span, a.name.id, owner, None, ["none"]))
                wrong = True
                continue
            node = self.expressions.lower(a)
            if node is None:
                wrong = True
                continue
            kind = node.type.kind
            if net.per_coordinate and kind in ("vector", "diag") and size is None:
                size = node.type.rows
            fits = kind == "scalar" or (
                kind in ("vector", "diag") and (not net.per_coordinate or node.type.rows == size)
            )
            if not fits:
                wanted = f"inputs of size {size}" if size is not None else "vectors and scalars"
                what = "a network `per coordinate`" if net.per_coordinate else f"`{call.fn.id}`"
                self.report.append(catalog.bad_operand(a.span, what, node.type.describe(), wanted))
                wrong = True
            found.append(node)
        if not call.args:
            self.report.append(catalog.wrong_count(call.span, f"`{call.fn.id}`", "at least one input", 0))
        elif not wrong and net.per_coordinate and all(node.type.kind == "scalar" for node in found):
            wanted = "a vector among its inputs"
            self.report.append(catalog.bad_operand(call.span, "a network `per coordinate`", "scalars alone", wanted))
            wrong = True
        return None if wrong or not found else tuple(found)

    def output(self, name: str, inputs: tuple[ir.Node, ...], variable: Type | None) -> Type | None:
        """The space of one output: a vector per coordinate, a scalar of pooled features, of any(C) the variable's."""
        net = self.networks[name]
        if net.cell == "any":
            return variable
        if not net.per_coordinate:
            return SCALAR
        return next((Type("vector", i.type.sizes) for i in inputs if i.type.kind in ("vector", "diag")), None)

    def agree(self, call: t.Call, inputs: tuple[ir.Node, ...], outputs: int) -> None:
        """Report a call that differs from the first one of its network."""
        name = call.fn.id
        net = self.networks[name]
        first_inputs, first_outputs, place = self.first.setdefault(name, (inputs, outputs, call.span))
        if place == call.span or net.cell == "any":
            return
        pairs: list[tuple[str, object, object]] = [
            ("inputs", len(inputs), len(first_inputs)), ("outputs", outputs, first_outputs)
        ]  # fmt: skip
        if net.per_coordinate and net.recurrent:  # one hidden state for each
            pairs.append(("coordinates", _coordinates(inputs), _coordinates(first_inputs)))
        if not net.per_coordinate:  # a vector is pooled to two features
            kinds = [["a scalar" if i.type.kind == "scalar" else "a vector" for i in n] for n in (inputs, first_inputs)]
            pairs += [(f"as input {i + 1}", *pair) for i, pair in enumerate(zip(*kinds, strict=False))]
        for what, here, there in pairs:
            if here != there:
                self.report.append(catalog.calls_differ(call.span, name, what, here, there, place))
                return


def _coordinates(inputs: tuple[ir.Node, ...]) -> str:
    return next(str(i.type.rows) for i in inputs if i.type.kind != "scalar")
