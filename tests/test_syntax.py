"""Text to tree and back: what parses, how it prints, what hostile text does, and that a mistake stays where it is."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from drawn import BLOCKS, check_round_trip, read

from l2ogen import pipeline
from l2ogen.diagnostics import render
from l2ogen.source import Source
from l2ogen.syntax import tree as t
from l2ogen.syntax.parser import parse
from l2ogen.syntax.printer import fmt, show

ROOT = Path(__file__).resolve().parent.parent
TEXTS = {p.stem: p.read_text(encoding="utf-8") for p in sorted((ROOT / "specs").rglob("*.l2o"))}
LIBRARY = pipeline.Library()


def expression(text: str) -> t.Expr:
    """The value of a let; the text must parse."""
    parsed = parse(Source("t", f"v = {text}"), "rule")
    assert not parsed.diagnostics, render(parsed.diagnostics, parsed.source)
    (line,) = parsed.tree.items
    assert isinstance(line, t.Assignment)
    return line.value


def bracketed(e: t.Node) -> str:
    """An expression with all its structure in parentheses."""
    match e:
        case t.Binary():
            return f"({bracketed(e.left)} {e.op} {bracketed(e.right)})"
        case t.Unary(op="-"):
            return f"(-{bracketed(e.arg)})"
        case t.Unary():
            return f"({bracketed(e.arg)}{e.op})"
        case t.Paren():
            return bracketed(e.arg)
        case t.Compare():
            return bracketed(e.first) + "".join(f" {op} {bracketed(x)}" for op, x in e.rest)
    return show(e)


def mistakes(text: str, start: str = "file") -> list[str]:
    """Codes of the syntax errors in a text."""
    return [d.code for d in parse(Source("t", text), start).diagnostics]  # type: ignore[arg-type]


# ---- `x+` (language.md, decision 1) ----------------------------------------------------------------


@pytest.mark.parametrize(("text", "meaning"), [
    ("x+(y - z)", "(x + (y - z))"), ("x+1", "(x + 1)"), ("x+y", "(x + y)"), ("x +y", "(x + y)"),
    ("x + y", "(x + y)"), ("x+_1", None), ("x+ + y", "(x+ + y)"), ("x+ + A*(x+ - x)", "(x+ + (A * (x+ - x)))"),
    ("x++y", "(x+ + y)"), ("x+*2", "(x+ * 2)"), ("x+-y", "(x+ - y)"), ("x+/2", "(x+ / 2)"), ("x+^2", "(x+ ^ 2)"),
    ("x+'", "(x+')"), ("x+.*y", "(x+ .* y)"), ("x+./y", "(x+ ./ y)"), ("x+.^2", "(x+ .^ 2)"), ("x+.5", "(x + .5)"),
    ("(x+)", "x+"), ("f(x+)", "f(x+)"), ("f(x+, y)", "f(x+, y)"), ("||x+||_2", "||x+||_2"), ("<x+, y>", "<x+, y>"),
    ("<y, x+>", "<y, x+>"), ("x+ < y", "x+ < y"), ("x+>=y", "x+ >= y"), ("x⁺", "x+"), ("x⁺y", None),
    ("x⁺ + y", "(x+ + y)"), ("x⁺(y)", None), ("x+ y", None), ("x+ (y)", None), ("x+ 2", None), ("1+x", "(1 + x)"),
    ("2+ x", "(2 + x)"), ("t+", "t+"), ("theta_k+ - 1", "(theta_k+ - 1)"), ("θ+", "theta+"),
    ("x+·y", "(x+ * y)"), ("x+⊙y", "(x+ .* y)"), ("x+−y", "(x+ - y)"), ("x+  # the next one", "x+"),
])  # fmt: skip
def test_the_next_iterate_is_lexical(text: str, meaning: str | None) -> None:
    if meaning is None:
        assert mistakes(f"v = {text}", "rule"), text
    else:
        assert bracketed(expression(text)) == meaning


@pytest.mark.parametrize("text", ["x+ y", "x+ (y)", "x⁺(y)", "x+ 2", "x⁺y"])
def test_an_operand_after_the_next_iterate_asks_for_a_sum(text: str) -> None:
    (d,) = parse(Source("t", f"v = {text}"), "rule").diagnostics
    assert d.code == "L2O105" and d.help.startswith("for a sum write `x + ")


# ---- precedence, spellings, keywords, lines ----------------------------------------------------------


@pytest.mark.parametrize(("text", "meaning"), [
    ("a + b*c", "(a + (b * c))"), ("a - b - c", "((a - b) - c)"), ("a/b*c", "((a / b) * c)"), ("-a^2", "(-(a ^ 2))"),
    ("-a*b", "((-a) * b)"), ("a^-2", "(a ^ (-2))"), ("A'*b^2", "((A') * (b ^ 2))"), ("A'^2", "((A') ^ 2)"),
    ("2*x'*y", "((2 * (x')) * y)"), ("a.*b + c./d", "((a .* b) + (c ./ d))"), ("a.^2*b", "((a .^ 2) * b)"),
    ("A*grad f(x) - b", "((A * grad f(x)) - b)"), ("a < b + c", "a < (b + c)"), ("0 < P < 2/L", "0 < P < (2 / L)"),
    ("a - -b", "(a - (-b))"), ("||x||_2^2/2", "((||x||_2 ^ 2) / 2)"), ("a*||x - y||_1", "(a * ||x - y||_1)"),
    ("<u, v>*w", "(<u, v> * w)"), ("A^T*b", "((A') * b)"), ("x²", "(x ^ 2)"),
])  # fmt: skip
def test_precedence(text: str, meaning: str) -> None:
    assert bracketed(expression(text)) == meaning


@pytest.mark.parametrize(("unicode", "plain"), [
    ("x⁺", "x+"), ("∇f(x)", "grad f(x)"), ("∇ f(x)", "grad f(x)"), ("Aᵀ*b", "A'*b"), ("A^T*b", "A'*b"),
    ("a⊙b", "a.*b"), ("a∘b", "a.*b"), ("a·b", "a*b"), ("a − b", "a - b"), ("‖x‖_2", "||x||_2"), ("‖x‖_∞", "||x||_inf"),
    ("θ_k", "theta_k"), ("λ*x", "lambda*x"), ("a ≤ b", "a <= b"), ("a ≥ b", "a >= b"), ("x²", "x^2"),
    ("prox_r,α(x)", "prox_r,alpha(x)"), ("prox_{r, 1/Λ}(v)", "prox_{r, 1/Lambda}(v)"), ("Σ", "Sigma"),
])  # fmt: skip
def test_unicode_spellings(unicode: str, plain: str) -> None:
    assert expression(unicode) == expression(plain)


def test_unicode_spellings_of_declarations() -> None:
    ascii = "algorithm T\nstate { x in R^n = 0 }\nparameters { learned theta in R with theta -> 0 }\n"
    greek = "algorithm T\nstate { x ∈ ℝ^n = 0 }\nparameters { learned θ ∈ ℝ with θ → 0 }\n"
    assert parse(Source("a", ascii)).tree == parse(Source("b", greek)).tree


NAMES = ["data", "state", "mean", "sum", "loss", "update", "train", "problem", "init", "with", "tail", "where", "last", "repeat", "per", "from", "of", "over", "like"]


@pytest.mark.parametrize("word", [*NAMES, "shared", "learned", "fixed", "sample", "variable", "expect", "algorithm"])
def test_keywords_are_contextual(word: str) -> None:
    """A keyword may be a state's name: declared, assigned, used, next to every kind of neighbour."""
    text = (
        f"algorithm T\nproblem {{ f({word}) : convex, smooth(L); minimize f({word}) }}\n"
        f"state {{ {word}, v in R^n = 0 }}\n"
        f"update {{\n  {word}+ = 2*{word} - ({word})*grad f({word}) + v\n  v+ = {word}+ + {word}\n}}\n"
    )
    parsed = parse(Source("t", text))
    assert not parsed.diagnostics, render(parsed.diagnostics, parsed.source)
    assert parse(Source("t", fmt(parsed.tree, parsed.source))).tree == parsed.tree


