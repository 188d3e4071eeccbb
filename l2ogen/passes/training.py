"""The `train` block: its settings together, the loss, the problem found and bound."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, Literal

from ..core import ir
from ..core.sizes import Size
from ..core.symbols import Scope, Symbol
from ..core.types import SCALAR, vector
from ..diagnostics import Diagnostic, catalog, nearest
from ..source import Span
from ..syntax import tree as t
from ..syntax.printer import show
from ..vocabulary import SETTINGS, clashes
from .bind import Binding, bind
from .expressions import Expressions
from .settings import fits_rule, number, setting


def training(
    block: t.Node | None,
    scope: Scope,
    binding: Binding,
    problems: Callable[[str], ir.Problem | None],
    known: list[str],
    report: list[Diagnostic],
) -> ir.Training:
    """Check the block and bind its problem to the algorithm's functions and data."""
    problem: ir.Problem | None = None
    sizes: tuple[tuple[str, float], ...] = ()
    loss: ir.Node | None = None
    reduction: Literal["mean", "sum"] | None = None
    loss_text = term_text = ""
    settings: dict[str, Any] = {}
    places: dict[str, t.Setting | t.Loss] = {}
    for item in block.body if isinstance(block, t.Block) else ():
        if not isinstance(item, t.Setting | t.Loss):
            continue
        word = item.word
        if word in places:
            report.append(catalog.duplicate_setting(_place(item), word, _place(places[word])))
        places.setdefault(word, item)
        if isinstance(item, t.Loss):
            loss_text, term_text = show(item).removeprefix("loss "), show(item.term)
            loss = _loss(item, scope, binding, report)
            reduction = "sum" if item.reduction == "sum" else "mean" if item.reduction == "mean" else None
        elif word == "on":
            problem, sizes = _on(item.values[0], problems, known, report)
            if problem is not None and binding.target:
                bind(item.values[0].span, problem, binding, report)
        else:
            settings |= setting(item, report)
    statements = {word: item for word, item in places.items() if isinstance(item, t.Setting)}
    settings = fits_rule(settings, statements, binding.learned, report)
    spans = {word: _place(item) for word, item in places.items()}
    for clash in clashes(settings, bool(reduction) if "loss" in places else None):
        report.append(catalog.settings_clash(spans[clash.setting], clash.message, spans[clash.other], clash.help))
    if {"loss", "on"} <= places.keys() <= set(SETTINGS) and not {"layers", "horizon"} & places.keys():
        report.append(catalog.missing_part(spans["loss"], "the number of iterations", "horizon 100` or `layers 16"))
    if problem is not None and loss is not None:
        _known_truth(loss, problem, places["loss"].span, report)
    return ir.Training(problem, sizes, loss, reduction, tuple(settings.items()), loss_text, term_text)


def _place(item: t.Setting | t.Loss) -> Span:
    return item.span if isinstance(item, t.Loss) else item.name.span


def _known_truth(loss: ir.Node, problem: ir.Problem, span: Span, report: list[Diagnostic]) -> None:
    """Refuse a loss over an x_true that the problem does not draw."""
    truth = f"{problem.variable}_true"
    if ir.symbols(loss, "truth") and truth not in problem.drawn:
        why = f"its `sample` draws no `{truth}`, which the loss names"
        report.append(catalog.problem_misfit(span, problem.name, why))


def _on(
    e: t.Expr, problems: Callable[[str], ir.Problem | None], known: list[str], report: list[Diagnostic]
) -> tuple[ir.Problem | None, tuple[tuple[str, float], ...]]:
    name = e.fn if isinstance(e, t.SettingCall) else e
    if not isinstance(name, t.Name):
        report.append(catalog.bad_setting(e.span, "on", "a problem with its sizes: `on lasso(m = 20, n = 40)`"))
        return None, ()
    problem = problems(name.id)
    if problem is None:
        report.append(catalog.unknown_problem(name.span, name.id, nearest(name.id, known), known))
        return None, ()
    options, sizes = dict(problem.options), {}
    for a in e.args if isinstance(e, t.SettingCall) else ():
        value = None
        if isinstance(a, t.Keyword):
            none = isinstance(a.value, t.Name) and a.value.id == "inf" and a.name.id in problem.ratios
            value = inf if none else number(a.value)
        if not isinstance(a, t.Keyword) or value is None or value <= 0:
            report.append(catalog.bad_setting(a.span, problem.name, "options with positive numbers: `m = 250`"))
        elif a.name.id in _size_names(problem) and value != int(value):
            report.append(catalog.bad_setting(a.value.span, a.name.id, "a positive whole number"))
        elif a.name.id not in options:
            report.append(
                catalog.unknown_option(
                    a.name.span,
                    a.name.id,
                    f"problem `{problem.name}`",
                    nearest(a.name.id, options),
                    list(options),
                )
            )
        else:
            sizes[a.name.id] = value
    return problem, tuple(sizes.items())


def _size_names(problem: ir.Problem) -> set[str]:
    types = [problem.variable_type, *(d.type for d in problem.data)]
    return {name for type_ in types for size in type_.sizes for name in size.names}


def _loss(item: t.Loss, scope: Scope, binding: Binding, report: list[Diagnostic]) -> ir.Node | None:
    """A scalar over the states, F(x), x_true, x_star, k."""
    variable = binding.variable
    n = scope.table[variable].type if variable in scope.table else vector(Size.of("n"))
    inner = Scope(broken=scope.broken)
    names = [Symbol(name, "state", s.type) for name, s in scope.table.items() if s.role == "state"]
    names += [
        Symbol(variable, "state", n),
        Symbol(f"{variable}_true", "truth", n),
        Symbol("k", "iteration", SCALAR),
    ]
    if binding.target != "recover":
        names.append(Symbol("F", "function", n, payload=ir.Function("F", "f", ("smooth",), None, item.span)))
        names.append(Symbol(f"{variable}_star", "solution", n))
    inner.table = {s.name: s for s in names}
    if item.over is not None and item.over.id != "k":
        report.append(catalog.bad_setting(item.over.span, "loss", f"`{item.reduction} over k of …`"))
    node = Expressions(inner, report).lower_as(item.term, SCALAR, "loss", None)
    return None if node is None else _objective(node)


def _objective(node: ir.Node) -> ir.Node:
    """F as the whole objective: its role in the program is `F`."""
    args = tuple(map(_objective, node.args))
    return ir.Node(node.op, args, node.type, "F" if node.op == "value" else node.attr, node.span)
