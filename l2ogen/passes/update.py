"""The `update` block: assignments in order, network calls just before their first use, implicit rules solved."""

from __future__ import annotations

from collections.abc import Callable

from ..core import ir
from ..core.symbols import Scope, Symbol
from ..core.types import Type
from ..diagnostics import Diagnostic, catalog, nearest
from ..source import Span
from ..syntax import tree as t
from ..syntax.printer import show
from .expressions import Expressions, fit, symbol
from .implicit import solve
from .networks import Calls
from .parameters import Parameters


class Update:
    """Lowers the lines of `update` into `statements`."""

    def __init__(
        self, expressions: Expressions, parameters: Parameters, networks: dict[str, ir.Network],
        variable: Callable[[], Type | None], report: list[Diagnostic],
    ) -> None:  # fmt: skip
        self.expressions, self.parameters, self.networks, self.report = expressions, parameters, networks, report
        self.calls = Calls(expressions, networks, report)
        self.variable = variable
        """The space of the reported state."""
        self.called: dict[str, Span] = {}
        """Networks -> where they are called first."""
        self.statements: list[ir.Statement] = []
        self.written: set[str] = set()
        """Names in the text of the block, which outputs without a name of their own keep away from."""
        expressions.call_network = self.inline

    @property
    def scope(self) -> Scope:
        return self.expressions.scope

    def run(self, statements: list[t.Assignment]) -> None:
        later, below = self.expressions.later, self.expressions.below
        self.written = {n.id for s in statements for n in t.walk(s) if isinstance(n, t.Name)}
        for s in statements:
            for target in s.targets:
                (later if target.next else below).setdefault(target.id, target.span)
        for s in statements:
            self.expressions.said.clear()
            self.assignment(s)

    def assignment(self, s: t.Assignment) -> None:
        self.predict(s.value)
        if s.implicit is not None:
            self.implicit(s, *s.implicit)
            return
        if len(s.targets) > 1:
            self.tuple(s)
            return
        net = self.networks.get(s.value.fn.id) if isinstance(s.value, t.Call) else None
        if net is not None and net.cell != "any" and not s.targets[0].next:
            self.tuple(s)
            return
        value = self.expressions.lower(s.value)
        if s.targets[0].next:
            self.next_iterate(s, s.targets[0], value)
        else:
            self.let(s, s.targets[0], value)

    # -- targets
    def next_iterate(
        self, s: t.Assignment, target: t.Name, value: ir.Node | None, implicit: ir.Implicit | None = None
    ) -> None:
        known = self.scope.table.get(target.id)
        if known is None:
            if target.id not in self.scope.broken:
                help = f"declare it in `state`: `{target.id} in R^n = 0`"
                meant = self.scope.suggest(target.id)
                self.report.append(catalog.unknown_name(target.span, target.id, meant, help))
                self.scope.broken.add(target.id)
        elif known.role != "state" and target.id in self.scope.broken:
            return
        elif known.role != "state":
            self.report.append(catalog.next_of_no_state(target.span, target.id, known.what, known.span))
        elif self.assign(target) and value is not None and known.type is not None:
            value = self.expressions.fitted(value, s.value.span, known.type, target.id, known.span)
            if value is not None:
                self.statements.append(ir.Assignment(target.id, True, value, s.span, implicit, show(s)))

    def let(self, s: t.Assignment, target: t.Name, value: ir.Node | None) -> None:
        if not self.is_free(target) or not self.assign(target):
            return
        if value is not None and value.type.kind == "identity":
            found = value.type.describe()
            self.report.append(catalog.bad_operand(s.value.span, "a let", found, "a value with a size"))
            value = None
        self.scope.add(Symbol(target.id, "let", value.type if value else None, target.span))
        if value is not None:
            self.statements.append(ir.Assignment(target.id, False, value, s.span, text=show(s)))

    def is_free(self, target: t.Name) -> bool:
        """Whether a let may have this name."""
        known = self.scope.table.get(target.id)
        if known is None or known.role == "let":
            return True
        place = known.span or target.span
        self.report.append(catalog.assigned_declared(target.span, target.id, known.what, place))
        self.expressions.assigned.setdefault(target.id, target.span)
        return False

    def assign(self, target: t.Name) -> bool:
        earlier = self.expressions.assigned.get(target.id)
        if earlier is not None:
            self.report.append(catalog.assigned_twice(target.span, target.text, earlier))
        self.expressions.assigned.setdefault(target.id, target.span)
        return earlier is None

    # -- network calls
    def predict(self, e: t.Expr) -> None:
        """Call the networks whose outputs this expression uses first."""
        for node in t.walk(e):
            if not isinstance(node, t.Name):
                continue
            parameter = self.parameters.found.get(node.id)
            if parameter is not None and parameter.value is not None:
                for name in sorted(ir.symbols(parameter.value, "parameter")):
                    self.predict(t.Name(name))
            d = self.parameters.predictions.pop(node.id, None)
            if d is None or d.value is None or not isinstance(d.value.expr, t.Call):
                continue
            for output in d.names:
                self.parameters.predictions.pop(output.id, None)
            if self.knows_inputs(d, d.value.expr):
                self.predict(d.value.expr)
                self.expressions.in_update = False
                self.predicted(d, d.value.expr)
            self.expressions.in_update = True

    def knows_inputs(self, d: t.Declaration, call: t.Call) -> bool:
        """Whether no input is made of what is predicted here or further below; reported."""
        found = self.parameters.found

        def waits(name: str) -> bool:
            p = found.get(name)
            if p is None or p.kind == "predicted":
                return p is not None and p.span.start >= d.span.start
            return any(waits(below) for below in ir.symbols(p.value, "parameter"))

        for n in t.walk(call):
            if isinstance(n, t.Name) and waits(n.id):
                needs, example = "inputs that are known before it", f"{show(call.fn)}(x, grad f(x))"
                self.report.append(catalog.kind_needs(n.span, "predicted", needs, example))
                self.scope.broken |= {output.id for output in d.names}
                return False
        return True

    def network(self, call: t.Call) -> ir.Network | None:
        """The network that is called; what is none is reported."""
        fn, known = call.fn, self.scope.find(call.fn.id)
        if known is None:
            if fn.id not in self.scope.broken:
                help = f"declare it: `networks {{ {fn.id} = lstm() per coordinate }}`"
                self.report.append(catalog.unknown_name(fn.span, fn.id, nearest(fn.id, self.networks), help))
            return None
        if known.role != "network":
            help = "a predicted parameter is a network's output"
            self.report.append(catalog.not_callable(fn.span, fn.id, known.what, help))
            return None
        self.called.setdefault(fn.id, fn.span)
        return None if fn.id in self.scope.broken else self.networks.get(fn.id)

    def predicted(self, d: t.Declaration, call: t.Call) -> None:
        net = self.network(call)
        if net is None:
            return
        if net.cell == "any":
            help = "a parameter is predicted by `lstm`, `gru` or `mlp`; call `any` in `update`"
            self.report.append(catalog.not_callable(call.fn.span, call.fn.id, "an arbitrary map", help))
            return
        size = None
        for n in d.names:
            kind = self.scope.table[n.id].type
            if kind is None:
                return
            fits = kind.kind in ("diag", "vector") if net.per_coordinate else kind.kind == "scalar"
            if not fits:
                wanted = "outputs in `diag(n)` or `R^n`" if net.per_coordinate else "outputs in `R`"
                what = "a network `per coordinate`" if net.per_coordinate else "a network of pooled features"
                self.report.append(catalog.bad_operand(n.span, what, kind.describe(), wanted))
                return
            if size is not None and kind.sizes and kind.rows != size:
                why = "outputs of one network have one size"
                self.report.append(catalog.wrong_space(n.span, n.id, str(kind), f"something of size {size}", why))
                return
            size = kind.rows if kind.sizes else size
        inputs = self.calls.inputs(call, size)
        if inputs is None:
            return
        self.calls.agree(call, inputs, len(d.names))
        outputs = tuple(n.id for n in d.names)
        self.statements.append(ir.Call(net.name, inputs, outputs, True, d.span, show(d).removeprefix("predicted ")))

    def tuple(self, s: t.Assignment) -> None:
        """`d, e = phi(x, g)`: every target is one output; those with a plus are the next iterates."""
        call = s.value
        if not isinstance(call, t.Call) or call.fn.id not in self.networks:
            help = "several names on the left take the outputs of one network: `d, e = phi(x, grad f(x))`"
            self.report.append(catalog.no_tuple(s.value.span, show(s.value), help))
            for target in s.targets:
                self.expressions.assigned.setdefault(target.id, target.span)
                self.scope.broken.add(target.id)
            return
        net, inputs = self.network(call), self.calls.inputs(call)
        space = None if net is None or inputs is None else self.calls.output(net.name, inputs, self.variable())
        names: list[str] = []
        later: list[tuple[t.Name, str]] = []
        for target in s.targets:
            if target.next:
                later.append((target, name := self.free(f"{target.id}_next")))
                names.append(name)
            elif self.is_free(target) and self.assign(target):
                self.scope.add(Symbol(target.id, "let", space, target.span))
                names.append(target.id)
        if net is None or inputs is None or space is None:
            self.scope.broken |= {target.id for target in s.targets}
            return
        self.calls.agree(call, inputs, len(s.targets))
        self.statements.append(ir.Call(net.name, inputs, tuple(names), False, s.span, show(s)))
        for target, name in later:
            self.next_iterate(s, target, symbol("let", name, space, target.span))

    def inline(self, call: t.Call) -> ir.Node | None:
        """A network called inside an expression: its one output."""
        net, inputs = self.network(call), self.calls.inputs(call)
        space = self.variable()
        if net is None or inputs is None:
            return None
        if net.cell == "any":
            return None if space is None else ir.Node("any", inputs, space, net.name, call.span)
        space = self.calls.output(net.name, inputs, space)
        if space is None:
            return None
        self.calls.agree(call, inputs, 1)
        name = self.free(f"{net.name}_out")
        self.statements.append(ir.Call(net.name, inputs, (name,), False, call.span))
        return symbol("let", name, space, call.span)

    def free(self, stem: str) -> str:
        """The name, numbered if it is written or declared somewhere."""
        name, i = stem, 1
        while name in self.written or name in self.scope.table:
            i, name = i + 1, f"{stem}_{i + 1}"
        self.written.add(name)
        return name

    # -- implicit rules
    def implicit(self, s: t.Assignment, g: t.Name, source: t.Apply) -> None:
        """`x+ = x - P*(grad f(x) + g) - b where g in subgrad r(x+)`"""
        target, table = s.targets[0], self.scope.table
        fn = table.get(source.fn.id)
        space = table[target.id].type if target.id in table else None
        whole = isinstance(source.arg, t.Name) and source.arg.next and source.arg.id == target.id
        wrong = None
        if len(s.targets) > 1 or not target.next:
            wrong = (target.span, "an implicit rule defines one next iterate: `x+ = …`")
        elif source.op.id != "subgrad" or not whole:
            wrong = (source.span, f"write `where {g.id} in subgrad r({target.id}+)`")
        elif g.id in table:
            wrong = (g.span, f"`{g.id}` is declared already: give the subgradient another name")
        if wrong is not None or fn is None or fn.role != "function" or fn.payload.role != "r":
            if wrong is None:
                wrong = (source.fn.span, "take the subgradient of the proximable function")
            self.report.append(catalog.implicit_form(*wrong))
            self.expressions.assigned.setdefault(target.id, target.span)
            self.scope.broken |= {n.id for n in t.walk(s) if isinstance(n, t.Name)}
            return
        fn.uses += 1
        if space is None:
            self.next_iterate(s, target, None)
            return
        table[g.id] = Symbol(g.id, "subgradient", space, g.span)
        taken = target.id in self.expressions.assigned
        self.expressions.assigned.setdefault(target.id, target.span)  # `x+` may stand on both sides
        value = self.expressions.lower(s.value)
        if not taken:
            del self.expressions.assigned[target.id]
        used = table.pop(g.id).uses
        value = fit(value, space) if value is not None else None
        if value is None:
            self.next_iterate(s, target, None)
            return
        if not used:
            self.report.append(catalog.unused_name(g.span, g.id, "subgradient"))
        solved, metric = solve(value, symbol("subgradient", g.id, space), target.id)
        if metric is not None and metric.type.kind not in ("scalar", "diag"):
            self.report.append(catalog.no_prox(s.value.span, source.fn.id, str(metric.type)))
        made = ir.Implicit(g.id, "r", value, metric)
        self.next_iterate(s, target, value if solved is None else solved, made)
