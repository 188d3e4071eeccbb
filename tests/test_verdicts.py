"""The table of docs/theory.md's claims: what `check` must say about the rules of the field, and about rules near them."""

from __future__ import annotations

import json
from functools import cache

import pytest

import l2ogen
from l2ogen import pipeline
from l2ogen.analysis.numeric import witnesses
from l2ogen.analysis.report import Report, TargetReport, examine
from l2ogen.core import ir
from l2ogen.source import Source

SMOOTH = "problem { f(x) : convex, smooth(L); minimize f(x) }"
PROXIMABLE = "problem { r(x) : convex, proximable; minimize r(x) }"
COMPOSITE = "problem { f(x) : convex, smooth(L); r(x) : convex, proximable; minimize f(x) + r(x) }"
LASSO = "problem { f(x) : convex, smooth(L); r(x) : convex, proximable; data { A in R^(m, n); b in R^m; lam in R with lam > 0 }; minimize f(x) + r(x) }\ntrain { on lasso(m = 8, n = 16, sparsity = 2) }"


def rule(problem: str, update: str, parameters: str = "", states: str = "x in R^n = 0", networks: str = "") -> str:
    blocks = [networks and f"networks {{ {networks} }}", parameters and f"parameters {{ {parameters} }}"]
    return "\n".join(["algorithm T", problem, *filter(None, blocks), f"state {{ {states} }}", f"update {{ {update} }}"])


NET = "phi = lstm(hidden = 4, layers = 1) per coordinate"
TWO = "x, y in R^n = 0"
INERTIAL = "x+ = prox_r,P(y - P*grad f(y)); y+ = x+ + A*(x+ - x)"
BIASED = "x+ = prox_r,P((I - B)*(x - P*grad f(x)) + B*(y - P*grad f(y)) - b1); y+ = x+ + A*(x+ - x) + b2"
PBA = "x+ = prox_r,P((1 - B)*(x - P*grad f(x)) + B*(y - P*grad f(y))); y+ = x+ + A*(x+ - x)"
SCALAR = "x+ = prox_r,P((1 - B)*(x - P*grad f(x)) + B*(y - P*grad f(y)) - b1); y+ = x+ + A*(x+ - x) + b2"
FISTA = "x+ = prox_r,a(y - a*grad f(y)); t+ = (1 + sqrt(1 + 4*t^2))/2; y+ = x+ + ((t - 1)/t+)*(x+ - x)"
HEAVY = "x+ = x - a*grad f(x) + beta*(x - z); z+ = x"
ADAM = "m+ = b1*m + (1 - b1)*grad f(x); v+ = b2*v + (1 - b2)*grad f(x).^2; x+ = x - a*(m+/(1 - b1^(k + 1))) ./ (sqrt(v+/(1 - b2^(k + 1))) + eps)"
PGD = "x+ = prox_r,a(x - a*grad f(x))"