@pytest.mark.parametrize("text", [
    "v = a\n  + b", "v = a +\n  b", "v = a  # one\n  + b  # two", "v\n= a + b", "v = a\n\n\n + b",
    "v = a + b;", ";v = a + b", "v = a + b\n\n", "\r\nv = a\r\n\t+ b\r\n",
])  # fmt: skip
def test_continuation_lines(text: str) -> None:
    one = parse(Source("t", "v = a + b"), "rule").tree
    if "a +\n" in text:  # an operator at the end of a line does not continue it
        assert mistakes(text, "rule")
    else:
        parsed = parse(Source("t", text), "rule")
        assert not parsed.diagnostics and parsed.tree == one


def test_a_statement_that_wraps_shares_no_line() -> None:
    long = "learned theta_k in R^n init 0.1/L with theta_k >= 0, theta_k -> 0 like 1/(k + 1)^2 tail decay(0.95); learned g in R"
    source = Source("t", f"algorithm T\nparameters {{\n{long} init 0\n}}\n")
    parsed = parse(source)
    once = fmt(parsed.tree, source, parsed.comments)
    again = parse(Source("t", once))
    assert "\n  learned g in R init 0\n" in once
    assert fmt(again.tree, again.source, again.comments) == once


def test_semicolons_and_newlines_separate_statements() -> None:
    trees = {show(parse(Source("t", s), "rule").tree.items[1]) for s in ("a = 1; b = 2", "a = 1\nb = 2", "a = 1;;\n; b = 2")}
    assert trees == {"b = 2"}


