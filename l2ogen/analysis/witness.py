"""From a candidate to a refutation: a concrete problem and admissible parameters, replayed in numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import ir
from .convergence import Convergence
from .deadline import look
from .fixed_point import FixedPoint
from .model import Model
from .numeric.corners import search
from .numeric.fitting import instance_for
from .numeric.instances import Instance
from .numeric.interpreter import CannotRun
from .numeric.parameters import Inadmissible, Parameters
from .numeric.recurrences import refute_by_quadratic
from .numeric.witnesses import refute_fixed_point

LATE = 10**6
"""An iteration by which envelopes, tails and schedules have come down."""
DRAWS = 6
"""Every one must show the residual: a refuted fixed point fails for no parameters, or for none outside a null set."""


def replayed(model: Model, found: FixedPoint) -> FixedPoint:
    """A candidate with its witness, or unknown where the numbers do not confirm it."""
    if not found.candidate:
        return found
    try:
        witness = _search(model.program, "recover" if model.target == "recovery" else "minimize")
    except (CannotRun, Inadmissible) as reason:
        return _unknown(found, f"no problem to replay it on: {reason}")
    if witness is None:
        return _unknown(found, "the algebra says that it fails, but no problem was found that shows it")
    found.witness = witness
    return found


def _unknown(found: FixedPoint, reason: str) -> FixedPoint:
    found.verdict, found.reason, found.candidate = "unknown", f"{found.reason}; {reason}", False
    return found


def _search(program: ir.Algorithm, target: str) -> dict[str, Any] | None:
    """The smallest witness among several draws, None if the residual shows for none."""
    best: dict[str, Any] | None = None
    shown = 0
    for draw in range(DRAWS):
        look()
        rng = np.random.default_rng([draw, 1])
        n = 1 + draw % 3 if target == "minimize" and not program.data else 4
        r = None if program.data else ("l1", "zero", "l1")[draw % 3]
        instance = instance_for(program, target, rng, n, r)
        parameters = Parameters.sample(program, rng, edge=0.0)
        witness = next((w for k in (0, 1, 10) if (w := refute_fixed_point(program, instance, parameters, k))), None)
        if witness is not None and _stays(program, instance, parameters, witness["residual"]):
            shown += 1
            if best is None or len(witness["instance"].get("x_star", [])) < len(best["instance"].get("x_star", [])):
                best = witness
    return best if shown else None


def _stays(program: ir.Algorithm, instance: Instance, parameters: Parameters, early: float) -> bool:
    """Whether a residual is still there when all that vanishes has done so."""
    try:
        late = refute_fixed_point(program, instance, parameters, LATE)
    except CannotRun:  # behind the last layer there is nothing
        return True
    return late is not None and bool(late["residual"] > 0.05 * early)


def diverges(model: Model, found: Convergence) -> Convergence:
    """What no certificate covers may be refuted: admissible constant parameters and a one-dimensional f that does not
    converge."""
    if found.verdict != "unknown" or model.target != "minimizer" or model.program.data or not model.has("f"):
        return found
    witness = search(model.program)
    if witness is None:
        return found
    witness = _rounder(model.program, witness)
    values = ", ".join(f"{name} = {value:.6g}" for name, value in witness["parameters"]["given"].items())
    at = f" with {values}" if values else ""
    if witness["kind"] == "quadratic":
        h, L = witness["h"], witness["L"]
        curve = f"f(x) = {h:g}/2*(x - 1)^2, L = {L:g}"
        radius = witness["radius"]
        how = f"spectral radius {radius:.3g}" if radius > 1 else "another limit than the minimizer"
        because = f"for these parameters: {curve}, r = 0{at} does not converge ({how})"
    else:
        because = f"for these parameters: a Huber function{at} ends in a cycle"
    return Convergence("refuted", because=because, fix=found.because, witness=witness)


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
