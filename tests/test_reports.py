"""`check --report`: Markdown and LaTeX say the same; formulas are real; what "exactly if" needs is printed."""
from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_latex import check, formulas

import l2ogen
from l2ogen import pipeline
from l2ogen.analysis.report import Report, TargetReport, document, examine, markdown
from l2ogen.backends.latex import document as latex
from l2ogen.backends.latex.verdicts import Verdicts
from l2ogen.cli import main
from l2ogen.core import ir
from l2ogen.source import Source

ROOT = Path(__file__).resolve().parent.parent
COUPLING, THRESHOLD = "W1_k*A + W2_k - I -> 0", "theta_k -> 0"
SPECS = sorted(p.stem for p in (ROOT / "specs").glob("*.l2o"))


@cache
def reports(name: str) -> list[Report]:
    """Of a shipped spec and its variants."""
    programs = [c.program for c in pipeline.check_all(l2ogen.load(name).checked.source)]
    return [examine(p) for p in programs if isinstance(p, ir.Algorithm)]


def style(name: str) -> Verdicts:
    return Verdicts(reports(name)[0].program.tree)


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


# ---- Markdown --------------------------------------------------------------------------------------
def test_the_document_holds_the_verdicts(tmp_path: Path) -> None:
    file = tmp_path / "verdicts.md"
    code, output = run("check", "lista", "pba12", "--report", file)
    text = file.read_text()
    assert code == 0 and output.endswith(f"wrote {file}\n")
    assert text.startswith("# Verdicts\n\n## LISTA: recovery of x from b = A\\*x, without noise\n")
    assert "| fixed point | conditional | exactly if what stands below holds |" in text
    assert f"- `{COUPLING}`\n- `{THRESHOLD}`\n" in text and "| P2 | `B*P` |" in text and "### What to change" in text
    for name in ("lista", "pba12"):
        for found in (t.fixed_point for report in reports(name) for t in report.targets):
            assert f"| fixed point | {found.verdict} |" in text
            assert all(f"- `{o}`" in text for o in found.obligations)


def test_a_bar_does_not_end_a_cell(tmp_path: Path) -> None:
    run("check", "l2o_pa", "pba12:A", "--report", tmp_path / "v.md")
    lines = [line for line in (tmp_path / "v.md").read_text().splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in lines} <= {3, 4}


def test_a_document_is_a_new_file(tmp_path: Path) -> None:
    file = tmp_path / "verdicts.md"
    file.write_text("mine")
    assert run("check", "ista", "--report", file)[0] == 2 and file.read_text() == "mine"
    assert run("check", "ista", "--json", "--report", tmp_path / "new.md")[0] == 2
    code, _ = run("check", "lasso", "--report", tmp_path / "new.md")
    assert code == 0 and not (tmp_path / "new.md").exists()


