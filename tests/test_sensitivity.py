"""Mutants of the specs whose fixed point is proved: what moves solutions in numbers is not called proved."""

import pytest
from soundness.sensitivity import overclaimed, sample

from l2ogen.analysis.report import examine

MUTANTS = sample(seed=0, count=40)


@pytest.mark.parametrize("i", range(len(MUTANTS)))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_proved_mutants_stay(i: int) -> None:
    spec, what, program = MUTANTS[i]
    complaints = overclaimed(program, examine(program).targets[0], i)
    assert not complaints, f"{spec}, {what}\n{program.source.text}\n{complaints}"
