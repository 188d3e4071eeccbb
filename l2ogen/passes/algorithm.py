"""The tree of an `algorithm` file -> ir.Algorithm, with every mistake reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from ..core import ir
from ..core.symbols import Scope, Symbol
from ..core.types import IDENTITY, SCALAR, Type
from ..diagnostics import Diagnostic, catalog, nearest
from ..source import Source, Span
from ..syntax import tree as t
from . import declarations as decl
from .bind import Binding, metrics, needs
from .expressions import Expressions, number
from .goal import Goal, safeguard
from .networks import network
from .parameters import Parameters
from .training import training
from .update import Update

FindProblem = Callable[[str], ir.Problem | None]
"""The problem of a name or path; None if there is none. `.known` names are for messages."""

VERDICTS = ("proved", "conditional", "refuted", "unknown")
CLAIMS = ("fixed_point", "convergence")
LABELS = {"network": "network", "let": "let", "data": "data", "parameter": "parameter", "state": "state"}
"""What can be declared in vain."""


def algorithm(
    file: t.File, source: Source, problems: FindProblem, known: list[str], report: list[Diagnostic],
    variant: str | None = None,
) -> ir.Algorithm | None:  # fmt: skip
    """Resolve a whole algorithm; None where a mistake leaves nothing to go on with.

    Of a variant, `file` is the tree with its differences applied.
    """
    before = len(report)
    resolver = _Resolver(file, source, report, variant)
    result = resolver.run(problems, known)
    failed = any(d.severity == "error" for d in report[before:])
    return None if failed or decl.broken_names(file) else result


class _Resolver:
    def __init__(self, file: t.File, source: Source, report: list[Diagnostic], variant: str | None) -> None:
        self.file, self.source, self.report, self.variant = file, source, report, variant
        self.parts = decl.parts(file, report)
        self.scope = Scope(broken=decl.broken_names(file))
        self.scope.table["k"] = Symbol("k", "iteration", SCALAR)
        self.scope.table["I"] = Symbol("I", "identity", IDENTITY)
        self.expressions = Expressions(self.scope, report)
        self.goal = Goal(self.expressions, report)
        self.parameters = Parameters(self.expressions, report)
        self.networks: dict[str, ir.Network] = {}
        self.states: dict[str, ir.State] = {}

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
            if isinstance(item, t.Network) and decl.declare(
                self.scope, self.report, Symbol(item.name.id, "network", None, item.name.span)
            ):
                self.networks[item.name.id] = network(item, self.expressions, self.report)
        self.parameters.data = self.goal.data
        declared = self.parameters.declare(self.body("parameters"))
        self.state_block()
        self.goal.check_states(self.states)
        self.parameters.check_sizes(self.body("parameters"), self.known_sizes())
        self.expressions.in_update = False
        for lower in declared:
            lower()
        self.expressions.in_update = True
        rule = self.update(header)
        guard = self.safeguard()
        doc = self.parts.get("documentation string")
        idle = self.unused()
        statements = self.trimmed(rule.statements, idle)
        idle -= {o for s in statements if isinstance(s, ir.Call) for o in s.outputs}
        program = ir.Algorithm(
            name=header.name.id, doc=doc.text if isinstance(doc, t.Doc) else "", source=self.source,
            target=self.goal.target, variable=self.goal.variable, functions=tuple(self.goal.functions.values()),
            data=self.goal.data, networks=tuple(n for n in self.networks.values() if n.name in rule.called),
            parameters=tuple(p for name, p in self.parameters.found.items() if name not in idle),
            states=tuple(self.states.values()), statements=tuple(statements), expectations=self.expectations(),
            training=ir.Training(None, (), None, None, ()), tree=self.file, variant=self.variant, safeguard=guard,
        )  # fmt: skip
        return replace(program, training=self.training(program, problems, known))

    def misplaced(self) -> tuple[t.Node, ...]:
        """Report what does not belong in an algorithm file; returns what belongs in its `problem` block."""
        loose = []
        for item in self.file.items:
            if isinstance(item, t.Safeguard | t.Variant):
                continue
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
            needs(program), metrics(program.expressions),
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
            if n.op in ir.OF_PROBLEM or n.role not in ("", "data", "size", "lipschitz", "state"):
                what = f"`{n.name}`" if n.role else "the value of a function"
                self.report.append(catalog.start_not_known(given.expr.span, name.id, what))
                return

    # -- update
    def update(self, header: t.Header) -> Update:
        rule = Update(self.expressions, self.parameters, self.networks, self.variable_space, self.report)
        if "update" not in self.parts:
            self.report.append(catalog.missing_part(header.span, "`update`", "update { x+ = … }"))
            return rule
        rule.run([s for s in self.body("update") if isinstance(s, t.Assignment)])
        for state in self.states.values():
            if state.name not in self.expressions.assigned and state.name not in self.scope.broken:
                self.report.append(catalog.state_without_update(state.span, state.name))
        variable = self.goal.variable
        if variable not in self.scope.broken and variable not in self.scope.table:
            what = f"the state `{variable}`, which is reported,"
            self.report.append(catalog.missing_part(header.span, what, f"state {{ {variable} in R^n = 0 }}"))
        return rule

    def variable_space(self) -> Type | None:
        """Where the reported state lives."""
        state = self.states.get(self.goal.variable)
        return state.type if state is not None else None

    def safeguard(self) -> ir.Safeguard | None:
        found = [item for item in self.file.items if isinstance(item, t.Safeguard)]
        for extra in found[1:]:
            self.report.append(catalog.duplicate_part(extra.span, "`safeguard`", found[0].span))
        return safeguard(found[0], self.goal, self.report) if found else None

    # -- the rest
    def unused(self) -> set[str]:
        """Report what was declared in vain; the names of unused parameters, whose network outputs are dropped."""
        table, broken = self.scope.table, self.scope.broken
        idle = {name for name in self.parameters.found if not table[name].uses and name not in broken}
        if self.explained() or self.variant is not None:  # what a variant leaves idle disappears
            return idle
        by_data = any(table[d.name].uses for d in self.goal.data)  # the rule sees the objective through its data
        waiting = {
            d.value.expr.fn.id for d in self.parameters.predictions.values()
            if d.value is not None and isinstance(d.value.expr, t.Call)
        }  # fmt: skip
        for name, symbol in table.items():
            if symbol.uses or symbol.span is None or name in broken | waiting | {self.goal.variable}:
                continue
            if symbol.role in LABELS:
                self.report.append(catalog.unused_name(symbol.span, name, LABELS[symbol.role]))
            elif symbol.role == "function" and not by_data:
                use = f"`grad {name}(x)`" if symbol.payload.role == "f" else f"`prox_{name},P(v)`"
                help = f"use {use}, or take `{name}` out of the problem"
                self.report.append(catalog.rule_misses_part(symbol.span, f"`{name}`, a part", "the objective", help))
        return idle

    def trimmed(self, statements: list[ir.Statement], idle: set[str]) -> list[ir.Statement]:
        """The statements without the outputs that no formula uses, where the network is called once."""
        once = Counter(s.network for s in statements if isinstance(s, ir.Call))
        return [
            replace(s, outputs=tuple(o for o in s.outputs if o not in idle))
            if isinstance(s, ir.Call) and s.predicts and once[s.network] == 1 else s
            for s in statements
        ]  # fmt: skip

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
