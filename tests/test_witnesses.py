"""Problems of known solution, admissible parameters, residuals, recurrences and cycles against what theory says of them."""
import json
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_numeric import program_of, specs

from l2ogen.analysis.numeric import cycles, fitting, instances, interpreter, recurrences, trajectories, witnesses
from l2ogen.analysis.numeric.corners import search
from l2ogen.analysis.numeric.functions import PROXIMABLE, SMOOTH, Proximable, Smooth
from l2ogen.analysis.numeric.interpreter import CannotRun, Run
from l2ogen.analysis.numeric.networks import SmoothMap
from l2ogen.analysis.numeric.operators import Array
from l2ogen.analysis.numeric.parameters import Inadmissible, Parameters
from l2ogen.analysis.numeric.residual import Reading, fixed_point_residual
from l2ogen.core import ir

SEEDS = range(5)
READINGS: tuple[Reading, ...] = ("E", "U")


def algorithm(title: str) -> ir.Algorithm:
    program = specs()[title].program
    assert isinstance(program, ir.Algorithm)
    return program


# ---- functions and problems --------------------------------------------------------------------------------
def some(kind: str, rng: np.random.Generator, n: int = 5) -> Proximable:
    return Proximable(kind, n, 0.7, 0.8, 2, 0.3 * rng.normal(size=n), rng.normal(size=n))


@pytest.mark.parametrize("kind", PROXIMABLE)
@pytest.mark.parametrize("seed", SEEDS)
def test_prox_is_optimal_in_a_diagonal_metric(kind: str, seed: int) -> None:
    """(v - z)/P is a subgradient at z = prox(v): r(w) >= r(z) + <(v - z)/P, w - z> for all w."""
    rng = np.random.default_rng(seed)
    r, v, P = some(kind, rng), 2 * rng.normal(size=5), rng.uniform(0.1, 3, 5)
    z = r.prox(v, P)
    assert r.value(z) < np.inf
    for _ in range(200):
        w = r.prox(z + rng.normal(size=5) * 10 ** rng.uniform(-3, 0), 1.0) if kind in ("box", "nonneg") else z + rng.normal(size=5)
        assert r.value(w) >= r.value(z) + ((v - z) / P) @ (w - z) - 1e-12
    np.testing.assert_allclose(r.prox(v, 0.5), r.prox(v, np.full(5, 0.5)), rtol=1e-12)


@pytest.mark.parametrize("kind", PROXIMABLE)
def test_subgradients_are_subgradients(kind: str) -> None:
    rng = np.random.default_rng(1)
    r = some(kind, rng)
    x = fitting.feasible(r, rng)
    for g in (r.subgradient(x), r.some_subgradient(x, rng)):
        for _ in range(200):
            w = r.prox(x + rng.normal(size=5), 1.0)
            assert r.value(w) >= r.value(x) + g @ (w - x) - 1e-12


@pytest.mark.parametrize("kind", SMOOTH)
@pytest.mark.parametrize("unit", [1.0, 3.0])
def test_smooth_parts(kind: str, unit: float) -> None:
    """Gradient and Hessian by differences; L bounds the curvature and is nearly reached; the gradient's size."""
    rng = np.random.default_rng(2)
    phi = Smooth(kind, rng.normal(size=(6, 4)), 0.2 * rng.normal(size=6), 0.9, unit)
    x, d = rng.normal(size=4), 1e-5
    for i, e in enumerate(np.eye(4)):
        assert (phi.value(x + d * e) - phi.value(x - d * e)) / (2 * d) == pytest.approx(phi.grad(x)[i], rel=1e-6, abs=1e-7)
        change = (phi.grad(x + d * e) - phi.grad(x - d * e)) / (2 * d)
        np.testing.assert_allclose(change, phi.hessian(x)[i], rtol=1e-5, atol=1e-7)
    assert np.linalg.eigvalsh(phi.hessian(x))[-1] <= phi.L
    flat = Smooth(kind, phi.M, np.zeros(6), 0.9, unit)
    assert np.linalg.eigvalsh(flat.hessian(np.zeros(4)))[-1] == pytest.approx(flat.L, rel=1e-12)
    assert (np.abs(phi.grad(x)) <= phi.grad_size(x)).all()