# ---- LaTeX -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SPECS)
def test_latex_says_what_markdown_says(name: str) -> None:
    """Valid; as many headings, items and rows, the same verdicts; obligations and normal forms are formulas."""
    for report in reports(name):
        made, plain = document(report, Verdicts(report.program.tree)), markdown(report)
        check(made.replace(" & ", " "))
        environments = re.findall(r"\\(begin|end)\{(\w+)\}", made)
        assert [e for _, e in environments[::2]] == [e for _, e in environments[1::2]]
        assert "texttt" not in re.sub(r"texttt\{coercive\}", "", made), "code that is no formula"
        heads = plain.count("\n## ") + plain.startswith("## ")
        assert made.count("\\section*") == heads and made.count("\\subsection*") == plain.count("\n### ")
        assert made.count("\\item ") == plain.count("\n- ") and made.count(" \\\\\n") == plain.count("\n| ") - plain.count("\n| ---")
        verdicts = re.findall(r"(?:&|\|) (proved|conditional|unknown|refuted) (?:&|\|)", made + plain)
        assert verdicts[: len(verdicts) // 2] == verdicts[len(verdicts) // 2 :]
        for t in report.targets:
            parts = [*t.fixed_point.obligations, *(t.form.texts().values() if t.form is not None else ())]
            for part in parts:
                assert Verdicts(report.program.tree).math(part) is not None, part


@pytest.mark.parametrize(("name", "text", "made"), [
    ("lista", COUPLING, r"W_{1,k} A + W_{2,k} - I \to 0"),
    ("lista", "W1_k - theta_k/lam*A' -> 0", r"W_{1,k} - \frac{\theta_k}{\lambda} A^{\top} \to 0"),
    ("lista", "W1_k*A*x* + W1_k*e* - x*", "W_{1,k} A x^* + W_{1,k} e^* - x^*"),
    ("l2o_dm", "-1/10*elu(…)2 -> 0", r"-\frac{1}{10} \operatorname{elu}_2(\cdots) \to 0"),
    ("l2o_pa_certified", "p+", "p_{k+1}"),
    ("pba12", "B*P*grad f(x* + o(y)) - b1", r"B_k P_k \nabla f(x^* + o(y_k)) - b_{1,k}"),
    ("fista", "|x_0 - x*|^2/(2P_) < Max(1, L)", r"\frac{|x_0 - x^*|^2}{2 P_-} < \max\{1, L\}"),
    ("fista", "a denominator is positive", None),
])  # fmt: skip
def test_formulas_of_the_checker(name: str, text: str, made: str | None) -> None:
    assert style(name).math(text) == made


@pytest.mark.parametrize(("name", "text", "made"), [
    ("l2o_pa", "P passes 1/L (0.002 <= L*P <= 1.998): with momentum the certificate needs L*P*(1 + |A|) < 2",
     r"$P$ passes $\frac{1}{L}$ ($0.002 \leq L P \leq 1.998$): with momentum the certificate needs $L P (1 + |A|) < 2$"),
    ("lista", "a threshold that no r is named for, 100% of a_b", r"a threshold that no $r$ is named for, 100\% of $a_b$"),
    ("lista", "`phi` has no biases: `theta_k`, `{`", r"$\phi$ has no biases: $\theta_k$, \texttt{\{}"),
])  # fmt: skip
def test_sentences(name: str, text: str, made: str) -> None:
    assert style(name).sentence(text) == made


def test_the_latex_document(tmp_path: Path) -> None:
    """A whole document, which any LaTeX sets."""
    file = tmp_path / "verdicts.tex"
    code, output = run("check", "lista", "pba12", "--report", file)
    text = file.read_text("utf-8")
    assert code == 0 and output.endswith(f"wrote {file}\n")
    assert text.startswith(r"\documentclass{article}") and text.endswith("\\end{document}\n")
    assert text.count(r"\section*") == 14 and r"$W_{1,k} A + W_{2,k} - I \to 0$" in [f"${f}$" for f in formulas(text)]
    assert text == latex.document(document(r, Verdicts(r.program.tree)) for n in ("lista", "pba12") for r in reports(n))


@pytest.mark.parametrize("option", ["--report", "--fix"])
def test_a_place_that_can_not_be_written_is_one_message(tmp_path: Path, option: str) -> None:
    (tmp_path / "file").write_text("")
    code, output = run("check", "lista", option, tmp_path / "file" / "new.tex")
    assert code == 2 and output.count("Error") == 1 and "can't be written" in output


# ---- hypotheses ------------------------------------------------------------------------------------
AMPLITUDES = "x* may be t*e_i for each coordinate i, with two different amplitudes t > 0"
SCALED = "with every x* the class holds t*x* for 0 < t < 1"
WEIGHT, ANY = "lam > 0", "b may be any vector, with this A and lam"
COLUMNS = "the columns a_i of A have |a_j'*a_i| < ||a_i||_2^2 for all j other than i"


def target(report: Report, name: str) -> TargetReport:
    return next(t for t in report.targets if t.model.target == name)


@pytest.mark.parametrize(("name", "goal", "assumes"), [
    ("lista", "recovery", [AMPLITUDES]),
    ("lista", "minimizer", [WEIGHT, ANY, COLUMNS, "W1_k and theta_k are bounded in k, which the tail makes sure of"]),
    ("lista_ss", "recovery", [AMPLITUDES, SCALED]),
    ("lista_cpss", "recovery", [AMPLITUDES, SCALED]),
    ("ada_lista", "minimizer",
     [ANY, COLUMNS, "gamma_k and theta_k are bounded in k, which the tail makes sure of"]),
    ("hyperlista", "recovery", []), ("lista_ss", "minimizer", []), ("pba12", "minimizer", []), ("fista", "minimizer", []),
])  # fmt: skip
def test_hypotheses(name: str, goal: str, assumes: list[str]) -> None:
    """lam > 0 is no hypothesis where the file says it; nothing is assumed of verdicts that claim nothing."""
    found = target(reports(name)[0], goal)
    assert found.fixed_point.assumes == assumes == found.as_dict()["fixed_point"]["assumes"]


def made(text: str) -> Report:
    checked = pipeline.check(Source("rule.l2o", text))
    assert isinstance(checked.program, ir.Algorithm), checked.diagnostics
    return examine(checked.program)


LASSO_RULE = """algorithm T
problem {{ data {{ shared A in R^(m, n); b in R^m }}; recover x from b = A*x : sparse(x) }}
parameters {{ learned W_k in R^(n, m){0}; learned theta_k in R init 0.1 with theta_k >= 0{0} }}
state {{ x in R^n = 0 }}
update {{ x+ = soft(x + W_k*(b - A*x), theta_k) }}"""


def test_boundedness_is_assumed_where_nothing_makes_sure_of_it() -> None:
    for tail, ending in (("", ", which the tail makes sure of"), (" tail none", "")):
        found = target(made(LASSO_RULE.format(tail)), "minimizer").fixed_point
        assert found.iff and found.assumes[-1] == f"W_k and theta_k are bounded in k{ending}"


METRIC = """algorithm T
problem {{ r(x) : convex, proximable; minimize r(x) }}
networks {{ phi = lstm(hidden = 4, layers = 1) per coordinate }}
parameters {{ {} }}
state {{ x in R^n = 0 }}
update {{ x+ = x - P*g - b where g in subgrad r(x+) }}"""
BIAS = "predicted b in R^n = phi(x) with b -> 0 like 1/(k + 1)^2"


@pytest.mark.parametrize(("P", "sure"), [
    ("predicted P in diag(n) = phi(x) with P > 0", False), ("predicted P in diag(n) = phi(x) with 0 < P < 2", True),
    ("learned P in diag(n) init 1 with P > 0", True), ("learned P in R init 1 with P > 0", True),
])  # fmt: skip
def test_metrics_whose_condition_may_grow(P: str, sure: bool) -> None:
    """Lemma P2: an argument that only tends to its limit. One that is exact needs nothing."""
    assumes = [] if sure else ["r is a sum of functions of one entry each, or the condition numbers of P are bounded"]
    found = made(METRIC.format(f"{P}; {BIAS}")).targets[0].fixed_point
    assert found.verdict == "proved" and found.assumes == assumes
    exact = made(METRIC.format(P).replace(" - b where", " where")).targets[0].fixed_point
    assert exact.verdict == "proved" and not exact.assumes


def test_hypotheses_are_printed(tmp_path: Path) -> None:
    file = tmp_path / "verdicts.md"
    _, output = run("check", "lista", "--report", file)
    assert all(f"assuming     {a}" in output for a in (AMPLITUDES, WEIGHT, COLUMNS))
    text = file.read_text("utf-8")
    assert text.count("The fixed point assumes:") == 6 and "- lam > 0\n" in text and r"|a_j" not in text.replace(r"|a\_j", "")
