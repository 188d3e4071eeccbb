"""How far a rule moves away from a solution: the residual of the fixed-point condition, against its rounding errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...core import ir
from ...core.ir import Node
from .instances import Instance
from .interpreter import Run, State, Values, start, step
from .operators import OPERATORS, Array, Value

Reading = Literal["E", "U"]
"""States at an equilibrium, or those of a run of their own from any reachable state, x frozen at the solution."""

SETTLE = 100
"""Steps in which frozen states come to rest."""


@dataclass(frozen=True)
class Residual:
    norm: float
    """||x_next - x_star||_2"""
    scale: float
    """The size of what cancels in it: rounding makes a residual of about 1e-16*scale."""

    size: float = 1.0
    """1 + ||x_star||_2"""

    @property
    def is_rounding(self) -> bool:
        """Whether the residual is none: at most 64*eps*scale, with room for the sums inside products."""
        return bool(self.norm <= 1024 * np.finfo(float).eps * self.scale)

    @property
    def refutes(self) -> bool:
        """Whether the residual is far above what rounding or ill-conditioning explain; a nan refutes nothing."""
        return bool(self.norm >= 1e-6 * self.size and self.norm >= 1e-10 * self.scale)


def fixed_point_residual(
    program: ir.Algorithm, instance: Instance, parameters: Values, k: int = 0, near: float = 0.0,
    reading: Reading = "E", states: State | None = None, settle: int = SETTLE, seed: int = 0,
) -> Residual:  # fmt: skip
    """||x_next - x_star|| of iteration k at x = x_star, or at a distance `near` from it in a random direction.

    Reading E: the other states as given, those not given at rest: after `settle` iterations with index k at frozen x,
    from the declared start. Reading U: after the `settle` iterations before k, of which those before the first
    repeat it, from a reachable state.
    """
    x = program.variable
    if reading == "U":
        state = reachable(program, instance, parameters, seed)
        indices = [max(0, i) for i in range(k - settle, k)]
    else:
        state = start(program, instance, parameters) | (states or {})
        indices = [k] * settle
    for i in indices:
        before = state
        state = frozen_step(program, instance, parameters, state | {x: instance.x_star}, i).state | (states or {})
        if reading != "U" and all(np.array_equal(state[name], before[name]) for name in state):
            break  # at rest: the same step from the same states
    rng = np.random.default_rng(seed)
    for s in program.states:  # the point, and the history that has come to rest there
        if s.name == x or (near and np.array_equal(state[s.name], instance.x_star)):
            direction = rng.normal(size=instance.n)
            state[s.name] = instance.x_star + near * direction / np.linalg.norm(direction)
    last = frozen_step(program, instance, parameters, state, k)
    with np.errstate(all="ignore"):
        scale = float(np.linalg.norm(Sizes(last.run).next(x))) + float(np.linalg.norm(instance.x_star))
    size = 1 + float(np.linalg.norm(instance.x_star))
    return Residual(float(np.linalg.norm(last.proposal - instance.x_star)), scale, size)


@dataclass(frozen=True)
class Frozen:
    state: State
    proposal: Array
    """Where the rule would go."""
    run: Run


def frozen_step(program: ir.Algorithm, instance: Instance, parameters: Values, state: State, k: int) -> Frozen:
    """One iteration in which the next iterate is the solution again, and the other states follow their rules."""
    run = Run(program, instance, parameters, state, k, frozen=instance.x_star)
    following = run.step()
    assert run.proposal is not None
    return Frozen(following, run.proposal, run)


def reachable(program: ir.Algorithm, instance: Instance, parameters: Values, seed: int) -> State:
    """A state after one to five iterations from a random point; hidden states of networks anywhere in their range."""
    rng = np.random.default_rng([seed, 1])
    state = start(program, instance, parameters)
    state[program.variable] = instance.x_star + rng.normal(size=instance.n) * (1 + np.abs(instance.x_star))
    for k in range(min(int(rng.integers(1, 6)), parameters.layers)):  # behind the last layer there may be no values
        state = step(program, instance, parameters, state, k)
    for network in program.networks:
        if network.recurrent:
            state[network.name] = np.tanh(rng.normal(size=np.shape(state[network.name])))
    return state


# ---- the size of what cancels ----------------------------------------------------------------------

PASSES = {"negate", "detach", "transpose", "broadcast"}
MULTIPLIES = {"times", "scale", "scale_rows", "scale_columns", "apply", "compose", "inner"}
NONEXPANSIVE = {"tanh", "sigmoid", "relu", "elu", "softplus", "abs", "max", "min", "clip", "soft", "soft_ss"}
"""Errors of the arguments pass through no larger than they were."""


class Sizes:
    """The expressions of a finished iteration with every term at its absolute value, so that nothing cancels."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.assigned = {("next" if s.next else "let", s.name): s.value for s in run.program.statements
                         if isinstance(s, ir.Assignment)}  # fmt: skip
        self.known: dict[Node, Value] = {}

    def next(self, name: str) -> Value:
        return self.of(self.assigned["next", name])

    def of(self, node: Node) -> Value:
        if node not in self.known:
            self.known[node] = self._of(node)
        return self.known[node]

    def _of(self, node: Node) -> Value:
        if node.role in ("next", "let") and node.attr in self.assigned:
            return self.of(self.assigned[node.attr])
        value = np.abs(self.run.value(node)) if node.op != "compare" else 0.0
        match node.op:
            case "add" | "subtract":
                return self.of(node.args[0]) + self.of(node.args[1])
            case "broadcast":
                return np.full(np.shape(value), self.of(node.args[0]))
            case "over" | "shrink":
                return self.of(node.args[0]) / np.abs(self.run.value(node.args[1]))
            case "grad" | "stochgrad" | "subgrad":
                assert isinstance(self.run.instance, Instance)
                return self.run.instance.grad_size(self.of(node.args[0])) + value
            case "prox":
                return self.of(node.args[1]) + value
            case "where":
                return self.of(node.args[1]) + self.of(node.args[2])
        if node.op in PASSES:
            return OPERATORS[node.op](self.of(node.args[0])) if node.op == "transpose" else self.of(node.args[0])
        if node.op in MULTIPLIES:
            return OPERATORS[node.op](*(self.of(a) for a in node.args))
        if node.op in NONEXPANSIVE:
            return value + sum(self.of(a) for a in node.args)
        return value
