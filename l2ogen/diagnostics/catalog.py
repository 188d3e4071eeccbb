"""Every mistake that l2ogen can name: one function each, all wording here.

1xx syntax, 2xx names, 3xx types and shapes, 4xx facts and ranges, 5xx convergence structure, 6xx training and data.
A code never changes its meaning. Every function has a bad example with its full output in tests/bad/.
"""

from __future__ import annotations

from unicodedata import combining

from ..source import Span
from .model import Diagnostic, one_of

Note = tuple[Span, str]


def _did_you_mean(word: str | None) -> str:
    return f"did you mean `{word}`?" if word else ""


# ---- 1xx: syntax -----------------------------------------------------------------------------------


def stray_character(span: Span, text: str, hint: str) -> Diagnostic:
    shown = f"`{text}`" if text.isprintable() and text[0] != "�" and not combining(text[0]) else f"U+{ord(text[0]):04X}"
    return Diagnostic("L2O100", f"{shown} is not part of the language", span, "this character", hint)


def misspelled_keyword(span: Span, word: str, meant: str) -> Diagnostic:
    return Diagnostic("L2O101", f"`{word}` is no keyword", span, "misspelled?", _did_you_mean(meant))


def juxtaposition(span: Span, left: str, right: str) -> Diagnostic:
    return Diagnostic("L2O102", "two values side by side", span, "an operator is missing", f"write `{left}*{right}`")


def never_closed(span: Span, opener: str, closer: str) -> Diagnostic:
    return Diagnostic("L2O103", f"`{opener}` is never closed", span, "opened here", f"add the missing `{closer}`")


def unmatched_close(span: Span, closer: str) -> Diagnostic:
    return Diagnostic("L2O104", f"`{closer}` closes nothing", span, "not opened", "remove it")


def next_before_operand(span: Span, nxt: str, name: str, operand: str) -> Diagnostic:
    operand = "(…)" if operand == "(" else operand
    return Diagnostic(
        "L2O105", f"`{nxt}` is the next iterate and needs an operator after it", span, "no operator here",
        f"for a sum write `{name} + {operand}`",
    )  # fmt: skip


def norm_without_kind(span: Span) -> Diagnostic:
    return Diagnostic(
        "L2O106", "this norm does not say which", span, "which norm?",
        "write `||v||_1`, `||v||_2`, `||v||_2^2`, `||v||_inf`, `||v||_0` or `||M||_F`",
    )  # fmt: skip


def incomplete(span: Span, before: str, expected: str) -> Diagnostic:
    return Diagnostic("L2O107", f"{expected} is missing after `{before}`", span, "nothing follows")


def unexpected(span: Span, text: str, expected: str, example: str) -> Diagnostic:
    help = f"a line of this block looks like `{example}`" if example else ""
    return Diagnostic("L2O108", f"`{text}` does not belong here", span, f"expected {expected}", help)


def not_a_statement(span: Span, text: str, block: str, example: str, meant: str) -> Diagnostic:
    where = f"no line of `{block}`" if block else "nothing in a file"
    help = _did_you_mean(meant) or (f"a line of `{block}` looks like `{example}`" if example else "")
    if not help:
        help = "a file holds `problem`, `networks`, `parameters`, `state`, `update`, `expect`, `train` blocks"
    return Diagnostic("L2O109", f"{where} begins with `{text}`", span, "unexpected", help)


def double_star(span: Span) -> Diagnostic:
    return Diagnostic(
        "L2O110", "`**` is not an operator", span, "power?", "write `x^2` for a power, `A*x` for a product"
    )


def operator_without_argument(span: Span, op: str, fn: str) -> Diagnostic:
    return Diagnostic("L2O111", f"`{op} {fn}` needs the point where it is taken", span, "", f"write `{op} {fn}(x)`")


def too_deep(span: Span) -> Diagnostic:
    return Diagnostic(
        "L2O112", "this expression nests too deep", Span(span.start, span.start + 1), "more than 60 levels from here",
        "split it with a let: `v = …`",
    )  # fmt: skip


