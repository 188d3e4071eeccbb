"""The necessary structure of any differentiable rule, measured: along a trajectory of a trained run, the step
`d(x, g) = x - x+` as `P_k*g + b_k`.

If g is the gradient at x and the minimizer x* is kept, then by the mean value theorem

    P_k = integral from 0 to 1 over t of the Jacobian of d in g, at (x* + t*(x - x*), t*g),   b_k = d - P_k*g

and b_k tends to 0 where the iterates converge to x* (Liu, Chen, Wang, Yin, Cai, 2023). Other states are
those of the run. The integral is a Gauss-Legendre sum of 16 points.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

from .. import pipeline
from ..backends.torch import generate
from ..backends.torch.names import classes
from ..core import ir
from ..passes.simplify import simplify

POINTS = 16
SHOWN = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Iterations at which the form is measured, besides the last one: a Jacobian in 500 entries takes seconds."""
CHUNK = 64
"""Rows of a Jacobian at a time."""


class NoStructure(Exception):
    """The rule has no step of this kind, or the run no minimizer; the reason."""


@dataclass(frozen=True)
class MeanForm:
    """At the iterations `at`: spectral norms of P_k, 2-norms of b_k and of x_k - x*."""

    at: list[int] = field(default_factory=list)
    P: list[float] = field(default_factory=list)
    b: list[float] = field(default_factory=list)
    distance: list[float] = field(default_factory=list)

    @property
    def columns(self) -> dict[str, list[float]]:
        return {"||P_k||_2": self.P, "||b_k||_2": self.b, "||x_k - x*||_2": self.distance}


def gradient(program: ir.Algorithm) -> str:
    """What generated code calls the one gradient that the rule takes, at its iterate. Raises NoStructure."""
    nodes = [n for s in program.statements for e in _expressions(s) for n in e.walk()]
    if any(n.op == "prox" for n in nodes):
        raise NoStructure("the rule takes a prox")
    found = {(n.op, n.attr) for n in nodes if n.op in ("grad", "subgrad", "stochgrad")}
    if len(found) != 1:
        raise NoStructure("the rule takes " + ("several gradients" if found else "no gradient"))
    points = [n.args[0] for n in nodes if n.op in ("grad", "subgrad", "stochgrad")]
    if any(p.role != "state" or p.name != program.variable for p in points):
        raise NoStructure(f"the rule takes its gradient elsewhere than at `{program.variable}`")
    if pipeline.obstacles(program) or program.safeguard is not None:
        raise NoStructure("the rule is not compiled as it stands")
    ((op, _),) = found
    if op == "stochgrad":
        raise NoStructure("the rule takes gradients of minibatches")
    return "grad_f" if op == "grad" else "subgrad_F"


def mean_form(program: ir.Algorithm, trained: Any, problem: Any) -> MeanForm:
    """Of one run on one instance, in float64; `problem` holds a batch of one. Needs torch.

    Raises NoStructure.
    """
    import numpy as np
    import torch

    from ..runtime.batches import as_dtype
    from ..runtime.solver import solve

    name = gradient(program)
    model = copy.deepcopy(trained.model).double()
    made = _attached(program)
    plain = getattr(made, classes(program)["algorithm"])
    try:
        problem = as_dtype(problem, torch.float64)
        solution = solve(problem).x.reshape(-1)
    except (AttributeError, ValueError) as error:
        raise NoStructure(f"the minimizer is not known: {error}") from None
    nodes, weights = (torch.as_tensor(v) for v in np.polynomial.legendre.leggauss(POINTS))
    nodes, weights = (nodes + 1) / 2, weights / 2
    iterations = trained.settings.horizon or trained.settings.layers or 100
    shown = sorted({k for k in SHOWN if k < iterations} | {iterations - 1})
    form, state = MeanForm(shown), model.init_state(problem)
    for k in range(iterations):
        if k in shown:
            step = _Step(plain, model, made.State(*state), problem, program.variable)
            x = step.x
            g = getattr(problem, name)(getattr(state, program.variable)).detach().reshape(-1)
            P = torch.zeros(len(g), len(g), dtype=torch.float64)
            jacobian = torch.func.jacrev(step, argnums=1, chunk_size=CHUNK)
            for t, w in zip(nodes, weights, strict=True):
                P = P + w * jacobian(solution + t * (x - solution), t * g).detach()
            with torch.no_grad():
                b = step(x, g) - P @ g
            if not (P.isfinite().all() and b.isfinite().all()):
                raise NoStructure(f"the step has no Jacobian on the way to the solution in iteration {k}")
            form.P.append(float(torch.linalg.matrix_norm(P, 2)))
            form.b.append(float(b.norm()))
            form.distance.append(float((x - solution).norm()))
        with torch.no_grad():
            state = model.step(problem, state)
    return form


@dataclass
class _Step:
    """d(x, g) of one iteration, other states held: (n,), (n,) -> (n,)."""

    plain: Any
    """The generated class without `detach`."""
    model: Any
    state: Any
    problem: Any
    variable: str

    @property
    def x(self) -> Any:
        return getattr(self.state, self.variable).detach().reshape(-1)

    def __call__(self, x: Any, g: Any) -> Any:
        shape = getattr(self.state, self.variable).shape
        state = self.state._replace(**{self.variable: x.reshape(shape)})
        after = self.plain.step(self.model, _Given(self.problem, g.reshape(shape)), state)
        return x - getattr(after, self.variable).reshape(-1)


class _Given:
    """A problem whose gradient is the given one, at every point."""

    def __init__(self, problem: Any, g: Any) -> None:
        self.problem, self.g = problem, g

    def __getattr__(self, name: str) -> Any:
        if name in ("grad_f", "subgrad_F"):
            return lambda x: self.g
        return getattr(self.problem, name)


def _attached(program: ir.Algorithm) -> ModuleType:
    """The generated module with every `detach(v)` as v: what autograd is to see of a step is all of it."""
    statements = [
        replace(s, inputs=tuple(map(_plain, s.inputs))) if isinstance(s, ir.Call) else replace(s, value=_plain(s.value))
        for s in program.statements
    ]
    made = ModuleType("attached")
    texts = generate.files(simplify(replace(program, statements=tuple(statements))), made.__name__)
    exec(texts["attached.py"], made.__dict__)
    return made


def _plain(node: ir.Node) -> ir.Node:
    if node.op == "detach":
        return _plain(node.args[0])
    return replace(node, args=tuple(map(_plain, node.args)))


def _expressions(s: ir.Statement) -> tuple[ir.Node, ...]:
    return s.inputs if isinstance(s, ir.Call) else (s.value,)


__all__ = ["MeanForm", "NoStructure", "gradient", "mean_form"]
