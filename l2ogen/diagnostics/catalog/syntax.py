"""1xx: the text is not in the language."""

from __future__ import annotations

from unicodedata import combining

from ...source import Span
from ..model import Diagnostic, Note, did_you_mean, replacement


def stray_character(span: Span, text: str, hint: str) -> Diagnostic:
    shown = f"`{text}`" if text.isprintable() and text[0] != "�" and not combining(text[0]) else f"U+{ord(text[0]):04X}"
    return Diagnostic("L2O100", f"{shown} is not part of the language", span, "this character", hint)


def misspelled_keyword(span: Span, word: str, meant: str) -> Diagnostic:
    return Diagnostic(
        "L2O101",
        f"`{word}` is no keyword",
        span,
        "misspelled?",
        did_you_mean(meant),
        fix=replacement(span, word, meant),
    )


def juxtaposition(span: Span, left: str, right: str) -> Diagnostic:
    return Diagnostic("L2O102", "two values side by side", span, "an operator is missing", f"write `{left}*{right}`")


def never_closed(span: Span, opener: str, closer: str, notes: tuple[Note, ...] = ()) -> Diagnostic:
    return Diagnostic(
        "L2O103", f"`{opener}` is never closed", span, "opened here", f"add the missing `{closer}`", notes
    )


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
    help = did_you_mean(meant) or (f"a line of `{block}` looks like `{example}`" if example else "")
    if not help:
        help = "a file holds `problem`, `networks`, `parameters`, `state`, `update`, `expect`, `train` blocks"
    return Diagnostic(
        "L2O109", f"{where} begins with `{text}`", span, "unexpected", help, fix=replacement(span, text, meant)
    )


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


def not_text(span: Span) -> Diagnostic:
    return Diagnostic(
        "L2O124", "this is no text file", span, "a character of no text", "save it as plain text, in UTF-8"
    )


def wrong_bracket(span: Span, text: str, meant: str, opener: Note | None) -> Diagnostic:
    return Diagnostic(
        "L2O122", f"`{text}` stands where `{meant}` belongs", span, "another bracket", f"write `{meant}`",
        (opener,) if opener is not None else (), fix=(span, meant),
    )  # fmt: skip


def missing_header(span: Span, keyword: str, brace: bool) -> Diagnostic:
    header = keyword if brace else f"{keyword} {{"
    return Diagnostic(
        "L2O123", "these lines stand in no block", span, "the block's header is missing above",
        f"write `{header}` before them",
    )  # fmt: skip
