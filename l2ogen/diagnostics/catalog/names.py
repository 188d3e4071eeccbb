"""2xx: names that are not declared, or not what they are used as."""

from __future__ import annotations

from ...source import Span
from ..model import Diagnostic, did_you_mean, replacement
from ..suggest import ADVICE


def unknown_name(span: Span, word: str, meant: str | None, help: str = "", declared: Span | None = None) -> Diagnostic:
    notes = ((declared, f"`{meant}` is declared here"),) if declared else ()
    help = ADVICE.get(word) or did_you_mean(meant) or help
    fix = replacement(span, word, meant) if word not in ADVICE else None
    return Diagnostic("L2O201", f"`{word}` is not declared", span, "unknown name", help, notes, fix=fix)


def duplicate_name(span: Span, word: str, first: Span) -> Diagnostic:
    return Diagnostic(
        "L2O202",
        f"`{word}` is declared twice",
        span,
        "again here",
        "rename one of them",
        ((first, "first declared here"),),
    )


def unused_name(span: Span, word: str, what: str) -> Diagnostic:
    return Diagnostic(
        "L2O203", f"{what} `{word}` is never used", span, "declared here", "use it or remove the declaration",
        severity="warning",
    )  # fmt: skip


def too_early(span: Span, word: str, assigned: Span | None, in_update: bool = True) -> Diagnostic:
    """word: `x+`, or a let `u`; outside the update an input of what is predicted."""
    if word.endswith("+"):
        help = f"use the old iterate `{word[:-1]}`"
        if in_update:
            help = f"move this line below the one of `{word}`, or {help}"
    elif in_update:
        help = "move that line above this one"
    else:  # the network is called above that line, or for it
        help = "move that line above the first one that uses what is predicted here; it can't use that itself"
    notes = ((assigned, f"`{word}` is computed here"),) if assigned else ()
    return Diagnostic("L2O204", f"`{word}` is used before it is computed", span, "not yet known", help, notes)


def next_of_no_state(span: Span, name: str, what: str, declared: Span | None) -> Diagnostic:
    notes = ((declared, "declared here"),) if declared else ()
    return Diagnostic(
        "L2O205", f"`{name}+` is no next iterate: `{name}` is {what}", span, "only states carry `+`",
        f"for a sum write `{name} + …`, or declare `{name}` in `state`", notes,
    )  # fmt: skip


def state_without_update(span: Span, name: str) -> Diagnostic:
    return Diagnostic(
        "L2O206",
        f"state `{name}` is never updated",
        span,
        "declared here",
        f"add a line `{name}+ = …` to `update`",
    )


def assigned_twice(span: Span, name: str, first: Span) -> Diagnostic:
    return Diagnostic(
        "L2O207", f"`{name}` is computed twice in one iteration", span, "again here", "give one of them another name",
        ((first, "first computed here"),),
    )  # fmt: skip


def assigned_declared(span: Span, name: str, what: str, declared: Span) -> Diagnostic:
    help = f"write `{name}+ = …` for its next iterate" if what == "a state" else "give the let another name"
    return Diagnostic(
        "L2O208", f"`{name}` is {what} and can't be assigned", span, "", help, ((declared, "declared here"),)
    )


def state_with_index(span: Span, name: str, state: str) -> Diagnostic:
    return Diagnostic(
        "L2O209", f"`{name}`: states carry no `_k`", span, "unknown name",
        f"write `{state}` for the old iterate, `{state}+` for the next one; "
        f"an older one is a state: `{state}_prev+ = {state}`",
    )  # fmt: skip


def not_callable(span: Span, name: str, what: str, help: str) -> Diagnostic:
    return Diagnostic("L2O210", f"`{name}` can't be called: it is {what}", span, "", help)


def unknown_option(span: Span, word: str, owner: str, meant: str | None, known: list[str]) -> Diagnostic:
    help = did_you_mean(meant) or f"known: {', '.join(known)}"
    return Diagnostic(
        "L2O211", f"{owner} has no option `{word}`", span, "unknown option", help, fix=replacement(span, word, meant)
    )


