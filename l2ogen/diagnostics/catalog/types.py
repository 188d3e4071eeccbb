"""3xx: types, spaces and sizes that do not fit."""

from __future__ import annotations

from ...source import Span
from ..model import Diagnostic, Note, did_you_mean


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
        did_you_mean(meant) or "spaces are `R`, `R^n`, `R^(m, n)`, `diag(n)` and `sym(n)`",
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
