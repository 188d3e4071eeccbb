"""Proved means proved: verdicts on random rules against numerics (`python -m tests.soundness --count 2000` for more)."""

from collections import Counter

import pytest
from soundness.judge import judge
from soundness.rules import rules

from l2ogen.analysis.report import examine

RULES = rules(seed=3, count=60)


@pytest.mark.parametrize("i", range(len(RULES)))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_verdicts_hold(i: int) -> None:
    complaints = judge(RULES[i].program, seed=i, trials=8)
    assert not complaints, f"{RULES[i].damage}\n{RULES[i].text}\n{complaints}"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_rules_are_of_all_kinds() -> None:
    """A generator of rules about which nothing can be said would test nothing."""
    verdicts = Counter(t.fixed_point.verdict for rule in RULES for t in examine(rule.program).targets[:1])
    assert min(verdicts["proved"], verdicts["refuted"]) >= len(RULES) / 5, verdicts
