"""Certificates of convergence against adversarial runs: the energy of the theorem never rises, and F tends to its minimum."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from l2ogen.analysis.numeric.functions import Proximable, Smooth
from l2ogen.analysis.numeric.instances import Instance, tilted
from l2ogen.analysis.numeric.interpreter import CannotRun, Run, start
from l2ogen.analysis.numeric.operators import Array
from l2ogen.analysis.report import TargetReport
from l2ogen.core import ir

from .forms import Reader
from .frozen import problems, values

STEPS = 400


def rises(program: ir.Algorithm, target: TargetReport, rng: np.random.Generator, trials: int = 4) -> Iterator[str]:
    """What contradicts a certificate along runs from far away, at parameters that change as they like."""
    found = target.convergence
    for instance in (*hard(program, rng), *problems(program, "minimizer", rng, trials)):
        parameters = values(program, rng, edges=(0.0, 0.3))
        try:
            gaps, energies = trace(program, target, instance, parameters, rng)
        except CannotRun:
            return
        size = 1 + float(np.nanmax(np.where(np.isfinite(energies), np.abs(energies), 0.0)))
        drops = np.diff(energies[2:])
        exact = target.form is None or (target.form.b1.is_zero and target.form.b2.is_zero)
        if exact and found.theorem in ("C1", "C1v", "C1s", "C2", "C2c") and bool((drops > 1e-9 * size).any()):
            at = int(np.argmax(drops)) + 2
            yield f"theorem {found.theorem}: the energy rises by {drops.max():.2g} at k = {at}: {instance.title}, {parameters.as_json()}"
            return
        late = float(np.min(gaps[-20:]))
        early = float(np.max(np.where(np.isfinite(energies), energies, 0.0)))
        if conditioned(instance) and not late <= max(0.97 * early, 1e-2 * size if not exact else 1e-6 * size):
            yield f"theorem {found.theorem}: F(x_k) - F* is {late:.2g} after {STEPS} steps from {early:.2g}: {instance.title}, {parameters.as_json()}"
            return


def hard(program: ir.Algorithm, rng: np.random.Generator) -> Iterator[Instance]:
    """Curvature L in all directions, where steps that are too long show at once."""
    if not any(f.role == "f" for f in program.functions):
        return
    both = any(f.role == "r" for f in program.functions)
    for kind in ("zero", "l1") if both else ("zero",):
        n = 2
        rest = Proximable(kind, n, 0.3)
        x_star = np.array([1.0, -0.7])
        yield tilted(Smooth("square", np.eye(n), np.zeros(n)), rest, x_star, rest.some_subgradient(x_star, rng), f"identity + {kind}")


def conditioned(instance: Instance) -> bool:
    if instance.phi is None or instance.phi.kind != "square":
        return False
    values = np.linalg.eigvalsh(instance.phi.M.T @ instance.phi.M)
    return bool(values[0] > values[-1] / 20)


def trace(
    program: ir.Algorithm, target: TargetReport, instance: Instance, parameters: object, rng: np.random.Generator
) -> tuple[Array, Array]:
    """F(x_k) - F*, and with momentum plus 1/2*||x_k - x_{k-1}||^2 in the metric of the step before."""
    state = start(program, instance, parameters)  # type: ignore[arg-type]
    for s in program.states:
        if np.shape(state[s.name]) == np.shape(instance.x_star):
            state[s.name] = instance.x_star + 3.0
    gaps, energies = [], []
    inertial = target.convergence.theorem in ("C2", "C2b", "C2c")
    for k in range(STEPS):
        x = np.asarray(state[program.variable])
        run = Run(program, instance, parameters, state, k)  # type: ignore[arg-type]
        state = run.step()
        after = np.asarray(state[program.variable])
        gap = instance.value("F", after) - instance.F_star
        gaps.append(gap)
        if inertial and target.form is not None:
            metric = metric_of(target, run, state, instance)
            gap += 0.5 * float(((after - x) ** 2 / metric).sum())
        energies.append(gap)
    return np.array(gaps), np.array(energies)


def metric_of(target: TargetReport, run: object, state: object, instance: Instance) -> Array:
    assert target.form is not None
    text = str(target.form.P)
    if text.endswith("+"):
        return np.asarray(run.values["next", text[:-1]])  # type: ignore[attr-defined]
    return Reader(target.form, run, state, instance).operator(target.form.P, np.ones(instance.n))  # type: ignore[arg-type]

