"""The tree of an `algorithm` file -> ir.Algorithm, with every mistake reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from ..core import ir
from ..core.sizes import Size
from ..core.symbols import Scope, Symbol
from ..core.types import IDENTITY, SCALAR, Type, vector
from ..diagnostics import Diagnostic, catalog, nearest
from ..source import Source, Span
from ..syntax import tree as t
from ..syntax.printer import show
from . import declarations as decl
from .expressions import Expressions, number
from .training import Binding, training

FindProblem = Callable[[str], ir.Problem | None]
"""The problem of a name or path; None if there is none. `.known` names are for messages."""

CELLS = ("lstm",)
NETWORK_OPTIONS = {"hidden": 20, "layers": 2, "head": 20}
PROPERTIES = ("convex", "smooth", "proximable")
VERDICTS = ("proved", "conditional", "refuted", "unknown")
CLAIMS = ("fixed_point", "convergence")


def algorithm(
    file: t.File, source: Source, problems: FindProblem, known: list[str], report: list[Diagnostic]
) -> ir.Algorithm | None:
    """Resolve a whole algorithm; None where a mistake leaves nothing to go on with."""
    before = len(report)
    resolver = _Resolver(file, source, report)
    result = resolver.run(problems, known)
    failed = any(d.severity == "error" for d in report[before:])
    return None if failed or decl.broken_names(file) else result


class _Resolver:
    def __init__(self, file: t.File, source: Source, report: list[Diagnostic]) -> None:
        self.file, self.source, self.report = file, source, report
        self.parts = decl.parts(file, report)
        self.scope = Scope(broken=decl.broken_names(file))
        self.scope.table["k"] = Symbol("k", "iteration", SCALAR)
        self.scope.table["I"] = Symbol("I", "identity", IDENTITY)
        self.expressions = Expressions(self.scope, report)
        self.target: Literal["minimize", "recover"] = "minimize"
        self.variable = "x"
        self.functions: dict[str, ir.Function] = {}
        self.data: tuple[ir.Datum, ...] = ()
        self.networks: dict[str, ir.Network] = {}
        self.parameters: dict[str, ir.Parameter] = {}
        self.predictions: dict[str, t.Declaration] = {}
        """Predicted parameter -> its declaration, until the network is called."""
        self.states: dict[str, ir.State] = {}
        self.statements: list[ir.Statement] = []

    def body(self, keyword: str) -> tuple[t.Node, ...]:
        block = self.parts.get(keyword)
        return block.body if isinstance(block, t.Block) else ()

    def run(self, problems: FindProblem, known: list[str]) -> ir.Algorithm | None:
        header = self.parts["header"]
        assert isinstance(header, t.Header)
        for item in self.file.items:
            if not isinstance(item, t.Header | t.Doc | t.Block | t.Broken):
                self.report.append(
                    catalog.misplaced_part(item.span, "a problem's formula", "an algorithm", "a problem")
                )
            elif isinstance(item, t.Block) and item.keyword in ("data", "variable", "sample"):
                help = "an algorithm's `problem { … }` block or a problem" if item.keyword == "data" else "a problem"
                self.report.append(catalog.misplaced_part(item.keyword_span, f"`{item.keyword}`", "an algorithm", help))
        self.problem(header)
        self.network_block()
        declared = self.declare_parameters()
        self.state_block()
        for lower in declared:
            lower()
        self.update(header)
        self.unused()
        doc = self.parts.get("documentation string")
        return ir.Algorithm(
            name=header.name.id, doc=doc.text if isinstance(doc, t.Doc) else "", source=self.source,
            target=self.target, variable=self.variable, functions=tuple(self.functions.values()), data=self.data,
            networks=tuple(n for n in self.networks.values() if self.called(n.name)),
            parameters=tuple(self.parameters[n] for n in self.parameters if self.scope.table[n].uses),
            states=tuple(self.states.values()), statements=tuple(self.statements), expectations=self.expectations(),
            training=self.training(problems, known),
            tree=self.file,
        )  # fmt: skip

    def training(self, problems: FindProblem, known: list[str]) -> ir.Training:
        binding = Binding(self.variable, self.target, self.data, {f.role: f.name for f in self.functions.values()})
        return training(self.parts.get("train"), self.scope, binding, problems, known, self.report)

    def called(self, network: str) -> bool:
        return any(isinstance(s, ir.Prediction) and s.network == network for s in self.statements)

    # -- problem
    def problem(self, header: t.Header) -> None:
        body = self.body("problem")
        if "problem" not in self.parts:
            self.report.append(
                catalog.missing_part(header.span, "`problem`", "problem { f(x) : convex, smooth(L); minimize f(x) }")
            )
        for item in body:
            if isinstance(item, t.Block):
                self.data = decl.data(item, self.scope, self.report)
        for item in body:
            if isinstance(item, t.FunctionDeclaration):
                self.function(item)
        for item in body:
            match item:
                case t.Minimize():
                    self.target = "minimize"
                    self.objective(item.objective)
                case t.Recover():
                    self.target, self.variable = "recover", item.variable.id
                    n = next((d.type.columns for d in self.data if d.type.kind == "matrix"), Size.of("n"))
                    self.scope.table.setdefault(self.variable, Symbol(self.variable, "variable", vector(n)))
                    self.expressions.lower(item.model)
                    self.expressions.lower(item.measured)
                    self.scope.table.pop(self.variable)
                case t.FunctionDefinition():
                    help = "an algorithm knows its functions by their properties: `f(x) : convex, smooth(L)`"
                    self.report.append(catalog.misplaced_clause(item.span, "a formula", "problem", help))

    def function(self, f: t.FunctionDeclaration) -> None:
        names = [p.fn.id for p in f.properties]
        lipschitz = None
        for p in f.properties:
            if p.fn.id not in PROPERTIES:
                self.report.append(
                    catalog.unknown_option(
                        p.fn.span, p.fn.id, "a function", nearest(p.fn.id, PROPERTIES), list(PROPERTIES)
                    )
                )
            elif p.fn.id == "smooth":
                if len(p.args) == 1 and isinstance(p.args[0], t.Name):
                    lipschitz = p.args[0].id
                    decl.declare(self.scope, self.report, Symbol(lipschitz, "lipschitz", SCALAR, p.args[0].span))
                else:
                    self.report.append(
                        catalog.wrong_count(p.span, "`smooth`", "the name of the Lipschitz constant", len(p.args))
                    )
        role: Literal["f", "r"] = "f" if "smooth" in names else "r"
        made = ir.Function(f.name.id, role, tuple(names), lipschitz, f.name.span)
        self.functions[f.name.id] = made
        self.variable = f.variable.id
        kind = vector(Size.of("n"))
        decl.declare(self.scope, self.report, Symbol(f.name.id, "function", kind, f.name.span, made))

    def objective(self, e: t.Expr) -> None:
        """`minimize f(x) + r(x)`: every declared function, once."""
        shadow = self.scope.table.get(self.variable)
        self.scope.table[self.variable] = Symbol(self.variable, "variable", vector(Size.of("n")))
        self.expressions.lower(e)
        del self.scope.table[self.variable]
        if shadow is not None:
            self.scope.table[self.variable] = shadow
        for fn in self.functions:
            self.scope.table[fn].uses = 0

    # -- networks
    def network_block(self) -> None:
        for item in self.body("networks"):
            if not isinstance(item, t.Network):
                continue
            if item.cell.id not in CELLS:
                self.report.append(
                    catalog.unknown_option(
                        item.cell.span, item.cell.id, "`networks`", nearest(item.cell.id, CELLS), list(CELLS)
                    )
                )
            options = dict(NETWORK_OPTIONS)
            for o in item.options:
                if not isinstance(o, t.Keyword) or o.name.id not in options:
                    word = o.name.id if isinstance(o, t.Keyword) else "…"
                    self.report.append(
                        catalog.unknown_option(o.span, word, f"`{item.cell.id}`", nearest(word, options), list(options))
                    )
                elif isinstance(o.value, t.Number) and o.value.text.isdigit() and int(o.value.text) > 0:
                    options[o.name.id] = int(o.value.text)
                else:
                    self.report.append(catalog.bad_setting(o.value.span, o.name.id, "a positive integer"))
            if not item.per_coordinate:
                self.report.append(
                    catalog.misplaced_clause(
                        item.span,
                        "a network without `per coordinate`",
                        "networks",
                        "write `per coordinate` after it",
                    )
                )
            name = item.name.id
            decl.declare(self.scope, self.report, Symbol(name, "network", None, item.name.span))
            self.networks[name] = ir.Network(
                name, "lstm", options["hidden"], options["layers"], options["head"], item.name.span
            )

    # -- parameters
    def declare_parameters(self) -> list[Callable[[], None]]:
        """Names and spaces now; what lowers formulas, once the states are known too, is returned."""
        later: list[Callable[[], None]] = []
        for item in self.body("parameters"):
            if not isinstance(item, t.Declaration):
                continue
            word = {"learned": "init", "predicted": "=", "fixed": "="}.get(item.kind or "", "= init")
            decl.allow(item, "parameters", self.report, kinds=("learned", "predicted", "fixed"), value=word)
            if item.tail is not None and item.tail.formula is not None:
                self.report.append(
                    catalog.misplaced_clause(item.tail.span, "this tail", "parameters", "write `tail repeat last`")
                )
            if item.kind is None:
                self.report.append(
                    catalog.kind_needs(item.span, "parameter", "a kind", f"learned {item.names[0].id} in …")
                )
            for group in item.groups:
                kind = decl.space(group.space, self.scope, self.report)
                for name in group.names:
                    decl.declare(self.scope, self.report, Symbol(name.id, "parameter", kind, name.span))
                    if kind is not None:
                        later.append(lambda d=item, n=name, k=kind: self.parameter(d, n, k))  # type: ignore[misc]
        return later

    def parameter(self, d: t.Declaration, name: t.Name, kind: Type) -> None:
        value = init = None
        ranges = decl.facts(d, [name.id], self.expressions, self.report)
        if d.kind == "fixed":
            if d.value is None or d.value.word != "=":
                self.report.append(catalog.kind_needs(d.span, "fixed", "a formula", f"fixed {name.id} in {kind} = 1/L"))
                return
            value = self.expressions.lower_as(d.value.expr, kind, name.id, name.span)
            if d.facts:
                self.report.append(catalog.fixed_fact(d.facts[0].span, name.id))
            if ir.symbols(value, "state", "next", "let"):
                self.report.append(
                    catalog.kind_needs(d.value.span, "fixed", "a formula without states", f"{name.id} = …` in `update")
                )
        elif d.kind == "learned":
            if d.value is not None and d.value.word == "init":
                init = self.expressions.lower_as(d.value.expr, kind, name.id, name.span)
                self.check_init(d, name, init, ranges.get(name.id))
        elif d.kind == "predicted":
            if d.value is None or not isinstance(d.value.expr, t.Call):
                self.report.append(
                    catalog.kind_needs(d.span, "predicted", "a network call", f"predicted {name.id} in {kind} = phi(x)")
                )
                return
            if kind.kind not in ("diag", "vector"):
                self.report.append(
                    catalog.bad_operand(
                        name.span,
                        "a network `per coordinate`",
                        kind.describe(),
                        "outputs in `diag(n)` or `R^n`",
                    )
                )
            self.predictions[name.id] = d
        if d.kind in ("learned", "predicted", "fixed"):
            self.parameters[name.id] = ir.Parameter(
                name.id,
                d.kind,  # type: ignore[arg-type]
                kind,
                name.span,
                value,
                init,
                ranges.get(name.id),
                _clauses(d, name.id),
            )

    def check_init(self, d: t.Declaration, name: t.Name, init: ir.Node | None, range_: ir.Range | None) -> None:
        per_instance = [x for x in self.data if x.name in ir.symbols(init, "data") and not x.shared]
        if d.value is None or init is None:
            return
        for datum in per_instance:
            self.report.append(catalog.init_needs_shared(d.value.span, name.id, datum.name, datum.span))
        if ir.symbols(init, "lipschitz", "state", "next", "parameter"):
            self.report.append(
                catalog.kind_needs(
                    d.value.span,
                    "learned",
                    "an initial value from numbers and shared data",
                    f"learned {name.id} in R init 0.1",
                )
            )
        at = decl.constant(init)
        if range_ is None or at is None:
            return
        low, high = decl.constant(range_.low), decl.constant(range_.high)
        below = low is not None and (at < low or (at == low and range_.low_open))
        above = high is not None and (at > high or (at == high and range_.high_open))
        if below or above:
            self.report.append(catalog.init_outside(d.value.span, name.id, range_.span))

    # -- states
    def state_block(self) -> None:
        for item in self.body("state"):
            if not isinstance(item, t.Declaration):
                continue
            decl.allow(item, "state", self.report, value="=")
            for group in item.groups:
                kind = decl.space(group.space, self.scope, self.report)
                for name in group.names:
                    init = number(0)
                    if item.value is not None and kind is not None:
                        lowered = self.expressions.lower_as(item.value.expr, kind, name.id, name.span)
                        init = lowered if lowered is not None else init
                    decl.declare(self.scope, self.report, Symbol(name.id, "state", kind, name.span))
                    if kind is not None:
                        self.states[name.id] = ir.State(name.id, kind, init, name.span)

    # -- update
    def update(self, header: t.Header) -> None:
        statements = [s for s in self.body("update") if isinstance(s, t.Assignment)]
        if "update" not in self.parts:
            self.report.append(catalog.missing_part(header.span, "`update`", "update { x+ = … }"))
            return
        later = self.expressions.later
        for s in statements:
            for target in s.targets:
                if target.next:
                    later.setdefault(target.id, target.span)
        for s in statements:
            self.assignment(s)
        for state in self.states.values():
            if state.name not in self.expressions.assigned and state.name not in self.scope.broken:
                self.report.append(catalog.state_without_update(state.span, state.name))
        if (
            self.variable not in self.states
            and self.variable not in self.scope.broken
            and self.variable not in self.scope.table
        ):
            self.report.append(
                catalog.missing_part(
                    header.span,
                    f"the state `{self.variable}`, which is reported",
                    f"state {{ {self.variable} in R^n = 0 }}",
                )
            )

    def assignment(self, s: t.Assignment) -> None:
        target = s.targets[0]
        if len(s.targets) > 1 or s.implicit is not None:
            what = "an implicit rule" if s.implicit is not None else "a tuple of targets"
            self.report.append(
                catalog.misplaced_clause(s.span, what, "update", "write one line for each name: `x+ = …`")
            )
            return
        self.predict(s.value)
        value = self.expressions.lower(s.value)
        known = self.scope.table.get(target.id)
        if target.next:
            if known is None:
                self.report.append(
                    catalog.unknown_name(
                        target.span,
                        target.id,
                        self.scope.suggest(target.id),
                        f"declare it in `state`: `{target.id} in R^n = 0`",
                    )
                )
            elif known.role != "state":
                self.report.append(catalog.next_of_no_state(target.span, target.id, known.what, known.span))
            elif self.assign(target) and value is not None and known.type is not None:
                value = self.expressions.fitted(value, s.value.span, known.type, target.id, known.span)
                if value is not None:
                    self.statements.append(ir.Assignment(target.id, True, value, s.span))
        elif known is not None and known.role != "let":
            self.report.append(catalog.assigned_declared(target.span, target.id, known.what, known.span or target.span))
        elif self.assign(target):
            self.scope.add(Symbol(target.id, "let", value.type if value else None, target.span))
            if value is not None:
                self.statements.append(ir.Assignment(target.id, False, value, s.span))

    def assign(self, target: t.Name) -> bool:
        earlier = self.expressions.assigned.get(target.id)
        if earlier is not None:
            self.report.append(catalog.assigned_twice(target.span, target.text, earlier))
        self.expressions.assigned.setdefault(target.id, target.span)
        return earlier is None

    def predict(self, e: t.Expr) -> None:
        """Call the networks whose outputs this expression uses first."""
        for node in t.walk(e):
            if not isinstance(node, t.Name):
                continue
            parameter = self.parameters.get(node.id)
            if parameter is not None and parameter.value is not None:
                for name in ir.symbols(parameter.value, "parameter"):
                    self.predict(t.Name(name))
            d = self.predictions.pop(node.id, None)
            if d is None or d.value is None or not isinstance(d.value.expr, t.Call):
                continue
            for output in d.names:
                self.predictions.pop(output.id, None)
            self.call(d, d.value.expr)

    def call(self, d: t.Declaration, call: t.Call) -> None:
        known = self.scope.find(call.fn.id)
        if known is None or known.role != "network":
            if known is None:
                meant = nearest(call.fn.id, self.networks)
                self.report.append(catalog.unknown_name(call.fn.span, call.fn.id, meant, "declare it in `networks`"))
            else:
                self.report.append(
                    catalog.not_callable(
                        call.fn.span, call.fn.id, known.what, "a predicted parameter is a network's output"
                    )
                )
            return
        inputs = []
        for a in call.args:
            if isinstance(a, t.Keyword):
                self.report.append(catalog.unknown_option(a.name.span, a.name.id, f"`{call.fn.id}`", None, ["none"]))
                continue
            node = self.expressions.lower(a)
            if node is not None and node.type.kind not in ("vector", "diag"):
                self.report.append(
                    catalog.bad_operand(a.span, "a network `per coordinate`", node.type.describe(), "inputs in `R^n`")
                )
            elif node is not None:
                inputs.append(node)
        outputs = tuple(n.id for n in d.names if n.id in self.parameters)
        self.statements.append(ir.Prediction(call.fn.id, tuple(inputs), outputs, d.span))

    # -- the rest
    def unused(self) -> None:
        table, broken = self.scope.table, self.scope.broken
        idle = {name for name, p in self.parameters.items() if not table[name].uses and name not in broken}
        for name in idle:
            self.report.append(catalog.unused_name(self.parameters[name].span, name, "parameter"))
        self.statements = [
            ir.Prediction(s.network, s.inputs, tuple(o for o in s.outputs if o not in idle), s.span)
            if isinstance(s, ir.Prediction) else s
            for s in self.statements
        ]  # fmt: skip
        for name, symbol in table.items():
            labels = {"network": "network", "let": "let", "data": "datum", "function": "function"}
            if symbol.role in labels and not symbol.uses and name not in broken and symbol.span is not None:
                self.report.append(catalog.unused_name(symbol.span, name, labels[symbol.role]))

    def expectations(self) -> tuple[tuple[str, str], ...]:
        found: dict[str, tuple[str, Span]] = {}
        for item in self.body("expect"):
            if not isinstance(item, t.Expectation):
                continue
            claim, verdict = item.claim, item.verdict
            if claim.id not in CLAIMS:
                self.report.append(
                    catalog.unknown_claim(claim.span, claim.id, nearest(claim.id, CLAIMS), list(CLAIMS), "claim")
                )
            if verdict.id not in VERDICTS:
                self.report.append(
                    catalog.unknown_claim(
                        verdict.span, verdict.id, nearest(verdict.id, VERDICTS), list(VERDICTS), "verdict"
                    )
                )
            if claim.id in found:
                self.report.append(catalog.duplicate_setting(claim.span, claim.id, found[claim.id][1]))
            found.setdefault(claim.id, (verdict.id, claim.span))
        return tuple((claim, verdict) for claim, (verdict, _) in found.items())


def _clauses(d: t.Declaration, name: str) -> str:
    """The value and the facts about this name, for docstrings: `= 1/L`, `init 0.1, theta_k >= 0`."""
    facts = [show(f) for f in d.facts if any(isinstance(n, t.Name) and n.id == name for n in t.walk(f))]
    return (
        ", ".join([show(d.value)] * (d.value is not None and d.kind != "predicted") + facts)
        if d.value
        else ", ".join(facts)
    )