# rule: fixed point, convergence with its theorem and kind
RULES: dict[str, tuple[str, str, str]] = {
    "1 gradient descent": (rule(SMOOTH, "x+ = x - a*grad f(x)", "learned a in R with 0 < a < 2/L"), "proved", "proved C1s iterates"),
    "1 steps of 2/L": (rule(SMOOTH, "x+ = x - a*grad f(x)", "fixed a in R = 2/L"), "proved", "refuted"),
    "1 steps up to 2/L": (rule(SMOOTH, "x+ = x - a*grad f(x)", "learned a in R with 0.1/L < a <= 2/L"), "proved", "refuted"),
    "1 steps just below 2/L": (rule(SMOOTH, "x+ = x - a*grad f(x)", "fixed a in R = 1.9999999999/L"), "proved", "proved C1s iterates"),
    "2 the step of f alone": (rule(COMPOSITE, "x+ = x - a*grad f(x) + 0*r(x)*x", "fixed a in R = 1/L"), "refuted", "refuted"),
    "1 steps beyond": (rule(SMOOTH, "x+ = x - a*grad f(x)", "learned a in R with 0 < a < 3/L"), "proved", "refuted"),
    "1 wrong sign": (rule(SMOOTH, "x+ = x + a*grad f(x)", "fixed a in R = 1/L"), "proved", "refuted"),
    "3 proximal point with momentum": (rule(PROXIMABLE, "x+ = prox_r,a(y); y+ = x+ + c_k*(x+ - x)", "fixed a in R = 1; learned c_k in R with 0 <= c_k < 0.9", "x, y in R^n = 0"), "proved", "proved C2 values"),
    "3 proximal point with momentum of 1": (rule(PROXIMABLE, "x+ = prox_r,a(y); y+ = x+ + c_k*(x+ - x)", "fixed a in R = 1; learned c_k in R with 0 <= c_k <= 1.5", "x, y in R^n = 0"), "proved", "refuted"),
    "3 proximal point": (rule(PROXIMABLE, "x+ = prox_r,a(x)", "learned a in R init 1 with a > 0.1"), "proved", "proved C1s iterates"),
    "4 proximal gradient": (rule(COMPOSITE, PGD, "learned a in R with 0 < a < 2/L"), "proved", "proved C1s iterates"),
    "4 steps beyond": (rule(COMPOSITE, PGD, "fixed a in R = 2.5/L"), "proved", "refuted"),
    "4 steps of 2/L": (rule(COMPOSITE, PGD, "fixed a in R = 2/L"), "proved", "refuted"),
    "4 another metric in the prox": (rule(COMPOSITE, "x+ = prox_r,a(x - 0.5*a*grad f(x))", "fixed a in R = 1/L"), "refuted", "refuted"),
    "5 ISTA as soft": (rule(LASSO, "x+ = soft(x - 1/L*A'*(A*x - b), lam/L)"), "proved", "proved C1s iterates"),
    "5 ISTA with learned steps": (rule(LASSO, "x+ = soft(x - a_k*A'*(A*x - b), lam*a_k)", "learned a_k in R with 0 < a_k < 2/L"), "proved", "proved C1s iterates"),
    "5 ISTA by the norm of A": (rule(LASSO, "x+ = soft(x - 1.9/||A||_2^2*A'*(A*x - b), 1.9*lam/||A||_2^2)"), "proved", "proved C1s iterates"),
    "5 ISTA with steps beyond the norm of A": (rule(LASSO, "x+ = soft(x - 2.1/||A||_2^2*A'*(A*x - b), 2.1*lam/||A||_2^2)"), "proved", "refuted"),
    "5 ISTA with a threshold too large": (rule(LASSO, "x+ = soft(x - 1/L*A'*(A*x - b), 1.5*lam/L)"), "refuted", "refuted"),
    "5 ISTA with a threshold too small": (rule(LASSO, "x+ = soft(x - 1/L*A'*(A*x - b), 0.5*lam/L)"), "refuted", "refuted"),
    "5 ISTA with a step of another matrix": (rule(LASSO, "x+ = soft(x - 1/L*W*(A*x - b), lam/L)", "learned W in R^(n, m)"), "conditional", "refuted"),
    "5 ISTA with steps beyond": (rule(LASSO, "x+ = soft(x - 2.1/L*A'*(A*x - b), 2.1*lam/L)"), "proved", "refuted"),
    "5 ISTA with steps of 2/L": (rule(LASSO, "x+ = soft(x - 2/L*A'*(A*x - b), 2*lam/L)"), "proved", "refuted"),
    "5 ISTA with steps just below 2/L": (rule(LASSO, "x+ = soft(x - a*A'*(A*x - b), a*lam)", "fixed a in R = 1.9999999999/L"), "proved", "proved C1s iterates"),
    "5 ISTA with steps below twice the norm": (rule(LASSO, "x+ = soft(x - a*A'*(A*x - b), a*lam)", "learned a in R with 0 < a < 2/||A||_2^2"), "proved", "proved C1s iterates"),
    "5 ISTA with steps up to three times the norm": (rule(LASSO, "x+ = soft(x - a*A'*(A*x - b), a*lam)", "learned a in R with 0 < a <= 3/||A||_2^2"), "proved", "refuted"),
    "5 ISTA with a range that puts L in place of the norm of A": (rule(LASSO, "x+ = soft(x - P*(A'*(A*x - b)), lam*P)", "learned P in R with 0 < P < 2*L/(||A||_2^2*||A||_2^2)"), "proved", "unknown"),
    "5 ISTA with a step that puts L in place of the norm of A": (rule(LASSO, "x+ = soft(x - P/||A||_2^2/||A||_2^2*(A'*(A*x - b)), lam*P/||A||_2^2/||A||_2^2)", "learned P in R with L <= P <= 1.9*L"), "proved", "refuted"),
    "5 momentum with steps between 1/L and 1/||A||_2^2": (rule(LASSO, "x+ = prox_r,P(y - P*grad f(y)); y+ = x+ + B*(x+ - x)", "predicted P in diag(n) = phi(y) with 1/L <= P <= 1/||A||_2^2; learned B in R with 0 <= B <= 0.99", TWO, NET), "proved", "unknown"),
    "5 FISTA as soft": (rule(LASSO, "x+ = soft(y - 1/L*A'*(A*y - b), lam/L); t+ = (1 + sqrt(1 + 4*t^2))/2; y+ = x+ + ((t - 1)/t+)*(x+ - x)", states="x, y in R^n = 0; t in R = 1"), "proved", "proved C3 dist"),
    "6 FISTA": (rule(COMPOSITE, FISTA, "fixed a in R = 1/L", "x, y in R^n = 0; t in R = 1"), "proved", "proved C3 values"),
    "6 FISTA with steps between 1/L and 4/3/L": (rule(COMPOSITE, FISTA, "fixed a in R = 1.3/L", "x, y in R^n = 0; t in R = 1"), "proved", "unknown"),
    "6 FISTA with steps beyond 4/3/L": (rule(COMPOSITE, FISTA, "fixed a in R = 1.4/L", "x, y in R^n = 0; t in R = 1"), "proved", "refuted"),
    "7 momentum": (rule(SMOOTH, "v+ = beta*v + (1 - beta)*grad f(x); x+ = x - a*v+", "fixed a in R = 1/L; fixed beta in R = 0.9", "x, v in R^n = 0"), "proved", "proved C4 values"),
    "7 steps too long for beta": (rule(SMOOTH, "v+ = beta*v + (1 - beta)*grad f(x); x+ = x - a*v+", "fixed a in R = 50/L; fixed beta in R = 0.9", "x, v in R^n = 0"), "proved", "refuted"),
    "7 heavy ball in a fixed metric": (rule(COMPOSITE, "x+ = prox_r,P(x - P*grad f(x) + 0.5*(x - z)); z+ = x", "learned P in diag(n) with 0.1/L < P < 0.9/L", "x, z in R^n = 0"), "proved", "proved C4 values"),
    "7 heavy ball in a metric that changes": (rule(COMPOSITE, "x+ = prox_r,P_k(x - P_k*grad f(x) + 0.5*(x - z)); z+ = x", "learned P_k in diag(n) with 0.1/L < P_k < 0.9/L", "x, z in R^n = 0"), "proved", "unknown"),
    "7 heavy ball in a metric too long": (rule(COMPOSITE, "x+ = prox_r,P(x - P*grad f(x) + 0.5*(x - z)); z+ = x", "learned P in diag(n) with 0.1/L < P < 1.1/L", "x, z in R^n = 0"), "proved", "unknown"),
    "7 heavy ball at the end of what is stable": (rule(SMOOTH, HEAVY, "fixed a in R = 3/L; fixed beta in R = 0.5", "x, z in R^n = 0"), "proved", "refuted"),
    "7 heavy ball just before it": (rule(SMOOTH, HEAVY, "fixed a in R = 2.9999999999/L; fixed beta in R = 0.5", "x, z in R^n = 0"), "proved", "unknown"),
    "7 momentum that loses nothing": (rule(SMOOTH, HEAVY, "fixed a in R = 1/L; fixed beta in R = 1", "x, z in R^n = 0"), "proved", "refuted"),
    "7 momentum that loses next to nothing": (rule(SMOOTH, HEAVY, "fixed a in R = 1/L; fixed beta in R = 0.9999999999", "x, z in R^n = 0"), "proved", "unknown"),
    "14 a network as the step": (rule(SMOOTH, "x+ = x - phi(x, grad f(x))", networks=NET), "refuted", "refuted"),
    "14 a network between steps": (rule(SMOOTH, "x+ = x - 1/L*grad f(x) - phi(x, grad f(x))", networks=NET), "refuted", "refuted"),
    "14 a network times the gradient": (rule(SMOOTH, "x+ = x - 1/L*sigmoid(phi(x, grad f(x))) .* grad f(x)", networks=NET), "proved", "unknown"),
    "15 steps that vanish": (rule(SMOOTH, "x+ = x - a_k*tanh(phi(x, grad f(x)))", "learned a_k in R init 0.1 with a_k -> 0", networks=NET), "proved", "refuted"),
    "16 Adam": (rule(SMOOTH, ADAM, "fixed a in R = 0.01; fixed b1 in R = 0.9; fixed b2 in R = 0.999; fixed eps in R = 1e-8", "x, m, v in R^n = 0"), "proved", "unknown"),
    "17 published ranges": (rule(COMPOSITE, INERTIAL, "predicted P, A in diag(n) = phi(y, grad f(y)) with 0 < P < 2/L, 0 < A < 1", TWO, NET), "proved", "refuted"),
    "17 a step of any sign": (rule(COMPOSITE, "x+ = prox_r,P(x - P*grad f(x))", "predicted P in diag(n) = phi(x, grad f(x))", "x in R^n = 0", NET), "conditional", "refuted"),
    "18 free biases": (rule(COMPOSITE, BIASED, "predicted P, B, A in diag(n), b1, b2 in R^n = phi(y, grad f(y)) with 0 < P < 2/L, 0 < B < 1, 0 < A < 1", TWO, NET), "refuted", "refuted"),
    "18 envelopes": (rule(COMPOSITE, BIASED, "predicted P, B, A in diag(n), b1, b2 in R^n = phi(y, grad f(y)) with 0 < P < 2/L, 0 < B < 1, 0 < A < 1, b1 -> 0 like 1/(k + 1)^2, b2 -> 0 like 1/(k + 1)^2", TWO, NET), "proved", "refuted"),
    "18 free biases in certified ranges": (rule(COMPOSITE, SCALAR, "fixed P in diag(n) = 1/L; fixed B in R = 0.5; fixed A in R = 0.5; predicted b1, b2 in R^n = phi(y, grad f(y))", TWO, NET), "refuted", "refuted"),
    "18e certified envelopes": (rule(COMPOSITE, SCALAR.replace("B", "B_k").replace("A*", "A_k*"), "predicted P in diag(n), b1, b2 in R^n = phi(y, grad f(y)) with 0.5/L < P <= 1/L, b1 -> 0 like 1/(k + 1)^2, b2 -> 0 like 1/(k + 1)^2; learned B_k, A_k in R with 0 <= B_k <= 1, 0 < A_k < 0.7", TWO, NET), "proved", "proved C2b values"),
    "18e slow envelopes": (rule(COMPOSITE, SCALAR.replace("B", "B_k").replace("A*", "A_k*"), "predicted P in diag(n), b1, b2 in R^n = phi(y, grad f(y)) with 0.5/L < P <= 1/L, b1 -> 0 like 1/(k + 1)^0.5, b2 -> 0 like 1/(k + 1)^2; learned B_k, A_k in R with 0 <= B_k <= 1, 0 < A_k < 0.7", TWO, NET), "proved", "unknown"),
    "20 a number B": (rule(COMPOSITE, PBA.replace("B", "B_k").replace("A*", "A_k*"), "predicted P in diag(n) = phi(y, grad f(y)) with 0.5/L < P <= 1/L; learned B_k, A_k in R with 0 <= B_k <= 1, 0 < A_k < 0.7", TWO, NET), "proved", "proved C2c values"),
    "20 a number B, steps that vary too much": (rule(COMPOSITE, PBA.replace("B", "B_k").replace("A*", "A_k*"), "predicted P in diag(n) = phi(y, grad f(y)) with 0.4/L < P <= 1/L; learned B_k, A_k in R with 0 <= B_k <= 1, 0 < A_k < 0.7", TWO, NET), "proved", "unknown"),
    "20 half of the momentum": (rule(COMPOSITE, PBA, "fixed P in diag(n) = 1/L; fixed B in R = 0.5; fixed A in R = 1.3", TWO), "proved", "proved C2c values"),
    "20 B per coordinate": (rule(COMPOSITE, PBA.replace("(1 - B)", "(I - B)"), "predicted P, B in diag(n) = phi(y, grad f(y)) with 0.9/L < P <= 1/L, 0 <= B <= 1; fixed A in R = 0.5", TWO, NET), "proved", "unknown"),
    "20 published ranges": (rule(COMPOSITE, PBA.replace("(1 - B)", "(I - B)"), "predicted P, B, A in diag(n) = phi(y, grad f(y)) with 0 < P < 2/L, 0 < B < 1, 0 < A < 1", TWO, NET), "proved", "refuted"),
    "22 P alone": (rule(COMPOSITE, "x+ = prox_r,P(x - P*grad f(x))", "predicted P in diag(n) = phi(x, grad f(x)) with 0.1/L < P < 1.9/L", networks=NET), "proved", "proved C1v values"),
    "22 P made of an entry and 1": (rule(COMPOSITE, "P = diag((1 + 0.9*xi)/L); x+ = prox_r,P(x - P*grad f(x))", "predicted xi in R^n = phi(x, grad f(x)) with -1 < xi < 1", networks=NET), "proved", "unknown"),
    "22 P made of an entry that may be too large": (rule(COMPOSITE, "P = diag((1 + 1.1*xi)/L); x+ = prox_r,P(x - P*grad f(x))", "predicted xi in R^n = phi(x, grad f(x)) with -1 < xi < 1", networks=NET), "conditional", "refuted"),
    "22 P made of a state of at most 1": (rule(COMPOSITE, "P = diag((1 + s .* xi)/L); x+ = prox_r,P(x - P*grad f(x)); s+ = sqrt(1 - xi.^2)", "predicted xi in R^n = phi(x, grad f(x)) with -1 < xi < 1", "x in R^n = 0; s in R^n = 1", NET), "proved", "unknown"),
    "22 P made of a state that starts above 1": (rule(COMPOSITE, "P = diag((1 + s .* xi)/L); x+ = prox_r,P(x - P*grad f(x)); s+ = sqrt(1 - xi.^2)", "predicted xi in R^n = phi(x, grad f(x)) with -1 < xi < 1", "x in R^n = 0; s in R^n = 2", NET), "conditional", "unknown"),
    "22 P beyond 2/L": (rule(COMPOSITE, "x+ = prox_r,P(x - P*grad f(x))", "predicted P in diag(n) = phi(x, grad f(x)) with 0.1/L < P < 2.1/L", networks=NET), "proved", "refuted"),
    "23 steps beyond 1/L with less momentum": (rule(COMPOSITE, INERTIAL, "fixed P in R = 1.3/L; predicted A in diag(n) = phi(y, grad f(y)) with -0.5 < A < 0.5", TWO, NET), "proved", "proved C2d values"),
    "23 steps beyond 1/L with a little too much": (rule(COMPOSITE, INERTIAL, "fixed P in R = 1.34/L; predicted A in diag(n) = phi(y, grad f(y)) with -0.5 < A < 0.5", TWO, NET), "proved", "unknown"),
    "23 steps that vary": (rule(COMPOSITE, INERTIAL, "predicted P, A in diag(n) = phi(y, grad f(y)) with 0.5/L <= P <= 1/L, 0 <= A <= 0.81", TWO, NET), "proved", "proved C2d values"),
    "23 steps that vary around 1/L": (rule(COMPOSITE, INERTIAL, "predicted P, A in diag(n) = phi(y, grad f(y)) with 0.8/L <= P <= 1.2/L, 0 <= A <= 0.66", TWO, NET), "proved", "proved C2d values"),
    "23 steps that vary a little too much": (rule(COMPOSITE, INERTIAL, "predicted P, A in diag(n) = phi(y, grad f(y)) with 0.5/L <= P <= 1/L, 0 <= A <= 0.82", TWO, NET), "proved", "unknown"),
    "23 matrices that vary, a number as momentum": (rule(SMOOTH, "x+ = y - P_k*grad f(y); y+ = x+ + A_k*(x+ - x)", "learned P_k in sym(n) with 0.5/L <= P_k <= 1/L; learned A_k in R with 0 <= A_k <= 0.81", TWO), "proved", "proved C2d values"),
    "23 matrices and momentum that do not commute": (rule(SMOOTH, "x+ = y - P*grad f(y); y+ = x+ + A*(x+ - x)", "learned P in sym(n) with 0.5/L <= P <= 1/L; learned A in diag(n) with 0 <= A <= 0.81", TWO), "proved", "unknown"),
    "23 A alone": (rule(COMPOSITE, "x+ = prox_r,1/L*I(y - 1/L*grad f(y)); y+ = x+ + A*(x+ - x)".replace("1/L*I", "a").replace("1/L*grad", "a*grad"), "fixed a in R = 1/L; predicted A in diag(n) = phi(y, grad f(y)) with 0 < A < 0.9", TWO, NET), "proved", "proved C2 values"),
    "23 A beyond 1": (rule(COMPOSITE, "x+ = prox_r,a(y - a*grad f(y)); y+ = x+ + A*(x+ - x)", "fixed a in R = 1/L; predicted A in diag(n) = phi(y, grad f(y)) with 0 < A < 1.5", TWO, NET), "proved", "refuted"),
    "24 a bias": (rule(SMOOTH, "x+ = x - P*grad f(x) - b", "predicted P in diag(n), b in R^n = phi(x, grad f(x)) with 0.1/L < P < 1.9/L", networks=NET), "refuted", "refuted"),
    "24 a bias of a network that has none": (rule(SMOOTH, "x+ = x - 1/L*grad f(x) - b", "predicted b in R^n = phi(x, grad f(x))", networks=NET.replace("layers = 1", "layers = 1, bias = false")), "refuted", "unknown"),
    "24 a step without f": (rule(PROXIMABLE, "x+ = prox_r,a(x) - b", "fixed a in R = 1; predicted b in R^n = phi(x)", networks=NET), "refuted", "refuted"),
    "24 a bias of finite length": (rule(SMOOTH, "x+ = x - a*grad f(x) - b", "fixed a in R = 1/L; predicted b in R^n = phi(x, grad f(x)) with b -> 0 like 1/(k + 1)^2", networks=NET), "proved", "proved C1s iterates"),
    "24 a bias schedule": (rule(SMOOTH, "x+ = x - 1/L*grad f(x) - b_k", "learned b_k in R^n init 0"), "conditional", "refuted"),
    "24 a bias schedule that ends": (rule(SMOOTH, "x+ = x - 1/L*grad f(x) - b_k", "learned b_k in R^n init 0 with b_k -> 0 tail decay(0.9)"), "proved", "proved C1s iterates"),
}


