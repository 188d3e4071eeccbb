"""`check --fix`: for every verdict short of proved that a change of the file can mend; each is checked again."""
from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import l2ogen
from l2ogen import pipeline
from l2ogen.analysis.report import examine
from l2ogen.cli import main
from l2ogen.core import ir
from l2ogen.mend import mend, text
from l2ogen.source import Source

COUPLED = ["theta_k with theta_k -> 0, theta_k >= 0", "W2_k = I - W1_k*A"]
COMPOSITE = "problem { f(x) : convex, smooth(L); r(x) : convex, proximable; minimize f(x) + r(x) }"
STEPS, MIXED = ["P with 0.5/L <= P <= 1/L", "A with -0.7 < A < 0.7"], "B = I"
DEVIATION = "safeguard deviation(delta = 0.05)"
ENVELOPES = [f"{b} with {b} -> 0 like 1/(k + 1)^2" for b in ("b1", "b2")]
FP, GC = "fixed point: {} -> {}", "convergence: {} -> {}"

LASSO = """algorithm T
problem { f(x) : convex, smooth(L); r(x) : convex, proximable; data { A in R^(m, n); b in R^m; lam in R with lam > 0 }; minimize f(x) + r(x) }
parameters { %s }
state { x in R^n = 0 }
update { x+ = %s }
train { on lasso(m = 8, n = 16, sparsity = 2); layers 4; loss F(x) }
"""
WEIGHTS = LASSO % ("learned W_k in R^(n, m); learned theta_k in R init 0.1 with theta_k >= 0", "soft(x + W_k*(b - A*x), theta_k)")
SMOOTH = """algorithm T
problem { f(x) : convex, smooth(L); minimize f(x) }
networks { phi = lstm(hidden = 4, layers = 1) per coordinate }
parameters { %s }
state { x in R^n = 0 }
update { x+ = %s }
"""

FIXES: dict[str, tuple[str, list[str], list[str]]] = {
    "lista": ("lista", COUPLED, [FP.format("conditional", "proved")]),
    "lista_cp": ("lista_cp", COUPLED[:1], [FP.format("conditional", "proved")]),
    "na_alista": ("na_alista", ["theta with theta -> 0 like 1/(k + 1)^2, theta >= 0"], [FP.format("conditional", "proved")]),
    "the weights of a LASSO": (WEIGHTS, ["W_k = theta_k/lam*A'"], [FP.format("conditional", "proved")]),
    "biases of PBA12": (
        "pba12", [*ENVELOPES, *STEPS, MIXED], [FP.format("refuted", "proved"), GC.format("refuted", "proved")]),
    "envelopes without a certificate": ("pba12:envelopes", [*STEPS, MIXED], [GC.format("refuted", "proved")]),
    "momentum beyond 1": ("pba12:A", ["A with -1 < A < 1"], [GC.format("refuted", "proved")]),
    "steps and momentum": ("pba12:PA", STEPS, [GC.format("refuted", "proved")]),
    "steps beyond 2/L": (
        SMOOTH % ("predicted P in diag(n) = phi(x, grad f(x)) with 0 < P < 3/L", "x - P*grad f(x)"),
        ["P with 0 < P < 2/L"], [GC.format("refuted", "proved")]),
    "a bias": (
        SMOOTH % ("predicted P in diag(n), b in R^n = phi(x, grad f(x)) with 0.1/L < P < 1.9/L", "x - P*grad f(x) - b"),
        ["b with b -> 0 like 1/(k + 1)^2"], [FP.format("refuted", "proved"), GC.format("refuted", "proved")]),
    "a black box": (
        "l2o_dm", [COMPOSITE, DEVIATION], [FP.format("refuted", "unknown"), GC.format("refuted", "proved")]),
    "a gradient that is added": (
        "algorithm Up\nproblem { f(x) : convex, smooth(L); minimize f(x) }\n"
        "parameters { learned P in diag(n) with 0 < P < 2/L }\nstate { x in R^n = 0 }\nupdate { x+ = x + P*grad f(x) }\n",
        ["x+ = x - P*grad f(x)"], [GC.format("refuted", "proved")]),
    "two gradients": ("horizon_one", [DEVIATION], [GC.format("refuted", "proved")]),
    "momentum with restarts": ("fista_restart", [DEVIATION], [GC.format("unknown", "proved")]),
}  # fmt: skip


def checked(spec: str) -> pipeline.Checked:
    made = pipeline.check(Source("t.l2o", spec)) if "\n" in spec else l2ogen.load(spec).checked
    assert made.ok, made.diagnostics
    return made


@pytest.mark.parametrize("name", FIXES)
def test_fixes(name: str) -> None:
    spec, lines, gains = FIXES[name]
    before = checked(spec)
    assert isinstance(before.program, ir.Algorithm)
    patch = mend(before, examine(before.program))
    assert patch is not None and list(patch.lines) == lines and patch.gains() == gains
    again = checked(text(patch.tree)).program
    assert isinstance(again, ir.Algorithm)
    first, promised = examine(again).targets[0].as_dict(), patch.report.targets[0].as_dict()
    for key in ("fixed_point", "convergence"):
        assert first[key] | {"witness": None} == promised[key] | {"witness": None}
    assert {gain.split()[-1] for gain in gains} <= {first["fixed_point"]["verdict"], first["convergence"]["verdict"]}


def test_adam_on_smooth_functions(tmp_path: Path) -> None:
    """A subgradient at a kink need not vanish at a solution, a gradient does."""
    file = tmp_path / "adam.l2o"
    result = CliRunner().invoke(main, ["check", "adam:usual", "--fix", str(file)])
    assert result.exit_code == 0 and FP.format("refuted", "proved") in result.output
    assert "f(x) : convex, smooth(L)" in file.read_text() and "g = grad f(x)" in file.read_text()
    assert "train" not in file.read_text() and "F(x)" not in file.read_text()


def test_the_solved_coupling_is_not_a_zero() -> None:
    """`B = 0` would prove PBA12, and leave out its momentum."""
    before = checked("pba12:envelopes")
    assert isinstance(before.program, ir.Algorithm)
    patch = mend(before, examine(before.program))
    assert patch is not None and not any(line.endswith("= 0") for line in patch.lines)
