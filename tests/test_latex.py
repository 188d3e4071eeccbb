"""Specs as LaTeX: what each says, kept in golden/latex; formulas that are valid and mean what the source means.

After a change of the printer or a new spec, rewrite the golden files and read the diff:

    L2OGEN_REWRITE=1 .venv/bin/python -m pytest tests/test_latex.py
"""

from __future__ import annotations

import difflib
import itertools
import json
import operator
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner
from matplotlib.mathtext import MathTextParser

import l2ogen
from l2ogen.backends.latex import document as latex
from l2ogen.backends.latex.formulas import Formulas
from l2ogen.backends.latex.names import Names
from l2ogen.backends.latex.settings import ESCAPES, prose
from l2ogen.cli import main
from l2ogen.core.operators import CALLS, NOTATION
from l2ogen.source import Source
from l2ogen.syntax import tree as t
from l2ogen.syntax.build import GREEK
from l2ogen.syntax.parser import parse

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden" / "latex"
SPECS = sorted((ROOT / "specs").rglob("*.l2o"))
REWRITE = bool(os.environ.get("L2OGEN_REWRITE"))
MATHTEXT = MathTextParser("path")


def tree(text: str) -> t.File:
    parsed = parse(Source("spec.l2o", text))
    assert not parsed.diagnostics, parsed.diagnostics
    return parsed.tree


def golden(spec: Path) -> Path:
    return (GOLDEN / spec.relative_to(ROOT / "specs")).with_suffix(".tex")


@pytest.mark.parametrize("spec", SPECS, ids=lambda p: p.stem)
def test_golden(spec: Path) -> None:
    made, path = latex.text(tree(spec.read_text("utf-8"))), golden(spec)
    if REWRITE:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made, encoding="utf-8")
    kept = path.read_text("utf-8") if path.exists() else ""
    name = path.relative_to(ROOT).as_posix()
    diff = difflib.unified_diff(kept.splitlines(True), made.splitlines(True), name, "what is printed now")
    assert kept == made, "the docstring says how to rewrite it\n" + "".join(diff)


def test_every_golden_file_has_its_spec() -> None:
    assert set(GOLDEN.rglob("*.tex")) == {golden(spec) for spec in SPECS}


# ---- valid LaTeX -----------------------------------------------------------------------------------


def formulas(text: str) -> Iterator[str]:
    """Every formula of a fragment, without the alignment around it; of cases, each branch and each condition."""
    displays = re.compile(r"\\begin\{align\*\}(.*?)\\end\{align\*\}", re.DOTALL)
    found = [*displays.findall(text), *re.findall(r"(?<!\\)\$(.+?)(?<!\\)\$", displays.sub("", text))]
    cases = re.compile(r"\\begin\{cases\}((?:(?!\\begin).)*?)\\end\{cases\}")
    while found:
        formula = found.pop()
        while match := cases.search(formula):
            found.append(match[1])
            formula = formula.replace(match[0], "c")
        yield from (piece for piece in re.split(r"\\\\\s|&", formula) if piece.strip())


def check(text: str) -> None:
    """Formulas parse, braces balance, and outside formulas no character that means something to TeX stands alone."""
    for formula in formulas(text):
        MATHTEXT.parse(f"${formula.strip()}$")
    plain = re.sub(r"\\[\\{}$&#%_]", "", re.sub(r"^%.*\n", "", text, flags=re.MULTILINE))
    depth = list(itertools.accumulate((c == "{") - (c == "}") for c in plain))
    assert not depth or (min(depth) >= 0 and depth[-1] == 0)
    assert plain.count(r"\left") == plain.count(r"\right") and plain.count(r"\begin") == plain.count(r"\end")
    prose = re.sub(r"\\begin\{align\*\}.*?\\end\{align\*\}|\$.*?\$", "", plain, flags=re.DOTALL)
    assert not re.search(r"[_^$&#%~<>|]", prose), prose
    assert prose.isascii()