@cache
def verdicts(name: str) -> Report:
    if name not in RULES:
        return l2ogen.load(name).verdicts()
    made = pipeline.check(Source("rule.l2o", RULES[name][0]))
    assert isinstance(made.program, ir.Algorithm), made.diagnostics
    return examine(made.program)


def summary(t: TargetReport) -> str:
    c = t.convergence
    return f"proved {c.theorem} {c.kind}" if c.verdict == "proved" else c.verdict


@pytest.mark.parametrize("name", RULES)
def test_rules(name: str) -> None:
    target = verdicts(name).targets[0]
    assert (target.fixed_point.verdict, summary(target)) == RULES[name][1:]
    for found in (target.fixed_point, target.convergence):
        assert (found.verdict == "refuted") == (found.witness is not None), "a refutation shows a problem that was run"
    witness = target.convergence.witness
    if witness is not None:  # x_k is no closer to the minimizer at the end than here
        assert witnesses.replay(target.model.program, json.loads(json.dumps(witness))) == witness["distance"] > 1e-3


# spec, target: fixed point, obligations, normal form without what is 0, convergence
SPECS: list[tuple[str, str, str, list[str], str, str]] = [
    ("lista", "recovery", "conditional iff", ['W1_k*A + W2_k - I -> 0', 'theta_k -> 0'], "", ""),
    ("lista", "minimizer", "conditional iff", ["W1_k - theta_k/lam*A' -> 0", 'W1_k*A + W2_k - I -> 0'], "P1 = theta_k/lam*I, b1 = (W1_k - theta_k/lam*A')*(A*x - b) - (W2_k + W1_k*A - I)*x", "unknown"),
    ("lista_cp", "recovery", "conditional iff", ['theta_k -> 0'], "", ""),
    ("lista_cp", "minimizer", "conditional iff", ["W_k - theta_k/lam*A' -> 0"], "P1 = theta_k/lam*I, b1 = (W_k - theta_k/lam*A')*(A*x - b)", "unknown"),
    ("lista_cpss", "recovery", "conditional iff", ['theta_k -> 0'], "", ""),
    ("lista_cpss", "minimizer", "unknown", [], "", "unknown"),
    ("tilista:plain", "recovery", "conditional iff", ['theta_k -> 0'], "", ""),
    ("tilista:plain", "minimizer", "conditional iff", ["gamma_k*W' - theta_k/lam*A' -> 0"], "P1 = theta_k/lam*I, b1 = (gamma_k*W' - theta_k/lam*A')*(A*x - b)", "unknown"),
    ("alista:plain", "recovery", "conditional iff", ['theta_k -> 0'], "", ""),
    ("alista:plain", "minimizer", "conditional iff", ["gamma_k*W' - theta_k/lam*A' -> 0"], "P1 = theta_k/lam*I, b1 = (gamma_k*W' - theta_k/lam*A')*(A*x - b)", "unknown"),
    ("hyperlista", "recovery", "proved", [], "", ""),
    ("hyperlista", "minimizer", "refuted", [], "", "unknown"),
    ("hyperlista:whitened", "recovery", "proved", [], "", ""),
    ("hyperlista:whitened", "minimizer", "refuted", [], "", "unknown"),
    ("ada_lista", "minimizer", "conditional iff", ["gamma_k*A'*W2' - theta_k/lam*A' -> 0", "gamma_k*A'*W2'*A - gamma_k*A'*W1'*W1*A -> 0"], "P1 = theta_k/lam*I, b1 = (gamma_k*A'*W2' - theta_k/lam*A')*(A*x - b) - (gamma_k*A'*W2'*A - gamma_k*A'*W1'*W1*A)*x", "refuted"),
    ("ada_lista", "recovery", "conditional iff", ["gamma_k*A'*W2'*A - gamma_k*A'*W1'*W1*A -> 0", 'theta_k -> 0'], "", ""),
    ("fista", "minimizer", "proved", [], "P1 = 1/L*I, P2 = 1/L*I, A = 2*(t - 1)/(sqrt(4*t^2 + 1) + 1)*I, B = I", "proved C3 values"),
    ("gd_momentum", "minimizer", "proved", [], "", "proved C4 values"),
    ("l2o_dm", "minimizer", "refuted", [], "b1 = -1/10*elu(…)", "refuted"),
    ("rnnprop", "minimizer", "refuted", [], "b1 = 1/10*tanh(…)", "refuted"),
    ("l2o_p", "minimizer", "proved", [], "P1 = P", "proved C1v values"),
    ("l2o_pa", "minimizer", "proved", [], "P1 = P, P2 = P, A = A, B = I", "refuted"),
    ("l2o_pa:safeguarded", "minimizer", "proved", [], "P1 = P, P2 = P, A = A, B = I", "proved SG-B residual"),
    ("l2o_pa_certified", "minimizer", "proved", [], "P1 = p+, P2 = p+, A = a+, B = I", "proved C2 values"),
    ("pba12", "minimizer", "refuted", [], "P1 = P, P2 = B*P, A = A, B = B, b1 = b1, b2 = b2", "refuted"),
    ("pba12:PBA2", "minimizer", "refuted", [], "P1 = P, P2 = B*P, A = A, B = B, b2 = b2", "refuted"),
    ("pba12:PBA1", "minimizer", "refuted", [], "P1 = P, P2 = B*P, A = A, B = B, b1 = b1", "refuted"),
    ("pba12:PBA", "minimizer", "proved", [], "P1 = P, P2 = B*P, A = A, B = B", "refuted"),
    ("pba12:PA", "minimizer", "proved", [], "P1 = P, P2 = P, A = A, B = I", "refuted"),
    ("pba12:P", "minimizer", "proved", [], "P1 = P, P2 = P, B = I", "proved C1v values"),
    ("pba12:A", "minimizer", "proved", [], "P1 = 1/L*I, P2 = 1/L*I, A = A, B = I", "refuted"),
    ("pba12:envelopes", "minimizer", "proved", [], "P1 = P, P2 = B*P, A = A, B = B, b1 = b1, b2 = b2", "refuted"),
    ("smooth_form", "minimizer", "proved", [], "P1 = P, b1 = b", "proved C1v values"),
    ("nonsmooth_form", "minimizer", "proved", [], "P1 = P, b1 = b", "proved C1v values"),
    ("composite_form", "minimizer", "proved", [], "P1 = P, b1 = b", "proved C1v values"),
    ("horizon_one", "minimizer", "proved", [], "P1 = P1, P2 = P2, A = -A, B = -B, b1 = b1, b2 = b2", "refuted"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "target", "fixed_point", "obligations", "form", "convergence"), SPECS)
