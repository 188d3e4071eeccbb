"""Every mistake that l2ogen can name, and what it says about it.

`bad/NAME.l2o` holds one mistake, `bad/NAME.expected` all that `l2ogen check` prints about it and the exit code;
`bad/NAME.rule` is a bare rule, for `check -e`. After a change of wording, rewrite the expected files and read the diff:

    L2OGEN_REWRITE=1 .venv/bin/python -m pytest tests/test_diagnostics.py
"""

from __future__ import annotations

import difflib
import inspect
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from l2ogen import pipeline
from l2ogen.cli import main
from l2ogen.diagnostics import Diagnostic, catalog, render
from l2ogen.source import Source, Span

ROOT = Path(__file__).resolve().parent.parent
BAD = ROOT / "tests" / "bad"
EXAMPLES = sorted(p for p in BAD.iterdir() if p.suffix in (".l2o", ".rule"))
SPECS = sorted((ROOT / "specs").rglob("*.l2o"))
REWRITE = bool(os.environ.get("L2OGEN_REWRITE"))
LIBRARY = pipeline.Library()


def output(path: Path) -> str:
    """What `l2ogen check` prints, and its exit code."""
    named = [path.relative_to(ROOT).as_posix()] if path.suffix == ".l2o" else ["-e", path.read_text("utf-8").strip()]
    command = "compile" if path.stem.startswith("L2O514") else "check"  # what is right to check, but not to compile
    if path.stem.startswith("L2O226"):
        named[0] += ":PB"
    result = CliRunner().invoke(main, [command, *named])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return f"{result.output}exit code {int(result.exit_code)}\n"


def codes(text: str) -> list[str]:
    """Codes of the diagnostics in a text, in order."""
    return re.findall(r"^(?:error|warning)\[(L2O\d+)\]", text, re.MULTILINE)


def found(text: str) -> list[str]:
    """Codes of the mistakes in a spec, in the order of the text."""
    return [d.code for d in pipeline.check(Source("spec.l2o", text), LIBRARY).diagnostics]


def constructors() -> dict[str, str]:
    """Catalog function -> its code."""
    functions = [f for _, f in inspect.getmembers(catalog, inspect.isfunction) if f.__module__.startswith(catalog.__name__)]
    public = [f for f in functions if not f.__name__.startswith("_")]
    found = {f.__name__: re.findall(r'"(L2O\d{3})"', inspect.getsource(f)) for f in public}
    assert all(len(c) == 1 for c in found.values()), found
    return {name: c[0] for name, c in found.items()}


# ---- bad examples ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_bad_example(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text, pinned = output(path), path.with_suffix(".expected")
    if REWRITE:
        pinned.write_text(text, encoding="utf-8")
    old = pinned.read_text(encoding="utf-8") if pinned.exists() else ""
    diff = difflib.unified_diff(old.splitlines(True), text.splitlines(True), pinned.name, "now")
    assert text == old, "\n" + "".join(diff)
    assert codes(text) == [path.name[:6]], "one mistake, one diagnostic, the code of the file's name"


def test_every_expected_file_has_an_example() -> None:
    assert {p.stem for p in BAD.glob("*.expected")} == {p.stem for p in EXAMPLES}


def test_codes_are_unique() -> None:
    used = list(constructors().values())
    assert len(used) == len(set(used))


def test_every_code_has_an_example() -> None:
    shown = {code for p in BAD.glob("*.expected") for code in codes(p.read_text(encoding="utf-8"))}
    assert {name for name, code in constructors().items() if code not in shown} == set()


def test_the_exit_code_says_whether_there_are_errors() -> None:
    for p in BAD.glob("*.expected"):
        text = p.read_text(encoding="utf-8")
        assert ("exit code 1" in text) == ("error[" in text), p.name


# ---- all mistakes at once ----------------------------------------------------------------------------

FIVE = """\
algorithm ISTA

problem {
  f(x) : convex, smoth(L)
  r(x) : convex, proximable
  minimize f(x) + r(x)
}
parameters {
  learned theta_k in R init -1 with theta_k >= 0
  fixed alpha in R^n n = 1/L
}
state { x in R^n = 0 }
update {
  v = x*x
  x+ = prox_r,theta_k(v - alpha.*grad f(x))
}
train { on lasso; stepz 3 }
"""