SINK = r"""algorithm Sink_hole
"Tests 50% of `odd_1` things: a_b & ∇f ≤ 2^3 {x} #1 ~ \ $5 <|> θ."

problem {
  data { shared A in R^(m, n); b in R^m; Q in sym(n) with 0 < Q <= L }
  f(x) : convex, smooth(L), strongly_convex(mu)
  r(x) : convex, proximable
  minimize f(x) + r(x)
}
networks { phi = any(C); psi = mlp(hidden = 3, start = zero) per coordinate }
parameters {
  learned theta_k in R init 0.1/||A||_2^2 with theta_k >= 0, theta_k -> 0 like 0.9^k tail decay(0.9)
  learned lam, eps in R init 1 with bounded(2)
  learned c1, rate in R tail repeat last
  fixed beta_k in R = 1/(k + 1) tail none
  predicted P in diag(n), d in R^n = phi(x, grad f(x)) with 0 < P < 2*0.9/L, margin(0)
}
state { x, y, x_prev in R^n; t in R = 1 }
update {
  u, w = psi(x, grad f(y))
  g = subgrad r(x)
  x+ = x - (g + w) where h in subgrad r(x+)
  y+ = where(<x - y, y> > 0, x, where(x < y, 1, x/2))
  t+ = max(||x/2||_inf*||A||_F, ||x||_0)*t*rate - c1*lam/eps
  x_prev+ = a_rather_long_name + a_rather_long_name + a_rather_long_name + a_rather_long_name + q where q in subgrad r(x+)
}
safeguard deviation(delta = 0.05)
expect { fixed_point proved; convergence unknown }
train { on lasso(m = 3); loss F(x); optimizer adam(rate = 1e-2) }

variant V_1 of Sink_hole {
  "Without `w`: 100% less."
  phi = lstm(hidden = 2) per coordinate
  theta_k with theta_k > 0 tail repeat last
  rate tail none
  x+ = x - g
  fixed c1 in R = 2 with c1 > 0
  parameters { fixed eps in R = 1 }
  expect { fixed_point refuted }
  safeguard descent
}
"""


@pytest.mark.parametrize("text", [SINK, *(spec.read_text("utf-8") for spec in SPECS)], ids=["SINK", *(p.stem for p in SPECS)])
def test_valid(text: str) -> None:
    made = latex.text(tree(text))
    check(made)
    check(latex.rule(tree(text)))


def test_every_statement_is_shown() -> None:
    """Each line of SINK, found in its LaTeX."""
    made = latex.text(tree(SINK))
    for expected in (
        r"\paragraph{Sink\_hole} Tests 50\% of \texttt{odd\_1} things: a\_b \& $\nabla$f $\leq$ 2\textasciicircum{}3 \{x\} \#1",
        r"$f$ is convex and $L$-smooth and $\mu$-strongly convex; $r$ is convex and proximable",
        r"Data: shared $A \in \mathbb{R}^{m \times n}$; $b \in \mathbb{R}^m$; $Q \in \mathbb{S}^n$, with $0 \prec Q \preceq L$.",
        r"$\phi$ is any map (C)", r"$\psi$ is a multilayer perceptron (hidden = 3, start = zero), the same for every coordinate",
        r"learned $\theta_k \in \mathbb{R}$, initially $\theta_k = 0.1/\|A\|_2^2$, with $\theta_k \geq 0$, $\theta_k \to 0$, "
        r"$|\theta_k| \leq 0.9^k$, $\operatorname{decay}(0.9)$ after the last layer",
        r"learned $\lambda, \varepsilon \in \mathbb{R}$, initially $\lambda = \varepsilon = 1$, with $\operatorname{bounded}(2)$",
        r"learned $c_1, \mathrm{rate} \in \mathbb{R}$, the last one repeated after the last layer",
        r"fixed $\beta_k = 1/(k + 1) \in \mathbb{R}$, none after the last layer",
        r"predicted $P_k \in \operatorname{diag}(n)$, $d_k \in \mathbb{R}^n$, $(P_k, d_k) = \phi(x_k, \nabla f(x_k))$, "
        r"with $0 < P_k < 2 \cdot 0.9/L$, $\operatorname{margin}(0)$",
        r"Start: $x_0, y_0, x_{\mathrm{prev},0} \in \mathbb{R}^n$; $t_0 = 1 \in \mathbb{R}$.",
        r"(u_k, w_k) &= \psi(x_k, \nabla f(y_k)) \\", r"g_k &\in \partial r(x_k) \\",
        r"x_{k+1} &= x_k - (g_k + w_k), \quad h_{k+1} \in \partial r(x_{k+1}) \\",
        r"+ q_{k+1}, \\" + "\n" + r"  &\quad q_{k+1} \in \partial r(x_{k+1})",
        r"Safeguard: \texttt{deviation(delta = 0.05)}.", "Expected: fixed point proved; convergence unknown.",
        r"Training: \texttt{on lasso(m = 3)}; loss $F(x)$ of the last iterate; \texttt{optimizer adam(rate = 1e-2)}.",
        r"\textbf{V\_1}: Without \texttt{w}: 100\% less; $\phi$ is an LSTM (hidden = 2), the same for every coordinate; "
        r"$\theta_k$ with $\theta_k > 0$, the last one repeated after the last layer; $\mathrm{rate}$, none after the last layer; "
        r"$x_{k+1} = x_k - g_k$; fixed $c_1 = 2 \in \mathbb{R}$, with $c_1 > 0$; fixed $\varepsilon = 1 \in \mathbb{R}$; "
        r"expected: fixed point refuted; safeguard: \texttt{descent}",
    ):  # fmt: skip
        assert expected in made, f"{expected}\nis not in\n{made}"