def test_specs(
    name: str, target: str, fixed_point: str, obligations: list[str], form: str, convergence: str
) -> None:
    found = next(t for t in verdicts(name).targets if t.model.target == target)
    verdict, iff, *_ = (*fixed_point.split(), "")
    assert found.fixed_point.verdict == verdict and (verdict != "conditional" or found.fixed_point.iff == bool(iff))
    if verdict == "conditional":
        assert sorted(found.fixed_point.obligations) == sorted(obligations)
    witness = found.fixed_point.witness
    assert (witness is not None) == (verdict == "refuted")
    if witness is not None:
        assert witnesses.replay(found.model.program, json.loads(json.dumps(witness))) == witness["residual"]
    if target == "minimizer":
        texts = found.form.texts() if found.form is not None else {}
        assert ", ".join(f"{k} = {v}" for k, v in texts.items() if v != "0") == form
        assert summary(found) == convergence


def test_what_a_certificate_assumes_and_gives() -> None:
    """Convergence of distances only where F is coercive; a minimizer is assumed to exist, L to be a bound."""
    base = rule(COMPOSITE, "x+ = prox_r,P(x - P*grad f(x))", "predicted P in diag(n) = phi(x, grad f(x)) with 0 < P < 2/L", networks=NET)
    for text, kind in ((base, "values"), (base.replace("r(x) : convex,", "r(x) : convex, coercive,"), "dist")):
        made = pipeline.check(Source("rule.l2o", text))
        assert isinstance(made.program, ir.Algorithm), made.diagnostics
        found = examine(made.program).targets[0].convergence
        assert found.kind == kind and "a minimizer exists" in found.assumes
        assert any(a.startswith("L is an upper bound") for a in found.assumes)


