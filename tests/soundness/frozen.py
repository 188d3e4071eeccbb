"""How far a rule moves away from a solution, by running it there: independent of what the checker says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from l2ogen.analysis.numeric import fitting, instances
from l2ogen.analysis.numeric.interpreter import CannotRun, Run, State, start, step
from l2ogen.analysis.numeric.operators import Value
from l2ogen.analysis.numeric.parameters import Parameters
from l2ogen.analysis.numeric.ranges import Space
from l2ogen.core import ir

BLOCKS = (0, 100, 10**4, 10**6, 10**8)
"""Where runs at the solution look; schedules in k have come down by then."""
LENGTH = 6
EPS = float(np.finfo(float).eps)


class Frozen(Run):
    """One iteration after which the iterate is at the solution again; `proposal` is where the rule would have gone."""

    def assign(self, s: ir.Assignment) -> None:
        super().assign(s)
        if s.next and s.name == self.program.variable:
            self.proposal = self.values["next", s.name]
            self.values["next", s.name] = self.instance.x_star  # type: ignore[attr-defined]


@dataclass
class Stay:
    """Residuals ||x+ - x*|| along a run of the other states with x frozen at x*: the largest of the last three of each
    block, and the size of what cancels in them."""

    residuals: list[float]
    scale: float

    @property
    def tolerance(self) -> float:
        return 256 * EPS * self.scale

    @property
    def holds(self) -> bool:
        """Whether they vanish, at once or in the limit; nan does not."""
        last = self.residuals[-1]
        if np.isfinite(last) and len(self.residuals) >= len(BLOCKS):  # like 1/sqrt(k), over the last two blocks
            end, before = self.residuals[len(BLOCKS) - 1], self.residuals[len(BLOCKS) - 2]
            if max(end, last) <= 0.11 * before and before <= 1e-2 * self.scale:
                return True
        return bool(np.isfinite(last) and last <= max(self.tolerance, 2e-2 * max(self.residuals[:2])))

    @property
    def fails(self) -> bool:
        """Whether the last of them are far from 0, and do not get smaller."""
        *_, before, last = [np.inf, *self.residuals]
        small = 1e-10 * min(self.scale, 1e4)  # what grows with k makes the scale too large
        return not last <= max(small, 0.05 * self.residuals[:2][-1]) or bool(last > max(small, 0.25 * before))


def stay(
    program: ir.Algorithm, instance: instances.Instance, parameters: Parameters, state: State, resting: bool = False
) -> Stay:
    """Blocks of a few iterations at growing k, the states carried along; states that rest need not come to rest, but
    rounding may have moved an unstable one. Raises CannotRun."""
    x, residuals, scale = program.variable, [], 1.0
    state = state | {x: instance.x_star}
    for k0 in BLOCKS:
        last = []
        for k in range(k0, k0 + LENGTH):
            run = Frozen(program, instance, parameters, state, k)
            state = at_rest(state, run.step()) if resting else run.step()
            assert run.proposal is not None
            last.append(float(np.linalg.norm(run.proposal - instance.x_star)))
            if not np.isfinite(last[-1]):
                break
            scale = max(scale, _size(run))
        residuals.append(float(np.max(last[-3:])))  # a nan stays one
        if not np.isfinite(residuals[-1]):
            return Stay(residuals, scale)
    if resting:
        return Stay(residuals, 1e6 * scale)
    return settled(program, instance, parameters, state, Stay(residuals, scale))


MARCH, LONGER, WINDOW = (200, 2000), 20000, 50


def creeps(
    program: ir.Algorithm, instance: instances.Instance, parameters: Parameters, state: State, resting: bool
) -> bool:
    """Whether a residual stays in a run at the solution that leaves out no k, so that states have time to add up: after
    2000 steps it is not below nine tenths of what it was after 200, which the slowest factor, 0.999, goes below. Nor
    after 20000: a prox whose argument is far off gives one and the same point for a while."""
    residuals, state, ends = [0.0, 0.0, 0.0], state | {program.variable: instance.x_star}, (*MARCH, LONGER)
    size = 1 + float(np.linalg.norm(instance.x_star))
    for k in range(LONGER):
        run = Frozen(program, instance, parameters, state, k)
        state = at_rest(state, run.step()) if resting else run.step()
        assert run.proposal is not None
        for i, end in enumerate(ends):  # what is predicted is drawn anew in each step: the largest of many
            if end - WINDOW <= k < end:
                residuals[i] = float(np.maximum(residuals[i], np.linalg.norm(run.proposal - instance.x_star)))
        if k == MARCH[-1] and residuals[1] <= max(1e-3 * size, 0.9 * residuals[0]):
            return False
    return not residuals[2] <= max(1e-3 * size, 0.9 * residuals[0])


def at_rest(before: State, after: State) -> State:
    """The states before where rounding alone moved them: an unstable equilibrium is one, too."""
    return {name: before[name] if np.allclose(before[name], v, rtol=1e-12, atol=1e-12) else v for name, v in after.items()}


NEAR = 1e-12
AVERAGED = 400
"""Iterations in which an average forgets where it began."""


def jump(
    program: ir.Algorithm, instance: instances.Instance, parameters: Parameters, state: State, rng: np.random.Generator
) -> float:
    """How far the first step from a point next to the solution leads, where the other states are at rest."""
    state = state | {program.variable: instance.x_star + NEAR * rng.normal(size=instance.n)}
    run = Run(program, instance, parameters, state, 0)
    return float(np.linalg.norm(run.step()[program.variable] - instance.x_star))


def settled(
    program: ir.Algorithm, instance: instances.Instance, parameters: Parameters, state: State, found: Stay
) -> Stay:
    """A run whose states still come to rest goes on: a factor of 0.999 needs its time."""
    k = BLOCKS[-1] + LENGTH
    for i, length in enumerate((100, *[1000] * 8)):
        resting = i > 1 and found.residuals[-1] > 0.97 * found.residuals[-2]  # not after 100 steps: 0.999^100 is 0.9
        if found.holds or len(program.states) == 1 or resting:
            return found
        last = 0.0
        for _ in range(length):
            run = Frozen(program, instance, parameters, state, k)
            state, k = run.step(), k + 1
            assert run.proposal is not None
            last = float(np.linalg.norm(run.proposal - instance.x_star))
        found = Stay([*found.residuals, last], found.scale)
    return found


def _size(run: Run) -> float:
    """Of the largest quantity of an iteration, the Lipschitz constant's inverse among the factors."""
    values = [v for (role, _), v in run.values.items() if role not in ("iteration", "size")]
    sizes = [np.max(np.abs(v)) for v in values if np.size(v) and np.asarray(v).dtype != bool]
    known = [float(s) for s in sizes if np.isfinite(s) and s < 1e5]
    return run.instance.n * (1 + max(known, default=1.0)) ** 2


