"""Rules on which the checker once said too much, the smallest of each kind."""

from pathlib import Path

import pytest

from l2ogen import pipeline
from l2ogen.analysis.report import TargetReport, examine
from l2ogen.core import ir
from l2ogen.core.constants import vanishes
from l2ogen.source import Source

COMPOSITE = "problem { f(x) : convex, smooth(L); r(x) : convex, proximable; minimize f(x) + r(x) }\n"
SMOOTH = "problem { f(x) : convex, smooth(L); minimize f(x) }\n"
DATA = "problem { data { A in R^(m, n); b in R^m; lam in R with lam > 0 }; recover x from b = A*x : sparse(x) }\n"
STEP = "x+ = x - 1/L*grad f(x)"
SPECS = Path(__file__).resolve().parents[1] / "specs"


def spec(problem: str, update: str, parameters: str = "", networks: str = "", states: str = "x") -> str:
    blocks = [f"networks {{ {networks} }}"] * bool(networks) + [f"parameters {{ {parameters} }}"] * bool(parameters)
    return "\n".join(["algorithm Trap", problem, *blocks, f"state {{ {states} in R^n = 0 }}", f"update {{ {update} }}", ""])


def targets(text: str) -> list[TargetReport]:
    program = pipeline.check(Source("trap.l2o", text)).program
    assert isinstance(program, ir.Algorithm), pipeline.check(Source("trap.l2o", text)).diagnostics
    return examine(program).targets