def test_a_problem_with_all_kinds_of_draws() -> None:
    made = latex.text(tree("problem p\nsample (n = 3) { x_true ~ some_law(n, 1/2), as_it is; b = A'*x_true }\n"))
    check(made)
    assert r"x_{\mathrm{true}} &\sim \operatorname{some-law}\left(n, \frac{1}{2}\right) \quad \text{as\_it is} \\" in made
    assert r"b &= A^{\top} x_{\mathrm{true}}" in made and "Instances ($n = 3$):" in made
    assert "align" not in latex.text(tree("problem p\nsample (n = 3) { }\n"))  # TeX refuses an empty display


# ---- formulas --------------------------------------------------------------------------------------

NO_NAMES = Names(t.File(()))


def formula(text: str, inline: bool = False) -> str:
    parsed = parse(Source("rule", f"v = {text}"), "rule")
    assert not parsed.diagnostics, parsed.diagnostics
    (line,) = parsed.tree.items
    assert isinstance(line, t.Assignment)
    return latex.tidy(Formulas(NO_NAMES, inline=inline)(line.value))


@pytest.mark.parametrize(("source", "expected"), [
    ("a - (b - c)", "a - (b - c)"), ("(a - b) - c", "a - b - c"), ("a + (b + c)", "a + (b + c)"), ("a - -b", "a - (-b)"),
    ("-(a + b)", "-(a + b)"), ("-a*b", "-a b"), ("a*-b", "a (-b)"), ("--a", "-(-a)"), ("(a*b)*c", "a b c"), ("a*(b*c)", "a (b c)"),
    ("2*3", r"2 \cdot 3"), ("a*2", r"a \cdot 2"), ("2*(1/n)", r"2 \cdot \frac{1}{n}"), ("2*a", "2 a"), ("rate*a", r"\mathrm{rate} \, a"),
    ("a*rate", r"a \, \mathrm{rate}"), ("(a + rate)*b", r"(a + \mathrm{rate}) b"), ("(a - b)/(c + d)", r"\frac{a - b}{c + d}"),
    ("a/(b/c)", r"\frac{a}{b/c}"), ("(a/b)^2", r"\left(\frac{a}{b}\right)^2"), ("a/b*c", r"\frac{a}{b} c"), ("a^-b", "a^{-b}"),
    ("(-a)^2", "(-a)^2"), ("-a^2", "-a^2"), ("(a^b)^c", "(a^b)^c"), ("a^(b/2)", "a^{b/2}"), ("A'^2", r"(A^{\top})^2"), ("inv(A)'", r"(A^{-1})^{\top}"),
    ("inv(A'*A)", r"(A^{\top} A)^{-1}"), ("A†*b", r"A^{\dagger} b"), ("pinv(A*B)", r"(A B)^{\dagger}"), ("a .* (b .* c)", r"a \odot (b \odot c)"),
    ("a ./ b", r"a \oslash b"), ("a.^2", r"a^{\odot 2}"), ("||A*x - b||_2^2", r"\|A x - b\|_2^2"), ("||x/2||_inf", r"\left\|\frac{x}{2}\right\|_{\infty}"),
    ("<a, b + c>", r"\langle a, b + c \rangle"), ("sqrt((a + b))", r"\sqrt{a + b}"), ("exp((a/b))", r"\exp\left(\frac{a}{b}\right)"),
    ("max(a, b)", r"\max\{a, b\}"), ("abs(-a)", "|-a|"), ("detach(a + b)*c", "(a + b) c"), ("soft(a + b, c/d)", r"\operatorname{soft}_{c/d}(a + b)"),
    ("clip(a, -1, 1)", r"\operatorname{clip}_{[-1, 1]}(a)"), ("analytic_weight(A)", r"\operatorname{analytic-weight}(A)"),
    ("where(a > 0, b, c)", r"\begin{cases} b & \text{if } a > 0 \\ c & \text{otherwise} \end{cases}"),
    ("2*where(a > 0, b, c)", r"2 \left(\begin{cases} b & \text{if } a > 0 \\ c & \text{otherwise} \end{cases}\right)"),
    ("where(where(a > 0, b, c) > 0, 1, 2)",
     r"\begin{cases} 1 & \text{if } \left(\begin{cases} b & \text{if } a > 0 \\ c & \text{otherwise} \end{cases}\right) > 0 \\ 2 & \text{otherwise} \end{cases}"),
    ("where(a <= b, 1, 2)", r"\begin{cases} 1 & \text{if } a \leq b \\ 2 & \text{otherwise} \end{cases}"),
    ("prox_r,P(v)", r"\operatorname{prox}_{r, P}(v)"), ("prox_{r, a/b}(v)", r"\operatorname{prox}_{r, a/b}(v)"), ("prox(r, P, v)", r"\operatorname{prox}_{r, P}(v)"),
    ("grad f(y)^2", r"(\nabla f(y))^2"), ("stochgrad f(x)", r"\widehat{\nabla} f(x)"), ("phi(x, k + 1)", r"\phi(x, k + 1)"),
    ("1e-2", "10^{-2}"), ("5e-4*x", r"5 \cdot 10^{-4} x"), ("(5e-4)^2", r"(5 \cdot 10^{-4})^2"), (".5", "0.5"), ("1/2*x", r"\frac{1}{2} x"),
])  # fmt: skip
def test_formulas(source: str, expected: str) -> None:
    assert formula(source) == expected
    check(f"${expected}$")


