"""6xx: training, data and expectations."""

from __future__ import annotations

from ...source import Span
from ..model import Diagnostic, Note, did_you_mean, replacement
from ..suggest import ADVICE


def unknown_setting(span: Span, word: str, meant: str | None, known: list[str]) -> Diagnostic:
    help = ADVICE.get(word) or did_you_mean(meant) or f"settings are {', '.join(known)}"
    return Diagnostic(
        "L2O601", f"`train` has no setting `{word}`", span, "unknown setting", help, fix=replacement(span, word, meant)
    )


def bad_setting(span: Span, word: str, wanted: str, meant: str | None = None) -> Diagnostic:
    return Diagnostic("L2O602", f"`{word}` takes {wanted}", span, "", did_you_mean(meant))


def unknown_law(span: Span, word: str, meant: str | None, known: list[str]) -> Diagnostic:
    help = did_you_mean(meant) or f"known: {', '.join(known)}"
    return Diagnostic(
        "L2O603", f"no distribution is called `{word}`", span, "unknown", help, fix=replacement(span, word, meant)
    )


def unknown_claim(span: Span, word: str, meant: str | None, known: list[str], what: str) -> Diagnostic:
    help = did_you_mean(meant) or f"{what}s are {', '.join(known)}"
    return Diagnostic("L2O604", f"`{word}` is no {what}", span, "", help, fix=replacement(span, word, meant))


def data_not_sampled(span: Span, name: str) -> Diagnostic:
    help = f"add a line `{name} ~ …` or `{name} = …` to `sample`"
    return Diagnostic("L2O605", f"`{name}` is never drawn", span, "declared here", help)


def problem_misfit(span: Span, problem: str, why: str, notes: tuple[Note, ...] = ()) -> Diagnostic:
    return Diagnostic("L2O606", f"problem `{problem}` does not fit: {why}", span, "", "", notes)


def duplicate_setting(span: Span, word: str, first: Span) -> Diagnostic:
    return Diagnostic("L2O607", f"`{word}` is set twice", span, "again here", "keep one", ((first, "first set here"),))


def settings_clash(span: Span, message: str, other: Span, help: str) -> Diagnostic:
    return Diagnostic("L2O608", message, span, "", help, ((other, "set here"),))
