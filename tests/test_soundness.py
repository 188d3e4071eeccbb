"""Proved means proved: verdicts on random rules against numerics (`python -m tests.soundness --count 2000` for more), and
each of these tests shown to be able to fail."""

from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from soundness.affine import affine
from soundness.certified import THEOREMS
from soundness.conditions import met
from soundness.energies import rises
from soundness.exact import not_spurious, spurious
from soundness.forms import disagreements
from soundness.judge import Tally, judge
from soundness.population import rules
from soundness.rules import accumulated, program_of
from soundness.rules import rule as random_rule

from l2ogen.analysis.algebra import Operator, Vector
from l2ogen.analysis.convergence import Convergence
from l2ogen.analysis.report import Report, TargetReport, examine
from l2ogen.core import ir

DRAWN = rules(seed=3, count=60)
SUMS = [random_rule(np.random.default_rng([8, i]), accumulated) for i in range(20)]
"""Rules with a state that sums up."""
RULES = [*DRAWN, *SUMS]
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@cache
def report(i: int) -> Report:
    return examine(RULES[i].program)


@pytest.mark.parametrize("i", range(len(RULES)))
def test_verdicts_hold(i: int) -> None:
    complaints = judge(RULES[i].program, seed=i, trials=6, report=report(i))
    assert not complaints, f"{RULES[i].damage}\n{RULES[i].text}\n{complaints}"


def test_rules_are_of_all_kinds() -> None:
    """A generator of rules about which nothing can be said would test nothing."""
    verdicts = Counter(t.fixed_point.verdict for i in range(len(DRAWN)) for t in report(i).targets[:1])
    assert min(verdicts["proved"], verdicts["refuted"]) >= len(DRAWN) / 5, verdicts


# ---- certificates ----------------------------------------------------------------------------------


def rule(parameters: str, update: str, states: str = "x in R^n = 0", problem: str = "", after: str = "") -> ir.Algorithm:
    objective = problem or "f(x) : convex, smooth(L); r(x) : convex, proximable; minimize f(x) + r(x)"
    program = program_of(
        f"algorithm Rule\nproblem {{ {objective} }}\nparameters {{ {parameters} }}\n"
        f"state {{ {states} }}\nupdate {{ {update} }}\n{after}"
    )
    assert program is not None
    return program


@pytest.mark.parametrize("theorem", THEOREMS)
def test_certificates(theorem: str) -> None:
    """A rule that the theorem covers: its inequality holds in every step, and was looked at."""
    program = program_of(THEOREMS[theorem](np.random.default_rng([1, 5])))
    assert program is not None
    target = examine(program).targets[0]
    counted: list[str] = []
    assert target.convergence.verdict == "proved"
    assert not list(rises(program, target, np.random.default_rng(1), 1, counted))
    assert set(counted) == {theorem}


PROX = "x+ = prox_{r, P}(x - P*grad f(x))"
NESTEROV = "x+ = prox_{r, P}(y - P*grad f(y)); y+ = x+ + A*(x+ - x)"
MIXED = "u = x - P*grad f(x); v = y - P*grad f(y); x+ = prox_{r, P}(u + B*(v - u)); y+ = x+ + A*(x+ - x)"
HEAVY = "x+ = prox_{r, P}(x - P*grad f(x) + A*(x - z)); z+ = x"
FISTA = "x+ = prox_{r, P}(y - P*grad f(y)); t+ = (1 + sqrt(1 + 4*t^2))/2; y+ = x+ + (t - 1)/t+*(x+ - x)"
VIOLATED = {
    "C1": rule("fixed P in R = 2.5/L", PROX),
    "C1v": rule("learned P in diag(n) with 2.2/L < P < 3/L", PROX),
    "C1s": rule("fixed P in R = 2.5/L", PROX),
    "C2": rule("fixed P in R = 1/L; fixed A in R = 1.2", NESTEROV, "x, y in R^n = 0"),
    "C2b": rule("fixed P in R = 1.9/L; fixed A in R = 0.9", NESTEROV, "x, y in R^n = 0"),
    "C2c": rule("fixed P in R = 1/L; fixed A in R = 1.6; fixed B in R = 0.7", MIXED, "x, y in R^n = 0"),
    "C2d": rule("fixed P in R = 1.2/L; fixed A in R = 0.9", NESTEROV, "x, y in R^n = 0"),
    "C3": rule("fixed P in R = 1.9/L", FISTA, "x in R^n = 0; y in R^n = x; t in R = 1"),
    "C4": rule("fixed P in R = 1.5/L; fixed A in R = 0.5", HEAVY, "x, z in R^n = 0"),
    "SG-B": rule("fixed P in R = 2.5/L", PROX),
}
"""Rules that no theorem covers, beside the theorem that is claimed of them."""