# ---- where states start ----------------------------------------------------------------------------


def reachable(
    program: ir.Algorithm, instance: instances.Instance, parameters: Parameters, rng: np.random.Generator
) -> State:
    """After one to four iterations from a random point; hidden states of networks anywhere in (-1, 1)."""
    state = start(program, instance, parameters)
    state[program.variable] = instance.x_star + rng.normal(size=instance.n)
    for k in range(int(rng.integers(1, 5))):
        after = step(program, instance, parameters, state, k)
        if not all(np.all(np.abs(v) < 1e6) for v in after.values()):  # no start of anything: the rule diverges from here
            break
        state = after
    for network in program.networks:
        if network.recurrent:
            state[network.name] = np.tanh(rng.normal(size=np.shape(state[network.name])))
    return state


def anywhere(
    program: ir.Algorithm, instance: instances.Instance, parameters: Parameters, rng: np.random.Generator
) -> State:
    """States of the variable's space anywhere; those that were never negative in reachable states stay so."""
    seen = [reachable(program, instance, parameters, rng) for _ in range(2)]
    state = dict(seen[0])
    for s in program.states:
        if np.shape(state[s.name]) == np.shape(instance.x_star):
            drawn = instance.x_star + rng.normal(size=instance.n)
            state[s.name] = np.abs(drawn) if all(np.all(other[s.name] >= 0) for other in seen) else drawn
    return state