@pytest.mark.parametrize(("source", "expected"), [
    ("a/b*c", "(a/b) c"), ("a*b/c", "a b/c"), ("a/(b*c)", "a/(b c)"), ("(a/b)/c", "a/b/c"), ("a/(b/c)", "a/(b/c)"), ("1/2*x", r"\frac{1}{2} x"),
    ("(a + b)/c", "(a + b)/c"), ("I - A'*A/||A||_2^2", r"I - A^{\top} A/\|A\|_2^2"), ("-2/L", "-2/L"), ("1/(k + 1)^2", "1/(k + 1)^2"),
])  # fmt: skip
def test_formulas_in_a_line_of_text(source: str, expected: str) -> None:
    assert formula(source, inline=True) == expected


def grown(smaller: list[tuple[str, Fraction]]) -> Iterator[tuple[str, Fraction]]:
    """All formulas with one operator more, every operand in parentheses, and their values."""
    yield from ((f"-({a})", -x) for a, x in smaller)
    operations = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
    for (a, x), (b, y) in itertools.product(smaller, repeat=2):
        yield from ((f"({a}){op}({b})", f(x, y)) for op, f in operations.items() if y or op != "/")
    yield from ((f"({a})^2", x**2) for a, x in smaller)


@pytest.mark.parametrize("inline", [False, True])
def test_formulas_that_look_the_same_are_the_same(inline: bool) -> None:
    """All formulas of up to three operators in two levels: equal LaTeX, equal value."""
    leaves = [("a", Fraction(3, 7)), ("2", Fraction(2))]
    level = [*leaves, *grown(leaves)]
    values: dict[str, Fraction] = {}
    for source, value in (*level, *grown(level)):
        assert values.setdefault(formula(source, inline), value) == value, source
    assert len(values) > 1000


