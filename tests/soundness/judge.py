"""A rule's verdicts against numerics: whatever contradicts them is a complaint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from l2ogen.analysis.numeric.parameters import Inadmissible, Parameters
from l2ogen.analysis.report import Report, TargetReport, examine
from l2ogen.core import ir

from .energies import rises
from .forms import disagreements
from .frozen import CannotRun, Growing, Stay, anywhere, equilibrium, jump, problems, reachable, stay, values


@dataclass(frozen=True)
class Complaint:
    claim: str
    found: str


def judge(program: ir.Algorithm, seed: int, trials: int = 12, report: Report | None = None) -> list[Complaint]:
    """What is wrong about the verdicts on a rule, by runs on problems of known solution."""
    report = examine(program) if report is None else report
    return [c for i, target in enumerate(report.targets) for c in _target(program, target, [seed, i], trials)]


def _target(program: ir.Algorithm, target: TargetReport, seed: list[int], trials: int) -> Iterator[Complaint]:
    rng, found = np.random.default_rng(seed), target.fixed_point
    match found.verdict:
        case "proved":
            yield from proved(program, target, rng, trials)
        case "refuted":
            yield from refuted(program, target, rng, trials)
        case "conditional" if found.iff:
            yield from needed(program, target, rng, trials)
    yield from (Complaint("normal form", what) for what in disagreements(program, target, rng))
    if target.convergence.verdict == "proved":
        yield from (Complaint("convergence proved", what) for what in rises(program, target, rng))


def runs(
    program: ir.Algorithm, target: TargetReport, rng: np.random.Generator, trials: int, reading: str, near: bool = False
) -> Iterator[tuple[str, Stay]]:
    for instance in problems(program, target.fixed_point.target, rng, trials):
        parameters = values(program, rng)
        try:
            if reading == "equilibrium":
                state = equilibrium(program, instance, parameters)
            else:
                state = (anywhere if rng.random() < 0.5 else reachable)(program, instance, parameters, rng)
            if near and jump(program, instance, parameters, equilibrium(program, instance, parameters), rng) > 1e-3:
                yield f"next to the solution of {instance.title}", Stay([np.inf], 1.0)
            what = f"{instance.title}, n = {instance.n}, parameters {parameters.as_json()}"
            yield what, stay(program, instance, parameters, state, reading == "equilibrium")
        except CannotRun:
            return


def proved(program: ir.Algorithm, target: TargetReport, rng: np.random.Generator, trials: int) -> Iterator[Complaint]:
    """No residual anywhere, from states as the reading says."""
    reading, frozen = target.fixed_point.reading, target.fixed_point.frozen
    exact = frozen is not None and all(o.vector.is_zero for o in (*frozen.evaluation.obligations, *frozen.defects))
    exact = exact and target.fixed_point.residual == "0" and len(program.states) == 1 and not program.networks
    exact = exact and not any(p.facts.vanishes for p in program.parameters)  # which are not 0 at the first step
    for what, found in runs(program, target, rng, trials, reading, exact):
        if not found.holds:
            yield Complaint(f"fixed point proved ({reading})", f"residuals {_shown(found)}, scale {found.scale:.1g}: {what}")
            return


def refuted(program: ir.Algorithm, target: TargetReport, rng: np.random.Generator, trials: int) -> Iterator[Complaint]:
    """Every choice of parameters fails on some problem."""
    scalars = [p.name for p in program.parameters if p.kind == "learned" and p.type.kind == "scalar"]
    chosen = [values(program, rng), values(program, rng), Growing(given=dict.fromkeys(scalars, 1.0))]
    for parameters in chosen:
        if not fails(program, target, parameters, rng, trials):
            yield Complaint("fixed point refuted", f"no residual with parameters {parameters.as_json()}")
            return


def needed(program: ir.Algorithm, target: TargetReport, rng: np.random.Generator, trials: int) -> Iterator[Complaint]:
    """Obligations that are necessary: parameters at random do not meet them, and fail on some problem."""
    if not any(fails(program, target, values(program, rng, (0.0,)), rng, trials) for _ in range(4)):
        yield Complaint(f"exactly if {target.fixed_point.obligations}", "no residual with parameters at random")


def fails(
    program: ir.Algorithm, target: TargetReport, parameters: Parameters, rng: np.random.Generator, trials: int
) -> bool:
    """Whether a solution moves on some problem; True where the rule or the parameters are none."""
    for instance in problems(program, target.fixed_point.target, rng, trials):
        try:
            if stay(program, instance, parameters, equilibrium(program, instance, parameters)).fails:
                return True
        except (CannotRun, Inadmissible):
            return True
    return False


def _shown(found: Stay) -> str:
    return ", ".join(f"{r:.2g}" for r in found.residuals)