def equilibrium(program: ir.Algorithm, instance: instances.Instance, parameters: Parameters) -> State:
    """Where the states are after a while of x frozen at the solution: x-like ones begin there, or, where they then do
    not come to rest, as all others where they are declared to."""
    declared = start(program, instance, parameters)
    nodes = [n for s in program.statements if isinstance(s, ir.Assignment) for n in s.value.walk()]
    rooted = set[str]().union(*(ir.symbols(n, "state", "next", "let") for n in nodes if n.op == "sqrt"))
    reached = reachable(program, instance, parameters, np.random.default_rng(0))
    history = dict(declared)
    for s in program.states:
        like_x = s.name == program.variable or s.name not in rooted or not np.all(reached[s.name] >= 0)
        if like_x and np.shape(history[s.name]) == np.shape(instance.x_star):
            history[s.name] = instance.x_star
    state, moved = _rested(program, instance, parameters, history)
    if moved > 1e-3:
        other, moves = _rested(program, instance, parameters, declared)
        state = other if moves < 1e-9 else state
    return state


def _rested(
    program: ir.Algorithm, instance: instances.Instance, parameters: Parameters, state: State
) -> tuple[State, float]:
    """The states after a while, and how far the last step moved them."""
    state, moved = state | {program.variable: instance.x_star}, np.inf
    if len(program.states) == 1 and not program.networks:
        return state, 0.0
    for k in range(AVERAGED):
        before = state
        after = Frozen(program, instance, parameters, state | {program.variable: instance.x_star}, k).step()
        moves = [np.max(np.abs(v - before[name]), initial=0.0) for name, v in after.items() if name in before]
        state = at_rest(before, after)  # while a network's memory settles, rounding grows in unstable states
        last, moved = moved, float(np.max(moves, initial=0.0))
        if k >= 9 and not 1e-12 < moved < last:  # at rest, or not coming to rest
            break
    return state, moved


# ---- problems and parameters -----------------------------------------------------------------------

KINDS = ("linear", "l1", "zero", "box", "group", "nonneg")


def problems(
    program: ir.Algorithm, target: str, rng: np.random.Generator, count: int, kinds: tuple[str, ...] = KINDS
) -> Iterator[instances.Instance]:
    """Random ones of exactly known solution, of several sizes and kinds of r."""
    names = {"minimizer": "minimize", "recovery": "recover"}
    for i in range(count):
        n = int(rng.integers(1, 5)) if not program.data else int(rng.integers(4, 8))
        roles = {f.role for f in program.functions}
        given = not program.data and (roles == {"f", "r"} or (roles == {"r"} and kinds is not KINDS))
        kind = kinds[i % len(kinds)] if given else None
        made = fitting.instance_for(program, names[target], rng, n, kind)
        if target == "recovery" and i % 2:  # entries below all thresholds
            weights = {name: v for name, v in made.data.items() if not np.ndim(v)}
            small = made.scaled(0.01)
            made = replace(small, data=small.data | weights)
        yield made


def values(program: ir.Algorithm, rng: np.random.Generator, edges: tuple[float, ...] = (0.0, 0.3, 1.0)) -> Parameters:
    """Random ones; `edges` are the probabilities of entries at the ends of their ranges."""
    return Growing.sample(program, rng, edge=float(rng.choice(edges)))


@dataclass
class Growing(Parameters):
    """Predicted values without bounds grow with k."""

    def predicted(self, p: ir.Parameter, k: int, space: Space) -> Value | None:
        made = super().predicted(p, k, space)
        free = p.range is None and p.facts.bound is None and not p.facts.vanishes
        return made * (1.0 + k) if made is not None and free else made


__all__ = ["CannotRun", "Stay", "anywhere", "creeps", "equilibrium", "problems", "reachable", "stay", "values"]


