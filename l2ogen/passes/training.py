"""The `train` block: a fixed vocabulary, every value checked, the problem found and bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

from ..core import ir
from ..core.constants import constant
from ..core.sizes import Size
from ..core.symbols import Scope, Symbol
from ..core.types import SCALAR, Type, vector
from ..diagnostics import Diagnostic, catalog, nearest, one_of
from ..source import Span
from ..syntax import tree as t
from ..syntax.printer import show
from .expressions import Expressions

COUNTS = ("layers", "horizon", "truncate", "steps", "batch", "patience")
OPTIMIZERS = ("adam", "adamw", "sgd")
WORDS = {"rate": ("constant", "cosine"), "dtype": ("float32", "float64")}
SETTINGS = ("on", "loss", "optimizer", *COUNTS, *WORDS, "clip_norm", "seed", "validate")


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
    seen: dict[str, Span] = {}
    for item in block.body if isinstance(block, t.Block) else ():
        if not isinstance(item, t.Setting | t.Loss):
            continue
        word, span = ("loss", item.span) if isinstance(item, t.Loss) else (item.name.id, item.name.span)
        if word in seen:
            report.append(catalog.duplicate_setting(span, word, seen[word]))
        seen.setdefault(word, span)
        if isinstance(item, t.Loss):
            loss_text, term_text = show(item).removeprefix("loss "), show(item.term)
            loss = _loss(item, scope, binding, report)
            reduction = "sum" if item.reduction == "sum" else "mean" if item.reduction == "mean" else None
        elif word == "on":
            problem, sizes = _on(item.value, problems, known, report)
            if problem is not None and binding.target:
                bind(item.value.span, problem, binding, report)
        else:
            settings |= _setting(item, report)
    _clashes(settings, seen, report)
    return ir.Training(problem, sizes, loss, reduction, tuple(settings.items()), loss_text, term_text)


def _clashes(settings: dict[str, Any], seen: dict[str, Span], report: list[Diagnostic]) -> None:
    """Settings that contradict each other."""
    if "layers" in settings and "horizon" in settings:
        message, help = "`layers` and `horizon` both say how many iterations are trained", "keep one"
        report.append(catalog.settings_clash(seen["horizon"], message, seen["layers"], help))
    if "loss" in seen and "on" in seen and not {"layers", "horizon"} & seen.keys() and seen.keys() <= set(SETTINGS):
        report.append(catalog.missing_part(seen["loss"], "the number of iterations", "horizon 100` or `layers 16"))
    length = "horizon" if "horizon" in settings else "layers"
    if settings.get("truncate", 0) > settings.get(length, float("inf")):
        message = f"`truncate` is longer than `{length}`"
        help = f"take at most {settings[length]}, or leave it out"
        report.append(catalog.settings_clash(seen["truncate"], message, seen[length], help))


def _on(
    e: t.Expr, problems: Callable[[str], ir.Problem | None], known: list[str], report: list[Diagnostic]
) -> tuple[ir.Problem | None, tuple[tuple[str, float], ...]]:
    name = e.fn if isinstance(e, t.Call) else e
    if not isinstance(name, t.Name):
        report.append(catalog.bad_setting(e.span, "on", "a problem with its sizes: `on lasso(m = 20, n = 40)`"))
        return None, ()
    problem = problems(name.id)
    if problem is None:
        report.append(catalog.unknown_problem(name.span, name.id, nearest(name.id, known), known))
        return None, ()
    options, sizes = dict(problem.options), {}
    for a in e.args if isinstance(e, t.Call) else ():
        value = _number(a.value) if isinstance(a, t.Keyword) else None
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


def _loss(item: t.Loss, scope: Scope, binding: Binding, report: list[Diagnostic]) -> ir.Node | None:
    """A scalar over x, F(x), x_true, k."""
    variable = binding.variable
    n = scope.table[variable].type if variable in scope.table else vector(Size.of("n"))
    inner = Scope(broken=scope.broken)
    names = [
        Symbol(variable, "state", n),
        Symbol(f"{variable}_true", "truth", n),
        Symbol("k", "iteration", SCALAR),
    ]
    if binding.target != "recover":
        names.append(Symbol("F", "function", n, payload=ir.Function("F", "f", ("smooth",), None, item.span)))
    inner.table = {s.name: s for s in names}
    if item.over is not None and item.over.id != "k":
        report.append(catalog.bad_setting(item.over.span, "loss", f"`{item.reduction} over k of …`"))
    node = Expressions(inner, report).lower_as(item.term, SCALAR, "loss", None)
    return None if node is None else _objective(node)


def _objective(node: ir.Node) -> ir.Node:
    """F as the whole objective: its role in the program is `F`."""
    args = tuple(map(_objective, node.args))
    return ir.Node(node.op, args, node.type, "F" if node.op == "value" else node.attr, node.span)


def _number(e: t.Expr) -> float | None:
    """The finite value of an expression of numbers alone."""
    value = constant(Expressions(Scope(), []).lower(e)) if not isinstance(e, t.Name) else None
    return value if value is not None and isfinite(value) else None


def _setting(item: t.Setting, report: list[Diagnostic]) -> dict[str, Any]:
    word, e = item.name.id, item.value
    if word in COUNTS or word == "seed":
        value = _number(e)
        if value is not None and isfinite(value) and value == int(value) and value >= (0 if word == "seed" else 1):
            return {word: int(value)}
        report.append(
            catalog.bad_setting(e.span, word, "a whole number" if word == "seed" else "a positive whole number")
        )
    elif word == "clip_norm":
        value = _number(e)
        if value is not None and value > 0:
            return {word: value}
        report.append(catalog.bad_setting(e.span, word, "a positive number"))
    elif word in WORDS:
        if isinstance(e, t.Name) and e.id in WORDS[word]:
            return {"schedule" if word == "rate" else word: e.id}
        meant = nearest(e.id, WORDS[word]) if isinstance(e, t.Name) else None
        report.append(catalog.bad_setting(e.span, word, one_of(WORDS[word]), meant))
    elif word == "optimizer":
        return _optimizer(e, report)
    elif word == "validate":
        return _options(e, "validate", ("every", "batch"), report)
    else:
        report.append(catalog.unknown_setting(item.name.span, word, nearest(word, SETTINGS), list(SETTINGS)))
    return {}


def _optimizer(e: t.Expr, report: list[Diagnostic]) -> dict[str, Any]:
    name = e.fn if isinstance(e, t.Call) else e
    if not isinstance(name, t.Name) or name.id not in OPTIMIZERS:
        span, word = (name.span, name.id) if isinstance(name, t.Name) else (e.span, "")
        wanted = "`adam(rate = 1e-3)`, `adamw(…)` or `sgd(…)`"
        report.append(catalog.bad_setting(span, "optimizer", wanted, nearest(word, OPTIMIZERS)))
        return {}
    found: dict[str, Any] = {"optimizer": name.id}
    for a in e.args if isinstance(e, t.Call) else ():
        value = _number(a.value) if isinstance(a, t.Keyword) else None
        if not isinstance(a, t.Keyword) or a.name.id != "rate":
            word = a.name.id if isinstance(a, t.Keyword) else "…"
            span = a.name.span if isinstance(a, t.Keyword) else a.span
            report.append(catalog.unknown_option(span, word, f"`{name.id}`", nearest(word, ["rate"]), ["rate"]))
        elif value is None or value <= 0:
            report.append(catalog.bad_setting(a.value.span, "rate", "a positive number"))
        else:
            found["rate"] = value
    return found


def _options(e: t.Expr, owner: str, known: tuple[str, ...], report: list[Diagnostic]) -> dict[str, Any]:
    """`validate(every = 20, batch = 256)` -> validate_every, validate_batch. The name was read as the setting's."""
    arguments = e.args if isinstance(e, t.Call) else (e,)
    found: dict[str, Any] = {}
    for a in arguments:
        value = _number(a.value) if isinstance(a, t.Keyword) else None
        if not isinstance(a, t.Keyword) or a.name.id not in known:
            report.append(catalog.bad_setting(a.span, owner, " and ".join(f"`{k} = N`" for k in known)))
        elif value is None or value != int(value) or value < 1:
            report.append(catalog.bad_setting(a.value.span, a.name.id, "a positive whole number"))
        else:
            found[f"{owner}_{a.name.id}"] = int(value)
    return found
