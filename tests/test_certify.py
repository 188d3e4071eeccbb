"""`check --certify`: worst cases that are known; what is no number; the message without PEPit."""
from __future__ import annotations

import sys

import pytest
from click.testing import CliRunner

import l2ogen
from l2ogen import pipeline
from l2ogen.analysis.model import Model
from l2ogen.analysis.normal_form import normal_form
from l2ogen.certify import NotCertified, certify, schedule
from l2ogen.cli import main
from l2ogen.core import ir
from l2ogen.source import Source


def program(name: str) -> ir.Algorithm:
    made = pipeline.check(Source("t.l2o", name)).program if "\n" in name else l2ogen.load(name).checked.program
    assert isinstance(made, ir.Algorithm)
    return made


GD = """algorithm T
problem { f(x) : convex, smooth(L); minimize f(x) }
parameters { fixed a in R = %s/L }
state { x in R^n = 0 }
update { x+ = x - a*grad f(x) }
"""
NESTEROV = """algorithm T
problem { f(x) : convex, smooth(L); r(x) : convex, proximable; minimize f(x) + r(x) }
parameters { fixed a in R = 1/L }
state { x, y in R^n = 0 }
update { x+ = prox_r,a(y - a*grad f(y)); y+ = x+ + k/(k + 3)*(x+ - x) }
"""
PPA = """algorithm T
problem { r(x) : convex, proximable; minimize r(x) }
parameters { fixed a in R = 2 }
state { x in R^n = 0 }
update { x+ = prox_r,a(x) }
"""


@pytest.mark.parametrize(("name", "iterations", "tau"), [
    ("ista", 8, 1 / 32), ("fista", 8, 0.018197), (NESTEROV, 8, 0.01887), ("ista", 2, 1 / 8),
    (GD % 1, 3, 1 / 14), (GD % 1.5, 2, 1 / 14), (PPA, 2, 1 / 16),
])  # fmt: skip
def test_worst_cases(name: str, iterations: int, tau: float) -> None:
    """Gradient descent: 1/(4*N*a*L + 2) (Drori, Teboulle, 2014); the proximal point method: 1/(4*N*a)."""
    pytest.importorskip("PEPit")
    found = certify(program(name), iterations)
    assert found.tau == pytest.approx(tau, rel=1e-3)
    assert "numerically certified (SDP, solver tolerance" in str(found) and "proved" not in str(found)


def test_a_step_that_is_too_long_grows() -> None:
    pytest.importorskip("PEPit")
    assert certify(program(GD % 2.2), 3).tau > 2 * certify(program(GD % 2.2), 1).tau


def test_coefficients() -> None:
    """FISTA's momentum from its recursion: 0, then (t - 1)/t+."""
    fista = program("fista")
    found = schedule(fista, normal_form(Model(fista, "minimizer")), 3)
    t1 = (1 + 5**0.5) / 2
    t2 = (1 + (1 + 4 * t1**2) ** 0.5) / 2
    assert [A for _, A, _ in found[:2]] == pytest.approx([0, (t1 - 1) / t2]) and all(P == B == 1 for P, _, B in found)


@pytest.mark.parametrize(("name", "reason"), [
    ("l2o_pa", "is no number times I"), ("lista", "no normal form"), ("learned_step", "no number"), ("pba12", "biases"),
    (GD.replace("convex,", "convex, coercive,") % 1, "further properties"),
])  # fmt: skip
def test_what_is_not_certified(name: str, reason: str) -> None:
    with pytest.raises(NotCertified, match=reason):
        certify(program(name), 2)


def test_without_pepit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PEPit", None)
    result = CliRunner().invoke(main, ["check", "ista", "--certify", "2"])
    assert result.exit_code == 2 and "pip install 'l2ogen[certify]'" in result.output
    refused = CliRunner().invoke(main, ["check", "lista", "--certify", "2"])
    assert refused.exit_code == 1 and "LISTA is not certified: there is no normal form" in refused.output
    assert CliRunner().invoke(main, ["check", "ista", "--certify", "2", "--json"]).exit_code == 2
