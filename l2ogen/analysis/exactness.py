"""Exactness: is every fixed point a solution, or are there spurious ones?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .bounds import INF, metric
from .convergence import summability
from .fixed_point import FixedPoint
from .model import Model
from .normal_form import NormalForm


@dataclass(frozen=True)
class Exactness:
    verdict: Literal["proved", "refuted", "unknown"]
    because: str


def exactness(model: Model, found: FixedPoint, form: NormalForm | None) -> Exactness:
    """x that the rule keeps, in the limit, are solutions if P stays away from 0 and the biases vanish."""
    if model.target == "recovery":
        if found.verdict == "proved" and found.frozen is not None and not found.frozen.evaluation.thresholds:
            because = "the proof uses A*x = b alone: every such x is kept, and there are others if A has a kernel"
            return Exactness("refuted", because)
        return Exactness("unknown", "thresholds that vanish keep more than the sparse solution")
    if form is None:
        return Exactness("unknown", "the rule has no affine normal form")
    step = metric(form.P, model, times_L=model.has("f"))
    if step is None or not (step.values.low > 0 or (step.constant and _positive(form, model))):
        return Exactness("unknown", f"it is not proved that P = {form.P} stays away from 0")
    if summability(form.b1, model) is None or summability(form.b2, model) is None:
        return Exactness("unknown", "biases that do not vanish can balance the gradient")
    second = metric(form.P if form.prox_form else form.P2, model, times_L=model.has("f"))
    weights = (metric(form.B, model, times_L=False), second)
    if not form.b2.is_zero and any(w is None or w.values.size == INF for w in weights):
        return Exactness("unknown", "y tends to x, but what multiplies their distance is not bounded")
    if form.P2 != form.P and not form.P2.is_zero and not form.prox_form:
        return Exactness("unknown", "two gradients with steps of their own")
    return Exactness("proved", "x = prox_{r, P}(x - P*grad f(x)) with P > 0 holds at minimizers alone")


def _positive(form: NormalForm, model: Model) -> bool:
    from .ranges import positive_definite

    return bool(form.rule and form.rule.metrics and positive_definite(form.rule.metrics[0][1], model))
