"""The step of an algorithm as lines of Python: what is computed when, each distinct gradient once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from ...core import ir
from ...core.constants import MARGIN, constant
from ...core.operators import OPERATORS
from .emit import Emitter
from .names import attribute, python_name, reserved

COSTLY = {"grad", "prox", "value"} | {op.name for op in OPERATORS.values() if op.costly}


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


class StepWriter:
    """Writes `step`, statement by statement, in the order of the file."""

    def __init__(self, program: ir.Algorithm) -> None:
        self.program = program
        self.lines: list[Line] = []
        self.defined: set[str] = set()
        self.lets = [s.name for s in program.statements if isinstance(s, ir.Assignment) and not s.next]
        names_of = [[d.name for d in part] for part in (program.states, program.parameters, program.networks)]
        self.taken = {python_name(name) for part in (*names_of, self.lets) for name in part} | reserved()
        self.next_names = {s.name: self.free(f"{s.name}_next") for s in program.states}
        names = {("iteration", "k"): "k"} | {("state", s.name): python_name(s.name) for s in program.states}
        names |= {("next", name): text for name, text in self.next_names.items()}
        names |= {("parameter", p.name): python_name(p.name) for p in program.parameters}
        names |= {("data", d.name): f"problem.{python_name(d.name)}" for d in program.data}
        names |= {("lipschitz", f.lipschitz): "problem.L" for f in program.functions if f.lipschitz}
        names |= {("let", name): python_name(name) for name in self.lets}
        self.emitter = Emitter(names, step_zeros(program), like="problem.like", sizes=step_sizes(program))
        self.counts = Counter(n for e in self.expressions() for n in e.walk() if n.op in COSTLY)

    def expressions(self) -> list[ir.Node]:
        """Everything that a step computes."""
        found: list[ir.Node] = []
        for s in self.program.statements:
            found += s.inputs if isinstance(s, ir.Prediction) else [s.value]
        found += [p.value for p in self.program.parameters if p.value is not None]
        return found

    def write(self) -> Step:
        source = self.program.source.text
        for s in self.program.statements:
            if isinstance(s, ir.Prediction):
                self.predict(s)
                continue
            self.prepare(s.value)
            self.lines.append(Line("", _one_line(source[s.span.start : s.span.end])))
            self.hoist(s.value)
            target = self.next_names[s.name] if s.next else python_name(s.name)
            self.lines.append(Line(f"{target} = {self.emitter.tensor(s.value)}", shape(self.program_type(s))))
        fields = [(python_name(s.name), shape(s.type)) for s in self.program.states]
        fields += [(python_name(n.name), f"hidden state of {n.name}") for n in self.program.networks]
        helpers = self.emitter.helpers
        return Step(self.lines, helpers, fields)

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
            if p.value is not None:
                self.prepare(p.value)
                self.hoist(p.value)
                self.lines.append(Line(f"{python_name(name)} = {self.emitter.tensor(p.value)}", shape(p.type)))
            else:
                if p.per_iteration and not any(line.code.startswith("layer =") for line in self.lines):
                    self.lines.append(
                        Line("layer = min(state.k, self.layers - 1)", "past the last layer, the last one repeats")
                    )
                raw = f"self.{attribute(self.program, p)}" + ("[layer]" if p.per_iteration else "")
                self.lines.append(
                    Line(f"{python_name(name)} = {self.ranged(raw, p)}", shape(p.type).replace("..., ", ""))
                )

    def ranged(self, raw: str, p: ir.Parameter) -> str:
        """The raw number put into the declared range."""
        call = range_call(p, self.emitter, f"self.{gap_name(self.program, p)}")
        return f"{call[0]}({raw}, {call[1]})" if call else raw

    def predict(self, s: ir.Prediction) -> None:
        for e in s.inputs:
            self.prepare(e)
        text = self.program.source.text[s.span.start : s.span.end]
        self.lines.append(Line("", _one_line(text).removeprefix("predicted ")))
        for e in s.inputs:
            self.hoist(e)
        inputs = ", ".join(self.emitter.text(e) for e in s.inputs) + "," * (len(s.inputs) == 1)
        outputs = ", ".join(python_name(o) for o in s.outputs) + "," * (len(s.outputs) == 1)
        net = python_name(s.network)
        self.lines.append(Line(f"({outputs}), {net} = self.{net}(({inputs}), {net})"))
        for name in s.outputs:
            self.defined.add(name)
            p = self.program.parameter(name)
            if p.range is not None:
                self.lines.append(Line(f"{python_name(name)} = {self.ranged(python_name(name), p)}", shape(p.type)))

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
        stem = f"grad_f{suffix}" if node.op == "grad" else f"{node.op}{suffix}"
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
    sizes = {str(s.type.rows): "problem.zeros().shape[-1]" for s in program.states if s.type.kind == "vector"}
    for d in program.data:
        for i, size in enumerate(d.type.sizes):
            sizes[str(size)] = f"problem.{python_name(d.name)}.shape[{i - len(d.type.sizes)}]"
    return sizes


def step_zeros(program: ir.Algorithm) -> Callable[[str], str]:
    """How `step` makes zeros: of the reported state's size, or another."""
    own = {str(s.type.rows) for s in program.states if s.type.kind == "vector"}
    sizes = step_sizes(program)
    return lambda size: "problem.zeros()" if size in own else f"problem.zeros({sizes.get(size, size)})"


def open_end(p: ir.Parameter) -> ir.Node | None:
    """The end of a one-sided range that must not be reached."""
    r = p.range
    if r is None or (r.low is not None and r.high is not None):
        return None
    return r.low if r.low_open else r.high if r.high_open else None


def gap_name(program: ir.Algorithm, p: ir.Parameter) -> str:
    """The buffer with the distance that a one-sided open range keeps from its end."""
    return f"{attribute(program, p)}_gap"


def constant_gap(p: ir.Parameter) -> str | None:
    """That distance, MARGIN*|init - end|, where it is a number; None where the initial value comes from data."""
    if p.init is None or p.range is None:
        return f"{MARGIN}"
    init, at = constant(p.init), constant(p.range.low if p.range.low is not None else p.range.high)
    return None if init is None or at is None else repr(MARGIN * abs(init - at))


def range_call(p: ir.Parameter, emitter: Emitter, gap: str) -> tuple[str, str] | None:
    """(helper, its arguments after the raw number) for a declared range, or None for a free parameter.

    `gap` is how the distance from an open end is called where it is no number.
    """
    r = p.range
    if r is None:
        return None
    distance = constant_gap(p) or gap
    if r.low is not None and r.high is not None:
        ends = f"{emitter.text(r.low)}, {emitter.text(r.high)}"
        if not (r.low_open and r.high_open):
            ends += f", ({MARGIN if r.low_open else 0.0}, {MARGIN if r.high_open else 0.0})"
        name = "between"
    elif r.low is not None:
        name, ends = "at_least", emitter.text(r.low) + (f" + {distance}" if r.low_open else "")
    else:
        assert r.high is not None
        name, ends = "at_most", emitter.text(r.high) + (f" - {distance}" if r.high_open else "")
    emitter.helpers.add(name)
    return name, ends


def _one_line(text: str) -> str:
    return " ".join(part.split("#")[0].strip() for part in text.split("\n"))
