"""Witnesses: one problem, parameter values and a number that says what fails there; as JSON, and replayed from it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core import ir
from .cycles import cycle
from .instances import Instance
from .parameters import Parameters
from .residual import Reading, fixed_point_residual
from .trajectories import run

Witness = dict[str, Any]


def replay(program: ir.Algorithm, witness: Witness) -> float:
    """What the witness is about, computed anew.

    Of a `fixed_point` the residual ||x_next - x_star||; of a `quadratic` or a `trajectory` the largest distance
    from the solution in the last `window` of its steps; of a `cycle` the smallest distance along it, 0 if it is none.
    """
    instance, parameters = Instance.from_json(witness["instance"]), Parameters.from_json(witness["parameters"])
    match witness["kind"]:
        case "fixed_point":
            k, near, reading, seed = (witness[name] for name in ("k", "near", "reading", "seed"))
            return fixed_point_residual(program, instance, parameters, k, near, reading, seed=seed).norm
        case "cycle":
            found = cycle(program, instance, parameters, witness["steps"])
            return 0.0 if found is None else float(np.abs(found).min())
    return float(run(program, instance, parameters, witness["steps"]).distances[-witness["window"] :].max())


def refute_fixed_point(
    program: ir.Algorithm, instance: Instance, parameters: Parameters, k: int = 0, near: float = 0.0,
    reading: Reading = "E", seed: int = 0,
) -> Witness | None:  # fmt: skip
    """A witness that the fixed-point condition fails in iteration k, or None.

    The residual must be far above rounding, also at four times the scale of the problem, and in proportion there.
    """
    found = [
        fixed_point_residual(program, instance.scaled(by), parameters, k, near * by, reading, seed=seed)
        for by in (1.0, 4.0)
    ]
    if not all(r.refutes and np.isfinite(r.norm) for r in found) or found[1].norm > 40 * found[0].norm:
        return None
    return {
        "kind": "fixed_point", "instance": instance.as_json(), "parameters": parameters.as_json(), "k": k, "near": near,
        "reading": reading, "seed": seed, "residual": found[0].norm, "scale": found[0].scale,
    }  # fmt: skip


def trajectory(program: ir.Algorithm, instance: Instance, parameters: Parameters, steps: int) -> Witness:
    """A run, as evidence: it proves nothing about what comes after it."""
    return {
        "kind": "trajectory", "instance": instance.as_json(), "parameters": parameters.as_json(), "steps": steps,
        "window": 1,
        "distance": float(run(program, instance, parameters, steps).distances[-1]),
    }  # fmt: skip
