"""Steps at the very end of what is stable: eigenvalues of size 1, which no rounding may decide.

On f(x) = L/2*(x - 1)^2, r = 0, a rule without nonlinear parts is z+ = M*z + v with a matrix M that is computed here in
exact arithmetic. A root of its characteristic polynomial p is one of size 1 if it is -1, or a simple root of the
greatest common divisor of p and its reverse that is not real: roots of that come in quadruples r, 1/r and their
conjugates, which are two only on the unit circle.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from .algebra import ONES, Atom, Operator, Vector
from .bounds import enforced
from .evaluate import Unknown
from .general import G_PLUS, General, general
from .model import Model
from .numeric.interpreter import CannotRun
from .numeric.parameters import Parameters
from .numeric.recurrences import curves, recurrence
from .numeric.trajectories import run

NEAR, APART = 1e-7, 1e-3
"""How far a computed root may be from the circle, and how near the next one may come."""
STEPS, WINDOW = 400, 50


class Inexact(Exception):
    """What is not made of rational numbers and affine maps."""


def goes_round(model: Model, parameters: Parameters, L: float = 1.0) -> dict[str, Any] | None:
    """A witness that the rule with these constant parameters goes round the minimizer of L/2*(x - 1)^2 for ever."""
    if parameters.outputs:
        return None
    instance = next(iter(curves(model.program, L, 0.0)))
    linear = recurrence(model.program, instance, parameters)
    if linear is None:
        return None
    modes = linear.modes()
    edge = [m for m in modes if abs(abs(m) - 1) < NEAR and abs(m - 1) > APART]
    if not edge or np.abs(modes).max() > 1 + NEAR:
        return None
    try:
        roots = _of_size_one(matrix(model, parameters, linear.names, L))
    except (Unknown, Inexact):
        return None
    if not any(abs(m - root) < 100 * NEAR for m in edge for root in roots):
        return None
    try:
        found = run(model.program, instance, parameters, STEPS).distances
    except CannotRun:
        return None
    if len(found) <= STEPS or found[-WINDOW:].max() < 1e-3:
        return None
    return {
        "kind": "circle", "instance": instance.as_json(), "parameters": parameters.as_json(), "h": L, "L": L,
        "radius": 1.0, "steps": STEPS, "window": WINDOW, "distance": float(found[-WINDOW:].max()),
    }  # fmt: skip


def _of_size_one(M: sp.Matrix) -> list[complex]:
    z = sp.Symbol("z")
    p = M.charpoly(z)
    common = sp.gcd(p, sp.Poly(p.all_coeffs()[::-1], z))
    roots = [complex(r) for r in np.roots([float(c) for c in common.all_coeffs()])] if common.degree() else []
    found = [-1.0 + 0j] if p.eval(-1) == 0 else []
    for i, root in enumerate(roots):
        others = [abs(root - other) for j, other in enumerate(roots) if j != i]
        if abs(root.imag) > APART and abs(abs(root) - 1) < NEAR and min(others, default=1.0) > APART:
            found.append(root)
    return found


def matrix(model: Model, parameters: Parameters, names: tuple[str, ...], L: float) -> sp.Matrix:
    """M of z+ = M*z + v for the named states on L/2*(x - 1)^2, exactly. Raises Unknown or Inexact where it has none."""
    rule, values = general(model), _values(model, parameters, L)
    at_zero = _step(rule, names, values, [sp.Integer(0)] * len(names), L)
    columns = []
    for i in range(len(names)):
        unit = [sp.Integer(int(i == j)) for j in range(len(names))]
        after = _step(rule, names, values, unit, L)
        columns.append([a - b for a, b in zip(after, at_zero, strict=True)])
    return sp.Matrix(columns).T


def _values(model: Model, parameters: Parameters, L: float) -> dict[str, sp.Rational]:
    """Lipschitz constant and parameters as the decimal numbers that they are written as; all of them allowed."""
    values: dict[str, sp.Rational] = {}
    for f in model.program.functions:
        if f.lipschitz is not None:
            values[f.lipschitz] = sp.Rational(repr(float(L)))
    if model.matrix is not None:
        values[f"||{model.matrix}||_2^2"] = sp.Rational(repr(float(L)))
    for p in model.program.parameters:
        given = parameters.given.get(p.name)
        if given is None or not isinstance(given, float | int):
            continue
        values[p.name] = value = sp.Rational(repr(float(given)))
        for end, sign in zip(enforced(p, model), (1, -1), strict=True):
            room = None if end is None else sp.simplify(end.subs(sp.Symbol("L", positive=True), sp.Rational(repr(L))))
            if room is not None and not (room.is_number and sign * (value - room) >= 0):
                raise Inexact(p.name)
    return values


def _step(
    rule: General, names: tuple[str, ...], values: dict[str, sp.Rational], z: list[sp.Expr], L: float
) -> list[sp.Expr]:
    """The named states after one step from z, on L/2*(x - 1)^2 with r = 0."""
    known: dict[Atom, sp.Expr] = {Atom(name, "state"): c for name, c in zip(names, z, strict=True)}

    def number(c: sp.Expr) -> sp.Rational:
        exact = c.subs({s: values.get(s.name, s) for s in c.free_symbols})
        if not exact.is_Rational:
            raise Inexact(str(c))
        return exact

    def factor(op: Operator) -> sp.Expr:
        total = sp.Integer(0)
        for word, c in op.terms.items():
            for letter in word:
                c = c * sp.Symbol(letter.name)
            total += number(c)
        return total

    def atom(a: Atom) -> sp.Expr:
        if a in rule.points:
            return sp.Rational(repr(float(L))) * (vector(rule.points[a]) - 1)
        if a.kind == "small":
            return sp.Integer(0)
        if a == ONES:
            return sp.Integer(1)
        if a in known:
            return known[a]
        if a.name in values:
            return values[a.name]
        raise Inexact(a.name)

    def vector(v: Vector) -> sp.Expr:
        return sum((factor(v.part(a)) * atom(a) for a in v.atoms if a != G_PLUS), sp.Integer(0))

    after = {}
    for name, update in rule.updates.items():
        if name not in names:
            continue
        if not isinstance(update, Vector):
            raise Inexact(name)
        after[name] = known[Atom(f"{name}+", "state")] = vector(update)
    return [after.get(name, known[Atom(name, "state")]) for name in names]