def test_five_independent_mistakes_are_five_diagnostics() -> None:
    assert found(FIVE) == ["L2O217", "L2O403", "L2O108", "L2O302", "L2O601"]


def test_each_line_is_checked_whatever_the_others_hold() -> None:
    """Three lines, three kinds of mistakes: one that does not parse, one of names, one of types."""
    lines = {"x+ = A x": "L2O102", "y+ = gard f(x)": "L2O201", "z+ = x*x": "L2O302"}
    problem = "problem { data { A in R^(n, n) }; f(x) : convex, smooth(L); minimize f(x) }"
    for order in (list(lines), list(lines)[::-1]):
        body = "\n".join(order)
        text = f"algorithm T\n{problem}\nstate {{ x, y, z in R^n = 0 }}\nupdate {{\n{body}\n}}\n"
        assert found(text) == [lines[line] for line in order]


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_shipped_specs_have_no_mistakes(path: Path) -> None:
    assert pipeline.check(Source.read(path)).diagnostics == ()


def test_a_missing_declaration_is_one_mistake_however_often_the_name_is_used() -> None:
    text = (ROOT / "specs/l2o_pa.l2o").read_text("utf-8")
    assert found(text.replace("x+ + A*(x+ - x)", "qqq + x+ + qqq*(x+ - x)")) == ["L2O201"]


def test_names_in_a_broken_line_count_as_used_and_declared() -> None:
    text = (ROOT / "specs/l2o_pa.l2o").read_text("utf-8")
    assert found(text.replace("state { x, y in R^n = 0 }", "state { x, y : R^n = 0 }")) == ["L2O108"]
    assert found(text.replace("y+ = x+ + A*(x+ - x)", "y+ = x+ + A**")) == ["L2O110"]


# ---- accepted -----------------------------------------------------------------------------------------

HEAVY_BALL = """\
algorithm HeavyBall
problem {
  f(x) : convex, smooth(L)
  minimize f(x)
}
parameters { learned beta_k in R init 0.9 with 0 <= beta_k < 1 tail repeat last; fixed alpha_k in R = 1/(L*(k + 1)) }
state { x, x_prev in R^n = 0 }
update {
  step = alpha_k*grad f(x)
  x+ = x - step + beta_k*(x - x_prev)
  x_prev+ = x
}
"""
LETS = """\
algorithm Lets
problem { f(x) : convex, smooth(L); minimize f(x) }
networks { phi = lstm(hidden = 4) per coordinate }
parameters { predicted P in diag(n) = phi(g, x) with 0 < P < 2/L }
state { x in R^n = 0 }
update {
  g = grad f(x)
  x+ = x - P*g
}
"""
LISTA = (ROOT / "specs/lista.l2o").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", [
    HEAVY_BALL,
    LETS,
    LISTA.replace("init A'/||A||_2^2", "init 2*A'*0.5*A*A'"),
    LISTA.replace("I - A'*A/||A||_2^2", "0.5*I"),
    LISTA.replace("x = 0", "x = b'*b").replace("state { x in R^n = 0 }", "state { x in R^n = A'*b }"),
    LISTA.replace("theta_k in R ", "theta_k in R^n "),
    LISTA.replace("theta_k", "λ_k"),
    HEAVY_BALL.replace("state { x, x_prev in R^n = 0 }", "state { x, x_prev in R^d = 0 }"),
    HEAVY_BALL.replace("state { x, x_prev in R^n = 0 }", "state { x, x_prev in R^n }"),
])  # fmt: skip
def test_accepted(text: str) -> None:
    checked = pipeline.check(Source("spec.l2o", text), LIBRARY)
    assert checked.diagnostics == (), render(checked.diagnostics, checked.source)


# ---- refused: one thing changed in a right spec -------------------------------------------------------


