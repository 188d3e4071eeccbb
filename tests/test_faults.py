"""Faults planted in the checker: the soundness test complains about each of them."""

import pytest
from soundness.faults import FAULTS, caught, numbered, planted, quick, summary

SHOWN_BY = {
    "the sign of a metric": 0, "the sign of a threshold": 49, "side conditions": 12, "g* in a prox": 44,
    "the sign of the gradient": 19, "what states leave behind": 110, "readings": 19, "circles of states": 19,
    "factors of averages": 112, "equilibria that move": 0, "all letters commute": 50,
    "diagonals commute with matrices": 50, "transposes": 66, "unbounded factors": 51, "growing schedules": 47,
    "everything vanishes": 1, "limits of schedules": 67, "ranges exclude 0": 4, "coefficients that cross 0": 0,
    "sign(0) = 0": 0, "0/0 = 0": 6, "names without arguments": 23, "gradients anywhere": 1,
    "the weight of the l1 norm": 19, "ends of ranges": 4, "steps with momentum": 0, "the size of momentum": 0,
    "energies of long steps": 0, "intervals of entries": 0,
    "biases of certificates": 54, "b2": 9, "b1": 4, "relaxed steps": 5, "the residual of data": 63,
}  # fmt: skip
"""The number of a rule that shows the fault, as `python -m tests.soundness.faults` finds it."""


def test_every_fault_has_a_rule() -> None:
    assert set(SHOWN_BY) == set(FAULTS)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_caught(fault: str) -> None:
    assert caught(fault, SHOWN_BY[fault])


def test_the_search_sees_a_fault() -> None:
    """What `python -m tests.soundness.faults` compares, without witnesses."""
    found = numbered(SHOWN_BY["the sign of a metric"])
    right = summary(quick(found))
    with planted("the sign of a metric"):
        assert summary(quick(found)) != right
    assert summary(quick(found)) == right
