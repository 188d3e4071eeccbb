"""Expressions: names resolved, types checked, products decided by the declared spaces.

Every method returns None where a mistake was reported, and stays silent about what follows from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isfinite

from ..core.ir import Node, symbols
from ..core.operators import CALLS, INFIX, Misfit, Operator
from ..core.sizes import Size
from ..core.symbols import Scope, Symbol
from ..core.types import IDENTITY, SCALAR, Type, diag, matrix, vector
from ..diagnostics import Diagnostic, catalog, nearest
from ..source import Span
from ..syntax import tree as t
from ..syntax.printer import show

APPLIED = ("grad", "subgrad", "stochgrad")
GRADIENTS = {"grad": ("f", "smooth(L)"), "stochgrad": ("f", "smooth(L)"), "subgrad": ("fF", "convex")}
"""Operator -> the roles of functions that have one, and the property that gives it."""
NOTATION = {
    "inner": "<u, v>", "transpose": "A'", "spectral": "||M||_2", "norm_1": "||v||_1", "norm_2": "||v||_2",
    "norm_inf": "||v||_inf", "norm_0": "||v||_0",
}  # fmt: skip
"""Operators as the user writes them."""

MAX_DIGITS = 30
"""Longer numbers are refused: a float holds 17."""
NOWHERE = Span(0, 0)


def number(value: int | float | str, span: Span = NOWHERE) -> Node:
    return Node("number", (), SCALAR, str(value), span)


def symbol(role: str, name: str, type_: Type, span: Span = NOWHERE) -> Node:
    return Node("symbol", (), type_, (role, name), span)


def is_number(node: Node, value: float | None = None) -> bool:
    return node.op == "number" and (value is None or float(node.attr) == value)


class Expressions:
    """Lowers expressions in one scope; mistakes go to `report`."""

    def __init__(self, scope: Scope, report: list[Diagnostic]) -> None:
        self.scope = scope
        self.report = report
        self.assigned: dict[str, Span] = {}
        """Next states and lets computed so far in this step."""
        self.later: dict[str, Span] = {}
        """Where the next states that are still to come are computed."""
        self.below: dict[str, Span] = {}
        """Where lets are computed, in all lines of the update."""
        self.in_problem = False
        """Whether the text is a formula of a problem file: sizes are numbers there, indicators functions."""
        self.in_update = True
        """Whether the text stands in a line of `update`, not in a declaration."""
        self.call_network: Callable[[t.Call], Node | None] | None = None
        """Lowers the call of a network inside an expression of `update`."""
        self.said: set[tuple[str, str]] = set()
        """What was reported about the present statement: the same mistake twice in a line is said once."""

    def lower(self, e: t.Expr) -> Node | None:
        method: Callable[[t.Expr], Node | None] = getattr(self, "_" + type(e).__name__)
        return method(e)

    def lower_as(self, e: t.Expr, wanted: Type, name: str, declared: Span | None) -> Node | None:
        """Lower, and fit the value into the declared space of `name`."""
        return self.fitted(self.lower(e), e.span, wanted, name, declared)

    def fitted(self, node: Node | None, span: Span, wanted: Type, name: str, declared: Span | None) -> Node | None:
        """The lowered value in the declared space of `name`."""
        fitted = fit(node, wanted) if node is not None else None
        if node is not None and fitted is None:
            self.say(catalog.wrong_value_type(span, name, str(wanted), node.type.describe(), declared))
        return fitted

    def say(self, mistake: Diagnostic) -> None:
        if (mistake.code, mistake.message) not in self.said:
            self.said.add((mistake.code, mistake.message))
            self.report.append(mistake)

    # -- leaves
    def _Number(self, e: t.Number) -> Node | None:
        if len(e.text) > MAX_DIGITS or not isfinite(float(e.text)):
            self.say(catalog.number_too_large(e.span))
            return None
        return number(re.sub(r"^0+(?=[0-9])", "", e.text), e.span)

    def _Name(self, e: t.Name) -> Node | None:
        found = self.scope.find(e.id)
        if found is None:
            self.unknown(e)
            return None
        if e.next:
            return self.next_state(e, found)
        if found.role == "identity":
            return Node("identity", (), IDENTITY, span=e.span)
        if found.role in ("function", "network"):
            help = f"write `{e.id}(x)`" if found.role == "function" else f"write `{e.id}(…)` to call it"
            self.say(catalog.not_a_value(e.span, e.id, found.what, help))
            return None
        if found.role == "size" and not self.in_problem:
            self.say(catalog.not_a_value(e.span, e.id, "a size", "sizes stand in spaces; formulas can't use them yet"))
            return None
        if found.type is None:  # its declaration was wrong, which was said there
            return None
        return symbol(found.role, e.id, found.type, e.span)

    def unknown(self, e: t.Name) -> None:
        if e.id in self.scope.broken:
            return
        stem = e.id.removesuffix("_k")
        known = self.scope.table.get(stem)
        if stem != e.id and known is not None and known.role == "state":
            self.say(catalog.state_with_index(e.span, e.id, stem))
        elif e.id in CALLS or e.id == "prox":
            self.say(catalog.not_a_value(e.span, e.id, "an operator", f"write `{e.id}(…)`"))
        elif e.next and e.id in self.later:
            self.say(catalog.too_early(e.span, e.text, self.later[e.id], self.in_update))
        elif not e.next and e.id in self.below:
            self.say(catalog.too_early(e.span, e.id, self.below[e.id], self.in_update))
        else:
            meant = self.scope.suggest(e.id)
            known = self.scope.table.get(meant or "")
            help = f"declare it in `state`: `{e.id} in R^n = 0`" if e.id in self.later else ""
            declared = known.span if known is not None else None
            self.say(catalog.unknown_name(e.span, e.id, meant, help, declared))
            if known is not None:  # it is only spelled differently where it is used
                known.uses += 1
            if meant is None:  # a forgotten declaration is one mistake, however often the name is used
                self.scope.broken.add(e.id)

    def next_state(self, e: t.Name, found: Symbol) -> Node | None:
        if found.role != "state" and e.id in self.scope.broken:
            return None
        if found.role != "state":
            self.say(catalog.next_of_no_state(e.span, e.id, found.what, found.span))
        elif e.id not in self.assigned:
            never = self.in_update and e.id not in self.later  # which is said of the state
            if e.id not in self.scope.broken and not never:
                self.say(catalog.too_early(e.span, e.text, self.later.get(e.id), self.in_update))
        elif found.type is not None:
            return symbol("next", e.id, found.type, e.span)
        return None

    # -- infix
    def _Paren(self, e: t.Paren) -> Node | None:
        return self.lower(e.arg)

    def _Unary(self, e: t.Unary) -> Node | None:
        arg = self.lower(e.arg)
        if arg is None:
            return None
        if e.op == "-":
            return Node("negate", (arg,), arg.type, span=e.span)
        if e.op == "'":
            return self.operator(INFIX["transpose"], (arg,), (e.arg.span,), e.span)
        return self.operator(CALLS["pinv"], (arg,), (e.arg.span,), e.span)

    def _Binary(self, e: t.Binary) -> Node | None:
        left, right = self.lower(e.left), self.lower(e.right)
        if left is None or right is None:
            return None
        match e.op:
            case "+" | "-":
                return self.add(e, left, right)
            case "*":
                return self.times(e, left, right)
            case "/":
                return self.over(e, left, right)
            case "^":
                return self.power(e, left, right)
        try:  # .* ./ .^ : entry by entry
            name = {".*": "times", "./": "over", ".^": "power"}[e.op]
            kind = CALLS["sqrt"].typing((left.type, right.type))
        except Misfit as misfit:
            wrong = (left, right)[misfit.index]
            self.say(catalog.bad_operand(wrong.span, f"`{e.op}`", wrong.type.describe(), misfit.wanted))
            return None
        return Node(name, (left, right), kind, span=e.span)

    def add(self, e: t.Binary, left: Node, right: Node) -> Node | None:
        op = "add" if e.op == "+" else "subtract"
        kinds = {left.type.kind, right.type.kind}
        if left.type.is_operator and right.type.is_operator:
            for target in (left.type, right.type):
                both = fit(left, target), fit(right, target)
                if both[0] is not None and both[1] is not None:
                    return Node(op, (both[0], both[1]), target, span=e.span)
        elif kinds <= {"scalar", "vector"} and (len(kinds) == 2 or left.type == right.type):
            return Node(op, (left, right), left.type if left.type.kind == "vector" else right.type, span=e.span)
        elif "scalar" in kinds and kinds & {"matrix", "sym", "identity"}:
            self.say(catalog.matrix_plus_scalar(e.span, e.op))
            return None
        elif kinds == {"scalar", "diag"}:
            return Node(op, (left, right), left.type if left.type.kind == "diag" else right.type, span=e.span)
        self.say(
            catalog.size_mismatch(e.span, e.op, left.type.describe(), right.type.describe(), self.origin(left, right))
        )
        return None

    def times(self, e: t.Binary, left: Node, right: Node) -> Node | None:
        a, b = left.type, right.type
        if a.kind == "scalar" or b.kind == "scalar":
            scalar, other = (left, right) if a.kind == "scalar" else (right, left)
            name = "scale" if other.type.kind in ("matrix", "sym", "identity") else "times"
            args = (scalar, other) if name == "scale" else (left, right)
            return Node(name, args, other.type, span=e.span)
        if a.kind == b.kind == "vector":
            self.say(catalog.vector_product(e.span))
            return None
        if a.kind == "vector":
            self.say(catalog.bad_operand(left.span, "the left side of `*`", a.describe(), "a scalar or a matrix"))
            return None
        if a.kind == "identity" and left.op == "identity":
            return right
        if b.kind == "identity" and right.op == "identity":
            return left
        if b.kind == "identity" or a.kind == "identity":
            scalar = left.args[0] if a.kind == "identity" else right.args[0]
            return self.times(e, scalar, right if a.kind == "identity" else left)
        if a.columns != b.rows:
            help = f"the transpose fits: `{show(e.left)}'`" if a.kind == "matrix" and a.rows == b.rows else ""
            notes = self.origin(left, right)
            self.say(catalog.size_mismatch(e.span, "*", a.describe(), b.describe(), notes, help))
            return None
        if b.kind == "vector":
            name = "times" if a.kind == "diag" else "apply"
            return Node(name, (left, right), vector(a.rows), span=e.span)
        if a.kind == b.kind == "diag":
            return Node("times", (left, right), a, span=e.span)
        if "diag" in (a.kind, b.kind):
            name = "scale_rows" if a.kind == "diag" else "scale_columns"
            return Node(name, (left, right), matrix(a.rows, b.columns), span=e.span)
        return Node("compose", (left, right), matrix(a.rows, b.columns), span=e.span)

    def over(self, e: t.Binary, left: Node, right: Node) -> Node | None:
        if right.type.kind != "scalar":
            help = "write `u ./ v` to divide entries" if right.type.kind in ("vector", "diag") else ""
            self.say(catalog.bad_operand(e.right.span, "`/`", right.type.describe(), "a scalar on the right", help))
            return None
        if is_number(right, 0):
            self.say(catalog.bad_operand(e.right.span, "`/`", "0", "a divisor that is not 0"))
            return None
        name = "shrink" if left.type.kind in ("matrix", "sym", "identity") else "over"
        return Node(name, (left, right), left.type, span=e.span)

    def power(self, e: t.Binary, left: Node, right: Node) -> Node | None:
        if left.type.kind != "scalar" or right.type.kind != "scalar":
            self.say(catalog.power_needs_number(e.span))
            return None
        if is_number(right, 2) and left.op in ("norm_2", "spectral"):
            return Node(left.op + "_squared", left.args, SCALAR, span=e.span)
        return Node("power", (left, right), SCALAR, span=e.span)

    def origin(self, *nodes: Node) -> tuple[tuple[Span, str], ...]:
        """Where the names in these operands were declared."""
        notes = []
        for node in nodes:
            found = self.scope.table.get(node.name) if node.op == "symbol" else None
            if found is not None and found.span is not None:
                notes.append((found.span, f"`{found.name}` lies in {found.type}"))
        return tuple(dict.fromkeys(notes))

    def _Compare(self, e: t.Compare) -> None:
        self.say(catalog.comparison_as_value(e.span))

    def condition(self, e: t.Expr) -> Node | None:
        """The condition of `where`: one comparison, of scalars or entry by entry."""
        while isinstance(e, t.Paren):
            e = e.arg
        if not isinstance(e, t.Compare) or len(e.rest) > 1:
            return self.lower(e)
        op, right = e.rest[0]
        sides = self.lower(e.first), self.lower(right)
        if sides[0] is None or sides[1] is None:
            return None
        try:
            kind = CALLS["max"].typing((sides[0].type, sides[1].type))
        except Misfit as misfit:
            wrong = sides[misfit.index]
            found = wrong.type.describe() if wrong is not None else ""
            self.say(catalog.bad_operand((e.first, right)[misfit.index].span, f"`{op}`", found, misfit.wanted))
            return None
        return Node("compare", (sides[0], sides[1]), Type("condition", kind.sizes), op, e.span)

    # -- norms, products, calls
    def _Norm(self, e: t.Norm) -> Node | None:
        arg = self.lower(e.arg)
        if arg is None:
            return None
        name = "spectral" if e.kind == "2" and arg.type.is_operator else f"norm_{e.kind}"
        if name not in INFIX:
            self.say(
                catalog.bad_operand(e.span, f"`||.||_{e.kind}`", arg.type.describe(), "nothing yet", "write `||M||_2`")
            )
            return None
        return self.operator(INFIX[name], (arg,), (e.arg.span,), e.span)

    def _Inner(self, e: t.Inner) -> Node | None:
        args = self.lower(e.left), self.lower(e.right)
        if args[0] is None or args[1] is None:
            return None
        return self.operator(INFIX["inner"], (args[0], args[1]), (e.left.span, e.right.span), e.span)

    def operator(self, op: Operator, args: tuple[Node, ...], spans: tuple[Span, ...], span: Span) -> Node | None:
        try:
            return Node(op.name, args, op.typing([a.type for a in args]), span=span)
        except Misfit as misfit:
            found = args[misfit.index].type.describe()
            shown = NOTATION.get(op.name, op.name)
            self.say(catalog.bad_operand(spans[misfit.index], f"`{shown}`", found, misfit.wanted, misfit.help))
            return None

    def _Call(self, e: t.Call) -> Node | None:
        name = e.fn.id
        found = self.scope.find(name)
        if found is not None:
            return self.call_symbol(e, found)
        values = [a for a in e.args if not isinstance(a, t.Keyword)]
        if name == "prox":
            if len(values) != 3 or len(values) != len(e.args) or not isinstance(values[0], t.Name):
                self.say(
                    catalog.wrong_count(e.span, "`prox(r, P, v)`", "a function, a metric and a point", len(e.args))
                )
                return None
            return self._Prox(t.Prox(values[0], values[1], values[2], span=e.span))
        if name == "indicator" and self.in_problem:
            return self.indicator(e)
        if name not in CALLS:
            if name in self.scope.broken:
                return None
            if name.startswith("prox_"):
                self.say(catalog.prox_without_metric(e.fn.span, name.removeprefix("prox_")))
            else:
                self.say(catalog.unknown_name(e.fn.span, name, self.scope.suggest(name, *CALLS, "prox")))
            return None
        for a in e.args:
            if isinstance(a, t.Keyword):
                self.say(catalog.unknown_option(a.name.span, a.name.id, f"`{name}`", None, ["none"]))
                return None
        op = CALLS[name]
        args = [self.condition(a) if name == "where" and a is values[0] else self.lower(a) for a in values]
        if any(a is None for a in args):
            return None
        if len(args) != op.arity:
            self.say(catalog.wrong_count(e.span, f"`{name}`", f"{op.arity} argument{'s' * (op.arity > 1)}", len(args)))
            return None
        if name == "inv" and args[0] is not None and args[0].type.kind == "diag":  # entry by entry
            return Node("over", (number(1), args[0]), args[0].type, span=e.span)
        return self.operator(op, tuple(filter(None, args)), tuple(a.span for a in values), e.span)

    def indicator(self, e: t.Call) -> Node | None:
        """`indicator(lo <= x <= hi)`: 0 where the comparison holds for every entry, else infinite."""
        box = e.args[0] if len(e.args) == 1 else None
        ops = {op for op, _ in box.rest} if isinstance(box, t.Compare) else set()
        if not isinstance(box, t.Compare) or len(box.rest) > 2 or ops not in ({"<="}, {">="}):
            shown = ", ".join(f"`{show(a)}`" for a in e.args)
            self.say(catalog.bad_operand(e.span, "`indicator`", shown or "nothing", "a closed range, `lo <= x <= hi`"))
            return None
        sides = [box.first, *(side for _, side in box.rest)]
        values = [self.lower(side) for side in (sides if ops == {"<="} else sides[::-1])]
        if any(v is None for v in values):
            return None
        known = [v for v in values if v is not None]
        at = next((i for i, v in enumerate(known) if symbols(v, "variable")), 0)
        if len(known) == 3 and at != 1:
            self.say(
                catalog.bad_operand(e.span, "`indicator`", "the variable at an end", "a closed range, `lo <= x <= hi`")
            )
            return None
        none = Node("none", (), SCALAR)
        low, high = (known[0] if at else none), (known[-1] if at < len(known) - 1 else none)
        for end in (low, high):
            if end.type != SCALAR and end.type != known[at].type:
                wanted = f"a scalar or a vector in {known[at].type}"
                self.say(catalog.bad_operand(end.span, "an end of `indicator`", end.type.describe(), wanted))
                return None
        return Node("indicator", (known[at], low, high), SCALAR, span=e.span)

    def call_symbol(self, e: t.Call, found: Symbol) -> Node | None:
        """`F(x)`, `f(x)`: the value of a function of the problem; `phi(x, g)`: a network's output."""
        if found.role == "network" and self.call_network is not None and self.in_update:
            return self.call_network(e)
        if found.role != "function":
            help = (
                f"write `{e.fn.id}*(…)` for a product"
                if found.role != "network"
                else "networks are called in `parameters`"
            )
            self.say(catalog.not_callable(e.fn.span, e.fn.id, found.what, help))
            return None
        if len(e.args) != 1 or isinstance(e.args[0], t.Keyword):
            self.say(catalog.wrong_count(e.span, f"`{e.fn.id}`", "one point", len(e.args)))
            return None
        point = self.point(e.args[0], found)
        self.covers(found)
        return None if point is None else Node("value", (point,), SCALAR, found.payload.role, e.span)

    def covers(self, fn: Symbol) -> None:
        """The whole objective is made of all declared functions: using it uses them."""
        if fn.payload.role == "F":
            for symbol_ in self.scope.table.values():
                if symbol_.role == "function":
                    symbol_.uses += 1

    def point(self, e: t.Expr, fn: Symbol) -> Node | None:
        """The argument of a function: a vector of the variable's space."""
        node = self.lower(e)
        if node is None or fn.type is None:
            return node
        fitted = fit(node, fn.type)
        if fitted is None:
            self.say(catalog.bad_operand(e.span, f"`{fn.name}`", node.type.describe(), f"a point in {fn.type}"))
        return fitted

    def function(self, name: t.Name) -> Symbol | None:
        found = self.scope.find(name.id)
        if found is None:
            self.unknown(name)
        elif found.role != "function":
            self.say(catalog.not_callable(name.span, name.id, found.what, "a function is declared in `problem`"))
            return None
        return found

    def _Apply(self, e: t.Apply) -> Node | None:
        if e.op.id not in APPLIED:
            if e.op.id in self.scope.table:
                self.say(catalog.juxtaposition(e.op.span.to(e.fn.span), e.op.id, f"{e.fn.id}(…)"))
            elif e.op.id not in self.scope.broken:
                meant = nearest(e.op.id, APPLIED) or self.scope.suggest(e.op.id)
                self.say(catalog.unknown_name(e.op.span, e.op.id, meant))
            return None
        fn = self.function(e.fn)
        if fn is None:
            return None
        point = self.point(e.arg, fn)
        op, role, has = e.op.id, fn.payload.role, "declared " + ", ".join(fn.payload.properties)
        if role not in GRADIENTS[op][0] and fn.name in self.scope.broken:
            return None
        self.covers(fn)
        if op == "subgrad" and role == "r":
            help = "as a value write `subgrad F(x)`; else name it: `x+ = x - P*g where g in subgrad r(x+)`"
            self.say(catalog.not_a_value(e.span, show(e), "a set", help))
            return None
        if role not in GRADIENTS[op][0]:
            self.say(catalog.not_smooth(e.fn.span, op, fn.name, has, GRADIENTS[op][1], fn.span or e.span))
            return None
        if op == "subgrad" and role == "f":  # a smooth function has one subgradient
            op = "grad"
        return None if point is None else Node(op, (point,), point.type, role, e.span)

    def _Prox(self, e: t.Prox) -> Node | None:
        fn = self.function(e.fn)
        metric, point = self.lower(e.metric), None if fn is None else self.point(e.arg, fn)
        if fn is None:
            self.lower(e.arg)
            return None
        if fn.payload.role != "r" and fn.name in self.scope.broken:
            return None
        if fn.payload.role != "r":
            has = "declared " + ", ".join(fn.payload.properties)
            self.say(catalog.not_smooth(e.fn.span, "prox", fn.name, has, "proximable", fn.span or e.span))
            return None
        if metric is None or point is None:
            return None
        if metric.type.kind == "identity":
            metric = fit(metric, diag(point.type.rows)) or metric
        if metric.type.kind not in ("scalar", "diag"):
            self.say(catalog.no_prox(e.metric.span, e.fn.id, str(metric.type)))
            return None
        return Node("prox", (metric, point), point.type, "r", e.span)