def claimed(program: ir.Algorithm, theorem: str) -> TargetReport:
    target = examine(program).targets[0]
    assert target.convergence.verdict != "proved"
    return replace(target, convergence=Convergence("proved", theorem, "values"))


@pytest.mark.parametrize("theorem", VIOLATED)
def test_violated_certificates_are_complained_about(theorem: str) -> None:
    program = VIOLATED[theorem]
    (complaint,) = rises(program, claimed(program, theorem), np.random.default_rng(0), 1)
    assert "is violated" in complaint


def test_a_bias_is_no_fault_of_the_energy() -> None:
    """Biases of which the certificate is not told violate its inequality."""
    update = "x+ = prox_{r, P}(x - P*grad f(x) - b)"
    program = rule("fixed P in R = 1/L; learned b in R^n init 0.3", update)
    target = claimed(program, "C1s")
    assert target.form is not None
    blind = replace(target, form=replace(target.form, b1=Vector()))
    assert list(rises(program, blind, np.random.default_rng(0), 1))


# ---- normal forms, conditions, exactness -----------------------------------------------------------


def test_a_normal_form_that_is_off_by_little() -> None:
    program = rule("fixed P in R = 1/L", PROX)
    target = examine(program).targets[0]
    assert target.form is not None
    assert not list(disagreements(program, target, np.random.default_rng(0)))
    off = replace(target.form, B=Operator.multiple(0), P=target.form.P.scaled(1 + 1e-8))
    assert list(disagreements(program, replace(target, form=off), np.random.default_rng(0)))


CONDITIONAL = {
    "a scalar": rule("learned c in R with 0 < c < 3", "x+ = prox_{r, 1/L}(x - c/L*grad f(x))"),
    "a sequence": rule("learned b_k in R^n", "x+ = prox_{r, 1/L}(x - 1/L*grad f(x) - b_k)"),
    "a point of the gradient": rule("learned c in R with 0 < c < 3", "x+ = prox_{r, 1/L}(x - 1/L*grad f(c*x))"),
    "two matrices": rule(
        "learned W, V in R^(n, n)", "x+ = prox_{r, 1/L}(x - 1/L*grad f(x) + W*(V*x))"),
}


@pytest.mark.parametrize("what", CONDITIONAL)
def test_conditions_are_enough(what: str) -> None:
    program = CONDITIONAL[what]
    target = examine(program).targets[0]
    assert target.fixed_point.verdict == "conditional"
    found = [stay for _, stay in met(program, target, np.random.default_rng(0), 3)]
    assert any(stay is not None for stay in found)
    assert all(stay is None or stay.holds for stay in found)


def test_conditions_that_are_not_enough() -> None:
    """An obligation left out of the list."""
    program = rule("learned c in R with 0 < c < 3; learned b in R^n", "x+ = prox_{r, 1/L}(x - c/L*grad f(x) - b)")
    target = examine(program).targets[0]
    kept = [o for o in target.fixed_point.obligations if not o.startswith("b")]
    assert len(kept) == len(target.fixed_point.obligations) - 1
    fewer = replace(target, fixed_point=replace(target.fixed_point, obligations=kept))
    assert any(stay is not None and stay.fails for _, stay in met(program, fewer, np.random.default_rng(0), 3))


