"""`check --certify N`: the worst case of F(x_N) - F* over all problems of the class, by semidefinite programming.

For rules of the normal form whose P, A and B are numbers times I, the same for all problems: performance estimation
(Drori, Teboulle, 2014; Taylor, Hendrickx, Glineur, 2017) with PEPit gives the smallest tau of
`F(x_N) - F* <= tau*L*||x_0 - x*||_2^2`, up to the tolerance of the solver: a number, and no proof.
"""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .analysis.algebra import Operator
from .analysis.evaluate import Unknown
from .analysis.model import Model
from .analysis.normal_form import NormalForm, normal_form
from .core import ir
from .core.constants import exact

if TYPE_CHECKING:
    import sympy as sp


class NotCertified(Exception):
    """The rule is not of this form, or the solver gave up; the reason."""


class NotInstalled(Exception):
    """PEPit or a solver is missing."""


@dataclass(frozen=True)
class Certificate:
    title: str
    iterations: int
    tau: float
    smooth: bool
    accurate: bool
    """Whether the solver reached its own tolerance."""

    def __str__(self) -> str:
        L = "L*" if self.smooth else ""
        doubt = "" if self.accurate else ", which this time the solver calls inaccurate"
        bound = f"F(x_{self.iterations}) - F* <= {self.tau:.4g}*{L}||x_0 - x*||_2^2"
        how = f"numerically certified (SDP, solver tolerance{doubt})"
        return f"{self.title}: {bound} for every problem of the class\n{how}"


Coefficients = list[tuple[float, float, float]]
"""P*L, A and B of each iteration."""


def certify(program: ir.Algorithm, iterations: int) -> Certificate:
    """Raises NotCertified, NotInstalled."""
    model = Model(program, "minimizer")
    try:
        form = normal_form(model)
    except Unknown as unknown:
        raise NotCertified(f"there is no normal form: {unknown}") from None
    coefficients = schedule(program, form, iterations)
    tau, accurate = _worst(coefficients, model.has("f"), model.has("r"))
    return Certificate(program.title, iterations, tau, model.has("f"), accurate)


def schedule(program: ir.Algorithm, form: NormalForm, iterations: int) -> Coefficients:
    """The numbers P, A and B, with L = 1. Raises NotCertified where they are none."""
    import sympy as sp

    more = {p for f in program.functions for p in f.properties} - {"convex", "smooth", "proximable"}
    if more or program.safeguard is not None:
        raise NotCertified("only convex f + r without further properties or safeguards is covered")
    if not form.prox_form or not form.b1.is_zero or not form.b2.is_zero:
        raise NotCertified("the rule is no proximal gradient step, or has biases")
    inits, variable = {s.name: s.init for s in program.states}, program.variable
    if form.point:
        start = inits.get(form.point)
        if start is None or not (start == inits[variable] or (start.role == "state" and start.name == variable)):
            raise NotCertified(f"`{form.point}` does not start where `{variable}` does")
    one = {sp.Symbol(f.lipschitz, positive=True): 1 for f in program.functions if f.lipschitz}
    k = sp.Symbol("k", integer=True, nonnegative=True)
    assert form.rule is not None
    scalars: dict[str, Any] = {s.name: exact(s.init) for s in program.states if s.type.kind == "scalar"}
    found: Coefficients = []
    for step in range(iterations):
        known = one | {k: step} | {sp.Symbol(name, real=True): value for name, value in scalars.items()}
        P, A, B = (_number(op, known) for op in (form.P, form.A, form.B))
        found.append((P, A, B))
        updates = {name: form.rule.updates.get(name) for name in scalars}
        scalars = {name: _value(u, known) if isinstance(u, sp.Expr) else scalars[name] for name, u in updates.items()}
    return found


def _number(op: Operator, known: dict[Any, Any]) -> float:
    if set(op.terms) - {()}:
        raise NotCertified(f"`{op}` is no number times I")
    return 0.0 if op.is_zero else _value(op.terms[()], known)


def _value(e: sp.Expr, known: dict[Any, Any]) -> float:
    value = e.subs(known)
    if not value.is_number or not value.is_real:
        raise NotCertified(f"`{e}` is no number that all problems share")
    return float(value)


def _worst(coefficients: Coefficients, smooth: bool, proximable: bool) -> tuple[float, bool]:
    try:
        pepit = importlib.import_module("PEPit")
        functions = importlib.import_module("PEPit.functions")
        prox = importlib.import_module("PEPit.primitive_steps").proximal_step
        importlib.import_module("clarabel")
    except ImportError:
        raise NotInstalled("--certify needs PEPit: pip install 'l2ogen[certify]'") from None
    pep = pepit.PEP()
    f: Any = pep.declare_function(functions.SmoothConvexFunction, L=1.0) if smooth else None
    r: Any = pep.declare_function(functions.ConvexFunction) if proximable else None
    F: Any = f + r if f is not None and r is not None else f or r
    solution = F.stationary_point()
    x = y = pep.set_initial_point()
    pep.set_initial_condition((x - solution) ** 2 <= 1)
    value: Any = None
    for P, A, B in coefficients:
        u = x if f is None or B == 1 else x - P * f.gradient(x)
        if B:
            u = (1 - B) * u + B * (y if f is None else y - P * f.gradient(y))
        after, value = (u, None) if r is None else prox(u, r, P)[::2]
        x, y = after, after + A * (after - x)
    pep.set_performance_metric((f(x) if f is not None else 0) + (value if r is not None else 0) - F(solution))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        tau = pep.solve(wrapper="cvxpy", solver="CLARABEL", verbose=0)
    if tau is None:
        raise NotCertified("the worst case is not bounded, or the solver found none")
    return float(tau), not any("inaccurate" in str(w.message) for w in said)