def too_large(span: Span, size: int, limit: int) -> Diagnostic:
    return Diagnostic("L2O113", f"the file has {size:,} characters; the limit is {limit:,}", span, "", "split the file")


def empty_file(span: Span) -> Diagnostic:
    return Diagnostic(
        "L2O114",
        "the file holds nothing",
        span,
        "",
        "begin with `algorithm NAME` or `problem NAME`; `l2ogen demo` shows one",
    )


def no_header(span: Span) -> Diagnostic:
    return Diagnostic(
        "L2O115",
        "the file does not say what it is",
        span,
        "first line",
        "begin with `algorithm NAME` or `problem NAME`",
    )


def duplicate_part(span: Span, what: str, first: Span) -> Diagnostic:
    help = "a file holds one; merge the two"
    return Diagnostic("L2O116", f"a second {what}", span, "again here", help, ((first, "first one"),))


def misplaced_part(span: Span, what: str, kind: str, other: str) -> Diagnostic:
    return Diagnostic("L2O117", f"{what} does not belong in {kind} file", span, "", f"it belongs in {other}")


def missing_part(span: Span, what: str, example: str) -> Diagnostic:
    return Diagnostic("L2O118", f"{what} is missing", span, "in this file", f"add `{example}`")


def misplaced_clause(span: Span, clause: str, block: str, help: str) -> Diagnostic:
    return Diagnostic("L2O119", f"{clause} has no place in `{block}`", span, "", help)


def metric_needs_braces(span: Span, fn: str) -> Diagnostic:
    return Diagnostic(
        "L2O120", "only a name can be the metric of a prox here", span, "an expression",
        f"write `prox_{{{fn}, 1/L}}(v)`, with braces around the function and the metric",
    )  # fmt: skip


def unfinished_string(span: Span) -> Diagnostic:
    return Diagnostic("L2O121", "the quotation is not closed", span, "opened here", 'end it with `"` on the same line')


# ---- 2xx: names ------------------------------------------------------------------------------------


def unknown_name(span: Span, word: str, meant: str | None, help: str = "") -> Diagnostic:
    return Diagnostic("L2O201", f"`{word}` is not declared", span, "unknown name", _did_you_mean(meant) or help)


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


def next_too_early(span: Span, name: str, assigned: Span | None, in_update: bool = True) -> Diagnostic:
    notes = ((assigned, f"`{name}+` is computed here"),) if assigned else ()
    help = f"use the old iterate `{name}`"
    if in_update:
        help = f"move this line below the one of `{name}+`, or {help}"
    return Diagnostic("L2O204", f"`{name}+` is used before it is computed", span, "not yet known", help, notes)


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
    help = _did_you_mean(meant) or f"known: {', '.join(known)}"
    return Diagnostic("L2O211", f"{owner} has no option `{word}`", span, "unknown option", help)


def unknown_problem(span: Span, word: str, meant: str | None, known: list[str]) -> Diagnostic:
    help = _did_you_mean(meant) or f"known: {', '.join(known)}; or a path to an .l2o file"
    return Diagnostic("L2O213", f"no problem is called `{word}`", span, "unknown problem", help)


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
    help = _did_you_mean(meant) or f"known: {', '.join(known)}"
    return Diagnostic("L2O216", f"no network is called `{word}`", span, "unknown network", help)


def unknown_property(span: Span, word: str, meant: str | None, known: list[str]) -> Diagnostic:
    help = _did_you_mean(meant) or f"known: {', '.join(known)}"
    return Diagnostic("L2O217", f"`{word}` is no property of a function", span, "unknown property", help)


def reserved_name(span: Span, name: str, what: str) -> Diagnostic:
    return Diagnostic("L2O218", f"`{name}` is {what}", span, "can't be declared", "choose another name")


def variant_of_another(span: Span, name: str, algorithm: str, declared: Span) -> Diagnostic:
    return Diagnostic(
        "L2O225", f"this file holds `{algorithm}`, not `{name}`", span, "another algorithm", f"write `of {algorithm}`",
        ((declared, "declared here"),),
    )  # fmt: skip


