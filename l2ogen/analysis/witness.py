"""From a candidate to a refutation: a concrete problem and admissible parameters, replayed in numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..core import ir
from .circle import goes_round
from .convergence import Convergence
from .deadline import look
from .fixed_point import FixedPoint
from .model import Model
from .numeric.corners import search
from .numeric.fitting import instance_for, orthogonal_lasso
from .numeric.instances import Instance
from .numeric.interpreter import CannotRun
from .numeric.parameters import Inadmissible, Parameters
from .numeric.recurrences import refute_by_quadratic
from .numeric.witnesses import refute_fixed_point

LATE = 10**6
"""An iteration by which envelopes, tails and schedules have come down."""
DRAWS = 6
"""Problems and parameters that are tried: the algebra says that the residual shows for all outside a null set."""


def replayed(model: Model, found: FixedPoint) -> FixedPoint:
    """A candidate with its witness, or unknown where the numbers do not confirm it."""
    if not found.candidate:
        return _whatever_the_parameters(model, found)
    try:
        witness = _search(model.program, "recover" if model.target == "recovery" else "minimize")
    except (CannotRun, Inadmissible) as reason:
        return _unknown(found, f"no problem to replay it on: {reason}")
    if witness is None:
        return _unknown(found, "the algebra says that it fails, but no problem was found that shows it")
    found.witness = witness
    return found


def _whatever_the_parameters(model: Model, found: FixedPoint) -> FixedPoint:
    """A rule that the algebra can't follow, on the LASSO with A = I: refuted where the residual is one and the same for
    all parameters that are drawn, small and large ones."""
    if found.verdict != "unknown" or model.target != "minimizer" or model.matrix is None:
        return found
    learned = [p for p in model.program.parameters if p.kind in ("learned", "predicted")]
    if not learned or any(p.type.sizes for p in learned):  # matrices may undo anything
        return found
    try:
        rng = np.random.default_rng(0)
        instance = orthogonal_lasso(model.program, 0.25)
        drawn = [Parameters.sample(model.program, rng, scale=scale) for scale in (0.01, 1.0, 100.0) for _ in range(2)]
        witnesses = [refute_fixed_point(model.program, instance, p) for p in drawn]
    except (CannotRun, Inadmissible):
        return found
    shown = [w for w in witnesses if w is not None]
    if len(shown) < len(drawn) or np.ptp([w["residual"] for w in shown]) > 1e-12:
        return found
    text = f"||x+ - x*|| = {shown[0]['residual']:.3g} on the LASSO with A = I, for all parameters drawn"
    return replace(found, verdict="refuted", residual=text, reason=text, witness=shown[0])


def _unknown(found: FixedPoint, reason: str) -> FixedPoint:
    found.verdict, found.reason, found.candidate = "unknown", f"{found.reason}; {reason}", False
    return found


def _search(program: ir.Algorithm, target: str) -> dict[str, Any] | None:
    """A witness, on the smallest problem that shows the residual; None if none of several draws does."""
    small = [1 + draw % 3 if target == "minimize" and not program.data else 4 for draw in range(DRAWS)]
    for draw in sorted(range(DRAWS), key=small.__getitem__):
        look()
        rng = np.random.default_rng([draw, 1])
        r = None if program.data else ("l1", "zero", "l1")[draw % 3]
        instance = instance_for(program, target, rng, small[draw], r)
        parameters = Parameters.sample(program, rng, edge=0.0)
        witness = next((w for k in (0, 1, 10) if (w := refute_fixed_point(program, instance, parameters, k))), None)
        if witness is not None and _stays(program, instance, parameters, witness["residual"]):
            return witness
    return None


def _stays(program: ir.Algorithm, instance: Instance, parameters: Parameters, early: float) -> bool:
    """Whether a residual is still there when all that vanishes has done so."""
    try:
        late = refute_fixed_point(program, instance, parameters, LATE)
    except CannotRun:  # behind the last layer there is nothing
        return True
    return late is not None and bool(late["residual"] > 0.05 * early)


def diverges(model: Model, found: Convergence) -> Convergence:
    """What no certificate covers may be refuted: admissible constant parameters and a one-dimensional problem on which
    the rule does not converge to the minimizer."""
    foreign = model.program.data and (model.matrix is None or model.program.target == "recover")
    if found.verdict != "unknown" or model.target != "minimizer" or foreign:
        return found
    if any(n.op == "any" for e in model.program.expressions for n in e.walk()):  # a theorem's rule: it is to converge
        return found
    witness = search(model.program, exactly=lambda parameters: goes_round(model, parameters))
    if witness is None:
        return found
    witness = _rounder(model.program, witness)
    because = f"for these parameters: {_because(witness)}"
    return Convergence("refuted", because=because, fix=found.because, witness=witness)


def _because(witness: dict[str, Any]) -> str:
    """The problem, the parameters and what happens there."""
    parameters, instance = witness["parameters"], witness["instance"]
    values = [f"{name} = {value:.6g}" for name, value in parameters["given"].items()]
    values += [f"the network {name} = {value:g}" for name, value in parameters["outputs"].items()]
    at = f" with {', '.join(values)}" if values else ""
    if witness["kind"] == "cycle":
        return f"a Huber function{at} ends in a cycle"
    if witness["kind"] in ("quadratic", "circle"):
        curve = f"f(x) = {witness['h']:g}/2*(x - 1)^2, L = {witness['L']:g}, r = 0"
        if instance["data"]:
            curve = f"F(x) = {instance['title']}, L = {witness['L']:g}"
        how = f"spectral radius {witness['radius']:.3g}"
        if witness["kind"] == "circle":
            how = f"{how}: it goes round the minimizer for ever"
        return f"{curve}{at} does not converge ({how})"
    limit = witness["limit"]
    how = "x moves by the same step for ever" if limit is None else f"x tends to {limit:.6g}"
    return f"F(x) = {instance['title']}, L = {witness['L']:g}{at}: {how}, the minimizer is {instance['x_star'][0]:g}"


def _rounder(program: ir.Algorithm, witness: dict[str, Any]) -> dict[str, Any]:
    """The same with shorter numbers, one after the other, where these refute, too."""
    if witness["kind"] != "quadratic":
        return witness
    for name, value in witness["parameters"]["given"].items():
        if not isinstance(value, float):
            continue
        short = float(np.floor(abs(value) * 10) / 10) * float(np.sign(value))
        for candidate in (float(np.sign(value)), short):
            values = witness["parameters"]["given"] | {name: candidate}
            try:
                found = refute_by_quadratic(program, Parameters.constant(program, values), witness["L"])
            except (Inadmissible, CannotRun):
                continue
            if found is not None and found["radius"] > 1.05:
                witness = found
                break
    return witness
