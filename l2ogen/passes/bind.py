"""Whether a problem has what an algorithm asks of it: functions by role, data by name, sizes and spaces."""

from __future__ import annotations

from collections.abc import Iterable
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
    needs: frozenset[str] = frozenset()
    """What the rule takes of the functions: grad, prox, L, subgrad, stochgrad, value."""
    metrics: frozenset[str] = frozenset()
    """What its proxes take as a metric: scalar, diagonal."""


OPERATIONS = ("grad", "prox", "subgrad", "stochgrad", "value")


def needs(a: ir.Algorithm) -> frozenset[str]:
    """What a rule takes of the functions of its problem."""
    nodes = [n for e in a.expressions for n in e.walk()]
    guard = ["grad", "prox", "L", "value"] if a.safeguard is not None else []
    lipschitz = ["L" for n in nodes if n.role == "lipschitz"]
    return frozenset([n.op for n in nodes if n.op in OPERATIONS] + lipschitz + guard)


def metrics(expressions: Iterable[ir.Node]) -> frozenset[str]:
    """The metrics of the proxes of a rule."""
    kinds = [n.args[0].type.kind for e in expressions for n in e.walk() if n.op == "prox"]
    return frozenset("scalar" if kind == "scalar" else "diagonal" for kind in kinds)


def binding(a: ir.Algorithm) -> Binding:
    """What a checked algorithm asks of any problem."""
    roles: dict[str, str] = {f.role: f.name for f in a.functions}
    asked = needs(a), metrics(a.expressions)
    return Binding(a.variable, a.target, a.data, roles, needs=asked[0], metrics=asked[1])


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
        if part is not None and wanted.target == "minimize" and not {role, "F"} & wanted.roles.keys():
            help = "declare it in `problem` and use it: " + ("`grad f(x)`" if role == "f" else "`prox_r,P(v)`")
            report.append(catalog.rule_misses_part(span, what, f"`{problem.name}`", help))
    for why in _missing(problem, wanted):
        report.append(catalog.problem_misfit(span, problem.name, why))
    if not problem.draws and wanted.learned:
        report.append(catalog.no_samples(span, problem.name))
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


def _missing(problem: ir.Problem, wanted: Binding) -> list[str]:
    """What the rule takes and the problem's functions don't have."""
    f, r = problem.smooth, problem.prox
    found = []
    if f is None and wanted.needs & {"grad", "L", "stochgrad"}:
        found.append("its objective has no smooth part, and the rule takes a gradient")
    if f is not None and "stochgrad" in wanted.needs and not f.external and f.stochastic is None:
        found.append("its smooth part is no sum over the rows of data, so a minibatch has nothing to choose from")
    if r is not None and "subgrad" in wanted.needs and r.subgradient is None:
        found.append(f"`{r.text}` holds an indicator, which has no subgradient outside of its set")
    if r is not None and "diagonal" in wanted.metrics and "diagonal" not in r.metrics:
        found.append(f"the prox of `{r.text}` has a closed form for a scalar step, not for a metric in diag(n)")
    return found


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