PER_COORDINATE, POOLED = "phi = mlp(hidden = 3) per coordinate", "phi = mlp(hidden = 3)"
NOT_PROVED = {
    "a name of the user's is no name of the checker's": spec(
        COMPOSITE, "x+ = prox_{r, 1/L}(x - 1/L*grad f(x) + D1*grad f(x) - grad f(x) ./ exp(x))",
        "learned D1 in diag(n)",
    ),
    "a count of entries as a threshold": spec(DATA, "x+ = soft(x - W*(A*x - b), 0.1*||A*x - b||_0)", "learned W in R^(n, m)"),
    "a count of entries next to 0": spec(SMOOTH, "x+ = x - 0.1*||grad f(x)||_0*x"),
    "a sign next to 0": spec(SMOOTH, "x+ = x - 0.1*sign(grad f(x))"),
    "a sign of a norm": spec(SMOOTH, "x+ = x - 1/L*grad f(x) - sign(||grad f(x)||_2)*x"),
    "0 times a power that is not defined": spec(SMOOTH, "x+ = x - grad f(x) .* (grad f(x) .^ (-1))"),
    "0 times a logarithm that is not defined": spec(SMOOTH, "x+ = x - grad f(x) .* log(abs(grad f(x)))"),
    "an average whose factor moves has no equilibrium": spec(
        COMPOSITE, "v+ = beta*v + 0.5*grad f(x); x+ = prox_{r, 0.5/L/(1 - beta)}(x - 1/L*v+)",
        "predicted beta in R = phi(x) with 0.1 < beta < 0.9", POOLED, "x, v",
    ),
    "a network at two inputs gives two outputs": spec(SMOOTH, f"{STEP} + phi(x) - phi(grad f(x))", "", PER_COORDINATE),
    "a network with a memory answers each call anew": spec(
        SMOOTH, f"{STEP} + phi(x) - phi(x)", "", "phi = gru(hidden = 3) per coordinate"),
    "any map at two inputs gives two outputs": spec(
        SMOOTH, f"{STEP} + d(x, grad f(x)) - d(grad f(x), x)", "", "d = any(1)"),
    "standardized inputs of 0 are not 0": spec(
        SMOOTH, "x+ = x - phi(grad f(x))", "", "phi = mlp(hidden = 3, bias = false, inputs = standardized) per coordinate"),
    "a state that adds up what disturbs it": spec(
        SMOOTH, "x+ = x - 1/L*grad f(x) - 0.1*(y - x); y+ = y + b_k", "learned b_k in R^n with b_k -> 0 tail 1/(k + 1)",
        states="x, y",
    ),
    "a mean of gradients is one": spec(
        COMPOSITE, "z+ = z + grad f(x); x+ = prox_{r, 1/L}(x - 1/L*grad f(x) - z/(k + 1))", states="x, z"),
    "a mean of points is one": spec(SMOOTH, f"z+ = z + x; {STEP} + z/(k + 1)", states="x, z"),
    "a mean of measurements is one": spec(
        DATA, "u+ = u + A*x; x+ = soft(x + A'*(b - A*x) + A'*u/(k + 1), th/(k + 1))", "learned th in R with th >= 0",
    ).replace("in R^n = 0 }", "in R^n = 0; u in R^m = 0 }"),
    "a gradient at a sum grows with it": spec(SMOOTH, f"z+ = z + x; {STEP} + grad f(z)/(k + 1)", states="x, z"),
    "a function of a sum grows with it": spec(SMOOTH, f"z+ = z + x; {STEP} + z.^2/(k + 1)", states="x, z"),
    "what vanishes, times a sum that it is added to": spec(
        SMOOTH, f"z+ = z + b; {STEP} + z*b", "learned b in R with b -> 0 like 1/(k + 1)^0.4", states="x, z"),
    "a threshold that a growing scalar makes": spec(
        DATA, "t+ = t + 1; x+ = soft(x + A'*(b - A*x), t/(k + 1))").replace("in R^n = 0 }", "in R^n = 0; t in R = 0 }"),
    "a root of what may be negative": spec(
        SMOOTH, "x+ = x - 1/L*grad f(x) + sqrt(1 - P)*(x - x)", "predicted P in diag(n) = phi(x)", PER_COORDINATE),
    "an unbounded factor of a state that tends to x*": spec(
        SMOOTH, "x+ = x - 1/L*grad f(x) - P*(y - x); y+ = x+ - b_k",
        "predicted P in diag(n) = phi(x); learned b_k in R^n with b_k -> 0", PER_COORDINATE, "x, y",
    ),
    "a product of positive definite matrices, in a sum that is inverted": spec(
        SMOOTH, "x+ = x - inv(Q*S + S*Q)*grad f(x)", "learned Q, S in sym(n) with Q >= 1, S >= 1"),
    "a norm of a parameter, which may be 0": spec(SMOOTH, "x+ = x - 1/||W||_2^2*grad f(x)", "learned W in R^(n, n)"),
    "two quantities that tend to 0 are not equal": spec(
        SMOOTH, f"{STEP} - P*(grad f(x + b_k) - grad f(x + c_k))",
        "predicted P in diag(n) = phi(x); learned b_k, c_k in R^n with b_k -> 0, c_k -> 0", PER_COORDINATE,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", NOT_PROVED)
def test_not_proved(what: str) -> None:
    assert targets(NOT_PROVED[what])[0].fixed_point.verdict != "proved"


def test_a_count_of_entries_times_what_is_0() -> None:
    """It is bounded, so that momentum times it vanishes with the momentum: HyperLISTA's, and with a count that jumps."""
    text = (SPECS / "hyperlista.l2o").read_text("utf-8")
    for count in ("||x||_0", "||B*(A*x - b)||_0"):
        assert targets(text.replace("||x||_0", count))[0].fixed_point.verdict == "proved"


CIRCLE = "x+ = y - 1/L*grad f(y); y+ = 0.6*y + 0.6*z - 0.2*x; z+ = 0.6*y + 0.6*z - 0.2*x"
NOT_UNIFORM = {
    "states that grow in a circle": spec(SMOOTH, CIRCLE, states="x, y, z"),
    "a network that is 0 while its hidden state is": spec(
        SMOOTH, "x+ = x - phi(grad f(x))", "", "phi = lstm(hidden = 3, bias = false) per coordinate"),
    "a factor that may tend to 1": spec(
        SMOOTH, "v+ = beta*v + (1 - beta)*grad f(x); x+ = x - 1/L*v+",
        "predicted beta in R = phi(x) with 0 < beta < 1, margin(0)", POOLED, "x, v",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", NOT_UNIFORM)
def test_not_from_every_start(what: str) -> None:
    assert targets(NOT_UNIFORM[what])[0].fixed_point.reading == "equilibrium"


NOT_REFUTED = {
    "a coefficient that is 0 inside its range": (
        spec(COMPOSITE, "x+ = prox_{r, 1/L}(x - a/L*grad f(x))", "learned a in R with 0 < a < 2"), 0, "conditional"),
    "a factor that vanishes": (spec(SMOOTH, f"{STEP} + b_k .* x", "learned b_k in R^n with b_k -> 0"), 0, "proved"),
    "a function of what vanishes": (spec(SMOOTH, f"{STEP} + tanh(b_k)", "learned b_k in R^n with b_k -> 0"), 0, "proved"),
    "a formula that is used twice": (
        spec(DATA, "x+ = soft(x - alpha*A'*(A*x - b), alpha*lam)", "fixed alpha in R = 1/||A||_2^2"), 1, "proved"),
    "a prox whose value does not matter in the limit": (
        spec(COMPOSITE, "z = prox_{r, 1/L}(2*x); x+ = x + rho_k*(z - x) - 0*grad f(x)",
             "learned rho_k in R with rho_k -> 0"), 0, "proved"),
    "a prox whose weight may tend to 0": (
        spec(COMPOSITE, "z = prox_{r, 1/L}(2*x); x+ = x + rho_k*(z - x) - 0*grad f(x)",
             "learned rho_k in R with 0 < rho_k < 1"), 0, "conditional"),
}  # fmt: skip


FADES = "t in R = 1"
SCALAR_STATES = {
    "a bias that fades": (f"t+ = 0.9*t; {STEP} - t", FADES),
    "a factor that fades": ("t+ = t/(1 + t); x+ = x - 1/L*grad f(x) - t*x", FADES),
    "a counter": (f"t+ = t + 1; {STEP} - 1/(t + 1)", "t in R = 0"),
}


@pytest.mark.parametrize("what", SCALAR_STATES)
def test_where_a_scalar_state_tends_is_not_known(what: str) -> None:
    """Its start refutes nothing: what it is then may fade."""
    update, state = SCALAR_STATES[what]
    found = targets(spec(SMOOTH, update).replace("= 0 }", f"= 0; {state} }}"))[0].fixed_point
    assert found.verdict == "unknown"
    assert "`t`" in found.reason


def test_what_ends_with_its_layers_converges_to_nothing() -> None:
    step = "learned P_k in diag(n) with 0 < P_k < 2/L"
    endless, ending = (targets(spec(SMOOTH, "x+ = x - P_k*grad f(x)", f"{step}{tail}"))[0] for tail in ("", " tail none"))
    assert (endless.convergence.verdict, ending.convergence.verdict) == ("proved", "unknown")


def test_factors_below_1_whose_product_stays() -> None:
    """(1 - 1/(k + 2)^2) from k = 0 on multiply to 1/2."""
    found = targets(spec(SMOOTH, f"z+ = (1 - 1/(k + 2)^2)*z; {STEP} + z", states="x, z"))[0].fixed_point
    assert (found.verdict, found.reading) == ("proved", "equilibrium")


def test_a_schedule_that_sympy_cannot_follow_is_no_crash() -> None:
    update = "v+ = min(0.9, 0.1*k)*v + (1 - min(0.9, 0.1*k))*grad f(x); x+ = x - 0.1/L*v+"
    assert targets(spec(SMOOTH, update, states="x, v"))[0].convergence.verdict == "unknown"


@pytest.mark.parametrize("what", NOT_REFUTED)
def test_not_refuted(what: str) -> None:
    text, target, verdict = NOT_REFUTED[what]
    assert targets(text)[target].fixed_point.verdict == verdict


NO_CERTIFICATE = {
    "a step of f that only looks at r": spec(
        COMPOSITE, "x+ = x - a*grad f(x)", "predicted a in R = phi(r(x)) with 0 < a < 1/L", POOLED),
    "an averaged step of f that only looks at r": spec(
        COMPOSITE, "v+ = 0.5*v + 0.5*grad f(x); x+ = x - 1/L*v+ + 0*r(x)*x", states="x, v"),
    "a prox of r that only looks at f": spec(
        COMPOSITE, "x+ = prox_r,P(x)", "predicted P in diag(n) = phi(x, f(x)) with 0 < P < 1/L", PER_COORDINATE),
    "the other root of FISTA's recursion": spec(
        COMPOSITE, "x+ = prox_{r, 1/L}(y - 1/L*grad f(y)); t+ = (1 - sqrt(1 + 4*t^2))/2; y+ = x+ + ((t - 1)/t+)*(x+ - x)",
        states="x, y").replace("x, y in R^n = 0", "x, y in R^n = 0; t in R = 1"),
    "a metric that does not commute with the momentum": spec(
        SMOOTH, "x+ = y - P*grad f(y); y+ = x+ + A*(x+ - x)",
        "learned P in sym(n) with 0.01/L <= P <= 1/L; learned A in diag(n) with -0.9 <= A <= 0.9", states="x, y"),
    "a datum called L that is no Lipschitz constant": spec(
        COMPOSITE.replace("{ f", "{ data { L in R with L > 0 }; f").replace("smooth(L)", "smooth(M)"),
        "x+ = prox_{r, 1/L}(x - 1/L*grad f(x))"),
    "gradients of minibatches": spec(SMOOTH, "x+ = x - 1/L*stochgrad f(x)"),
    "a step that vanishes": spec(SMOOTH, "x+ = x - a_k/L*grad f(x)", "learned a_k in R with a_k > 0, a_k -> 0 like 1/(k + 1)^2"),
    "a tail ends at 0": spec(
        COMPOSITE, "x+ = prox_{r, a_k}(x - a_k*grad f(x))", "learned a_k in R with 0 < a_k < 1/L tail decay(0.9)"),
    "a step that is longer than that of the prox": spec(
        COMPOSITE, "z = prox_{r, 1/L}(x - 1/L*grad f(x)); x+ = x + 1.9*(z - x)"),
    "the negative part of a parameter": spec(
        SMOOTH, "x+ = y - 1/L*grad f(y); y+ = x+ + min(a, 0)*(x+ - x)", "learned a in R with -3 < a < 0.9", states="x, y"),
}  # fmt: skip


@pytest.mark.parametrize("what", NO_CERTIFICATE)
def test_no_certificate(what: str) -> None:
    assert targets(NO_CERTIFICATE[what])[0].convergence.verdict != "proved"


NOT_EXACT = {
    "a step that vanishes": spec(SMOOTH, "x+ = x - a_k/L*grad f(x)", "learned a_k in R with a_k > 0, a_k -> 0 like 1/(k + 1)^2"),
    "a distance that vanishes times what grows": spec(
        COMPOSITE, "x+ = prox_{r, 1/L}(x + p_k*(y - x) - 1/L*grad f(x)); y+ = x+ + c",
        "fixed p_k in R = k; predicted c in R^n = phi(x) with c -> 0 like 1/(k + 1)^0.5", PER_COORDINATE, "x, y"),
    "a step of f that only looks at r": NO_CERTIFICATE["a step of f that only looks at r"],
}  # fmt: skip


@pytest.mark.parametrize("what", NOT_EXACT)
def test_not_exact(what: str) -> None:
    assert targets(NOT_EXACT[what])[0].exactness.verdict != "proved"


@pytest.mark.parametrize("formula", ["2*(1 + 1/(k + 1))", "1/(k + (2 - k))", "1/(k + 1)/((1 + 1/(k + 1)) - 1)"])
def test_formulas_that_stay(formula: str) -> None:
    """They are no envelopes of what tends to 0."""
    text = spec(SMOOTH, f"{STEP} - c_k*x", f"fixed c_k in R = {formula}")
    program = pipeline.check(Source("trap.l2o", text)).program
    assert isinstance(program, ir.Algorithm)
    value = program.parameters[0].value
    assert value is not None and not vanishes(value, {})


@pytest.mark.parametrize("tail", ["3/L", "-1", "decay(0.9)", "1/L - 0.6/L"])
def test_tails_stay_in_the_range(tail: str) -> None:
    """Behind the last layer facts hold, too, or the file is wrong."""
    text = spec(COMPOSITE, "x+ = prox_{r, a_k}(x - a_k*grad f(x))", f"learned a_k in R with 0.5/L <= a_k < 1/L tail {tail}")
    made = pipeline.check(Source("trap.l2o", text))
    assert [d.code for d in made.diagnostics] == ["L2O414"]
    assert pipeline.check(Source("trap.l2o", text.replace(tail, "0.75/L"))).ok


@pytest.mark.parametrize("point", ["c*x", "x + (c - 1)*x"])
def test_a_gradient_elsewhere_is_not_refuted_where_a_learned_number_may_bring_it_back(point: str) -> None:
    """c = 1 makes it the gradient at the solution; a number that is given does not."""
    learned = spec(COMPOSITE, f"x+ = prox_{{r, a}}(x - a*grad f({point}))", "fixed a in R = 1/L; learned c in R with 0 < c < 3")
    given = learned.replace("learned c in R with 0 < c < 3", "fixed c in R = 2")
    found = targets(learned)[0].fixed_point
    assert (found.verdict, found.iff, found.obligations) == ("conditional", True, ["(c - 1)*I = 0"])
    assert targets(given)[0].fixed_point.verdict == "refuted"


@pytest.mark.parametrize(("bound", "verdict"), [("", "unknown"), (" with -1 < b < 1", "proved")])
def test_what_vanishes_times_a_prediction_needs_a_bound(bound: str, verdict: str) -> None:
    """A predicted vector is held to be no smaller a risk than a predicted matrix."""
    text = spec(COMPOSITE, "x+ = prox_{r, a}(x - a*grad f(x) - 1/(k + 1)*b)", f"fixed a in R = 1/L; predicted b in R^n = phi(x){bound}", PER_COORDINATE)
    assert targets(text)[0].fixed_point.verdict == verdict


def test_a_state_that_starts_at_another_is_asked_for_its_sign() -> None:
    """v >= 0 for the root needs s >= 0, which v's start names: once an endless regress."""
    text = SMOOTH + ("state { x, s in R^n = 0; v in R^n = s }\nupdate { g = grad f(x); s+ = s + g .* g; "
                     "v+ = 0.9*v + 0.1*(g .* g); x+ = x - 0.1*g ./ (sqrt(v+) + 1e-8) }\n")
    assert targets("algorithm Trap\n" + text)[0].fixed_point.verdict == "proved"
