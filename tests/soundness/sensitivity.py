"""Mutants of the specs whose fixed point is proved: one that moves solutions in numbers is no longer called proved.

python -m tests.soundness.sensitivity --count 400 prints the table.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from l2ogen.analysis.report import TargetReport, examine
from l2ogen.core import ir

from .judge import Complaint, proved, runs
from .mutants import mutants
from .rules import program_of

SPECS = Path(__file__).resolve().parents[2] / "specs"


def population() -> Iterator[tuple[str, str, ir.Algorithm]]:
    """(spec, what was done, program) of every valid mutant of a spec whose fixed point is proved."""
    for path in sorted(SPECS.glob("*.l2o")):
        text = path.read_text("utf-8")
        original = program_of(text)
        if original is None or examine(original).targets[0].fixed_point.verdict != "proved":
            continue
        for what, changed in mutants(text):
            program = program_of(changed)
            if program is None:
                continue
            if (program.statements, program.parameters) != (original.statements, original.parameters):
                yield path.stem, what, program


def sample(seed: int, count: int) -> list[tuple[str, str, ir.Algorithm]]:
    everything = list(population())
    chosen = np.random.default_rng(seed).permutation(len(everything))[:count]
    return [everything[i] for i in sorted(chosen)]


def moves(program: ir.Algorithm, target: TargetReport, seed: int, trials: int = 8) -> bool:
    """Whether solutions move in numbers, for some problem, admissible parameters and states."""
    rng = np.random.default_rng(seed)
    return any(not found.holds for _, found in runs(program, target, rng, trials, target.fixed_point.reading))


def overclaimed(program: ir.Algorithm, target: TargetReport, seed: int) -> list[Complaint]:
    if target.fixed_point.verdict != "proved":
        return []
    return list(proved(program, target, np.random.default_rng(seed), 8))


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=400)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    table: Counter[tuple[str, bool]] = Counter()
    wrong = 0
    for i, (spec, what, program) in enumerate(sample(given.seed, given.count)):
        target = examine(program).targets[0]
        moved = moves(program, target, i)
        table[target.fixed_point.verdict, moved] += 1
        if moved and target.fixed_point.verdict == "proved":
            wrong += 1
            print(f"--- {spec}, {what}\n{program.source.text}\n{overclaimed(program, target, i)}")
    print(f"{'verdict':<14}{'moves':>8}{'stays':>8}")
    for verdict in ("proved", "conditional", "refuted", "unknown"):
        print(f"{verdict:<14}{table[verdict, True]:>8}{table[verdict, False]:>8}")
    return wrong > 0


if __name__ == "__main__":
    raise SystemExit(main())