@pytest.mark.parametrize("name", CALLS)
def test_every_operator_has_a_notation(name: str) -> None:
    """Every argument has its place, and what is printed is valid."""
    op = CALLS[name]
    assert set(re.findall(r"#(\d)", op.notation.text)) == {str(i + 1) for i in range(op.arity)}
    names = ["x/y", "y", "z"][: op.arity]
    made = formula(f"{name}({', '.join(names)})")
    check(f"${made}$")
    assert all(letter in made for letter in "xyz"[: op.arity])


def test_every_notation_is_used() -> None:
    """What the grammar can write is in the table, and nothing else."""
    sources = ["a + b", "a - b", "-a", "a*b", "a/b", "a .* b", "a ./ b", "a^b", "a.^b", "a'", "a†", "||a||_1", "<a, b>", "prox_r,P(a)"]
    sources += [f"{word} f(a)" for word in ("grad", "subgrad", "stochgrad")]
    assert len({formula(source) for source in sources}) == len(sources) == len(NOTATION) - 1  # "inline /" aside


# ---- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("id", "expected"), [
    ("x", "x"), ("theta", r"\theta"), ("theta_k", r"\theta_k"), ("W1_k", "W_{1,k}"), ("x_true", r"x_{\mathrm{true}}"), ("b12", "b_{12}"),
    ("x_prev_k", r"x_{\mathrm{prev},k}"), ("rate", r"\mathrm{rate}"), ("lam", r"\lambda"), ("eps", r"\varepsilon"), ("Gamma_0", r"\Gamma_0"),
    ("omicron", "o"), ("k", "k"), ("x_i_j", "x_{i,j}"), ("rate2_k", r"\mathrm{rate}_{2,k}"), ("x__a_", "x_a"), ("inf", r"\infty"),
])  # fmt: skip
def test_names(id: str, expected: str) -> None:
    assert NO_NAMES.symbol(id) == expected


def test_iterates_carry_the_iteration() -> None:
    rule = latex.rule(tree("state { x, t in R }\nupdate { M = 2*a; s = u; u = t; x+ = x + M*s*x+; t+ = a*t^2 }\n"))
    assert [line.strip(" \\") for line in rule.splitlines()[1:-1]] == [
        "M &= 2 a", "s_k &= u_k", "u_k &= t_k", "x_{k+1} &= x_k + M s_k x_{k+1}", "t_{k+1} &= a t_k^2",
    ]  # fmt: skip


def test_names_that_would_look_the_same_are_written_out() -> None:
    rule = latex.rule(tree("state { x in R }\nupdate { x+ = lam*lambda + x1*x_1 + theta*theta_k }\n"))
    assert r"\lambda \, \mathrm{lambda} + x_1 \, \mathrm{x\_1} + \theta \theta_k" in rule
    rule = latex.rule(tree("state { x, theta in R }\nupdate { x+ = theta*theta_k; theta+ = 1 }\n"))
    assert r"\theta_k \, \mathrm{theta\_k}" in rule


def test_text_is_escaped() -> None:
    every = "".join(ESCAPES) + "".join(GREEK)
    made = prose(every)
    check(made + r" \begin{align*}x\end{align*}")
    assert prose("see `a_b` and `c") == r"see \texttt{a\_b} and \textasciigrave{}c"


