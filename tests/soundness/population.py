"""The rules of one run: random ones of all families; one in twelve that a theorem of convergence covers, and one in
twelve with a state that sums up."""

from __future__ import annotations

import numpy as np

from .certified import certified
from .rules import Rule, accumulated, rule


def rules(seed: int, count: int) -> list[Rule]:
    rng, other, third = (np.random.default_rng(of) for of in (seed, [seed, 1], [seed, 2]))
    special = {5: lambda: rule(third, accumulated), 11: lambda: certified(other)}
    return [special.get(i % 12, lambda: rule(rng))() for i in range(count)]
