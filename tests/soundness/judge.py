"""A rule's verdicts against numerics: whatever contradicts them is a complaint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from l2ogen.analysis.numeric.interpreter import start
from l2ogen.analysis.numeric.parameters import Inadmissible, Parameters
from l2ogen.analysis.report import Report, TargetReport, examine
from l2ogen.core import ir

from .conditions import met
from .energies import rises
from .exact import not_spurious, spurious
from .forms import disagreements
from .frozen import CannotRun, Growing, Stay, anywhere, creeps, equilibrium, jump, problems, reachable, stay, values


@dataclass(frozen=True)
class Complaint:
    claim: str
    found: str


@dataclass
class Tally:
    """What was run, so that what could not be run does not count as passed."""

    counts: Counter[str] = field(default_factory=Counter)
    """E.g. `certificate C2`, `normal form`, `sufficient`, `sufficient, not tested`: targets by what was tested."""

    def note(self, what: str, entries: list[str]) -> None:
        for name in dict.fromkeys(entries):
            self.counts[f"{what}{name}"] += 1


def judge(
    program: ir.Algorithm, seed: int, trials: int = 12, report: Report | None = None, tally: Tally | None = None
) -> list[Complaint]:
    """What is wrong about the verdicts on a rule, by runs on problems of known solution."""
    report, tally = examine(program) if report is None else report, Tally() if tally is None else tally
    return [c for i, target in enumerate(report.targets) for c in _target(program, target, [seed, i], trials, tally)]


def _target(
    program: ir.Algorithm, target: TargetReport, seed: list[int], trials: int, tally: Tally
) -> Iterator[Complaint]:
    guarded, program = program, replace(program, safeguard=None)  # verdicts are about the rule's own line
    rng, found = np.random.default_rng(seed), target.fixed_point
    match found.verdict:
        case "proved":
            yield from proved(program, target, rng, trials)
        case "refuted":
            yield from refuted(program, target, rng, trials)
        case "conditional" if found.iff:
            yield from needed(program, target, rng, trials)
    if found.verdict == "conditional":
        yield from enough(program, target, np.random.default_rng([*seed, 1]), min(trials, 4), tally)
    forms: list[str] = []
    yield from (Complaint("normal form", what) for what in disagreements(program, target, rng, counted=forms))
    tally.note("normal form ", forms)
    if target.convergence.verdict == "proved":
        runs: list[str] = []
        claim = "convergence proved"
        yield from (Complaint(claim, what) for what in rises(guarded, target, rng, min(trials // 3, 4), runs))
        tally.note("certificate ", runs)
    if target.exactness.verdict != "unknown":
        points: list[str] = []
        check = spurious if target.exactness.verdict == "proved" else not_spurious
        found_points = check(program, target, np.random.default_rng([*seed, 2]), min(trials, 4), points)
        yield from (Complaint(f"exactness {target.exactness.verdict}", what) for what in found_points)
        tally.note("exactness ", points or [f"{target.exactness.verdict}, not tested"])


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
    if len(program.states) > 1 and not exact:
        for instance in problems(program, target.fixed_point.target, rng, 2):
            parameters = values(program, rng)
            try:
                resting = reading == "equilibrium"
                begin = (equilibrium if resting else start)(program, instance, parameters)
                crept = creeps(program, instance, parameters, begin, resting)
            except CannotRun:
                return
            if crept:
                yield Complaint(f"fixed point proved ({reading})", f"a residual stays: {instance.as_json()}")
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


def enough(
    program: ir.Algorithm, target: TargetReport, rng: np.random.Generator, trials: int, tally: Tally
) -> Iterator[Complaint]:
    """Obligations that are sufficient: parameters chosen to meet them leave no residual."""
    tried = False
    for what, found in met(program, target, rng, trials):
        tried = tried or found is not None
        if found is not None and not found.holds:
            yield Complaint(f"if {target.fixed_point.obligations}", f"residuals {_shown(found)}, scale {found.scale:.1g}: {what}")
            break
    tally.note("sufficient", ["" if tried else ", not tested"])


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