# ---- the command, and Python -----------------------------------------------------------------------


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["show", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_show_is_text_for_people() -> None:
    code, output = run("ista")
    assert code == 0 and "update { x⁺ = prox_r,α(x - α·∇f(x)) }\n" in output
    assert run("ista", "--ascii") == (0, (ROOT / "specs/ista.l2o").read_text("utf-8"))
    assert run("ista", "--rule") == (0, "x⁺ = prox_r,α(x - α·∇f(x))\n")
    assert run("ista", "--rule", "--ascii") == (0, "x+ = prox_r,alpha(x - alpha*grad f(x))\n")
    assert parse(Source("shown", output)).tree == parse(Source("spec", (ROOT / "specs/ista.l2o").read_text("utf-8"))).tree


def test_show_latex() -> None:
    code, output = run("ista", "lasso", "--latex")
    assert code == 0 and output.count(r"\paragraph") == 2 and output.startswith("% needs \\usepackage{amsmath, amssymb}\n")
    code, output = run("ista", "lasso", "--latex", "--standalone")
    assert code == 0 and output.count(r"\begin{document}") == 1 and output.endswith("\\end{document}\n")
    check(output)
    code, output = run("ista", "fista", "lasso", "--rule", "--latex")
    assert code == 0 and output.count(r"\begin{align*}") == 2 and "fista.l2o\n\\begin" in output and "lasso" not in output
    code, output = run("-e", "x+ = x - alpha*grad f(x)", "--latex", "--rule")
    assert code == 0 and r"x_{k+1} &= x_k - \alpha \nabla f(x_k)" in output


VARIANTS = [(spec.stem, name) for spec in SPECS for name in l2ogen.load(spec).variants]


@pytest.mark.parametrize(("stem", "name"), VARIANTS, ids=map(":".join, VARIANTS))
def test_a_variant_is_shown_as_a_file_of_its_own(stem: str, name: str) -> None:
    code, output = run(f"{stem}:{name}", "--ascii")
    shown, variant = l2ogen.pipeline.check(Source("shown.l2o", output)), l2ogen.load(f"{stem}:{name}").checked
    assert code == 0 and shown.ok, output
    assert shown.program is not None and variant.program is not None
    assert shown.program.name == f"{variant.program.name}_{name}" and "variant" not in output
    made = l2ogen.Spec(shown).latex()
    assert made == l2ogen.load(f"{stem}:{name}").latex()
    check(made)


def test_variants_come_with_their_file() -> None:
    code, output = run("pba12", "--latex")
    assert code == 0 and output.count(r"\paragraph") == 1 and r"\textbf{PA}: $B_k = I$; $b_{1,k} = 0$; $b_{2,k} = 0$" in output
    code, output = run("pba12:PA", "--latex")
    assert code == 0 and r"\paragraph{PBA12\_PA}" in output and r"fixed $B = I \in \operatorname{diag}(n)$" in output
    code, output = run("pba12:XX")
    assert code == 1 and "error" in output


def test_show_json() -> None:
    code, output = run("ista", "--json", "--rule")
    report = json.loads(output)
    assert code == 0 and report["form"] == "unicode" and report["text"] == "x⁺ = prox_r,α(x - α·∇f(x))\n" and report["ok"]
    code, output = run("ista", "lasso", "--json", "--latex", "--rule")
    assert code == 0 and [r["text"] is None for r in json.loads(output)] == [False, True]
    code, output = run("-e", "x+ = x - alpha*gard f(x)", "--json")
    report = json.loads(output)
    assert code == 1 and report["text"] is None and [d["code"] for d in report["diagnostics"]] == ["L2O201"]


def test_show_says_what_is_wrong() -> None:
    code, output = run("-e", "x+ = x - alpha*gard f(x)", "--latex")
    assert code == 1 and "L2O201" in output and "align" not in output
    for wrong in (["lasso", "--rule"], ["ista", "--standalone"], ["nothing-there"], []):
        code, output = run(*wrong)
        assert code == 2 and "Error" in output


def test_show_imports_no_torch() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from l2ogen.cli import main\n"
        "for form in ('--latex', '--unicode'): assert CliRunner().invoke(main, ['show', 'ista', 'lasso', form]).exit_code == 0\n"
        "assert not {'torch', 'numpy', 'sympy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_from_python() -> None:
    spec = l2ogen.load("ista")
    assert spec.latex().endswith(golden(ROOT / "specs/ista.l2o").read_text("utf-8"))
    assert spec.latex(rule=True).count("\n") == 4 and spec.latex(standalone=True).startswith("\\documentclass{article}\n")
    wrong = l2ogen.Spec(l2ogen.pipeline.check(Source("spec.l2o", "algorithm T\nupdate { x+ = y }\n")))
    with pytest.raises(l2ogen.SpecError):
        wrong.latex()
