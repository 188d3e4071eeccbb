"""The necessary normal forms of rules `x+ = x - d(…)` with an arbitrary map d = any(C): theorems 1 to 4 of Liu, Chen,
Wang, Yin and Cai (ICML 2023).

If a run converges to a solution and the rule keeps it in the limit, the mean value theorem between the arguments of d
and those at the solution gives d(z) = d(z*) + sum of J(d, a)*(a - a*) over the arguments a, with mean Jacobians whose
Frobenius norms C bounds. Every a tends to a* as grad f is continuous, but for the subgradient g; since
grad f(x*) + g* = 0, J(d, g)*(g - g*) = J(d, g)*(grad f(x) + g) minus what tends to 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from .algebra import Atom, Letter, Operator, Vector
from .bounds import INF, metric
from .evaluate import Unknown
from .general import G_PLUS, AnyMap, General
from .model import Model
from .normal_form import NormalForm

REST = Vector.of(Atom("o(1)", "small"))


@dataclass(frozen=True)
class _Rule:
    """x+ = x - d(…), read argument by argument: `x`, `x+`, `g`, `y`, `grad f(x)`, `grad f(y)`."""

    name: str
    bound: str
    arguments: frozenset[str]
    y: str = ""

    def jacobian(self, argument: str) -> Operator:
        """The mean Jacobian of d in an argument: bounded, but neither symmetric nor positive."""
        if argument not in self.arguments:
            return Operator()
        shown = argument.replace("(y)", f"({self.y})") if self.y else argument
        return Operator.of(Letter(f"J({self.name}, {shown})"))


def theorem(model: Model, rule: General) -> NormalForm | None:
    """The form of a rule `x+ = x - d(…)`, None for a rule without arbitrary maps. Raises Unknown for other rules with
    one."""
    if not rule.maps:
        return None
    x = Atom(model.program.variable, "state")
    update = rule.updates[x.name]
    step = Vector.of(x) - update if isinstance(update, Vector) else Vector()
    found = next((m for atom, m in rule.maps.items() if step == Vector.of(atom)), None)
    if found is None:
        raise Unknown("the theorems are about rules `x+ = x - d(…)` with one arbitrary map d")
    read = _read(model, rule, found, x)
    if model.has("r") and "g" not in read.arguments:
        raise Unknown("a rule for f + r has a subgradient of r at x+ among the arguments of d")
    if not model.has("r") and "grad f(x)" not in read.arguments:
        raise Unknown("a rule for smooth f has its gradient among the arguments of d")
    P2 = read.jacobian("grad f(y)")
    P1 = read.jacobian("g") if model.has("r") else read.jacobian("grad f(x)") + P2
    A, b2 = _extrapolation(model, rule, read.y) if read.y else (Operator(), Vector())
    form = NormalForm(P1, P2, Operator(), A, REST, b2, read.y, not read.y)
    form.theorem = _statement(model, read, form)
    return form


def _read(model: Model, rule: General, found: AnyMap, x: Atom) -> _Rule:
    names = {Vector.of(x): "x", Vector.of(Atom(f"{x.name}+", "state")): "x+", Vector.of(G_PLUS): "g"}
    names |= {Vector.of(atom): "grad f(x)" for atom, point in rule.points.items() if point == Vector.of(x)}
    others = [s.name for s in model.program.states if s.name != x.name]
    y = ""
    arguments = set()
    for argument in found.arguments:
        name = names.get(argument)
        for other in others if name is None else ():
            at = Vector.of(Atom(other, "state"))
            gradients = [Vector.of(atom) for atom, point in rule.points.items() if point == at]
            if argument == at or argument in gradients:
                if y not in ("", other):
                    raise Unknown("the theorem of horizon one knows one point besides the iterate")
                y, name = other, "y" if argument == at else "grad f(y)"
        if name is None:
            raise Unknown(f"{argument} is no argument that the theorems know")
        arguments.add(name)
    return _Rule(found.name, found.bound, frozenset(arguments), y)


def _extrapolation(model: Model, rule: General, y: str) -> tuple[Operator, Vector]:
    """A and b2 of y+ = x+ + A*(x+ - x) + b2."""
    x, x_next = Atom(model.program.variable, "state"), Atom(f"{model.program.variable}+", "state")
    update = rule.updates.get(y)
    if not isinstance(update, Vector):
        raise Unknown(f"`{y}` has no line of its own")
    for atom, m in rule.maps.items():
        if update == Vector.of(atom):
            if not set(m.arguments) <= {Vector.of(x), Vector.of(x_next)}:
                raise Unknown(f"`{y}+` is to be a map of x+ and x")
            present = Vector.of(x) in m.arguments
            A = Operator.of(Letter(f"J({m.name}, x)")).scaled(sp.Integer(-1)) if present else Operator()
            return A, REST
    A = update.part(x).scaled(sp.Integer(-1))
    b2 = update - Vector.of(x_next) - (Vector.of(x_next) - Vector.of(x)).under(A)
    if any(a.kind == "state" for a in b2.atoms):
        raise Unknown(f"`{y}` is no extrapolation of the iterates")
    size = metric(A, model, times_L=False)
    if size is None or (size.values.size == INF and not size.constant):
        raise Unknown(f"nothing bounds {A}, which the theorem needs")
    return A, b2


def _statement(model: Model, read: _Rule, form: NormalForm) -> str:
    """The theorem, in words and in the symbols of the rule."""
    f, r, y = model.has("f"), model.has("r"), read.y
    number = "T4" if y else "T3" if f and r else "T2" if r else "T1"
    step = "x - P_k*(grad f(x) + g)" if f and r else "x - P_k*g" if r else "x - P_k*grad f(x)"
    prox = "x - P_k*grad f(x) - b_k" if f else "x - b_k"
    where = f"P_k = {form.P}"
    if y:
        step = f"x - (P_k - Q_k)*grad f(x) - Q_k*grad f({y})" + " - P_k*g" * r
        prox = f"x - (P_k - Q_k)*grad f(x) - Q_k*grad f({y}) - b_k"
        where += f", Q_k = {form.P2}"
    text = (
        f"theorem {number}: where it converges and keeps its solutions, x+ = {step} - b_k with b_k -> 0 and "
        f"{where}, means of the Jacobian of {read.name}: ||J||_F <= {read.bound}"
    )
    if y:
        text += f"; {y}+ = x+ + A_k*(x+ - x) + c_k with A_k = {form.A} bounded and c_k -> 0"
    if r:
        text += f"; where P_k is symmetric and positive definite, x+ = prox_{{r, P_k}}({prox})"
    return text

