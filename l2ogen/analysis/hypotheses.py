"""What a verdict on the fixed point takes for granted of the problem: the hypotheses of its lemmas that no file can
prove. What a file can prove, such as the sign of a threshold, is a side condition instead."""

from __future__ import annotations

from ..core import ir
from ..core.constants import exact
from .algebra import RESIDUAL
from .bounds import INF, metric
from .evaluate import Evaluation, Obligation, free
from .fixed_point import FixedPoint, unbounded
from .model import Model


def hypotheses(model: Model, found: FixedPoint) -> list[str]:
    """For `proved` and `conditional`, as sentences; none for the rest."""
    if found.verdict not in ("proved", "conditional") or found.frozen is None:
        return []
    evaluation = found.frozen.evaluation
    assumes = _weight(model, evaluation) + _separable(model, evaluation)
    if found.verdict == "conditional" and found.iff:
        assumes += _necessary(model, evaluation)
    return list(dict.fromkeys(assumes))


def _weight(model: Model, evaluation: Evaluation) -> list[str]:
    """A soft threshold is the prox of lam*||x||_1 in the metric theta/lam only for lam > 0."""
    lam = model.l1_weight
    if lam is None or not any(lam.name in free(o.metric) for o in evaluation.obligations if o.metric is not None):
        return []
    bound = model.program.training.problem
    data = [*model.program.data, *(bound.data if bound is not None else ())]
    ranges = [d.range for d in data if d.name == lam.name and d.range is not None and d.range.low is not None]
    lows = [(exact(r.low), r.low_open) for r in ranges]
    declared = any(low is not None and (low > 0 or (low == 0 and is_open)) for low, is_open in lows)
    return [] if declared else [f"{lam} > 0"]


def _separable(model: Model, evaluation: Evaluation) -> list[str]:
    """Lemma P2: an argument that only tends to its limit, in a diagonal metric that may become ever more stretched."""
    if model.matrix is not None:  # r is the l1 norm
        return []
    r = next((f.name for f in model.program.functions if f.role == "r"), "r")
    stretched = [o.metric for o in evaluation.obligations if _stretched(o, model)]
    entries = f"{r} is a sum of functions of one entry each"
    return [f"{entries}, or the condition numbers of {P} are bounded" for P in stretched]


def _stretched(o: Obligation, model: Model) -> bool:
    if o.metric is None or o.vector.is_zero or not o.metric.letters:
        return False
    found = metric(o.metric, model, times_L=True)
    if found is None:
        return True
    return not (found.constant or (found.values.low > 0 and found.values.high < INF))


def _necessary(model: Model, evaluation: Evaluation) -> list[str]:
    """What "exactly if" needs, beyond "if": problems that show each obligation."""
    program = model.program
    if model.matrix is None:
        functions = " and ".join(f.name for f in program.functions)
        return [f"{functions} may be any of the class"] if functions else []
    if model.target == "recovery":
        found = ["x* may be t*e_i for each coordinate i, with two different amplitudes t > 0"]
        if any(t.selecting for t in evaluation.thresholds):
            found += ["with every x* the class holds t*x* for 0 < t < 1"]
        return found if evaluation.thresholds else ["x* may be t*e_i for each coordinate i"]
    if not any(o.metric is not None for o in evaluation.obligations):
        return [f"{model.measured} may be any vector"]
    a = str(model.matrix)
    return [
        f"{model.measured} may be any vector, with this {a} and {model.l1_weight}",
        f"the columns a_i of {a} have |a_j'*a_i| < ||a_i||_2^2 for all j other than i",
        *_bounded(model, evaluation),
    ]


def _bounded(model: Model, evaluation: Evaluation) -> list[str]:
    """Thresholds, and what stands in front of the residual."""
    residuals = [o.vector.part(RESIDUAL) for o in evaluation.obligations]
    names = set().union(*(free(op) for op in residuals), *(free(o.metric) for o in evaluation.obligations if o.metric))
    varying = [p for p in model.program.parameters if p.name in names and (p.per_iteration or p.kind == "predicted")]
    if not varying:
        return []
    subject = " and ".join(sorted(p.name for p in varying))
    is_ = "is" if len(varying) == 1 else "are"
    sure = not any(unbounded(p.name, model) for p in varying)
    return [f"{subject} {is_} bounded in k" + (f", which the {_why(varying)} makes sure of" if sure else "")]


def _why(parameters: list[ir.Parameter]) -> str:
    return "tail" if all(p.tail.kind in ("last", "decay") for p in parameters) else "declaration"


__all__ = ["hypotheses"]