def abstract(rng: np.random.Generator, r: str) -> instances.Instance:
    return fitting.instance_for(algorithm("ISTA"), "minimize", rng, 4, r)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", [*PROXIMABLE, "lasso", "r alone"])
def test_the_solution_is_one(kind: str, seed: int) -> None:
    """F is smallest at x_star, which is where a proximal step in any metric stays; g_star is a subgradient there."""
    rng = np.random.default_rng(seed)
    if kind == "lasso":
        made = instances.lasso(rng, 6, 9, 0.3, support=3)
    elif kind == "r alone":
        made = fitting.instance_for(algorithm("PPA"), "minimize", rng, 4)
    else:
        made = abstract(rng, kind)
    for by in (1.0, 5.0):
        p = made.scaled(by)
        P = rng.uniform(0.05, 2, p.n)
        np.testing.assert_allclose(p.prox(p.x_star - P * p.grad(p.x_star), P), p.x_star, atol=1e-12 * by)
        for _ in range(100):
            x = p.prox(p.x_star + by * 10 ** rng.uniform(-4, 0) * rng.normal(size=p.n), 1e-3)
            assert p.value("F", x) >= p.F_star - 1e-11 * by**2
            if p.unique and np.linalg.norm(x - p.x_star) > 1e-2 * by:
                assert p.value("F", x) > p.F_star
        np.testing.assert_allclose(p.grad(by * made.x_star + by), by * made.grad(made.x_star + 1), rtol=1e-12)
        assert np.linalg.norm(p.grad(x) - p.grad(p.x_star)) <= p.L * np.linalg.norm(x - p.x_star) * (1 + 1e-12)
    assert made.x_star.any()
    assert made.unique == (kind not in ("r alone",) or made.r.kind != "box")


def test_lasso_has_the_data_that_it_says() -> None:
    made = instances.lasso(np.random.default_rng(3), 5, 8, 0.4, ("B", "c")).scaled(3.0)
    A, b, x = made.data["B"], made.data["c"], made.x_star
    np.testing.assert_allclose(A.T @ (b - A @ x), made.g_star, atol=1e-12)
    support = x != 0
    np.testing.assert_allclose(made.g_star[support], 1.2 * np.sign(x[support]), rtol=1e-12)
    assert (np.abs(made.g_star[~support]) <= 0.9 * 1.2 + 1e-12).all()
    assert np.linalg.norm(A, 2) ** 2 <= made.L <= np.linalg.norm(A, 2) ** 2 * (1 + 1e-13)


def test_recovery() -> None:
    made = instances.recovery(np.random.default_rng(3), 5, 8, support=2).scaled(3.0)
    np.testing.assert_allclose(made.data["A"] @ made.x_star, made.data["b"], rtol=1e-13)
    np.testing.assert_allclose(np.linalg.norm(made.data["A"], axis=0), 1, rtol=1e-13)
    assert np.count_nonzero(made.x_star) == 2
    assert not made.unique


def test_one_dimension() -> None:
    q, h = instances.quadratic(0.3, -2.0, L=1.0), instances.huber(2.0, 0.5, 3.0)
    assert (q.grad(np.array([1.0]))[0], q.L) == (pytest.approx(0.9), 1.0)
    assert [h.grad(np.array([x]))[0] for x in (3.25, 9.0, -9.0)] == [pytest.approx(v) for v in (0.5, 1.0, -1.0)]
    assert (q.x_star[0], h.x_star[0], h.L, q.unique, h.unique) == (-2, 3, 2, True, True)


def test_files_carry_an_instance() -> None:
    rng = np.random.default_rng(4)
    for made in (abstract(rng, "group"), instances.lasso(rng, 4, 5, 0.2), instances.huber(2, 0.3)):
        again = instances.Instance.from_json(json.loads(json.dumps(made.as_json())))
        x = rng.normal(size=made.n)
        assert again.value("F", x) == made.value("F", x)
        assert (again.prox(x, 0.3) == made.prox(x, 0.3)).all()
        assert {name: np.asarray(v).tolist() for name, v in again.data.items()} == {
            name: np.asarray(v).tolist() for name, v in made.data.items()}  # fmt: skip


