"""A typed program run on one instance, statement by statement, in NumPy float64.

`start` gives the initial state, `step` the next one. A state holds, by name, what the program's states hold, the hidden
states of its recurrent networks and its precomputed parameters. `detach` changes nothing here.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from ...core import ir
from ...core.ir import Node
from ...core.ranges import enforced
from ...core.sizes import Size
from ...core.types import Type
from .networks import Net, SmoothMap, features
from .operators import COMPARE, OPERATORS, Array, Value
from .ranges import Space

State = dict[str, Value]

BEFORE = "(before)"
"""In a state: the iterate before the last one, which `safeguard deviation` looks at."""


class CannotRun(Exception):
    """A rule that no code carries out: it is implicit and not solved, or has no values behind its last layer."""


class Problem(Protocol):
    """One instance: what a rule may ask of it. Arguments and gradients are (n,)."""

    @property
    def n(self) -> int: ...
    @property
    def L(self) -> float: ...
    @property
    def mu(self) -> float: ...
    @property
    def data(self) -> dict[str, Value]: ...
    def value(self, role: str, x: Array) -> float: ...
    def grad(self, x: Array) -> Array: ...
    def subgrad(self, x: Array) -> Array: ...
    def prox(self, v: Array, P: Value) -> Array: ...


class Values(Protocol):
    """Where the values of learned and predicted parameters, and networks, come from."""

    layers: int
    """Trained layers of per-iteration parameters."""

    def learned(self, p: ir.Parameter, layer: int, space: Space) -> Value: ...
    def predicted(self, p: ir.Parameter, k: int, space: Space) -> Value | None:
        """None: the network says."""

    def net(self, network: ir.Network, inputs: int, outputs: int) -> Net: ...
    def any(self, network: ir.Network, inputs: int, outputs: int, bound: float) -> SmoothMap: ...


def start(program: ir.Algorithm, instance: Problem, parameters: Values) -> State:
    """The declared initial state. Precomputed parameters are part of it."""
    run = Run(program, instance, parameters)
    state: State = {p.name: run.parameter(p) for p in program.parameters if p.kind == "precomputed"}
    for s in program.states:  # one may start where one above it does
        state[s.name] = run.values["state", s.name] = run.value(s.init)
    if program.safeguard is not None and program.safeguard.method == "deviation":
        state[BEFORE] = state[program.variable]
    for network in program.networks:
        if network.recurrent:
            call = run.first_call(network)
            net = parameters.net(network, run.width(network, call), len(call.outputs))
            state[network.name] = net.start(run.coordinates(network, call))
    return state


def step(program: ir.Algorithm, instance: Problem, parameters: Values, state: State, k: int) -> State:
    """The state after iteration k. Raises CannotRun where the rule cannot be carried out."""
    return Run(program, instance, parameters, state, k).step()


class Run:
    """One iteration. `values` holds what was computed so far, by role and name.

    With `frozen` the next iterate is that, whatever the rule says, and the other states follow; `proposal` is what the
    rule said.
    """

    def __init__(
        self, program: ir.Algorithm, instance: Problem, parameters: Values, state: State | None = None, k: int = 0,
        frozen: Array | None = None,
    ) -> None:  # fmt: skip
        self.program, self.instance, self.parameters, self.k = program, instance, parameters, k
        self.frozen = frozen
        self.proposal: Array | None = None
        self.state = dict(state or {})
        self.sizes = sizes(program, instance)
        self.values: dict[tuple[str, str], Value] = {("iteration", "k"): np.float64(k)}
        for name, value in instance.data.items():
            self.values["data", name] = value
        for f in program.functions:
            if f.lipschitz is not None:
                self.values["lipschitz", f.lipschitz] = np.float64(instance.L)
            if f.modulus is not None and f.modulus.role == "modulus":
                self.values["modulus", f.modulus.name] = np.float64(instance.mu)
        for size, length in self.sizes.items():
            self.values["size", size] = np.float64(length)
        for s in program.states:
            if s.name in self.state:
                self.values["state", s.name] = self.state[s.name]
        for p in program.parameters:
            if p.kind == "precomputed" and p.name in self.state:
                self.values["parameter", p.name] = self.state[p.name]

    # -- statements
    def step(self) -> State:
        last = [p for p in self.program.parameters if p.tail.kind == "none"]
        if last and self.k >= self.parameters.layers:
            raise CannotRun(f"`{last[0].name}` has {self.parameters.layers} layers, and nothing follows them")
        with np.errstate(all="ignore"):
            for s in self.program.statements:
                if isinstance(s, ir.Call):
                    self.call(s)
                else:
                    self.assign(s)
        following = {s.name: self.values.get(("next", s.name), self.state[s.name]) for s in self.program.states}
        if BEFORE in self.state:
            following[BEFORE] = self.state[self.program.variable]
        return self.state | following

    def assign(self, s: ir.Assignment) -> None:
        if s.implicit is not None and s.implicit.metric is None:
            raise CannotRun(f"`{s.text}` is not solved for `{s.name}+`")
        value = self.value(s.value)
        if s.next and s.name == self.program.variable:
            if self.program.safeguard is not None:
                value = self.guarded(value, self.program.safeguard)
            self.proposal = value
            if self.frozen is not None:
                value = self.frozen
        self.values["next" if s.next else "let", s.name] = value

    def guarded(self, proposal: Array, safeguard: ir.Safeguard) -> Array:
        """What the safeguard makes of a proposed next iterate: a proximal gradient step from here, or from the point
        that the proposal is pulled to."""
        problem, x = self.instance, self.state[self.program.variable]
        finite = bool(np.isfinite(proposal).all())
        if safeguard.method == "descent":
            plain = problem.prox(x - problem.grad(x) / problem.L, 1 / problem.L)
            better = finite and problem.value("F", proposal) <= problem.value("F", plain)
            return proposal if better else plain
        u = proposal - x if finite else np.zeros_like(x)
        room = np.sqrt(1 - safeguard.delta) * np.linalg.norm(x - self.state[BEFORE])
        y = x + u * (room / max(np.linalg.norm(u), room, 1e-30))
        return problem.prox(y - problem.grad(y) / problem.L, 1 / problem.L)

    def call(self, s: ir.Call) -> None:
        network = self.program.network(s.network)
        spaces = {o: self.space(self.program.parameter(o)) for o in s.outputs} if s.predicts else {}
        given = {o: self.parameters.predicted(self.program.parameter(o), self.k, space) for o, space in spaces.items()}
        if spaces and all(v is not None for v in given.values()):
            self.values |= {("parameter", o): v for o, v in given.items()}
            return
        size = self.coordinates(network, s)
        u = features(network, [self.value(e) for e in s.inputs], size)
        net = self.parameters.net(network, len(u), len(s.outputs))
        rows, hidden = net(u, self.state.get(network.name))
        if hidden is not None:
            self.state[network.name] = hidden
        scalar = not network.per_coordinate or all(e.type.kind == "scalar" for e in s.inputs)
        for name, row in zip(s.outputs, rows, strict=True):
            raw = row[0] if scalar else row
            if not s.predicts:
                self.values["let", name] = raw
            else:
                chosen = given[name]
                self.values["parameter", name] = spaces[name].from_raw(raw) if chosen is None else chosen

    # -- networks
    def first_call(self, network: ir.Network) -> ir.Call:
        return next(s for s in self.program.statements if isinstance(s, ir.Call) and s.network == network.name)

    def width(self, network: ir.Network, s: ir.Call) -> int:
        """The number of features that a network sees."""
        return sum(1 if network.per_coordinate or e.type.kind == "scalar" else 2 for e in s.inputs)

    def coordinates(self, network: ir.Network, s: ir.Call) -> int:
        """How many copies of a network run side by side."""
        vectors = [e.type for e in s.inputs if e.type.kind != "scalar"]
        return self.size(vectors[0].rows) if network.per_coordinate and vectors else 1

    # -- parameters
    def parameter(self, p: ir.Parameter) -> Value:
        if p.value is not None:
            return self.value(p.value)
        if p.kind == "predicted":
            raise CannotRun(f"`{p.name}` is used before its network is called")
        layer = min(self.k, self.parameters.layers - 1) if p.per_iteration else 0
        beyond = max(self.k - self.parameters.layers + 1, 0) if p.per_iteration else 0
        if beyond and p.tail.kind == "formula" and p.tail.value is not None:
            return self.value(p.tail.value)
        value = self.parameters.learned(p, layer, self.space(p))
        if beyond and p.tail.kind == "decay" and p.tail.value is not None:
            value = value * self.value(p.tail.value) ** beyond
        return value

    def space(self, p: ir.Parameter) -> Space:
        """What is enforced of a parameter here and now."""
        kind, r, facts = p.type, enforced(p), p.facts
        initial = None if p.init is None else self.value(p.init)
        if kind.kind == "matrix":
            norm = np.inf if facts.bound is None else self.value(facts.bound)
            return Space(kind, self.shape(kind), norm=norm, start=initial)
        if r is None:
            return Space(kind, self.shape(kind), start=initial)
        low = -np.inf if r.low is None else self.value(r.low)
        high = np.inf if r.high is None else self.value(r.high)
        if r.low is not None and r.high is not None:
            gap = facts.margin * (high - low)
        else:  # the distance from the one end, relative to the initial value's
            end, entry = (high if r.low is None else low), None if p.init is None else self.value(entries(p.init))
            gap = facts.margin * (1.0 if entry is None else np.abs(entry - end))
        return Space(kind, self.shape(kind), low + r.low_open * gap, high - r.high_open * gap, start=initial)

    # -- sizes
    def shape(self, kind: Type) -> tuple[int, ...]:
        """Of a value of this type as an array."""
        lengths = tuple(self.size(s) for s in kind.sizes)
        return lengths * 2 if kind.kind == "sym" else lengths

    def size(self, size: Size) -> int:
        known = self.sizes.get(str(size))
        if known is not None:
            return known
        return sum(c * int(np.prod([self.sizes[name] for name in names])) for names, c in size.terms)

    # -- expressions
    def value(self, node: Node) -> Value:
        """The value of an expression: a number, (n,) or (m, n)."""
        match node.op:
            case "number":
                return np.float64(node.attr)
            case "symbol":
                return self.symbol(node)
            case "identity":
                rows = self.size(node.type.rows)
                return np.ones(rows) if node.type.kind == "diag" else np.eye(rows)
        return self.apply(node, [self.value(a) for a in node.args])

    def symbol(self, node: Node) -> Value:
        if node.attr not in self.values and node.role == "parameter":
            self.values[node.attr] = self.parameter(self.program.parameter(node.name))
        return self.values[node.attr]

    def apply(self, node: Node, args: list[Any]) -> Value:
        """An operation at the values of its arguments."""
        match node.op:
            case "broadcast":
                return np.full(self.size(node.type.rows), args[0])
            case "compare":
                return COMPARE[node.attr](*args)
            case "grad" | "stochgrad":
                return self.instance.grad(args[0])
            case "subgrad":
                return self.instance.subgrad(args[0])
            case "value":
                return np.float64(self.instance.value(node.attr, args[0]))
            case "prox":
                return self.instance.prox(args[1], args[0])
            case "any":
                network = self.program.network(node.attr)
                bound = np.inf if network.bound is None else self.value(network.bound)
                z = np.concatenate([np.atleast_1d(a) for a in args])
                return self.parameters.any(network, len(z), self.size(node.type.rows), bound)(z)
        return OPERATORS[node.op](*args)


def sizes(program: ir.Algorithm, instance: Problem) -> dict[str, int]:
    """The sizes of a program at an instance: from its variable and its data."""
    found = {str(s.type.rows): instance.n for s in program.states if s.name == program.variable}
    for d in program.data:
        if d.name not in instance.data:
            raise CannotRun(f"the problem has no data `{d.name}`")
        for size, length in zip(d.type.sizes, np.shape(instance.data[d.name]), strict=False):
            found[str(size)] = length
    return found


def entries(init: Node) -> Node:
    """The entry of an initial value that is constant, or the factor of I; else the value itself."""
    if init.op == "broadcast" or (init.op == "scale" and init.args[1].op == "identity"):
        return init.args[0]
    return Node("number", (), init.type, "1") if init.op == "identity" else init
