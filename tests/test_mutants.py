"""One accident in a spec is one message at its place; tests/mutants.py makes the accidents, and more of them."""

from __future__ import annotations

import pytest
from mutants import ACCIDENTS, SPECS, Tally, outcome, tally

from l2ogen import pipeline
from l2ogen.diagnostics import render
from l2ogen.source import Source


@pytest.fixture(scope="module")
def made() -> Tally:
    return tally(300, seed=20240501)


def test_no_mutant_crashes_or_hangs_or_is_misunderstood_in_silence(made: Tally) -> None:
    assert [(o.mutant.text, o.detail) for o in made.failures] == []
    assert {o.mutant.kind for o in made.outcomes} == {accident.__name__.replace("_", " ") for accident in ACCIDENTS}


def test_the_first_message_points_at_the_accident(made: Tally) -> None:
    assert made.located > 0.97 and len(made.diagnosed) > 200


def test_one_accident_is_one_message(made: Tally) -> None:
    assert made.single > 0.95


def test_what_the_tally_calls_a_failure() -> None:
    """A tally that could not fail would say nothing about the checker."""
    mutant = tally(1, seed=1).outcomes[0].mutant
    assert outcome(mutant).verdict in ("same", "other", "diagnosed")
    broken = type(mutant)("no such spec", "delete", SPECS["ista.l2o"], mutant.lines, mutant.words)
    assert outcome(broken).verdict == "crashed" and Tally([outcome(broken)]).failures


# ---- recovery, one by one ----------------------------------------------------------------------------

ISTA, FISTA, LISTA, LASSO = (SPECS[name] for name in ("ista.l2o", "fista.l2o", "lista.l2o", "problems/lasso.l2o"))
VARIANT = ISTA + "variant Fast of ISTA {\n  alpha = 2/L\n  train { steps 5 }\n}\n"


def found(text: str) -> list[str]:
    checked = pipeline.check(Source("spec.l2o", text), pipeline.Library())
    return [f"{d.code}:{text[d.span.start : d.span.end]}" for d in checked.diagnostics]


@pytest.mark.parametrize(("text", "old", "new", "expected"), [
    (ISTA, "update {", "", "L2O123:x+"), (ISTA, "state {", "{", "L2O123:{"), (ISTA, "problem {\n", "", "L2O123:f"),
    (FISTA, "state {\n", "", "L2O123:x"), (LISTA, "data {\n", "", "L2O123:shared"), (LASSO, "data {\n", "", "L2O123:A"),
    (LASSO, "sample (m = 250, n = 500, sparsity = 50) {\n", "", "L2O123:A"), (LISTA, "parameters {\n", "", "L2O123:learned"),
    (ISTA, "update {", "update (", "L2O122:("), (ISTA, "update {", "update >", "L2O122:>"), (ISTA, ") }\nexpect", ") )\nexpect", "L2O122:)"),
    (ISTA, "r(x)\n}", "r(x)\n>", "L2O122:>"), (ISTA, "grad f(x)", "grad f{x)", "L2O122:{"), (ISTA, "grad f(x)", "grad f(x}", "L2O122:}"),
    (ISTA, "grad f(x)", "grad f[x)", "L2O100:["), (ISTA, "grad f(x)", "grad f(x]", "L2O122:]"), (ISTA, "smooth(L)", "smooth(L(", "L2O122:("),
    (ISTA, "grad f(x)", "grad f(x", "L2O103:("), (ISTA, "}\nparameters", "parameters", "L2O103:{"), (ISTA, "f(x) : ", "(x) : ", "L2O109:("),
    (FISTA, "update {\n", "update {\nupdate {\n", "L2O103:{"), (LASSO, "data {\n", "data {\ndata {\n", "L2O103:{"),
    (FISTA, "problem {\n", "problem {\nproblem {\n", "L2O103:{"), (ISTA, "update {", "updat {", "L2O101:updat"),
    (ISTA, ISTA[ISTA.index("update {"):ISTA.index("expect")], ISTA[ISTA.index("update {"):ISTA.index("expect")] * 2, "L2O116:update"),
    (FISTA, "update {", "update {{", "L2O103:{"), (LISTA, "  data {\n", "  data {\n  data {\n", "L2O103:{"),
    (LASSO, "50) {", "50 {", "L2O103:("), (LASSO, "(m = 250", "((m = 250", "L2O103:("), (LASSO, "50) {", "50)) {", "L2O104:)"),
    (LISTA, "R^(m, n)", "R^}m, n)", "L2O122:}"), (LASSO, "b in R^m\n  lam in R with lam > 0\n}", "b in R^m\n  lam in R with lam > 0\n{", "L2O122:{"),
    (VARIANT, "variant Fast", "varaint Fast", "L2O101:varaint"), (VARIANT, " of ISTA", " ISTA", "L2O108:ISTA"),
    (VARIANT, " of ISTA", " off ISTA", "L2O101:off"), (VARIANT, "ISTA {\n  alpha", "ISTA (\n  alpha", "L2O122:("),
    (VARIANT, "5 }\n}\n", "5 }\n", "L2O103:{"), (VARIANT, "variant Fast of ISTA {\n", "variant of ISTA {\n", "L2O108:ISTA"),
])  # fmt: skip
def test_each_lost_piece_is_one_message(text: str, old: str, new: str, expected: str) -> None:
    assert text.count(old) >= 1
    assert found(text.replace(old, new, 1)) == [expected]


def test_a_brace_may_stand_on_the_next_line() -> None:
    assert found(FISTA.replace("update {", "update\n{")) == []


def test_a_statement_of_a_variant_that_does_not_parse_is_one_message() -> None:
    """Each of its tokens was one."""
    text = SPECS["lista_cpss.l2o"]
    assert found(text.replace("\n  x+ = soft_ss(x + gamma_k", "\n  + = soft_ss(x + gamma_k", 1)) == ["L2O109:+"]


def test_a_misspelled_prox_with_a_metric_is_named() -> None:
    text = SPECS["l2o_pa.l2o"].replace("prox_r,P(", "porx_r,P(", 1)
    (said,) = pipeline.check(Source("spec.l2o", text), pipeline.Library()).diagnostics
    assert (said.code, text[said.span.start : said.span.end]) == ("L2O201", "porx_r")
    assert "`prox_r`" in said.help


def test_a_size_is_not_missed_beside_a_name() -> None:
    """The declaration that is gone said how large n is."""
    assert found(LASSO.replace("  A in R^(m, n)\n", "")) == ["L2O201:A"]


def test_a_range_that_does_not_make_it_convex_is_pointed_at() -> None:
    (said,) = pipeline.check(Source("spec.l2o", LASSO.replace("lam > 0", "lam > -1")), pipeline.Library()).diagnostics
    assert said.code == "L2O511"
    assert [LASSO.replace("lam > 0", "lam > -1")[span.start : span.end] for span, _ in said.notes] == ["lam > -1"]


def test_what_follows_from_a_mistake_comes_back_once_it_is_mended() -> None:
    """`f` is not said to be undeclared while its declaration does not parse; it is when there is none."""
    assert found(ISTA.replace("  f(x) : convex, smooth(L)\n", "  (x) : convex, smooth(L)\n")) == ["L2O109:("]
    assert found(ISTA.replace("  f(x) : convex, smooth(L)\n", "")) == ["L2O201:f"]


def test_diagnostics_of_mutants_can_be_shown(made: Tally) -> None:
    for o in made.diagnosed:
        assert o.diagnostics[0].message in render(o.diagnostics, Source(o.mutant.spec, o.mutant.text))