def test_data_of_unknown_meaning_are_refused() -> None:
    text = "algorithm T\nproblem { data { A, B in R^(m, n); b in R^m }; recover x from b = A*x : sparse(x) }\nstate { x in R^n = 0 }\nupdate { x+ = x + A'*(b - B*x) }"
    with pytest.raises(CannotRun, match="not known"):
        fitting.instance_for(program_of(text), "recover", np.random.default_rng(0))


# ---- parameters --------------------------------------------------------------------------------------------
RANGES = """algorithm T
problem { f(x) : convex, smooth(L); minimize f(x) }
parameters {
  learned S in sym(n) with 0 < S < 2/L, margin(0.1)
  learned a_k in diag(n) with -1 <= a_k < 3
  learned b_k in R^n with b_k -> 0 like 1/(k + 1)
  learned c in R with c > 2
  learned d_k in R init 0.5 with d_k -> 0
  learned M in R^(n, n) with bounded(2)
  learned e_k in R tail none
}
state { x in R^n = 0 }
update { x+ = x - S*grad f(x) - a_k*grad f(x) - b_k - c*grad f(x) - d_k*grad f(x) - M*grad f(x) - e_k*grad f(x) }
"""


def values_at(program: ir.Algorithm, instance: instances.Instance, parameters: Parameters, k: int) -> dict[str, Any]:
    run = Run(program, instance, parameters, interpreter.start(program, instance, parameters), k)
    run.step()
    return {name: value for (role, name), value in run.values.items() if role == "parameter"}


def test_drawn_values_lie_in_the_enforced_ranges_and_reach_their_ends() -> None:
    program, rng = program_of(RANGES), np.random.default_rng(0)
    instance = fitting.instance_for(program, "minimize", rng, 3)
    L, seen = instance.L, {"a": set[float](), "S": set[float]()}
    for _ in range(60):
        parameters = Parameters.sample(program, rng, edge=0.5)
        for k in range(parameters.layers):
            v = values_at(program, instance, parameters, k)
            eigenvalues = np.linalg.eigvalsh(v["S"])
            assert (eigenvalues >= 0.2 / L - 1e-9).all() and (eigenvalues <= 1.8 / L + 1e-9).all()
            assert (v["S"] == v["S"].T).all()
            assert (v["a_k"] >= -1).all() and (v["a_k"] <= 3 - 4e-3).all()
            assert (np.abs(v["b_k"]) <= 1 / (k + 1)).all()
            assert v["c"] >= 2.001
            assert np.linalg.norm(v["M"], 2) <= 2 + 1e-12
            seen["a"] |= set(v["a_k"].round(12))
            seen["S"] |= set((eigenvalues * L).round(9))
        with pytest.raises(CannotRun, match="e_k"):
            values_at(program, instance, parameters, parameters.layers)
    assert {-1.0, 2.996} <= seen["a"] and {0.2, 1.8} <= seen["S"]
    assert len(seen["a"]) > 100


def test_what_follows_the_last_layer() -> None:
    program = program_of(RANGES.replace("  learned e_k in R tail none\n", "").replace(" - e_k*grad f(x)", ""))
    instance = fitting.instance_for(program, "minimize", np.random.default_rng(0), 3)
    parameters = Parameters(3, layers=2, edge=0.0)
    v = [values_at(program, instance, parameters, k) for k in range(5)]
    assert v[0]["d_k"] != v[1]["d_k"] and v[4]["d_k"] == pytest.approx(v[1]["d_k"] * 0.9**3)
    assert (v[4]["a_k"] == v[1]["a_k"]).all() and (v[0]["a_k"] != v[1]["a_k"]).any()
    np.testing.assert_allclose(v[4]["b_k"] * 5, v[1]["b_k"] * 2)
    assert (v[4]["S"] == v[0]["S"]).all()