def unknown_variant(span: Span, name: str, meant: str | None, known: list[str]) -> Diagnostic:
    help = _did_you_mean(meant) or (f"variants are {', '.join(known)}" if known else "this file has no variants")
    return Diagnostic("L2O226", f"there is no variant `{name}`", span, "", help)


def no_tuple(span: Span, shown: str, help: str) -> Diagnostic:
    return Diagnostic("L2O224", f"`{shown}` is one value, not several", span, "", help)


def calls_differ(span: Span, name: str, what: str, here: object, there: object, first: Span) -> Diagnostic:
    return Diagnostic(
        "L2O223", f"`{name}` has {here} {what} here, and {there} in its first call", span, "",
        "calls of one network agree; declare a second network", ((first, "first call"),),
    )  # fmt: skip


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


# ---- 3xx: types and shapes -------------------------------------------------------------------------


def size_mismatch(
    span: Span, op: str, left: str, right: str, notes: tuple[Note, ...] = (), help: str = ""
) -> Diagnostic:
    return Diagnostic("L2O301", f"`{op}` can't join {left} and {right}", span, "sizes do not fit", help, notes)


def vector_product(span: Span) -> Diagnostic:
    return Diagnostic(
        "L2O302", "the product of two vectors is not defined", span, "vector * vector",
        "write `u .* v` for entries, `<u, v>` for the inner product",
    )  # fmt: skip


def bad_operand(span: Span, op: str, found: str, wanted: str, help: str = "") -> Diagnostic:
    return Diagnostic("L2O303", f"{op} needs {wanted}, not {found}", span, found, help)


def matrix_plus_scalar(span: Span, op: str) -> Diagnostic:
    return Diagnostic(
        "L2O304",
        "a scalar is not added to a matrix",
        span,
        "matrix and scalar",
        f"write `{op} eps*I` for a multiple of the identity",
    )


def wrong_value_type(span: Span, name: str, space: str, found: str, declared: Span | None) -> Diagnostic:
    notes = ((declared, "declared here"),) if declared else ()
    return Diagnostic("L2O305", f"`{name}` lies in {space}, the value is {found}", span, f"this is {found}", "", notes)


def wrong_count(span: Span, what: str, wanted: str, found: int) -> Diagnostic:
    return Diagnostic("L2O306", f"{what} takes {wanted}, not {found}", span, "", "")


def unknown_space(span: Span, text: str, meant: str | None) -> Diagnostic:
    return Diagnostic(
        "L2O307", f"`{text}` is no space", span, "unknown space",
        _did_you_mean(meant) or "spaces are `R`, `R^n`, `R^(m, n)`, `diag(n)` and `sym(n)`",
    )  # fmt: skip


def bad_size(span: Span) -> Diagnostic:
    return Diagnostic("L2O308", "a size is an integer, a name, or a sum and product of these", span, "no size", "")


def no_prox(span: Span, fn: str, metric: str) -> Diagnostic:
    return Diagnostic(
        "L2O309", f"`prox_{fn}` has no closed form in a metric from {metric}", span, "it mixes the coordinates",
        "the metric of a prox is a scalar or lies in `diag(n)`",
    )  # fmt: skip


def not_smooth(span: Span, op: str, fn: str, has: str, needs: str, declared: Span) -> Diagnostic:
    return Diagnostic(
        "L2O310", f"`{op} {fn}` needs a function declared `{needs}`", span, f"`{fn}` is {has}",
        f"declare `{fn}` as `{needs}`", ((declared, "declared here"),),
    )  # fmt: skip


def not_a_value(span: Span, name: str, what: str, help: str) -> Diagnostic:
    return Diagnostic("L2O311", f"`{name}` is {what}, not a value", span, "", help)


def power_needs_number(span: Span) -> Diagnostic:
    return Diagnostic(
        "L2O312", "`^` raises a scalar to a scalar", span, "", "write `v .^ 2` for the squares of entries"
    )