@pytest.mark.parametrize(("bad", "code"), [
    ("A x", "L2O102"), ("x+ y", "L2O105"), ("||x||", "L2O106"), ("a +", "L2O107"), ("a = b", "L2O108"), ("a ** b", "L2O110"),
    ("grad f", "L2O111"), ("(a", "L2O103"), ("a)", "L2O104"), ("a @ b", "L2O100"), ("gard f(x)", ""),
])  # fmt: skip
def test_a_mistake_stays_in_its_statement(bad: str, code: str) -> None:
    """Before, between and behind right lines; twice is two diagnostics."""
    for text in (f"v = {bad}\nw = a", f"w = a\nv = {bad}", f"w = a; v = {bad}; u = b", f"w = a\nv = {bad}\nu = b"):
        parsed = parse(Source("t", text), "rule")
        assert [d.code for d in parsed.diagnostics] == [code] * bool(code), text
        right = [show(s) for s in parsed.tree.items if isinstance(s, t.Assignment)]
        assert "w = a" in right and ("u = b" in right or "u" not in text)
    assert mistakes(f"v = {bad}\nw = {bad}", "rule") == [code] * (2 * bool(code))


# ---- printing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TEXTS)
def test_specs_are_in_canonical_form(name: str) -> None:
    parsed = parse(Source(name, TEXTS[name]))
    check_round_trip(parsed)
    assert fmt(parsed.tree, parsed.source, parsed.comments) == TEXTS[name]


@pytest.mark.parametrize("name", TEXTS)
def test_comments_everywhere_survive_formatting(name: str) -> None:
    """One comment at the end of each line, one on a line of its own above each."""
    lines = TEXTS[name].splitlines()
    text = "\n".join(f"  # above {i}\n{line}  # beside {i}" for i, line in enumerate(lines)) + "\n# last"
    parsed = parse(Source(name, text))
    assert not parsed.diagnostics and parsed.tree == parse(Source(name, TEXTS[name])).tree
    check_round_trip(parsed)


# ---- random text from the grammar ------------------------------------------------------------------


@pytest.mark.parametrize("rule", BLOCKS)
def test_text_from_the_grammar_parses_and_prints_back(rule: str) -> None:
    assert read(rule, 20) >= 10