@pytest.mark.parametrize("predictions", ["any", "network"])
def test_predicted_values(predictions: Any) -> None:
    """They differ in k and coordinate and obey 0 < P < 2/L with its margin, 0 < A < 2, and the envelopes."""
    program, rng = algorithm("PBA12:envelopes"), np.random.default_rng(1)
    instance = fitting.instance_for(program, "minimize", rng, 4)
    for seed in range(20):
        parameters = Parameters(seed, predictions=predictions)
        state = interpreter.start(program, instance, parameters)
        found = []
        for k in range(6):
            run = Run(program, instance, parameters, state, k)
            state = run.step()
            P, A, b1 = (run.values["parameter", name] for name in ("P", "A", "b1"))
            assert (P * instance.L >= 0.002 - 1e-12).all() and (P * instance.L <= 1.998 + 1e-12).all()
            assert (A >= 0.002 - 1e-12).all() and (A <= 1.998 + 1e-12).all()
            assert (np.abs(b1) <= 1 / (k + 1) ** 2).all()
            found.append(P * instance.L)
        assert np.ptp(np.array(found), axis=0).min() > 1e-4


def test_given_values_and_files() -> None:
    program = algorithm("L2O_PA")
    instance = instances.quadratic(1.0)
    parameters = Parameters.constant(program, {"P": {"cycle": [0.5, 1.5]}, "A": 0.9})
    assert [values_at(program, instance, parameters, k)["P"][0] for k in range(4)] == [0.5, 1.5, 0.5, 1.5]
    with pytest.raises(Inadmissible, match="`P` = 2"):
        values_at(program, instance, Parameters.constant(program, {"P": 2.0, "A": 0.9}), 0)
    with pytest.raises(Inadmissible, match="`Q` is no"):
        Parameters.constant(program, {"Q": 1.0})
    one = Parameters.sample(program, np.random.default_rng(3))
    again = Parameters.from_json(json.loads(json.dumps(one.as_json())))
    for k in (0, 7):
        a, b = (values_at(program, instance, p, k) for p in (one, again))
        assert all((a[name] == b[name]).all() for name in a)


def test_any_map_has_a_bounded_jacobian_and_runs() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        d, z = SmoothMap.random(rng, 6, 3, 0.5), 3 * rng.normal(size=6)
        J = np.stack([(d(z + 1e-6 * e) - d(z - 1e-6 * e)) / 2e-6 for e in np.eye(6)], axis=1)
        assert 0.01 < np.linalg.norm(J) <= 0.5 + 1e-6
    program = program_of(
        "algorithm T\nproblem { f(x) : convex, smooth(L); minimize f(x) }\nnetworks { d = any(2) }\n"
        "state { x in R^n = 0 }\nupdate { x+ = x - d(x, grad f(x)) }"
    )
    instance = fitting.instance_for(program, "minimize", rng, 3)
    found = trajectories.run(program, instance, Parameters(1), 3).points
    assert np.ptp(found, axis=0).min() > 0
    x = found[0]
    d = Parameters(1).any(program.networks[0], 6, 3, 2.0)
    np.testing.assert_allclose(found[1], x - d(np.concatenate([x, instance.grad(x)])))


# ---- residuals ---------------------------------------------------------------------------------------------
PROVED = [
    title for title, c in specs().items()
    if isinstance(c.program, ir.Algorithm) and ("fixed_point", "proved") in c.program.expectations
]  # fmt: skip
REFUTED = [
    title for title, c in specs().items()
    if isinstance(c.program, ir.Algorithm) and ("fixed_point", "refuted") in c.program.expectations
]  # fmt: skip
SLOW = {"GDMomentum"}  # momentum that started elsewhere goes as 0.9^k
# thresholds c^k*s_k
GEOMETRIC = {"ALISTA:geometric", "ALISTA:plain_geometric", "TiLISTA:geometric", "LISTA_CPSS:scaled", "LISTA_CP:analytic"}
VANISHING = {"PBA12:envelopes", "HorizonOne", "CompositeForm", "SmoothForm", "NonsmoothForm"}


def test_both_verdicts_occur() -> None:
    assert len(PROVED) > 8 and len(REFUTED) >= 4 and set(PROVED) >= VANISHING


@pytest.mark.parametrize("title", PROVED)
def test_proved_fixed_points_have_no_residual(title: str) -> None:
    """In both readings, at every k, for any parameters and problem; terms vanish as their envelopes, 1/(k + 1)^2, or tails."""
    program, rng = algorithm(title), np.random.default_rng(5)
    for seed in range(4):
        instance = fitting.instance_for(program, program.target, rng, 8 if program.data else 3)
        parameters = Parameters.sample(program, rng)
        decays = title in GEOMETRIC or any(p.tail.kind == "decay" for p in program.parameters)
        for k, reading in product((600,) if decays else (0, 40), READINGS):
            settle = 600 if title in SLOW else 100
            found = fixed_point_residual(program, instance, parameters, k, 0.0, reading, settle=settle, seed=seed)
            if title in VANISHING:
                assert found.norm <= 20 * np.sqrt(instance.n) * max(1, instance.L) / (k + 1) ** 2
            else:
                assert found.is_rounding, (found, k, reading)
                assert not found.refutes