def fit(node: Node, wanted: Type) -> Node | None:
    """The node as a value of the wanted space, or None: a scalar stands for a constant vector and for scalar*I, I takes
    the size it meets."""
    have = node.type
    if have == wanted:
        return node
    if have.kind == "scalar" and wanted.kind in ("vector", "diag"):
        return Node("broadcast", (node,), wanted, span=node.span)
    square = wanted.kind in ("sym", "diag") or (wanted.kind == "matrix" and wanted.is_square)
    if have.kind == "identity" and square:
        if node.op == "identity":
            return Node("identity", (), wanted, wanted.rows, node.span)
        parts = [fit(a, wanted) if a.type.kind == "identity" else a for a in node.args]
        entries = {"scale": "times", "shrink": "over"} if wanted.kind == "diag" else {}
        op = entries.get(node.op, node.op)
        return Node(op, tuple(p for p in parts if p is not None), wanted, node.attr, node.span)
    if have.kind == "scalar" and wanted.is_square and wanted.kind != "diag":
        return Node("scale", (node, Node("identity", (), wanted, wanted.rows)), wanted, span=node.span)
    if have.kind == "sym" and wanted.kind == "matrix" and wanted.is_square and have.rows == wanted.rows:
        return node
    return None


def size_of(e: t.Expr) -> Size | None:
    """A size expression: integers, names, sums and products."""
    match e:
        case t.Number() if e.text.isdigit() and len(e.text) < MAX_DIGITS:
            return Size.of(int(e.text))
        case t.Name() if not e.next:
            return Size.of(e.id)
        case t.Paren():
            return size_of(e.arg)
        case t.Binary(op="+" | "*"):
            left, right = size_of(e.left), size_of(e.right)
            if left is not None and right is not None:
                return left + right if e.op == "+" else left * right
    return None
