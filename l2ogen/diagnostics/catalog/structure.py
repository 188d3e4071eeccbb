"""5xx: the structure of rules and problems."""

from __future__ import annotations

from ...source import Span
from ..model import Diagnostic, Note


def not_derivable(span: Span, fn: str, why: str, help: str) -> Diagnostic:
    return Diagnostic("L2O501", f"no {why} is known for this form of `{fn}`", span, "", help)


def rule_misses_part(span: Span, part: str, problem: str, help: str) -> Diagnostic:
    return Diagnostic("L2O502", f"the rule does not touch {part} of {problem}", span, "", help)


def cannot_infer(span: Span, name: str, help: str) -> Diagnostic:
    return Diagnostic("L2O503", f"nothing in the rule says what `{name}` is", span, "", help)


def unnamed_part(span: Span, help: str) -> Diagnostic:
    return Diagnostic("L2O504", "every part of an objective has a name", span, "no function's value", help)


def not_minimized(span: Span, fn: str, goal: Span | None) -> Diagnostic:
    notes = ((goal, "the objective"),) if goal else ()
    return Diagnostic(
        "L2O505", f"`{fn}` is no part of the objective", span, "declared here",
        f"add `{fn}(x)` to `minimize`, or remove the declaration", notes,
    )  # fmt: skip


def role_missing(span: Span, fn: str) -> Diagnostic:
    return Diagnostic(
        "L2O506", f"`{fn}` is neither smooth nor proximable, so a rule can't use it", span, "",
        f"add `smooth(L)` (for `grad {fn}`) or `proximable` (for `prox_{fn},P`)",
    )  # fmt: skip


def role_taken(span: Span, fn: str, role: str, first: Span) -> Diagnostic:
    return Diagnostic(
        "L2O507", f"`{fn}` is a second {role} function", span, "again here", "merge the two", ((first, "first one"),)
    )


def nothing_iterated(span: Span) -> Diagnostic:
    return Diagnostic("L2O508", "the rule has no next iterate", span, "", "mark it with a plus: `x+ = …`")


def nothing_reported(span: Span, variable: str) -> Diagnostic:
    return Diagnostic(
        "L2O509", f"the rule has no iterate called `{variable}`", span, "",
        f"what the algorithm reports is called `{variable}`: rename a state",
    )  # fmt: skip


def nothing_minimized(span: Span) -> Diagnostic:
    return Diagnostic(
        "L2O510", "the rule uses no function that it could minimize", span, "",
        "use `grad f(…)` or `prox_r,P(…)`; a rule that recovers a vector is written as a file",
    )  # fmt: skip


def unknown_sign(span: Span, fn: str, help: str, notes: tuple[Note, ...] = ()) -> Diagnostic:
    message = f"the coefficient of `{fn}` is not proved positive"
    return Diagnostic("L2O511", message, span, "convex only if it is", help, notes)


def implicit_form(span: Span, help: str) -> Diagnostic:
    return Diagnostic("L2O512", "this implicit rule can't be read", span, "", help)


def safeguard_needs(span: Span, what: str) -> Diagnostic:
    help = "remove it, or declare `f(x) : convex, smooth(L)`"
    return Diagnostic("L2O513", f"this safeguard needs {what}", span, "", help)


def only_checked(span: Span, why: str) -> Diagnostic:
    return Diagnostic("L2O514", f"this can be checked, not compiled: {why}", span, "", "")


def not_convex(span: Span, fn: str, why: str, help: str) -> Diagnostic:
    return Diagnostic("L2O520", f"`{fn}` is not proved convex: {why}", span, "", help)


def bad_group(span: Span) -> Diagnostic:
    return Diagnostic("L2O521", "the size of a group is a positive whole number or a size", span, "", "")


def external_alone(span: Span, keyword: str) -> Diagnostic:
    help = "an external function brings its data along: remove the block, write numbers into formulas"
    return Diagnostic("L2O522", f"`{keyword}` has no place beside an external function", span, "", help)