@pytest.mark.parametrize("title", REFUTED)
def test_refuted_fixed_points_have_witnesses_that_replay(title: str) -> None:
    program, rng = algorithm(title), np.random.default_rng(6)
    kinked = {f.role for f in program.functions} == {"F"}  # a subgradient that is taken at x* may happen to be 0
    found = []
    for _ in range(4):
        instance = fitting.instance_for(program, program.target, rng, 3, "group" if kinked else None)
        found.append(witnesses.refute_fixed_point(program, instance, Parameters.sample(program, rng, edge=0.0), 3))
    assert any(found) if kinked else all(found)
    for witness in filter(None, found):
        assert witness["residual"] > 1e-4
        assert witnesses.replay(program, json.loads(json.dumps(witness))) == witness["residual"]


SMOOTH_HEAD = "algorithm T\nproblem { f(x) : convex, smooth(L); minimize f(x) }\n"
COMPOSITE = "algorithm T\nproblem { f(x) : convex, smooth(L); r(x) : convex, proximable; minimize f(x) + r(x) }\n"


def test_the_residual_of_a_wrong_metric_is_what_theory_says() -> None:
    """prox_a(x - P*grad f(x)) with r linear moves x* by (P - a)*g*."""
    program = program_of(
        COMPOSITE + "parameters { learned P in diag(n) with 0 < P < 2/L; fixed a in R = 1/L }\nstate { x in R^n = 0 }\n"
        "update { x+ = prox_r,a(x - P*grad f(x)) }"
    )
    instance = abstract(np.random.default_rng(0), "linear")
    parameters = Parameters.constant(program, {"P": 0.25 / instance.L})
    found = fixed_point_residual(program, instance, parameters)
    assert found.norm == pytest.approx(0.75 / instance.L * np.linalg.norm(instance.g_star), rel=1e-10)
    assert found.refutes and not found.is_rounding


def test_the_residual_of_lista_is_its_coupling_and_threshold() -> None:
    program, rng = algorithm("LISTA"), np.random.default_rng(1)
    instance = fitting.instance_for(program, "recover", rng, 8)
    parameters = Parameters(2)
    v, A, x = values_at(program, instance, parameters, 1), instance.data["A"], instance.x_star
    u = (v["W2_k"] + v["W1_k"] @ A) @ x
    expected = np.linalg.norm(np.sign(u) * np.maximum(np.abs(u) - v["theta_k"], 0) - x)
    assert fixed_point_residual(program, instance, parameters, 1).norm == pytest.approx(expected, rel=1e-10)


def test_a_discontinuity_shows_near_the_solution_only() -> None:
    program = program_of(SMOOTH_HEAD + "state { x in R^n = 0 }\nupdate { x+ = x - 0.5*sign(grad f(x)) + 0/L*x }")
    instance = instances.quadratic(1.0, 2.0)
    assert fixed_point_residual(program, instance, Parameters()).norm == 0
    assert fixed_point_residual(program, instance, Parameters(), near=1e-6).norm == pytest.approx(0.5, abs=2e-6)
    assert witnesses.refute_fixed_point(program, instance, Parameters()) is None
    assert witnesses.refute_fixed_point(program, instance, Parameters(), near=1e-6) is not None


def test_the_readings_differ_where_a_state_keeps_what_it_was() -> None:
    """v+ = v: from 0 it stays 0, from elsewhere it does not."""
    program = program_of(
        SMOOTH_HEAD + "state { x, v in R^n = 0 }\nupdate { x+ = x - grad f(x)/L - v; v+ = v + 0.1*(x+ - x) }"
    )
    instance = fitting.instance_for(program, "minimize", np.random.default_rng(0), 2)
    assert fixed_point_residual(program, instance, Parameters(), 30).is_rounding
    assert fixed_point_residual(program, instance, Parameters(), 30, reading="U").refutes
    given = {"v": np.array([3.0, 4.0])}
    assert fixed_point_residual(program, instance, Parameters(), states=given).norm == pytest.approx(5)