def unknown_problem(span: Span, word: str, meant: str | None, known: list[str]) -> Diagnostic:
    help = did_you_mean(meant) or f"known: {', '.join(known)}; or a path to an .l2o file"
    return Diagnostic(
        "L2O213", f"no problem is called `{word}`", span, "unknown problem", help, fix=replacement(span, word, meant)
    )


def variable_mismatch(span: Span, name: str, variable: str, first: Span) -> Diagnostic:
    return Diagnostic(
        "L2O214", f"the variable is called `{variable}` elsewhere, `{name}` here", span, "another name",
        f"write `{variable}`", ((first, f"`{variable}` here"),),
    )  # fmt: skip


def prox_without_metric(span: Span, fn: str) -> Diagnostic:
    return Diagnostic(
        "L2O215", f"`prox_{fn}` does not say with which step", span, "which step, or metric?",
        f"write `prox_{fn},alpha(v)` for the step `alpha`",
    )  # fmt: skip


def unknown_cell(span: Span, word: str, meant: str | None, known: list[str]) -> Diagnostic:
    help = did_you_mean(meant) or f"known: {', '.join(known)}"
    return Diagnostic(
        "L2O216", f"no network is called `{word}`", span, "unknown network", help, fix=replacement(span, word, meant)
    )


def unknown_property(span: Span, word: str, meant: str | None, known: list[str]) -> Diagnostic:
    help = did_you_mean(meant) or f"known: {', '.join(known)}"
    return Diagnostic(
        "L2O217",
        f"`{word}` is no property of a function",
        span,
        "unknown property",
        help,
        fix=replacement(span, word, meant),
    )


def reserved_name(span: Span, name: str, what: str) -> Diagnostic:
    return Diagnostic("L2O218", f"`{name}` is {what}", span, "can't be declared", "choose another name")


def drawn_too_late(span: Span, name: str, drawn: Span) -> Diagnostic:
    return Diagnostic(
        "L2O220", f"`{name}` is used before it is drawn", span, "not yet known",
        f"move this line below the one of `{name}`", ((drawn, "drawn here"),),
    )  # fmt: skip


def start_not_known(span: Span, state: str, what: str) -> Diagnostic:
    return Diagnostic(
        "L2O221", f"{what} is not known when state `{state}` starts", span, "",
        "a state starts from numbers, data and the Lipschitz constant",
    )  # fmt: skip


def declared_below(span: Span, name: str, declared: Span) -> Diagnostic:
    return Diagnostic(
        "L2O222", f"`{name}` is declared further below", span, "not yet known", "move its declaration above this one",
        ((declared, "declared here"),),
    )  # fmt: skip


def variant_of_another(span: Span, name: str, algorithm: str, declared: Span) -> Diagnostic:
    return Diagnostic(
        "L2O225", f"this file holds `{algorithm}`, not `{name}`", span, "another algorithm", f"write `of {algorithm}`",
        ((declared, "declared here"),), fix=(span, algorithm),
    )


def unknown_variant(span: Span, name: str, meant: str | None, known: list[str]) -> Diagnostic:
    help = did_you_mean(meant) or (f"variants are {', '.join(known)}" if known else "this file has no variants")
    return Diagnostic("L2O226", f"there is no variant `{name}`", span, "", help)


def no_tuple(span: Span, shown: str, help: str) -> Diagnostic:
    return Diagnostic("L2O224", f"`{shown}` is one value, not several", span, "", help)


def calls_differ(span: Span, name: str, what: str, here: object, there: object, first: Span) -> Diagnostic:
    return Diagnostic(
        "L2O223", f"`{name}` has {here} {what} here, and {there} in its first call", span, "",
        "calls of one network agree; declare a second network", ((first, "first call"),),
    )  # fmt: skip