ANY, IMPLICIT = "d = any(2)", " where g in subgrad r(x+)"
HORIZON = f"x+ = x - d(x, grad f(x), x+, g, y, grad f(y)){IMPLICIT}; y+ = "

# rule: obligations, normal form without what is 0, what the theorem says of x+
THEOREMS: dict[str, tuple[str, list[str], str, str]] = {
    "T1": (rule(SMOOTH, "x+ = x - d(x, grad f(x))", networks=ANY), ["d(x*, 0) -> 0"],
           "P1 = J(d, grad f(x)), b1 = o(1)", "x - P_k*grad f(x) - b_k"),
    "T2": (rule(PROXIMABLE, f"x+ = x - d(x+, g){IMPLICIT}", networks=ANY), ["d(x*, 0) -> 0"],
           "P1 = J(d, g), b1 = o(1)", "x - P_k*g - b_k"),
    "T3": (rule(COMPOSITE, f"x+ = x - d(x, grad f(x), x+, g){IMPLICIT}", networks=ANY), ["d(x*, -g*, x*, g*) -> 0"],
           "P1 = J(d, g), b1 = o(1)", "x - P_k*(grad f(x) + g) - b_k"),
    "T4": (rule(COMPOSITE, HORIZON + "m(x+, x)", "", TWO, ANY + "; m = any(3)"),
           ["d(x*, -g*, x*, g*, x*, -g*) -> 0", "m(x*, x*) - x* -> 0"],
           "P1 = J(d, g), P2 = J(d, grad f(y)), A = -J(m, x), b1 = o(1), b2 = o(1)",
           "x - (P_k - Q_k)*grad f(x) - Q_k*grad f(y) - P_k*g - b_k"),
    "T4 with an extrapolation": (
        rule(COMPOSITE, HORIZON + "x+ + A*(x+ - x)", "predicted A in diag(n) = phi(x) with 0 < A < 1", TWO, f"{ANY}; {NET}"),
        ["d(x*, -g*, x*, g*, x*, -g*) -> 0"],
        "P1 = J(d, g), P2 = J(d, grad f(y)), A = A, b1 = o(1)",
        "x - (P_k - Q_k)*grad f(x) - Q_k*grad f(y) - P_k*g - b_k"),
}  # fmt: skip