# ---- recurrences -------------------------------------------------------------------------------------------
MODEL = program_of(
    COMPOSITE + "parameters { learned P, A, B in R with P > 0, margin(0) }\nstate { x, y in R^n = 0 }\n"
    "update { u = x - P*grad f(x); w = y - P*grad f(y); x+ = prox_r,P((1 - B)*u + B*w); y+ = x+ + A*(x+ - x) }"
)
HEAVY_BALL = program_of(
    SMOOTH_HEAD + "parameters { learned alpha, beta in R }\nstate { x, z in R^n = 0 }\n"
    "update { x+ = x - alpha*grad f(x) + beta*(x - z); z+ = x + 0/L*x }"
)


def radius(program: ir.Algorithm, h: float, **values: float) -> float:
    found = recurrences.recurrence(program, instances.quadratic(h, L=1.0), Parameters.constant(program, values))
    assert found is not None
    return found.radius


@given(st.floats(0.05, 1), st.floats(0.1, 2.5), st.floats(-1.5, 1.5), st.floats(-1, 1))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_radius_of_the_model(h: float, p: float, a: float, b: float) -> None:
    """lambda^2 - (1 - s)(1 + c)*lambda + (1 - s)*c = 0 with s = p*h, c = B*A."""
    s, c = p * h, b * a
    expected = np.abs(np.roots([1, -(1 - s) * (1 + c), (1 - s) * c])).max()
    assert radius(MODEL, h, P=p, A=a, B=b) == pytest.approx(expected, rel=1e-5, abs=1e-4)


def test_stability_limits() -> None:
    """Model, 0 <= c <= 1: p < 2(1 + c)/(1 + 2c); heavy ball: alpha < 2(1 + beta)."""
    for c in (0.0, 0.3, 0.9, 1.0):
        limit = 2 * (1 + c) / (1 + 2 * c)
        for p, stable in ((0.99 * limit, True), (1.01 * limit, False)):
            assert (radius(MODEL, 1.0, P=p, A=c, B=1.0) < 1) == stable
    for beta in (-0.5, 0.0, 0.9):
        for alpha, stable in ((1.98 * (1 + beta), True), (2.02 * (1 + beta), False)):
            assert (radius(HEAVY_BALL, 1.0, alpha=alpha, beta=beta) < 1) == stable
    assert radius(MODEL, 1.0, P=1.9, A=0.9, B=1.0) == pytest.approx(2.0964, abs=1e-4)


def test_what_does_not_show_in_x_does_not_count() -> None:
    text = SMOOTH_HEAD + "parameters { learned a in R }\nstate { x, w in R^n = 1; t in R = 1 }\nupdate { x+ = x - grad f(x)*a + 0/L*w; w+ = 3*w + x/L; t+ = t }"
    program = program_of(text)
    found = recurrences.recurrence(program, instances.quadratic(0.5, 3.0), Parameters.constant(program, {"a": 1.0}))
    assert found is not None and np.abs(np.linalg.eigvals(found.M)).max() == pytest.approx(3)
    assert found.radius == pytest.approx(0.5)
    apart = recurrences.recurrence(program_of(text.replace(" + 0/L*w", "")), instances.quadratic(0.5, 3.0), Parameters(given={"a": 1.0}))
    assert apart is not None and apart.names == ("x",)


def test_rules_that_are_no_recurrence() -> None:
    for title in ("FISTA", "Adam", "L2O_DM", "RNNprop"):
        program = algorithm(title)
        assert recurrences.recurrence(program, instances.quadratic(1.0), Parameters(predictions="network")) is None
    text = SMOOTH_HEAD + "parameters { fixed a_k in R = 1/(k + 1) }\nstate { x in R^n = 0 }\nupdate { x+ = x - a_k*grad f(x)/L }"
    assert recurrences.recurrence(program_of(text), instances.quadratic(1.0), Parameters()) is None