def wrong_space(span: Span, name: str, found: str, wanted: str, why: str, help: str = "") -> Diagnostic:
    return Diagnostic("L2O313", f"`{name}` lies in {found}, not in {wanted}", span, why, help)


def unbound_size(span: Span, size: str, help: str) -> Diagnostic:
    return Diagnostic("L2O314", f"nothing says how large `{size}` is", span, "this size", help)


def comparison_as_value(span: Span) -> Diagnostic:
    help = "comparisons stand in facts (`with 0 < P < 2/L`) and in `where(a > b, u, v)`"
    return Diagnostic("L2O315", "a comparison is not a value", span, "a condition", help)


def number_too_large(span: Span) -> Diagnostic:
    return Diagnostic("L2O316", "this number has no place in a float", span, "too large, or too long")


# ---- 4xx: facts and ranges -------------------------------------------------------------------------


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
    )  # fmt: skip


def unproved_fact(span: Span, name: str) -> Diagnostic:
    return Diagnostic(
        "L2O412", f"this fact does not follow from the formula of `{name}`", span, "not proved",
        f"`{name}` is computed, nothing enforces it: declare what the formula is made of (`lam > 0`), or remove the fact",
    )  # fmt: skip


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


# ---- 5xx: convergence structure and problems -------------------------------------------------------


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


def unknown_sign(span: Span, fn: str, help: str) -> Diagnostic:
    return Diagnostic("L2O511", f"the coefficient of `{fn}` is not proved positive", span, "convex only if it is", help)


def implicit_form(span: Span, help: str) -> Diagnostic:
    return Diagnostic("L2O512", "this implicit rule can't be read", span, "", help)


def safeguard_needs(span: Span, what: str) -> Diagnostic:
    return Diagnostic("L2O513", f"this safeguard needs {what}", span, "", "remove it, or declare `f(x) : convex, smooth(L)`")


def only_checked(span: Span, why: str) -> Diagnostic:
    return Diagnostic("L2O514", f"this can be checked, not compiled: {why}", span, "", "")


# ---- 6xx: training and data ------------------------------------------------------------------------


def unknown_setting(span: Span, word: str, meant: str | None, known: list[str]) -> Diagnostic:
    help = _did_you_mean(meant) or f"settings are {', '.join(known)}"
    return Diagnostic("L2O601", f"`train` has no setting `{word}`", span, "unknown setting", help)


def bad_setting(span: Span, word: str, wanted: str, meant: str | None = None) -> Diagnostic:
    return Diagnostic("L2O602", f"`{word}` takes {wanted}", span, "", _did_you_mean(meant))


def unknown_law(span: Span, word: str, meant: str | None, known: list[str]) -> Diagnostic:
    help = _did_you_mean(meant) or f"known: {', '.join(known)}"
    return Diagnostic("L2O603", f"no distribution is called `{word}`", span, "unknown", help)


def unknown_claim(span: Span, word: str, meant: str | None, known: list[str], what: str) -> Diagnostic:
    help = _did_you_mean(meant) or f"{what}s are {', '.join(known)}"
    return Diagnostic("L2O604", f"`{word}` is no {what}", span, "", help)


def data_not_sampled(span: Span, name: str) -> Diagnostic:
    help = f"add a line `{name} ~ …` or `{name} = …` to `sample`"
    return Diagnostic("L2O605", f"`{name}` is never drawn", span, "declared here", help)


def problem_misfit(span: Span, problem: str, why: str, notes: tuple[Note, ...] = ()) -> Diagnostic:
    return Diagnostic("L2O606", f"problem `{problem}` does not fit: {why}", span, "", "", notes)


def duplicate_setting(span: Span, word: str, first: Span) -> Diagnostic:
    return Diagnostic("L2O607", f"`{word}` is set twice", span, "again here", "keep one", ((first, "first set here"),))


def settings_clash(span: Span, message: str, other: Span, help: str) -> Diagnostic:
    return Diagnostic("L2O608", message, span, "", help, ((other, "set here"),))
