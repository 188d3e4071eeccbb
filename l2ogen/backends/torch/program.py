"""The step of an algorithm as lines of Python: what is computed when, each distinct gradient once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ...core import ir
from ...core.constants import constant
from ...core.operators import OPERATORS
from .emit import TAKES_TENSOR, Emitter, size_text
from .facts import reparametrization
from .names import attribute, python_name, reserved

PARTIAL = ("over", "power")
"""Operators that raise for some Python numbers."""
COSTLY = set(ir.OF_PROBLEM) | {op.name for op in OPERATORS.values() if op.costly}


@dataclass
class Line:
    """One line of code; `comment` stands beside it, or alone where there is no code."""

    code: str
    comment: str = ""


@dataclass
class Step:
    lines: list[Line] = field(default_factory=list)
    helpers: set[str] = field(default_factory=set)
    state_fields: list[tuple[str, str]] = field(default_factory=list)
    """(field, comment) of the State tuple, without k."""


def shape(node_type: ir.Type) -> str:
    """`(..., n)`"""
    match node_type.kind:
        case "scalar":
            return "(..., 1)"
        case "vector" | "diag":
            return f"(..., {node_type.rows})"
    return f"(..., {node_type.rows}, {node_type.columns})"


def is_shared(program: ir.Algorithm, value: ir.Node) -> bool:
    """Whether a value is the same for all instances, so that the module itself can hold it."""
    shared = {d.name for d in program.data if d.shared}
    below = [program.parameter(name).value for name in ir.symbols(value, "parameter")]
    return (
        ir.symbols(value, "data") <= shared
        and not ir.symbols(value, "lipschitz", "iteration")
        and all(v is None or is_shared(program, v) for v in below)
    )


def carried(program: ir.Algorithm) -> list[ir.Parameter]:
    """Precomputed parameters that differ between instances: the state carries them."""
    return [p for p in program.parameters if p.kind == "precomputed" and p.value and not is_shared(program, p.value)]


class StepWriter:
    """Writes `step`, statement by statement, in the order of the file."""

    def __init__(self, program: ir.Algorithm) -> None:
        self.program = program
        self.lines: list[Line] = []
        self.carried = carried(program)
        self.defined = {p.name for p in self.carried}
        self.networks = [n for n in program.networks if n.recurrent]
        self.before = ""
        """The state field with the iterate before the last one, which `safeguard deviation` looks at."""
        self.lets = [s.name for s in program.statements if isinstance(s, ir.Assignment) and not s.next]
        self.lets += [o for s in program.statements if isinstance(s, ir.Call) and not s.predicts for o in s.outputs]
        names_of = [[d.name for d in part] for part in (program.states, program.parameters, program.networks)]
        self.taken = {python_name(name) for part in (*names_of, self.lets) for name in part} | reserved()
        self.next_names = {s.name: self.free(f"{s.name}_next") for s in program.states}
        if program.safeguard is not None and program.safeguard.method == "deviation":
            self.before = self.free(f"{python_name(program.variable)}_before")
        names = {("iteration", "k"): "k"} | {("state", s.name): python_name(s.name) for s in program.states}
        names |= {("next", name): text for name, text in self.next_names.items()}
        names |= {("parameter", p.name): python_name(p.name) for p in program.parameters}
        names |= {("data", d.name): f"problem.{python_name(d.name)}" for d in program.data}
        names |= {("lipschitz", f.lipschitz): "problem.L" for f in program.functions if f.lipschitz}
        names |= {("let", name): python_name(name) for name in self.lets}
        names |= {("size", size): where for size, where in step_sizes(program).items()}
        self.emitter = Emitter(names, step_zeros(program), like="problem.like", sizes=step_sizes(program))
        self.counts = Counter(n for e in self.expressions() for n in e.walk() if n.op in COSTLY)

    def expressions(self) -> list[ir.Node]:
        """Everything that a step computes."""
        found: list[ir.Node] = []
        for s in self.program.statements:
            found += s.inputs if isinstance(s, ir.Call) else [s.value]
        for p in self.program.parameters:
            if p.kind == "fixed" and p.value is not None:
                found.append(p.value)
            found += [e for e in (p.facts.bound, p.facts.envelope, p.tail.value) if e is not None]
        return found

    def write(self) -> Step:
        if any(n.op == "stochgrad" for e in self.expressions() for n in e.walk()):
            self.lines.append(Line("draw = problem.draw()", "the minibatch of this iteration"))
        if any(p.tail.kind == "none" for p in self.program.parameters):
            self.lines.append(Line("if state.k >= self.layers:"))
            text = "trained for {self.layers} iterations, and nothing follows them"
            self.lines.append(Line(f'    raise ValueError(f"{text}")'))
        for s in self.program.statements:
            if isinstance(s, ir.Call):
                self.call(s)
            else:
                self.assign(s)
        fields = [(python_name(s.name), shape(s.type)) for s in self.program.states]
        fields += [(self.before, "(..., n), the iterate before that")] if self.before else []
        fields += [(python_name(p.name), shape(p.type)) for p in self.carried]
        fields += [(python_name(n.name), f"hidden state of {n.name}") for n in self.networks]
        return Step(self.lines, self.emitter.helpers, fields)

    def assign(self, s: ir.Assignment) -> None:
        self.prepare(s.value)
        self.lines.append(Line("", s.text))
        self.hoist(s.value)
        target = self.next_names[s.name] if s.next else python_name(s.name)
        kind = self.program_type(s)
        value = self.repeated(s.value, kind) if s.next else self.emitter.tensor(s.value)
        self.lines.append(Line(f"{target} = {value}", shape(kind)))
        if s.next and s.name == self.program.variable and self.program.safeguard is not None:
            self.safeguard(target)

    def safeguard(self, target: str) -> None:
        """What becomes of a proposal of the rule: see the certificates of `descent` and `deviation` in the docs."""
        guard, x = self.program.safeguard, python_name(self.program.variable)
        assert guard is not None
        if guard.method == "descent":
            plain, accepted = self.free("plain"), self.free("accepted")
            finite = f"{target}.isfinite().all(-1, keepdim=True)"
            self.lines += [
                Line("", "safeguard descent: not finite, or F above that of a proximal gradient step: take that step"),
                Line(f"{plain} = problem.prox_r({x} - problem.grad_f({x}) / problem.L, 1 / problem.L)", "(..., n)"),
                Line(f"{accepted} = {finite} & (problem.F({target}) <= problem.F({plain}))", "(..., 1)"),
                Line(f"{target} = torch.where({accepted}, {target}, {plain})", "(..., n)"),
            ]
            return
        u, room, length, y = self.free("u"), self.free("room"), self.free("length"), self.free("pulled")
        share, norm = f"{1 - guard.delta:g} ** 0.5", "torch.linalg.vector_norm"
        self.lines += [
            Line(
                "",
                f"safeguard deviation(delta = {guard.delta:g}): as long a step as the last one allows, then a proximal",
            ),
            Line("", "gradient step"),
            Line(f"{u} = torch.where({target}.isfinite().all(-1, keepdim=True), {target} - {x}, 0)", "(..., n)"),
            Line(f"{room} = {share} * {norm}({x} - {self.before}, dim=-1, keepdim=True)", "(..., 1)"),
            Line(f"{length} = {norm}({u}, dim=-1, keepdim=True)", "(..., 1)"),
            Line(f"{y} = {x} + {u} * ({room} / torch.maximum({length}, {room}).clamp(min=1e-30))", "(..., n)"),
            Line(f"{target} = problem.prox_r({y} - problem.grad_f({y}) / problem.L, 1 / problem.L)", "(..., n)"),
        ]

    def program_type(self, s: ir.Assignment) -> ir.Type:
        if s.next:
            return next(state.type for state in self.program.states if state.name == s.name)
        return s.value.type

    def prepare(self, node: ir.Node) -> None:
        """Define the parameters that an expression needs and that are not there yet."""
        for name in dict.fromkeys(n.name for n in node.walk() if n.role == "parameter"):
            p = self.program.parameter(name)
            if name in self.defined or p.kind == "predicted":
                continue
            self.defined.add(name)
            if p.kind == "precomputed":
                own = attribute(self.program, p)
                self.lines.append(Line(f"{python_name(name)} = self.{own}", shape(p.type).replace("..., ", "")))
            elif p.value is not None:
                self.prepare(p.value)
                self.hoist(p.value)
                number = self.number(p.value) if p.type.kind == "scalar" else None
                if number is not None:
                    self.emitter.plain |= {n for n in node.walk() if n.attr == ("parameter", name)}
                    self.lines.append(Line(f"{python_name(name)} = {number}"))
                else:
                    self.lines.append(Line(f"{python_name(name)} = {self.emitter.tensor(p.value)}", shape(p.type)))
            else:
                self.learned(p)

    def number(self, value: ir.Node) -> str | None:
        """A formula of numbers and k as a Python number; None where it has other symbols, or where a tensor would be
        inf or nan and Python raises: 1/k at k = 0."""
        counts = {n for n in value.walk() if n.role == "iteration"}
        names = self.emitter.names | {("iteration", "k"): "state.k"}
        python = replace(self.emitter, names=names, plain=self.emitter.plain | counts)
        safe = all(n.op not in PARTIAL or (n.op == "over" and constant(n.args[1])) for n in value.walk())
        return python.text(value) if python.is_plain(value) and (safe or not counts) else None

    def learned(self, p: ir.Parameter) -> None:
        """The trained value put into its range; behind the last layer what the tail says."""
        for e in (p.facts.bound, p.facts.envelope, p.tail.value):
            if e is not None:
                self.prepare(e)
        if p.per_iteration and not any(line.code.startswith("layer =") for line in self.lines):
            repeats = all(q.tail.kind in ("last", "none") for q in self.program.parameters)
            comment = "past the last layer, the last one repeats" if repeats else "past the last layer, the last one"
            self.lines.append(Line("layer = min(state.k, self.layers - 1)", comment))
        raw = f"self.{attribute(self.program, p)}" + ("[layer]" if p.per_iteration else "")
        value = self.ranged(raw, p)
        if p.tail.kind == "decay" and p.tail.value is not None:
            value = f"{value} * {self.emitter.at(p.tail.value, 4)} ** max(state.k - self.layers + 1, 0)"
        elif p.tail.kind == "formula" and p.tail.value is not None:
            value = f"{value} if state.k < self.layers else {self.emitter.tensor(p.tail.value)}"
        space = shape(p.type) if p.facts.envelope is not None else shape(p.type).replace("..., ", "")
        self.lines.append(Line(f"{python_name(p.name)} = {value}", space))

    def ranged(self, raw: str, p: ir.Parameter) -> str:
        """The raw number put into the declared range."""
        found = reparametrization(p, self.emitter, f"self.{gap_name(self.program, p)}")
        return f"{found[0]}({', '.join(filter(None, (raw, found[1])))})" if found else raw

    def call(self, s: ir.Call) -> None:
        for e in s.inputs:
            self.prepare(e)
        if s.text:
            self.lines.append(Line("", s.text))
        for e in s.inputs:
            self.hoist(e)
        network = self.program.network(s.network)
        inputs = ", ".join(self.network_input(network, e) for e in s.inputs) + "," * (len(s.inputs) == 1)
        outputs = ", ".join(python_name(o) for o in s.outputs) + "," * (len(s.outputs) == 1)
        net = python_name(s.network)
        if network.recurrent:
            self.lines.append(Line(f"({outputs}), {net} = self.{net}(({inputs}), {net})"))
        else:
            self.lines.append(Line(f"({outputs}) = self.{net}(({inputs}))"))
        for name in s.outputs if s.predicts else ():
            self.defined.add(name)
            p = self.program.parameter(name)
            for end in (p.facts.bound, p.facts.envelope):
                if end is not None:
                    self.prepare(end)
            ranged = self.ranged(python_name(name), p)
            if ranged != python_name(name):
                self.lines.append(Line(f"{python_name(name)} = {ranged}", shape(p.type)))

    def network_input(self, network: ir.Network, e: ir.Node) -> str:
        text = self.repeated(e, e.type)
        if network.per_coordinate or e.type.kind == "scalar":
            return text
        self.emitter.helpers.add("pooled")
        return f"pooled({text})"

    def repeated(self, e: ir.Node, kind: ir.Type) -> str:
        """A value for every instance: what all of them share is repeated."""
        if self.emitter.is_plain(e) or self.is_whole(e):
            return self.emitter.tensor(e)
        zeros = self.emitter.zeros("1" if kind.kind == "scalar" else str(kind.rows))
        return f"{zeros} + {self.emitter.at(e, 2)}"

    def is_whole(self, e: ir.Node) -> bool:
        """Whether a value surely has the batch dimensions of the states."""
        made = {s.name: s.value for s in self.program.statements if isinstance(s, ir.Assignment) and not s.next}
        made |= {p.name: p.value for p in self.program.parameters if p.value is not None}
        return any(
            n.op in (*ir.OF_PROBLEM, "broadcast") or n.role in ("state", "next", "iteration")
            or (n.op in TAKES_TENSOR and self.emitter.is_plain(n.args[0]))  # which is made a tensor
            or (n.role == "parameter" and self.program.parameter(n.name).kind == "predicted")
            or (n.role == "let" and n.name not in made)  # the output of a network
            or (n.role == "let" and n.name in made and self.emitter.is_plain(made[n.name]))
            or (n.role in ("let", "parameter") and n not in self.emitter.plain
                and n.name in made and self.is_whole(made[n.name]))
            for n in e.walk()
        )  # fmt: skip

    def hoist(self, node: ir.Node) -> None:
        """Compute once what is costly and occurs more than once."""
        for n in node.walk():
            if n.op in COSTLY and self.counts[n] > 1 and n not in self.emitter.temporaries:
                text, name = self.emitter.text(n), self.fresh(n)
                self.emitter.temporaries[n] = name
                self.lines.append(Line(f"{name} = {text}", shape(n.type)))

    def fresh(self, node: ir.Node) -> str:
        point = node.args[-1] if node.args else None
        suffix = f"_{point.name}" if point is not None and point.op == "symbol" else ""
        stem = f"{node.op}_{node.attr}{suffix}" if node.op in ir.OF_PROBLEM else f"{node.op}{suffix}"
        return self.free(stem)

    def free(self, stem: str) -> str:
        """The name, numbered if it is taken; taken from now on."""
        name, i = stem, 1
        while name in self.taken:
            i, name = i + 1, f"{stem}_{i + 1}"
        self.taken.add(name)
        return name


def step_sizes(program: ir.Algorithm) -> dict[str, str]:
    """Where `step` and `init_state` read a size from: the variable, or the data of the instance."""
    reported = (s.type for s in program.states if s.name == program.variable)
    sizes = {str(kind.rows): "problem.zeros().shape[-1]" for kind in reported if kind.kind == "vector"}
    for d in program.data:
        for i, size in enumerate(d.type.sizes):
            sizes[str(size)] = f"problem.{python_name(d.name)}.shape[{i - len(d.type.sizes)}]"
    return sizes


def step_zeros(program: ir.Algorithm) -> Callable[[str], str]:
    """How `step` makes zeros: of the reported state's size, or another."""
    own = {str(s.type.rows) for s in program.states if s.name == program.variable}
    sizes = step_sizes(program)
    return lambda size: "problem.zeros()" if size in own else f"problem.zeros({size_text(size, sizes)})"


def gap_name(program: ir.Algorithm, p: ir.Parameter) -> str:
    """The buffer with the distance that a one-sided open range keeps from its end."""
    return f"{attribute(program, p)}_gap"
