"""The tree of an `algorithm` file -> ir.Algorithm, with every mistake reported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..core import ir
from ..core.symbols import Scope, Symbol
from ..core.types import IDENTITY, SCALAR
from ..diagnostics import Diagnostic, catalog, nearest
from ..source import Source, Span
from ..syntax import tree as t
from . import declarations as decl
from .bind import Binding, metrics, needs
from .expressions import Expressions, number
from .goal import Goal
from .parameters import Parameters, network
from .training import training

FindProblem = Callable[[str], ir.Problem | None]
"""The problem of a name or path; None if there is none. `.known` names are for messages."""

VERDICTS = ("proved", "conditional", "refuted", "unknown")
CLAIMS = ("fixed_point", "convergence")
LABELS = {"network": "network", "let": "let", "data": "data", "parameter": "parameter", "state": "state"}
"""What can be declared in vain."""


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
        self.goal = Goal(self.expressions, report)
        self.parameters = Parameters(self.expressions, report)
        self.networks: dict[str, ir.Network] = {}
        self.called: dict[str, Span] = {}
        """Networks -> where they are called."""
        self.states: dict[str, ir.State] = {}
        self.statements: list[ir.Statement] = []

    def body(self, keyword: str) -> tuple[t.Node, ...]:
        block = self.parts.get(keyword)
        return block.body if isinstance(block, t.Block) else ()

    def run(self, problems: FindProblem, known: list[str]) -> ir.Algorithm | None:
        header = self.parts["header"]
        assert isinstance(header, t.Header)
        loose = self.misplaced()
        before = len(self.report)
        if "problem" not in self.parts and not loose:
            example = "problem { f(x) : convex, smooth(L); minimize f(x) }"
            self.report.append(catalog.missing_part(header.span, "`problem`", example))
        else:
            self.goal.run((*self.body("problem"), *loose), header.span)
        self.goal.failed = len(self.report) > before or self.broken_problem()
        for item in self.body("networks"):
            if isinstance(item, t.Network):
                self.networks[item.name.id] = network(item, self.report)
                decl.declare(self.scope, self.report, Symbol(item.name.id, "network", None, item.name.span))
        self.parameters.data = self.goal.data
        declared = self.parameters.declare(self.body("parameters"))
        self.state_block()
        self.goal.check_states(self.states)
        self.parameters.check_sizes(self.body("parameters"), self.known_sizes())
        self.expressions.in_update = False
        for lower in declared:
            lower()
        self.expressions.in_update = True
        self.update(header)
        doc = self.parts.get("documentation string")
        idle = self.unused()
        program = ir.Algorithm(
            name=header.name.id, doc=doc.text if isinstance(doc, t.Doc) else "", source=self.source,
            target=self.goal.target, variable=self.goal.variable, functions=tuple(self.goal.functions.values()),
            data=self.goal.data, networks=tuple(n for n in self.networks.values() if n.name in self.called),
            parameters=tuple(p for name, p in self.parameters.found.items() if name not in idle),
            states=tuple(self.states.values()), statements=tuple(self.statements), expectations=self.expectations(),
            training=ir.Training(None, (), None, None, ()), tree=self.file,
        )  # fmt: skip
        return replace(program, training=self.training(program, problems, known))

    def misplaced(self) -> tuple[t.Node, ...]:
        """Report what does not belong in an algorithm file; returns what belongs in its `problem` block."""
        loose = []
        for item in self.file.items:
            if isinstance(item, t.Block) and item.keyword in ("variable", "sample"):
                what = f"`{item.keyword}`"
                self.report.append(catalog.misplaced_part(item.keyword_span, what, "an algorithm", "a problem file"))
            elif isinstance(item, t.FunctionDefinition):
                what = "a problem's formula"
                self.report.append(catalog.misplaced_part(item.span, what, "an algorithm", "a problem file"))
            elif not isinstance(item, t.Header | t.Doc | t.Broken) and (
                not isinstance(item, t.Block) or item.keyword == "data"
            ):
                loose.append(item)
        if loose:  # one mistake: the block around them is missing
            first = loose[0].keyword_span if isinstance(loose[0], t.Block) else loose[0].span
            what, place = "a part of the problem", "the `problem { … }` block"
            self.report.append(catalog.misplaced_part(first, what, "an algorithm", place))
        return tuple(loose)

    def broken_problem(self) -> bool:
        """Whether syntax errors leave open what the problem is."""
        block = self.parts.get("problem")
        span = block.span if block is not None else Span(0, 0)
        return any(span.start <= d.span.start <= span.end for d in self.report)

    def training(self, program: ir.Algorithm, problems: FindProblem, known: list[str]) -> ir.Training:
        reported = self.states.get(self.goal.variable)
        binding = Binding(
            self.goal.variable, self.goal.target, self.goal.data,
            self.goal.roles, reported.type if reported is not None else None,
            tuple(p for p in self.parameters.found.values() if p.kind == "learned"),
            needs(program.expressions), metrics(program.expressions),
        )  # fmt: skip
        if self.goal.failed:  # nothing is said about a problem that may be another one once it is mended
            binding = replace(binding, target="")
        return training(self.parts.get("train"), self.scope, binding, problems, known, self.report)

    def known_sizes(self) -> set[str]:
        """Sizes that the problem brings along: those of the reported state and of the data."""
        reported = self.states.get(self.goal.variable)
        types = [d.type for d in self.goal.data] + ([reported.type] if reported is not None else [])
        if reported is None:  # its declaration was wrong, or is missing, which was said
            return set(self.scope.table)
        return {str(size) for type_ in types for size in type_.sizes}

    # -- states
    def state_block(self) -> None:
        for item in self.body("state"):
            if not isinstance(item, t.Declaration):
                continue
            decl.allow(item, "state", self.report, value="=")
            for group in item.groups:
                kind = decl.space(group.space, self.scope, self.report)
                for name in group.names:
                    init = None
                    if item.value is not None and item.value.word == "=" and kind is not None:
                        init = self.expressions.lower_as(item.value.expr, kind, name.id, name.span)
                        self.check_start(item.value, name, init)
                    if name.id.endswith("_k"):
                        stem = name.id.removesuffix("_k")
                        self.report.append(catalog.state_with_index(name.span, name.id, stem))
                    if decl.declare(self.scope, self.report, Symbol(name.id, "state", kind, name.span)) and kind:
                        self.states[name.id] = ir.State(name.id, kind, init or number(0), name.span)

    def check_start(self, given: t.Value, name: t.Name, init: ir.Node | None) -> None:
        for n in init.walk() if init is not None else []:
            if n.op in ("grad", "prox", "value") or n.role not in ("", "data", "lipschitz"):
                what = f"`{n.name}`" if n.role else "the value of a function"
                self.report.append(catalog.start_not_known(given.expr.span, name.id, what))
                return

    # -- update
    def update(self, header: t.Header) -> None:
        if "update" not in self.parts:
            self.report.append(catalog.missing_part(header.span, "`update`", "update { x+ = … }"))
            return
        statements = [s for s in self.body("update") if isinstance(s, t.Assignment)]
        later, assigned = self.expressions.later, self.expressions.assigned
        for s in statements:
            for target in s.targets:
                if target.next:
                    later.setdefault(target.id, target.span)
        for s in statements:
            self.expressions.said.clear()
            self.assignment(s)
        for state in self.states.values():
            if state.name not in assigned and state.name not in self.scope.broken:
                self.report.append(catalog.state_without_update(state.span, state.name))
        variable = self.goal.variable
        if variable not in self.scope.broken and variable not in self.scope.table:
            what = f"the state `{variable}`, which is reported,"
            self.report.append(catalog.missing_part(header.span, what, f"state {{ {variable} in R^n = 0 }}"))

    def assignment(self, s: t.Assignment) -> None:
        if len(s.targets) > 1 or s.implicit is not None:
            what = "an implicit rule" if s.implicit is not None else "a tuple of targets"
            help = "solve it for the next iterate: `x+ = prox_r,P(…)`" if s.implicit else "write one line for each name"
            self.report.append(catalog.not_available(s.span, what, help))
            for target in s.targets:
                self.expressions.assigned.setdefault(target.id, target.span)
            self.scope.broken |= {n.id for n in t.walk(s) if isinstance(n, t.Name)}
            return
        self.predict(s.value)
        value = self.expressions.lower(s.value)
        if s.targets[0].next:
            self.next_iterate(s, s.targets[0], value)
        else:
            self.let(s, s.targets[0], value)

    def next_iterate(self, s: t.Assignment, target: t.Name, value: ir.Node | None) -> None:
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
                self.statements.append(ir.Assignment(target.id, True, value, s.span))

    def let(self, s: t.Assignment, target: t.Name, value: ir.Node | None) -> None:
        known = self.scope.table.get(target.id)
        if known is not None and known.role != "let":
            place = known.span or target.span
            self.report.append(catalog.assigned_declared(target.span, target.id, known.what, place))
            self.expressions.assigned.setdefault(target.id, target.span)
        elif self.assign(target):
            if value is not None and value.type.kind == "identity":
                found = value.type.describe()
                self.report.append(catalog.bad_operand(s.value.span, "a let", found, "a value with a size"))
                value = None
            self.scope.add(Symbol(target.id, "let", value.type if value else None, target.span))
            if value is not None:
                self.statements.append(ir.Assignment(target.id, False, value, s.span))

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
            self.expressions.in_update = False
            self.call(d, d.value.expr)
            self.expressions.in_update = True

    def call(self, d: t.Declaration, call: t.Call) -> None:
        known, fn = self.scope.find(call.fn.id), call.fn
        if known is None:
            if fn.id not in self.scope.broken:
                help = f"declare it: `networks {{ {fn.id} = lstm() per coordinate }}`"
                self.report.append(catalog.unknown_name(fn.span, fn.id, nearest(fn.id, self.networks), help))
            return
        if known.role != "network":
            help = "a predicted parameter is a network's output"
            self.report.append(catalog.not_callable(fn.span, fn.id, known.what, help))
            return
        if fn.id in self.called:
            self.report.append(catalog.called_twice(fn.span, fn.id, self.called[fn.id]))
        self.called.setdefault(fn.id, fn.span)
        outputs = tuple(n.id for n in d.names if n.id in self.parameters.found)
        inputs = self.inputs(d, call)
        if not call.args:
            self.report.append(catalog.wrong_count(call.span, f"`{fn.id}`", "at least one input", 0))
        self.statements.append(ir.Prediction(fn.id, inputs, outputs, d.span))

    def inputs(self, d: t.Declaration, call: t.Call) -> tuple[ir.Node, ...]:
        """The arguments of a network call: vectors or diagonals with the sizes of its outputs."""
        kinds = {n.id: self.scope.table[n.id].type for n in d.names}
        size = next((k.sizes for k in kinds.values() if k is not None and k.sizes), None)
        for n in d.names:
            kind = kinds[n.id]
            if kind is not None and kind.kind in ("diag", "vector") and kind.sizes != size and size is not None:
                why = "outputs of one network have one size"
                self.report.append(catalog.wrong_space(n.span, n.id, str(kind), f"something of size {size[0]}", why))
                return ()
        found = []
        for a in call.args:
            if isinstance(a, t.Keyword):
                self.report.append(catalog.unknown_option(a.name.span, a.name.id, f"`{call.fn.id}`", None, ["none"]))
                continue
            node = self.expressions.lower(a)
            if node is None:
                continue
            if node.type.kind not in ("vector", "diag") or (size is not None and node.type.sizes != size):
                wanted = f"inputs of size {size[0]}, that of its outputs" if size is not None else "inputs in `R^n`"
                what = "a network `per coordinate`"
                self.report.append(catalog.bad_operand(a.span, what, node.type.describe(), wanted))
                continue
            found.append(node)
        return tuple(found)

    # -- the rest
    def unused(self) -> set[str]:
        """Report what was declared in vain; the names of unused parameters, whose network outputs are dropped."""
        table, broken = self.scope.table, self.scope.broken
        idle = {name for name in self.parameters.found if not table[name].uses and name not in broken}
        self.statements = [
            ir.Prediction(s.network, s.inputs, tuple(o for o in s.outputs if o not in idle), s.span)
            if isinstance(s, ir.Prediction) else s
            for s in self.statements
        ]  # fmt: skip
        if self.explained():
            return idle
        waiting = {
            d.value.expr.fn.id for d in self.parameters.predictions.values()
            if d.value is not None and isinstance(d.value.expr, t.Call)
        }  # fmt: skip
        for name, symbol in table.items():
            if symbol.uses or symbol.span is None or name in broken | waiting | {self.goal.variable}:
                continue
            if symbol.role in LABELS:
                self.report.append(catalog.unused_name(symbol.span, name, LABELS[symbol.role]))
            elif symbol.role == "function":
                use = f"`grad {name}(x)`" if symbol.payload.role == "f" else f"`prox_{name},P(v)`"
                help = f"use {use}, or take `{name}` out of the problem"
                self.report.append(catalog.rule_misses_part(symbol.span, f"`{name}`, a part", "the objective", help))
        return idle

    def explained(self) -> bool:
        """Whether there are mistakes from which it may follow that a name is not used."""
        aside = [self.parts[word].span for word in ("train", "expect") if word in self.parts]
        return any(
            d.severity == "error" and not any(s.start <= d.span.start <= s.end for s in aside) for d in self.report
        )

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