def test_what_is_kept_is_a_solution() -> None:
    rng = np.random.default_rng(0)
    good = rule("fixed P in R = 1/L", PROX)
    points: list[str] = []
    assert not list(spurious(good, examine(good).targets[0], rng, 4, points))
    assert points
    bad = rule("fixed P in R = 1/L; fixed b in R = 0.3", "x+ = prox_{r, P}(x - P*grad f(x) - b)")
    assert list(spurious(bad, examine(bad).targets[0], rng, 4))


def test_what_need_not_be_the_sparse_solution() -> None:
    data = "data { shared A in R^(m, n); b in R^m }; recover x from b = A*x : sparse(x)"
    plain = rule("learned W in R^(n, m)", "x+ = x - W*(A*x - b)", problem=data)
    soft = rule("learned W in R^(n, m)", "x+ = soft(x - W*(A*x - b), 0.1)", problem=data)
    assert examine(plain).targets[0].exactness.verdict == "refuted"
    assert not list(not_spurious(plain, examine(plain).targets[0], np.random.default_rng(0), 3))
    assert list(not_spurious(soft, examine(soft).targets[0], np.random.default_rng(0), 3))


# ---- the class of affine rules ---------------------------------------------------------------------


@pytest.mark.parametrize(("parameters", "update", "member"), [
    ("learned P in diag(n) with 0 < P < 2/L", PROX, True),
    ("learned c in R; learned b_k in R^n", "x+ = prox_{r, 1/L}(x - c*grad f(c*x) - b_k)", True),
    ("fixed P in R = 1/L", "x+ = prox_{r, P}(x - P*grad f(x) + tanh(x))", False),
    ("fixed P in R = 1/L", "x+ = prox_{r, P}(x - P*grad f(x)/||x||_2)", False),
    ("learned b_k in R^n with b_k -> 0", "x+ = prox_{r, 1/L}(x - 1/L*grad f(x) - (k + 1)*b_k)", False),
    ("learned c in R", "x+ = prox_{r, 1/L}(x - 1/c*grad f(x))", False),
])  # fmt: skip
def test_affine(parameters: str, update: str, member: bool) -> None:
    assert affine(rule(parameters, update)) == member


def test_affine_rules_are_decided() -> None:
    """Rules of the class whose fixed point was unknown once."""
    verdicts = {
        "x+ = prox_{r, P}(y - P*grad f(y)); y+ = x + 0.6*(z + x); z+ = x+ + 0.6*(y - x)": "refuted",
        "x+ = prox_{r, P}(y - P*grad f(y)); y+ = x + (k/(k + 1) - 1)*y; z+ = x": "proved",
        "x+ = prox_{r, P}(y - P*grad f(y)); y+ = x + c*x; z+ = x": "conditional",
    }  # fmt: skip
    for update, verdict in verdicts.items():
        program = rule("fixed P in R = 1/L; learned c in R with -1 < c < 1", update, "x, y, z in R^n = 0")
        assert affine(program)
        assert examine(program).targets[0].fixed_point.verdict == verdict, update


def test_tails_meet_obligations() -> None:
    """A sequence ends as its tail does: at 1, it meets `c_k -> 1`; at 1/2, never."""
    for tail, verdict in (("1", "proved"), ("k/(k + 1)", "proved"), ("0.5", "refuted")):
        program = rule(f"learned c_k in R with 0 <= c_k < 4 tail {tail}", "x+ = prox_{r, 1/L}(x - c_k^2/L*grad f(x))")
        assert examine(program).targets[0].fixed_point.verdict == verdict


def test_an_average_whose_factor_decays() -> None:
    program = rule(
        "learned beta_k in R with -0.5 < beta_k < 1 tail decay(0.9)",
        "v+ = beta_k*v + 0.5*grad f(x); x+ = prox_{r, 0.5/L/(1 - beta_k)}(x - v+/L)", "x, v in R^n = 0")  # fmt: skip
    assert examine(program).targets[0].fixed_point.verdict == "proved"


def test_what_was_tested_is_counted() -> None:
    tally = Tally()
    program = CONDITIONAL["a scalar"]
    assert not judge(program, 0, 3, tally=tally)
    assert tally.counts["sufficient"] == 1
    assert tally.counts["normal form x+"] == 1
