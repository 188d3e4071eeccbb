"""The rules of one run: random ones of all families, and one in twelve that a theorem of convergence covers."""

from __future__ import annotations

import numpy as np

from .certified import certified
from .rules import Rule, rule


def rules(seed: int, count: int) -> list[Rule]:
    rng, other = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    return [certified(other) if i % 12 == 11 else rule(rng) for i in range(count)]