# ---- hostile text ----------------------------------------------------------------------------------

UPDATE = "algorithm T\nproblem { f(x) : convex, smooth(L); minimize f(x) }\nstate { x in R^n = 0 }\nupdate { x+ = %s }\n"
HOSTILE = {
    "1 MB": (UPDATE % ("x + " * 250_000 + "x"), ["L2O113"]),
    "as large as allowed": (UPDATE % ("x+" * 9_900 + "x"), ["L2O112"]),
    "10,000 parentheses": (UPDATE % ("(" * 9_900 + "x" + ")" * 9_900), ["L2O112"]),
    "10,000 open parentheses": (UPDATE % ("(" * 10_000 + "x"), None),
    "10,000 braces": ("{" * 10_000, None),
    "10,000 semicolons": (UPDATE % "x - grad f(x)" + ";" * 10_000, []),
    "long name": (UPDATE % ("x - grad f(x)" + " + a" * 1 + "a" * 10_000), ["L2O201"]),
    "NUL": (UPDATE % "x\0 - grad f(x)", ["L2O100"]),
    "import": (UPDATE % "__import__('os').system('true')", ["L2O100"]),
    "dunder": (UPDATE % "x.__class__", ["L2O100"]),
    "path": (UPDATE % "x - grad f(x)" + "train { on ../../x }", ["L2O100"]),
    "combining": (UPDATE % "x\u0301 - grad f(x)", ["L2O100"]),
    "right to left": (UPDATE % "\u05d0 - grad f(x)", ["L2O100"]),
    "override": (UPDATE % "\u202ex - grad f(x)", ["L2O100"]),
    "emoji": (UPDATE % "x - 🚀*grad f(x)", ["L2O100"]),
    "other digits": (UPDATE % "x - ٣*grad f(x)", ["L2O100"]),
    "byte order mark": ("\ufeff" + UPDATE % "x - grad f(x)", []),
    "no-break space": (UPDATE % "x -\u00a0grad f(x)", []),
    "replacement": (UPDATE % "x - \ufffd*grad f(x)", ["L2O100"]),
    "surrogate": (UPDATE % "x - \udc80*grad f(x)", ["L2O100"]),
    "empty": ("", ["L2O114"]),
    "blank": (" \n\t\n", ["L2O114"]),
    "comments": ("# a\n# b", ["L2O114"]),
    "CRLF": ((UPDATE % "x - grad f(x)").replace("\n", "\r\n"), []),
    "CR": ("algorithm T\r", ["L2O100"]),
    "tabs": ((UPDATE % "\tx\t-\tgrad\tf(x)").replace(" ", "\t"), []),
    "form feed": (UPDATE % "x -\f grad f(x)", []),
    "large number": (UPDATE % ("9" * 5000 + "*x - grad f(x)"), ["L2O316"]),
    "large exponent": (UPDATE % "x - 1e999999*grad f(x)", ["L2O316"]),
    "large setting": (UPDATE % "x - grad f(x)" + "train { steps 1e400; batch 1e300*1e300 }", ["L2O602", "L2O602"]),
    "large size": ((UPDATE % "x - grad f(x)").replace("R^n", "R^" + "9" * 5000), ["L2O308"]),
    "zero division": (UPDATE % "x - 1/0*grad f(x)", None),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_diagnosed_at_once(name: str) -> None:
    text, expected = HOSTILE[name]
    pipeline.check(Source("warm", "algorithm T"), LIBRARY)
    start = time.perf_counter()
    checked = pipeline.check(Source("spec.l2o", text), LIBRARY)
    shown = render(checked.diagnostics, checked.source)
    assert time.perf_counter() - start < 5  # a hang would take minutes
    assert len(shown) < 20_000 or len(checked.diagnostics) > 1
    if expected is not None:
        assert [d.code for d in checked.diagnostics] == expected, shown[:2000]
    else:
        assert checked.diagnostics
