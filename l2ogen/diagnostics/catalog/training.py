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


def data_not_sampled(span: Span, names: list[str]) -> Diagnostic:
    """All at once: one line that loads them may be missing. The span is that of the first."""
    verb = "are" if len(names) > 1 else "is"
    help = f"add a line `{names[0]} ~ …` or `{names[0]} = …` to `sample`"
    shown = ", ".join(f"`{name}`" for name in names)
    return Diagnostic("L2O605", f"{shown} {verb} never drawn", span, "declared here", help)


def problem_misfit(span: Span, problem: str, why: str, notes: tuple[Note, ...] = ()) -> Diagnostic:
    return Diagnostic("L2O606", f"problem `{problem}` does not fit: {why}", span, "", "", notes)


def duplicate_setting(span: Span, word: str, first: Span) -> Diagnostic:
    return Diagnostic("L2O607", f"`{word}` is set twice", span, "again here", "keep one", ((first, "first set here"),))


def settings_clash(span: Span, message: str, other: Span, help: str) -> Diagnostic:
    return Diagnostic("L2O608", message, span, "", help, ((other, "set here"),))


def bad_file_name(span: Span, file: str) -> Diagnostic:
    return Diagnostic(
        "L2O620", f"`{file}` is no data file", span, "", "name an .npz, .npy or .csv file without its folder: "
        "the folder is given when problems are drawn (`folder=`, or the environment variable L2OGEN_DATA)",
    )


def loaded_undeclared(span: Span, name: str, known: list[str]) -> Diagnostic:
    help = f"known: {', '.join(known)}"
    return Diagnostic("L2O621", f"nothing says in which space `{name}` lies", span, "not in `data`", help)


def law_option(span: Span, law: str, known: list[str]) -> Diagnostic:
    wanted = ", ".join(f"`{k} = NUMBER`" for k in known) or "no options"
    return Diagnostic("L2O622", f"`{law}` takes {wanted}", span, "", "")


def shared_from_own(span: Span, name: str, own: str) -> Diagnostic:
    return Diagnostic(
        "L2O624", f"shared `{name}` can't depend on `{own}`, which differs between instances", span, "",
        f"remove `shared` from `{name}`",
    )


def not_kept(span: Span, name: str) -> Diagnostic:
    return Diagnostic(
        "L2O625", f"`{name}` is drawn with the shared data, and gone when instances are drawn", span, "used here",
        f"declare `shared {name}` in `data`",
    )


def no_samples(span: Span, problem: str) -> Diagnostic:
    return Diagnostic(
        "L2O623", f"problem `{problem}` has no `sample` block, so nothing can be trained on it", span, "",
        "add one, or train from Python with problems of your own",
    )
