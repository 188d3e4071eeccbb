"""Whether a problem has what an algorithm asks of it: functions by role, data by name, sizes and spaces."""

from __future__ import annotations

from dataclasses import dataclass

from ..core import ir
from ..core.sizes import Size
from ..core.types import Type
from ..diagnostics import Diagnostic, catalog
from ..source import Span


@dataclass(frozen=True)
class Binding:
    """What an algorithm asks of a problem."""

    variable: str
    target: str
    """`minimize` or `recover`; empty where mistakes leave it open."""
    data: tuple[ir.Datum, ...]
    roles: dict[str, str]
    """Role (`f`, `r`) -> the algorithm's name for that function."""
    space: Type | None = None
    """Of the reported state."""
    learned: tuple[ir.Parameter, ...] = ()


def bind(span: Span, problem: ir.Problem, wanted: Binding, report: list[Diagnostic]) -> None:
    """Functions bind by role, data by name; an algorithm that leaves a part of the objective out is refused."""
    if problem.target != wanted.target:
        verbs = {"minimize": "minimizes", "recover": "recovers"}
        why = f"it {verbs[problem.target]}, the algorithm {verbs[wanted.target]}"
        report.append(catalog.problem_misfit(span, problem.name, why))
        return
    for role, part, what in (
        ("f", problem.smooth, "the smooth part"),
        ("r", problem.prox, "the proximable part"),
    ):
        if part is not None and wanted.target == "minimize" and role not in wanted.roles:
            help = "declare it in `problem` and use it: " + ("`grad f(x)`" if role == "f" else "`prox_r,P(v)`")
            report.append(catalog.rule_misses_part(span, what, f"`{problem.name}`", help))
    sizes: dict[Size, Size] = {}
    if wanted.space is not None:
        _same_space(wanted.space, problem.variable_type, sizes)
    theirs = {d.name: d for d in problem.data}
    for datum in wanted.data:
        why = _misfit(datum, theirs.get(datum.name), sizes)
        if why:
            note = (datum.span, f"`{datum.name}` lies in {datum.type} here")
            report.append(catalog.problem_misfit(span, problem.name, why, (note,)))
            return
    for p in wanted.learned:
        for size in p.type.sizes:
            if size in sizes and sizes[size] != size:
                why = f"it calls the size `{size}` `{sizes[size]}`; call it so, too"
                report.append(catalog.problem_misfit(span, problem.name, why, ((p.span, f"{p.type} here"),)))
                return


def _misfit(ours: ir.Datum, theirs: ir.Datum | None, sizes: dict[Size, Size]) -> str:
    """Why the problem's datum can't be the algorithm's; empty where it can."""
    if theirs is None:
        return f"it has no data `{ours.name}`"
    if not _same_space(ours.type, theirs.type, sizes):
        return f"its `{ours.name}` lies in {theirs.type}"
    return f"its `{ours.name}` differs between instances" if ours.shared and not theirs.shared else ""


def _same_space(ours: Type, theirs: Type, sizes: dict[Size, Size]) -> bool:
    """Whether two spaces are one up to the names of sizes; `sizes` maps the algorithm's to the problem's."""
    if ours.kind != theirs.kind:
        return False
    return all(sizes.setdefault(a, b) == b for a, b in zip(ours.sizes, theirs.sizes, strict=True))