def examined(text: str) -> TargetReport:
    made = pipeline.check(Source("rule.l2o", text))
    assert isinstance(made.program, ir.Algorithm), made.diagnostics
    return examine(made.program).targets[0]


@pytest.mark.parametrize("name", THEOREMS)
def test_the_theorems_come_out_as_normal_forms(name: str) -> None:
    """Of rules with an arbitrary map: what they must be if they converge and keep their solutions."""
    text, obligations, form, step = THEOREMS[name]
    found = examined(text)
    assert (found.fixed_point.verdict, found.fixed_point.iff, summary(found)) == ("conditional", True, "unknown")
    assert sorted(found.fixed_point.obligations) == sorted(obligations)
    assert found.form is not None
    assert ", ".join(f"{k} = {v}" for k, v in found.form.texts().items() if v != "0") == form
    assert f"theorem {name[:2]}: " in found.form.theorem and f"x+ = {step} with b_k -> 0" in found.form.theorem
    assert ("symmetric and positive definite" in found.form.theorem) == (name != "T1")
    assert found.form.theorem in found.fixed_point.notes


@pytest.mark.parametrize(("what", "text"), [
    ("a sum of two maps", rule(SMOOTH, "x+ = x - d(x, grad f(x)) - d(grad f(x), x)", networks=ANY)),
    ("no step from x", rule(SMOOTH, "x+ = 2*x - d(x, grad f(x))", networks=ANY)),
    ("no gradient", rule(SMOOTH, "x+ = x - d(x, x) + 0*grad f(x)", networks=ANY)),
    ("an argument that no theorem has", rule(SMOOTH, "x+ = x - d(x, grad f(2*x))", networks=ANY)),
    ("a prox beside the map", rule(COMPOSITE, "x+ = prox_{r, 1/L}(x - d(x, grad f(x)))", networks=ANY)),
    ("a point whose momentum nothing bounds", rule(COMPOSITE, HORIZON + "x+ + A*(x+ - x)", "predicted A in diag(n) = phi(x)", TWO, f"{ANY}; {NET}")),
])  # fmt: skip
def test_no_theorem(what: str, text: str) -> None:
    found = examined(text)
    assert found.form is None and not any("theorem" in note for note in found.fixed_point.notes)


def test_an_implicit_rule_with_the_wrong_sign_is_not_read_as_one_of_any_map() -> None:
    assert examined(rule(COMPOSITE, f"x+ = x - P*grad f(x) + P*g{IMPLICIT}", "fixed P in diag(n) = 1/L")).fixed_point.verdict == "unknown"
