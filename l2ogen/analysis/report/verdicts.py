"""All verdicts about one algorithm, and their JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...core import ir
from ..convergence import Convergence, convergence
from ..deadline import TimeLimit, deadline
from ..evaluate import Unknown
from ..exactness import Exactness, exactness
from ..fixed_point import FixedPoint, fixed_point
from ..hypotheses import hypotheses
from ..model import Model, models
from ..normal_form import NormalForm, normal_form
from ..witness import diverges, replayed

RANK = {"refuted": 0, "unknown": 1, "conditional": 2, "proved": 3}


@dataclass
class TargetReport:
    model: Model
    fixed_point: FixedPoint
    form: NormalForm | None
    form_reason: str
    exactness: Exactness
    convergence: Convergence

    def as_dict(self) -> dict[str, Any]:
        f, c = self.fixed_point, self.convergence
        return {
            "target": self.model.target,
            "problem": self.model.problem,
            "fixed_point": {
                "verdict": f.verdict, "iff": f.iff, "obligations": f.obligations, "residual": f.residual,
                "state_reading": f.reading, "witness": f.witness, "reason": f.reason, "notes": f.notes,
                "assumes": f.assumes,
            },
            "side_conditions": [
                {"claim": claim, "verdict": "proved" if ok else "unknown", "because": because}
                for claim, ok, because in f.side
            ],
            "normal_form": self.form.texts() if self.form is not None else {},
            "exactness": {"verdict": self.exactness.verdict, "because": self.exactness.because},
            "convergence": {
                "verdict": c.verdict, "theorem": c.theorem, "kind": c.kind, "assumes": c.assumes,
                "because": c.because, "fix": c.fix, "witness": c.witness,
            },
        }  # fmt: skip


@dataclass
class Report:
    program: ir.Algorithm
    targets: list[TargetReport] = field(default_factory=list)

    def __str__(self) -> str:
        from .text import text

        return text(self, lambda shown, _: shown)

    def as_dicts(self) -> list[dict[str, Any]]:
        return [t.as_dict() for t in self.targets]

    def worse(self) -> list[str]:
        """What came out worse than the file expects; without expectations, a refuted fixed point."""
        declared, expected = self.targets[0], dict(self.program.expectations)
        found = {"fixed_point": declared.fixed_point.verdict, "convergence": declared.convergence.verdict}
        failed = [
            f"{claim.replace('_', ' ')}: expected {verdict}, found {found[claim]}"
            for claim, verdict in expected.items() if RANK[found[claim]] < RANK[verdict]
        ]  # fmt: skip
        if "fixed_point" not in expected and declared.fixed_point.verdict == "refuted":
            failed.append("fixed point: refuted")
        return failed


def examine(program: ir.Algorithm, limit: float | None = None) -> Report:
    """Decide everything about an algorithm, the declared target first; `limit`: seconds for each target, after which
    what is not decided is unknown."""
    return Report(program, [_examine(model, limit) for model in models(program)])


def _examine(model: Model, limit: float | None) -> TargetReport:
    late = f"the time limit of {limit:g} seconds" if limit is not None else ""
    t = TargetReport(
        model, FixedPoint("unknown", model.target, reason=late), None, late, Exactness("unknown", late),
        Convergence("unknown", because=late),
    )  # fmt: skip
    try:
        with deadline(limit), np.errstate(all="ignore"):  # rules that diverge
            t.fixed_point = replayed(model, fixed_point(model))
            t.fixed_point.assumes = hypotheses(model, t.fixed_point)
            t.form, t.form_reason = _form(model)
            if t.form is not None and t.form.theorem:
                t.fixed_point.notes.append(t.form.theorem)
            t.exactness = exactness(model, t.fixed_point, t.form)
            t.convergence = convergence(model, t.form)
            t.convergence = diverges(model, t.convergence)
    except TimeLimit:
        pass
    return t


def _form(model: Model) -> tuple[NormalForm | None, str]:
    try:
        return normal_form(model), ""
    except Unknown as unknown:
        return None, str(unknown)