@pytest.mark.parametrize(("text", "old", "new", "code"), [
    (HEAVY_BALL, "x_prev in R^n", "x_prev in R^n = 0; z in R^n", "L2O206"),
    (HEAVY_BALL, "x - x_prev)", "x+ - x_prev)", "L2O204"),
    (HEAVY_BALL, "0 <= beta_k < 1", "0 <= beta_k > 1", "L2O404"),
    (HEAVY_BALL, "0 <= beta_k < 1", "1 < beta_k < 1", "L2O402"),
    (HEAVY_BALL, "0 <= beta_k < 1", "beta_k > 1, beta_k < 0", "L2O402"),
    (HEAVY_BALL, "0 <= beta_k < 1", "0 <= beta_k < x", "L2O303"),
    (HEAVY_BALL, "step = alpha_k*grad f(x)", "step = alpha_k*grad f(x); step = x", "L2O207"),
    (HEAVY_BALL, "step = alpha_k*grad f(x)", "k = alpha_k; step = k*grad f(x)", "L2O208"),
    (HEAVY_BALL, "beta_k in R ", "beta_k in R^(n, n) ", "L2O404"),
    (HEAVY_BALL, "1/(L*(k + 1))", "x_prev", "L2O407"),
    (HEAVY_BALL, "init 0.9", "init k", "L2O407"),
    (HEAVY_BALL, "init 0.9", "init 1/L", "L2O407"),
    (LETS, "phi(g, x)", "phi(x+)", "L2O204"),
    (LETS, "phi(g, x)", "phi()", "L2O306"),
    (LETS, "predicted P in diag(n)", "predicted P in diag(m)", "L2O314"),
    (LETS, "phi(g, x)", "psi(g, x)", "L2O201"),
    (LETS, "0 < P < 2/L", "0 < P < 2/L, 0 < g", "L2O401"),
    (LETS, "g = grad f(x)", "x_k = grad f(x)", "L2O201"),
    (LETS, "minimize f(x)", "minimize f(x); minimize f(x)", "L2O116"),
    (LETS, "minimize f(x)", "minimize f(z)", "L2O214"),
    (LISTA, "sparse(x)", "sprase(x)", "L2O217"),
    (LISTA, "b = A*x", "b = A'*x", "L2O301"),
    (LISTA, "b in R^m", "b in R^n", "L2O305"),
])  # fmt: skip
def test_refused(text: str, old: str, new: str, code: str) -> None:
    assert text.count(old) >= 1
    checked = pipeline.check(Source("spec.l2o", text.replace(old, new, 1)), LIBRARY)
    assert code in [d.code for d in checked.diagnostics], render(checked.diagnostics, checked.source)
    assert not checked.ok


# ---- where a diagnostic points ------------------------------------------------------------------------


def underlined(line: str) -> str:
    """The rendered diagnostic about the first `@` of a line."""
    source = Source("t.l2o", line)
    start = line.index("@")
    return render([Diagnostic("L2O100", "m", Span(start, start + 1), "here")], source)


@pytest.mark.parametrize(("line", "column"), [
    ("x @", 3), ("θ_k @", 5), ("\t@", 2), ("a\t@", 3), ("漢 @", 3), ("e\u0301 @", 4),
])  # fmt: skip
def test_the_underline_stands_below_the_characters(line: str, column: int) -> None:
    text = underlined(line)
    assert f"t.l2o:1:{column}\n" in text
    shown, marks = text.splitlines()[3:5]
    cells = {"漢": 2, "\u0301": 0}
    before = shown[: shown.index("@")]
    assert sum(cells.get(c, 1) for c in before) == marks.index("^")


def test_long_lines_are_cut_around_the_mistake() -> None:
    text = underlined("x + " * 1000 + "@" + " + x" * 1000)
    assert max(map(len, text.splitlines())) < 200
    shown, marks = text.splitlines()[3:5]
    assert shown.index("@") == marks.index("^")


def test_control_characters_are_not_printed() -> None:
    assert "\x1b" not in underlined("\x1b[31m @") and "\u202e" not in underlined("\u202e @")


def test_spans_point_at_the_name_also_behind_greek_letters_and_tabs() -> None:
    text = LISTA.replace("theta_k", "θ_k").replace("update { x+ = soft", "update {\n\tx+ = soft").replace("θ_k) }", "η_k) }")
    (d,) = pipeline.check(Source("s.l2o", text), LIBRARY).diagnostics
    assert (d.code, text[d.span.start : d.span.end]) == ("L2O201", "η_k")
    line = text[: d.span.start].count("\n") + 1
    keys = d.as_dict(Source("s.l2o", text))
    assert (keys["line"], keys["column"]) == (line, text.split("\n")[line - 1].index("η") + 1)
    assert keys["end_column"] - keys["column"] == 3
