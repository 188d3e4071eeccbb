"""A typed program -> the text of its training loop."""

from __future__ import annotations

from typing import Any

from ...core import ir
from ...passes.settings import searchable
from ...vocabulary import Phrase, text
from .algorithm import algorithm_context
from .emit import Emitter
from .facts import reparametrization
from .names import attribute, classes, python_name
from .problem import ALL, problem_context
from .sampling import literal


def training_context(program: ir.Algorithm) -> tuple[dict[str, Any], set[str]] | None:
    """What the template of the loop needs, and the helpers in it.

    None for rules with nothing to train, no loss or no problem to train on.
    """
    t = program.training
    learns = bool(program.networks) or any(p.kind in ("learned", "predicted") for p in program.parameters)
    if t.problem is None or t.loss is None or not learns:
        return None
    x = program.variable
    names = {("state", s.name): f"state.{python_name(s.name)}" for s in program.states}
    names |= {("truth", f"{x}_true"): "problem.x_true", ("solution", f"{x}_star"): "problem.x_star"}
    emitter = Emitter(names | {("iteration", "k"): "(problem.zeros(1) + state.k)"})
    loss = emitter.tensor(t.loss)
    context, _ = algorithm_context(program)
    bound, _ = problem_context(t.problem, ALL)
    bound["class_name"] = classes(program)["problem"]
    arguments = [f'shared["{name}"]' for name in context["shared_arguments"]]
    arguments += [f'int(settings.sizes["{name}"])' for name in context["free_sizes"]]
    arguments += ["layers=settings.iterations"] * bool(context["layers"])
    layered = [attribute(program, p) for p in program.parameters if p.kind == "learned" and p.per_iteration]
    scalars = _scalars(program, emitter.helpers)
    return {
        "algorithm": context, "problem": bound, "arguments": arguments,
        "loss": loss, "term_text": t.term_text, "loss_text": t.loss_text,
        "solved": bool(ir.symbols(t.loss, "solution")),
        "sizes": {
            name: literal(value, name in t.problem.reals)
            for name, value in {**dict(t.problem.options), **dict(t.sizes)}.items()
        },
        "settings": {name: _setting(value) for name, value in t.settings},
        "final_only": t.reduction is None, "mean": t.reduction == "mean",
        "layered": layered if t.reduction is None and t.get("layers") else [],
        "stages": _stages(t), "scalars": scalars,
    }, emitter.helpers  # fmt: skip


def _setting(value: Any) -> str:
    value = text(value)
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _stages(t: ir.Training) -> str:
    """What the stages of the declared schedule are, for a comment in the loop."""
    phases: tuple[Phrase, ...] = t.get("schedule", ())
    said = {"layerwise": "for t = 1, 2, …: layer t alone, then layers 1..t at lower rates", "joint": "all weights"}
    return "; ".join(said[phase.word] for phase in phases)


def _scalars(program: ir.Algorithm, helpers: set[str]) -> list[dict[str, str]]:
    """The learned scalars that a search can set: attribute, and the raw number of a value in its range."""
    found = []
    for p in program.parameters:
        if searchable(p):
            call, raw = reparametrization(p, Emitter({}), ""), "value"
            if call is not None:
                helpers.add(call[0] + "_inverse")
                raw = f"{call[0]}_inverse(value, {call[1]})"
            found.append({"name": p.name, "attribute": attribute(program, p), "raw": raw})
    return found