def test_quadratic_witnesses_replay() -> None:
    witness = recurrences.refute_by_quadratic(MODEL, Parameters.constant(MODEL, {"P": 1.9, "A": 0.9, "B": 1.0}))
    assert witness is not None and witness["radius"] == pytest.approx(2.0964, abs=1e-4) and witness["distance"] > 100
    assert witnesses.replay(MODEL, json.loads(json.dumps(witness))) == witness["distance"]
    assert recurrences.refute_by_quadratic(MODEL, Parameters.constant(MODEL, {"P": 1.3, "A": 0.9, "B": 1.0})) is None


def test_a_metric_ratio_taken_one_step_late_diverges() -> None:
    """p cycles through .05, .05, 1 and a_{k+1} = sqrt(.95*p_k/p_{k-1}): a period's radius is 4.79 at h = L = 1. With the
    ratio p_{k+1}/p_k, which theorem C2 asks for, it is below 1."""
    p = np.array([0.05, 0.05, 1.0])
    text = COMPOSITE + "parameters { predicted P, A in diag(n) = phi(y) with 0 < P < 2/L, 0 < A < 5 }\nnetworks { phi = lstm(hidden = 2, layers = 1) per coordinate }\nstate { x, y in R^n = 0 }\nupdate { x+ = prox_r,P(y - P*grad f(y)); y+ = x+ + A*(x+ - x) }"
    program = program_of(text)
    late, right = np.sqrt(0.95 * p / np.roll(p, 1)), np.sqrt(0.95 * np.roll(p, -1) / p)
    for a, expected in ((late, 4.7913), (right, 0.3884)):
        parameters = Parameters.constant(program, {"P": {"cycle": p.tolist()}, "A": {"cycle": a.tolist()}})
        assert recurrences.recurrence(program, instances.quadratic(1.0), parameters) is None
        found = recurrences.recurrence(program, instances.quadratic(1.0), parameters, period=3)
        assert found is not None and found.radius == pytest.approx(expected, abs=1e-4)
        witness = recurrences.refute_by_quadratic(program, parameters, period=3)
        assert (witness is not None) == (expected > 1)
        if witness is not None:
            assert witnesses.replay(program, witness) == witness["distance"] > 100


# ---- cycles ------------------------------------------------------------------------------------------------
def test_heavy_ball_cycles_where_quadratics_are_stable() -> None:
    parameters = Parameters.constant(HEAVY_BALL, {"alpha": 3.0, "beta": 0.9})
    assert recurrences.refute_by_quadratic(HEAVY_BALL, parameters) is None
    witness = cycles.refute_by_huber(HEAVY_BALL, parameters)
    assert witness is not None and witness["distance"] > 1
    assert witnesses.replay(HEAVY_BALL, json.loads(json.dumps(witness))) == pytest.approx(witness["distance"], rel=1e-12)
    long = trajectories.run(
        HEAVY_BALL, instances.Instance.from_json(witness["instance"]), parameters, 8000)  # fmt: skip
    assert long.distances[-6000:].min() > 1
    assert long.period() == witness["period"]


def test_the_exact_cycle_of_the_heavy_ball() -> None:
    """L = tau = 1, minimizer 0, alpha = 3, beta = .9: x = 65130/16561, x - z = 103170/16561 returns after 8 steps."""
    parameters, instance = Parameters.constant(HEAVY_BALL, {"alpha": 3.0, "beta": 0.9}), instances.huber(1.0, 1.0, 0.0)
    x = np.array([65130 / 16561])
    state = {"x": x, "z": x - 103170 / 16561}
    found = trajectories.run(HEAVY_BALL, instance, parameters, 16, state).points[:, 0]
    np.testing.assert_allclose(found[8:], found[:9], rtol=1e-12)
    assert (np.abs(found) > 1).all()
    assert sorted(np.sign(found[:8])) == [-1] * 4 + [1] * 4


@pytest.mark.parametrize(("alpha", "beta"), [(0.9, 0.5), (0.3, 0.8), (1.9, 0.0)])
def test_no_cycle_where_convergence_is_proved(alpha: float, beta: float) -> None:
    """alpha*L <= 2*(1 - beta)"""
    assert cycles.refute_by_huber(HEAVY_BALL, Parameters.constant(HEAVY_BALL, {"alpha": alpha, "beta": beta})) is None


