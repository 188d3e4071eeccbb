"""The explicit normal form of an affine rule, in the terms of the composite and the horizon-one theorem.

    y  = what the gradient is taken at besides x, with y+ = x+ + A*(x+ - x) + b2
    x+ = x + B*(y - x) - (P - P2)*grad f(x) - P2*grad f(y) - P*g+ - b1

Where P2 = B*P and P > 0 this is x+ = prox_{r, P}((I - B)*(x - P*grad f(x)) + B*(y - P*grad f(y)) - b1).
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from .algebra import Atom, Operator, Vector
from .evaluate import Unknown
from .general import G_PLUS, General, general
from .model import Model


@dataclass
class NormalForm:
    """P, B, A, b1, b2 as expressions of the rule; `model` says whether the prox form (B = P2*inv(P1)) exists."""

    P: Operator
    P2: Operator
    B: Operator
    A: Operator
    b1: Vector
    b2: Vector
    point: str = ""
    """The extrapolated point: a state, or the formula that takes its place."""
    prox_form: bool = True
    rule: General | None = None
    theorem: str = ""
    """What a theorem says of a rule with an arbitrary map, whose form this is."""

    def texts(self) -> dict[str, str]:
        """The keys of `check --json`."""
        return {
            "P1": str(self.P), "P2": str(self.P2), "A": str(self.A), "B": str(self.B),
            "b1": self.shown(self.b1), "b2": self.shown(self.b2),
        }  # fmt: skip

    def shown(self, v: Vector) -> str:
        """A bias; of least squares by R*(A*x - b) and what is left."""
        model = self.rule.model if self.rule is not None else None
        if model is None or model.matrix is None or not any(a.name == model.measured for a in v.atoms):
            return str(v)
        x, measured = Vector.of(Atom(model.program.variable, "state")), Atom(str(model.measured), "opaque")
        residual = x.under(model.matrix) - Vector.of(measured)
        R = v.part(measured).scaled(sp.Integer(-1))
        rest = v - residual.under(R)
        text = f"({R})*({residual})"
        if rest.is_zero:
            return text
        if rest.atoms == x.atoms:
            return f"{text} - ({rest.part(*x.atoms).scaled(sp.Integer(-1))})*{x}"
        return f"{text} + {rest}"


IDENTITY = Operator.multiple(sp.Integer(1))


def normal_form(model: Model) -> NormalForm:
    """Raises Unknown, with the reason, for a rule that has none of this form."""
    from .theorems import theorem

    rule = general(model)
    necessary = theorem(model, rule)
    if necessary is not None:
        return necessary
    variable = model.program.variable
    x, x_next = Atom(variable, "state"), Atom(f"{variable}+", "state")
    update = rule.updates[variable]
    if not isinstance(update, Vector):
        raise Unknown("the iterate is no vector")
    gradients = {atom: update.part(atom) for atom in update.atoms if atom in rule.points}
    cg = update.part(G_PLUS).scaled(sp.Integer(-1))
    others = [a for a in update.atoms if a.kind == "state" and a != x]
    points = [p for a, p in rule.points.items() if a in gradients and p != Vector.of(x)]
    y, A, b2, name = _extrapolation(model, rule, others, points, x, x_next)
    at_x = _of(gradients, rule, Vector.of(x)).scaled(sp.Integer(-1))
    at_y = _of(gradients, rule, y).scaled(sp.Integer(-1)) if y is not None else Operator()
    if any(p not in (Vector.of(x), y) for p in (rule.points[a] for a in gradients)):
        raise Unknown("gradients at more than one point besides the iterate")
    if model.has("r") and cg.is_zero:
        raise Unknown("the step takes no prox of r")
    if model.has("f") and not gradients and not rule.least_squares:
        raise Unknown("the step takes no gradient of f")
    P = cg if model.has("r") else at_x + at_y
    B = Operator()
    if y is not None:
        B = _share(update, y, x, at_y, P)
    if not model.has("f"):
        at_y = B @ P  # the gradient is 0
    target = _form(x, y, (P, at_y, B), rule, model)
    b1 = target - update
    prox_form = (B @ P).terms == at_y.terms
    return NormalForm(P, at_y, B, A, b1, b2, name, prox_form, rule)


def _of(gradients: dict[Atom, Operator], rule: General, point: Vector) -> Operator:
    total = Operator()
    for atom, op in gradients.items():
        if rule.points[atom] == point:
            total = total + op
    return total


def _share(update: Vector, y: Vector, x: Atom, at_y: Operator, P: Operator) -> Operator:
    """B: the part of the step that starts at y; read off a state's coefficient, else off the gradients."""
    names = [a for a in y.atoms if a != x and a.kind == "state"]
    if len(y.terms) == 1 and names:
        return update.part(names[0])
    return IDENTITY if at_y.terms == P.terms else Operator()


def _form(
    x: Atom, y: Vector | None, operators: tuple[Operator, Operator, Operator], rule: General, model: Model
) -> Vector:
    P, P2, B = operators
    at = Vector.of(x)
    step = at - rule.gradient_at(at).under(P - P2)
    if y is not None:
        step = step + (y - at).under(B) - rule.gradient_at(y).under(P2)
    if rule.metrics:
        step = step - Vector.of(G_PLUS).under(P)
    return step


def _extrapolation(
    model: Model, rule: General, others: list[Atom], points: list[Vector], x: Atom, x_next: Atom
) -> tuple[Vector | None, Operator, Vector, str]:
    """The point y besides x: a state with y+ = x+ + A*(x+ - x) + b2, or e = x + A*(x - x_prev) with x_prev+ = x."""
    if not others and not points:
        return None, Operator(), Vector(), ""
    if len(set(points)) > 1:
        raise Unknown("gradients at more than one point besides the iterate")
    if points and len(points[0].terms) == 1:
        ((w, atom), c), = points[0].terms.items()
        if not w and c == 1 and atom.kind == "state":
            others = [atom, *[a for a in others if a != atom]]
    state = others[0] if others else None
    if points and (state is None or points[0] != Vector.of(state)):
        e = points[0]
        previous = [a for a in e.atoms if a != x]
        if len(previous) == 1 and rule.updates.get(previous[0].name) == Vector.of(x):
            A = e.part(previous[0]).scaled(sp.Integer(-1))
            drift = e - Vector.of(x) - (Vector.of(x) - Vector.of(previous[0])).under(A)
            if drift.is_zero:
                return e, A, Vector(), str(e)
        raise Unknown(f"the gradient is taken at {e}")
    if state is None or len(others) > 1:
        raise Unknown("the step uses several states besides the iterate")
    update = rule.updates.get(state.name)
    if not isinstance(update, Vector):
        raise Unknown(f"`{state}` has no affine update")
    if update == Vector.of(x) and not points:  # heavy ball: y = x + A*(x - x_prev), and no gradient there
        raise Unknown("momentum of the heavy-ball kind")
    A = update.part(x).scaled(sp.Integer(-1))
    b2 = update - Vector.of(x_next) - (Vector.of(x_next) - Vector.of(x)).under(A)
    if any(a.kind == "state" for a in b2.atoms) or x_next in b2.atoms:
        raise Unknown(f"`{state}` is no extrapolation of the iterates")
    return Vector.of(state), A, b2, state.name
