"""4xx: facts, ranges and initial values."""

from __future__ import annotations

from ...source import Span
from ..model import Diagnostic, one_of


def fact_about_nothing(span: Span, names: list[str]) -> Diagnostic:
    return Diagnostic(
        "L2O401", "this fact constrains none of the declared names", span, "", f"state it about {one_of(names)}"
    )


def empty_range(span: Span, name: str, low: str, high: str) -> Diagnostic:
    help = "swap the ends" if low != high else "write `<=`, or take two different ends"
    return Diagnostic("L2O402", f"no value of `{name}` lies between {low} and {high}", span, "empty range", help)


def init_outside(span: Span, name: str, fact: Span) -> Diagnostic:
    return Diagnostic(
        "L2O403", f"the initial value of `{name}` breaks its own fact", span, "starts here", "start inside the range",
        ((fact, "the fact"),),
    )  # fmt: skip


def unsupported_fact(span: Span, help: str) -> Diagnostic:
    return Diagnostic("L2O404", "this fact can't be enforced", span, "no range", help)


def fixed_fact(span: Span, name: str) -> Diagnostic:
    message = f"`{name}` is computed from a formula, nothing enforces a fact about it"
    return Diagnostic("L2O405", message, span, "", "remove the fact")


def init_needs_shared(span: Span, name: str, data: str, declared: Span) -> Diagnostic:
    return Diagnostic(
        "L2O406", f"the initial value of `{name}` names `{data}`, which differs between instances", span, "",
        f"declare `shared {data}`: learned weights are one set for all instances", ((declared, "declared here"),),
    )  # fmt: skip


def kind_needs(span: Span, kind: str, needs: str, example: str) -> Diagnostic:
    what = f"a {kind} parameter" if kind else "a parameter"
    return Diagnostic("L2O407", f"{what} needs {needs}", span, "", f"write `{example}`")


def init_in_moving_range(span: Span, name: str, end: str, fact: Span) -> Diagnostic:
    return Diagnostic(
        "L2O408", f"the range of `{name}` depends on `{end}`, so one initial value can't suit every instance", span,
        "starts here", "leave `init` out: the parameter then starts in the middle of its range", ((fact, "the range"),),
    )  # fmt: skip


def second_bound(span: Span, name: str, what: str, first: Span) -> Diagnostic:
    return Diagnostic(
        "L2O409", f"a second {what} of `{name}`", span, "again here", "keep one", ((first, "first one"),)
    )


def not_per_iteration(span: Span, name: str, what: str) -> Diagnostic:
    return Diagnostic(
        "L2O410", f"{what}, but `{name}` is one value for all iterations", span, "", f"call it `{name}_k`"
    )


def envelope_stays(span: Span, name: str, envelope: str) -> Diagnostic:
    return Diagnostic(
        "L2O411", f"`{envelope}` does not tend to 0, so `{name} -> 0` does not follow", span, "the envelope",
        "take one that vanishes as k grows, such as `1/(k + 1)^2` or `0.9^k`",
    )


def unproved_fact(span: Span, name: str) -> Diagnostic:
    return Diagnostic(
        "L2O412", f"this fact does not follow from the formula of `{name}`", span, "not proved",
        f"`{name}` is computed, nothing enforces it: declare what the formula is made of (`lam > 0`), "
        "or remove the fact",
    )


def limit_needs_envelope(span: Span, name: str, why: str) -> Diagnostic:
    help = f"say how fast: `{name} -> 0 like 1/(k + 1)^2`"
    return Diagnostic("L2O413", f"nothing makes `{name}` vanish: {why}", span, "", help)


def tail_breaks_fact(span: Span, name: str, fact: Span, limit: bool) -> Diagnostic:
    message = f"nothing keeps the fact about `{name}`"
    help = "write `tail repeat last`, or a formula from which the fact follows"
    if limit:
        message, help = f"`{name}` does not tend to 0", "write `tail decay(0.9)`, or a formula that vanishes"
    return Diagnostic(
        "L2O414", f"with this tail {message}", span, "past the last layer", help, ((fact, "the fact"),)
    )  # fmt: skip