# ---- runs and searches -------------------------------------------------------------------------------------
def test_runs() -> None:
    program, instance = algorithm("PGDMetric"), abstract(np.random.default_rng(2), "l1")
    found = trajectories.run(program, instance, Parameters.constant(program, {"P": 1 / instance.L}), 3000)
    assert found.gaps[-1] == pytest.approx(0, abs=1e-10) and (np.diff(found.gaps) <= 1e-12).all()
    assert found.gaps[0] > 1e-3 and found.period() is None and not found.diverges
    far = trajectories.run(MODEL, instances.quadratic(1.0), Parameters.constant(MODEL, {"P": 1.9, "A": 0.9, "B": 1.0}), 200)
    assert far.diverges and len(far.points) < 100
    flip = trajectories.run(MODEL, instances.quadratic(1.0), Parameters.constant(MODEL, {"P": 2.0, "A": 0.0, "B": 1.0}), 50)
    assert flip.period() == 2 and not flip.diverges


@pytest.mark.parametrize(("title", "refuted"), [
    ("L2O_PA", True), ("PBA12:PBA", True), ("PBA12:A", True), ("HorizonOne", True), ("LearnedStep:stochastic", True),
    ("GD", False), ("PGDMetric", False), ("PPA", False), ("LearnedStep", False), ("PBA12:P", False), ("LISTA", False),
])  # fmt: skip
def test_search_over_the_corners_of_the_ranges(title: str, refuted: bool) -> None:
    program = algorithm(title)
    witness = search(program)
    assert (witness is not None) == refuted
    if witness is not None:
        assert witnesses.replay(program, json.loads(json.dumps(witness))) == witness["distance"] > 100


def strong(f: str, r: str, rule: str) -> ir.Algorithm:
    return program_of(
        f"algorithm T\nproblem {{ f(x) : convex, smooth(L){f}; r(x) : convex, proximable{r}; minimize f(x) + r(x) }}\n"
        f"parameters {{ learned a in R with 0 < a < 5/L }}\nstate {{ x in R^n = 0 }}\nupdate {{ {rule} }}"
    )


def test_declared_properties_hold_and_bound_the_search() -> None:
    """Strongly convex parts are that; a witness lies in the class, and Huber's function and r = 0 may not."""
    rule = "x+ = prox_r,a(x - a*grad f(x))"
    rng = np.random.default_rng(0)
    for _ in range(5):
        made = fitting.instance_for(strong(", strongly_convex(3)", "", rule), "minimize", rng, 3)
        assert made.phi is not None and np.linalg.eigvalsh(made.phi.hessian(rng.normal(size=3)))[0] >= 3 and made.unique
        named = fitting.instance_for(strong("", ", strongly_convex(mu)", rule), "minimize", rng, 3)
        assert named.r.kind == "quadratic" and named.mu == named.r.weight > 0
    witness = search(strong(", strongly_convex(3)", "", rule))
    assert witness is not None and witness["L"] >= witness["h"] >= 3
    assert search(strong("", "", rule)) is not None
    assert search(strong("", ", strongly_convex(3)", rule)) is None
    assert search(strong("", ", coercive", rule)) is None


def test_an_unsolved_rule_cannot_run() -> None:
    program = program_of(
        COMPOSITE + "parameters { fixed P in diag(n) = 1/L }\nstate { x in R^n = 0 }\n"
        "update { x+ = x - P*grad f(x) + P*g where g in subgrad r(x+) }"
    )
    with pytest.raises(CannotRun, match="not solved"):
        trajectories.run(program, abstract(np.random.default_rng(0), "l1"), Parameters(), 1)


def test_shapes_of_arrays_are_checked() -> None:
    made: Array = np.zeros(2)
    with pytest.raises(Inadmissible):
        values_at(MODEL, instances.quadratic(1.0), Parameters.constant(MODEL, {"P": made.tolist()}), 0)


def test_a_run_as_evidence_replays() -> None:
    program = algorithm("L2O_PA")
    instance, parameters = abstract(np.random.default_rng(1), "l1"), Parameters(4, predictions="network")
    witness = witnesses.trajectory(program, instance, parameters, 30)
    again = json.loads(json.dumps(witness))
    assert witnesses.replay(program, again) == witness["distance"]
    assert witness["distance"] == trajectories.run(program, instance, parameters, 30).distances[30] > 0
