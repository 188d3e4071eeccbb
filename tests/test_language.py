"""What the language promises, one sentence after the other: notation, products, functions, implicit rules, safeguards."""
import random
from typing import Any

import numpy as np
import pytest
import torch
from test_meaning import HEAD, STEP, TRAIN, A, algorithm
from torch import Tensor

import l2ogen
from l2ogen import pipeline
from l2ogen.source import Source

DATA = HEAD.replace("problem {", "problem { data { A in R^(m, n); b in R^m; lam in R with lam > 0 };")


def codes(update: str, parameters: str = A, state: str = "x in R^n = 0", head: str = HEAD, more: str = "") -> list[str]:
    text = f"{head}parameters {{ {parameters} }}\nstate {{ {state} }}\nupdate {{ {update} }}\n{TRAIN}{more}"
    checked = pipeline.check(Source("spec.l2o", text))
    return [d.code for d in checked.diagnostics if d.severity == "error"]


def instances(code: Any, batch: tuple[int, ...] = (3,)) -> Any:
    generator = torch.Generator().manual_seed(1)
    draw = lambda *size: torch.randn(*batch, *size, generator=generator, dtype=torch.float64)  # noqa: E731
    return code.Lasso(draw(6, 9) / 3, draw(6), 0.1 + torch.rand(*batch, 1, generator=generator, dtype=torch.float64))


def once(update: str, state: str = "x, y in R^n = 0", parameters: str = A, head: str = DATA) -> tuple[Any, Any, Any]:
    """(problem, the state before, the state after) one step from random vectors"""
    code = algorithm(parameters, state, update, head=head).module()
    made, problem = code.T(), instances(code)
    before = made.init_state(problem)
    generator = torch.Generator().manual_seed(2)
    values = {f: torch.randn(v.shape, generator=generator, dtype=torch.float64)
              for f, v in before._asdict().items() if isinstance(v, Tensor)}  # fmt: skip
    before = before._replace(**values)
    return problem, before, made.step(problem, before)


# ---- 1. x+ -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("text", "value"), [
    ("x+(y - z)", "x + y - z"), ("x+1", "x + 1"), ("x+y", "x + y"), ("x +y", "x + y"), ("x+ + z*(x+ - x)", "X + z*(X - x)"),
    ("||x+||_2", "abs(X)"), ("x+*2", "2*X"), ("x+-y", "X - y"), ("x⁺", "X"), ("(x+)", "X"), ("x+/2", "X/2"), ("x+ - x", "X - x"),
])  # fmt: skip
def test_the_next_iterate_and_sums(text: str, value: str) -> None:
    space = "R" if "||" in text else "R^n"
    _, before, after = once(f"{STEP}; y+ = {text}; z+ = z", f"x in R^n = 0; y in {space} = 0; z in R = 0")
    names = {"x": before.x, "y": before.y, "z": before.z, "X": after.x, "abs": lambda v: v.norm(dim=-1, keepdim=True)}
    torch.testing.assert_close(after.y, eval(value, names), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(("update", "code"), [
    ("x+ y", "L2O105"), ("x+ (y)", "L2O105"), ("a+ + y", "L2O205"), ("z+", "L2O204"), ("A x", "L2O102"), ("x*y", "L2O302"),
    ("x/y", "L2O303"), ("A + 1", "L2O304"), ("A*y", None), ("A'*y", "L2O301"), ("A⁺*b", "L2O205"), ("x_k", "L2O209"),
    ("where(x, y, y)", "L2O303"), ("<x < y, y>", "L2O108"),
])  # fmt: skip
def test_what_stands_on_the_right_side(update: str, code: str | None) -> None:
    target, other = ("u", "y") if update == "A*y" else ("y", "u")
    found = codes(f"{STEP}; {target}+ = {update}; {other}+ = 0; z+ = z",
                  state="x, y, z in R^n = 0; u in R^m = 0", head=DATA)  # fmt: skip
    assert code in found if code else not found


def test_old_and_new_iterates() -> None:
    """`x` stays the old iterate after `x+ = ...`; a scalar and a vector add entry by entry; where picks entries, instances."""
    _, before, after = once(f"{STEP}; y+ = x + 1 + s; v+ = where(x > y, x, -y); w+ = where(<x, y> > s, x, y); s+ = where(s > 0, 1, s)",
                            "x, y, v, w in R^n = 0; s in R = 0")  # fmt: skip
    x, y, s = before.x, before.y, before.s
    torch.testing.assert_close(after.y, x + 1 + s)
    torch.testing.assert_close(after.v, torch.where(x > y, x, -y))
    torch.testing.assert_close(after.w, torch.where((x * y).sum(-1, keepdim=True) > s, x, y))
    torch.testing.assert_close(after.s, torch.where(s > 0, torch.ones_like(s), s))
    assert 0 < (x > y).double().mean() < 1 and len({bool(v) for v in ((x * y).sum(-1) > s[..., 0])}) == 2


@pytest.mark.parametrize("form", ["prox_r,a(y)", "prox_{r, a}(y)", "prox(r, a, y)", "prox_{r, a*I}(y)", "prox_{r, I/L}(y)", "prox_{r, 1/L}(y)"])
def test_forms_of_the_prox(form: str) -> None:
    problem, before, after = once(f"x+ = {form} + 0*grad f(x); y+ = y")
    theta = problem.lam / problem.L
    torch.testing.assert_close(after.x, before.y.sign() * (before.y.abs() - theta).clamp(min=0))


def test_what_L_and_k_are() -> None:
    """k counts from 0; an L that is given as `smooth(L)` bounds the curvature of every instance."""
    code = algorithm(A, "x in R^n = 0; s, q in R = 5", f"{STEP}; s+ = k; q+ = L").module()
    made, problem = code.T(), instances(code)
    state = made.init_state(problem)
    for k in range(3):
        state = made.step(problem, state)
        assert (state.s == k).all() and state.s.shape == (3, 1)
    torch.testing.assert_close(state.q, torch.linalg.matrix_norm(problem.A, 2).square().unsqueeze(-1))


# ---- 6. functions and data bind by role --------------------------------------------------------------------
@pytest.mark.parametrize(("problem", "update", "code"), [
    ("h(x) : convex, smooth(L); g(x) : convex, proximable; minimize h(x) + g(x)", "x+ = prox_g,a(x - a*grad h(x))", None),
    ("h(x) : convex, smooth(L); g(x) : convex, proximable; minimize g(x) + h(x)", "x+ = prox_g,a(x)", "L2O502"),
    ("h(x) : convex, smooth(L); minimize h(x)", "x+ = x - a*grad h(x)", "L2O502"),  # lasso has a proximable part
    ("h(x) : convex, smooth(L); g(x) : convex, smooth(M); minimize g(x) + h(x)", "x+ = x - a*grad h(x)", "L2O507"),
    ("f(x) : convex, smooth(L); r(x) : convex, proximable; minimize f(x) + r(x)", "x+ = x - a*subgrad F(x)", None),
    ("f(x) : convex, smooth(L); r(x) : convex, proximable; minimize f(x) + r(x)", "x+ = x - a*subgrad r(x)", "L2O311"),
    ("f(x) : convex, smooth(L); r(x) : convex, proximable; minimize f(x)", "x+ = x - a*grad f(x)", "L2O505"),
])  # fmt: skip
def test_functions_bind_by_role(problem: str, update: str, code: str | None) -> None:
    found = codes(update, head=f"algorithm T\nproblem {{ {problem} }}\n")
    assert (code in found) if code else not found


# ---- methods written in the language -----------------------------------------------------------------------
METHODS = {
    "chambolle_pock": ("fixed t in R = 0.99/sqrt(L)", "x, z in R^n = 0; u in R^m = 0",
                       "u+ = (u + t*(A*z - b))/(1 + t); x+ = prox_r,t(x - t*A'*u+); z+ = 2*x+ - x", 6000),
    "admm": ("fixed t in R = 1; precomputed M in R^(n, n) = inv(A'*A + I)", "x, z, u in R^n = 0",
             "z+ = M*(A'*b + x - u); x+ = prox_r,t(z+ + u); u+ = u + z+ - x+", 3000),
    "extragradient": ("fixed t in R = 0.9/L", "x in R^n = 0", "y = prox_r,t(x - t*grad f(x)); x+ = prox_r,t(x - t*grad f(y))", 6000),
    "restarted_fista": (A, "x, y in R^n = 0; t in R = 1",
                        "x+ = prox_r,a(y - a*grad f(y)); t+ = where(<y - x+, x+ - x> > 0, 1, (1 + sqrt(1 + 4*t^2))/2);"
                        "y+ = x+ + where(t+ > 1, (t - 1)/t+, 0)*(x+ - x)", 2000),
}  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_a_method_written_in_the_language_solves_lasso(method: str) -> None:
    """-grad f(x) is lam*sign(x) where x is not zero, at most lam elsewhere."""
    parameters, state, update, iterations = METHODS[method]
    code = algorithm(parameters, state, update, head=DATA).module()
    problem = instances(code)
    with torch.no_grad():
        x = code.T()(problem, iterations)
    slope, lam = -problem.grad_f(x), problem.lam.expand_as(x)
    assert (x.abs() > 1e-6).any() and (x.abs() < 1e-9).any()
    assert ((slope - lam * x.sign()).abs()[x.abs() > 1e-6] < 1e-6).all()
    assert (slope.abs() <= lam + 1e-6).all()


def test_one_step_of_chambolle_pock_in_numpy() -> None:
    problem, before, after = once(METHODS["chambolle_pock"][2], METHODS["chambolle_pock"][1], METHODS["chambolle_pock"][0])
    for i in range(3):
        M, b, lam = problem.A[i].numpy(), problem.b[i].numpy(), problem.lam[i, 0].item()
        x, z, u = (v[i].numpy() for v in (before.x, before.z, before.u))
        t = 0.99 / np.linalg.norm(M, 2)
        u_next = (u + t * (M @ z - b)) / (1 + t)
        v = x - t * M.T @ u_next
        x_next = np.sign(v) * np.maximum(np.abs(v) - t * lam, 0)
        for actual, expected in ((after.u, u_next), (after.x, x_next), (after.z, 2 * x_next - x)):
            np.testing.assert_allclose(actual[i].numpy(), expected, rtol=1e-11, atol=1e-12)


# ---- 11. implicit rules ------------------------------------------------------------------------------------
def random_rule(rng: random.Random) -> str:
    """Affine in g with a coefficient that is negative on the whole: x - c*g + ..."""
    terms = ["- a*(grad f(x) + g)", "- D*g", "- (g + y)/4", "- a*(2*g - y)", "- D*(y + a*g)", "- (0.5*g - 0.1*x)", "- D*(D*g + y)",
             "+ a*(y - g)", "- (-y + g)/2", "+ (-D)*g", "- a*D*g", "- 2*(y + (g - x)/3)", "- w*g"]  # fmt: skip
    return "x " + " ".join(rng.choice(terms) for _ in range(rng.randint(1, 3)))


class Box:
    """Another r, by its prox alone: the indicator of [-0.3, 0.5]^n."""

    def __init__(self, problem: Any) -> None:
        self.problem = problem

    def __getattr__(self, name: str) -> Any:
        return getattr(self.problem, name)

    def prox_r(self, v: Tensor, P: Tensor) -> Tensor:
        return v.clamp(-0.3, 0.5)


@pytest.mark.parametrize("box", [False, True])
@pytest.mark.parametrize("seed", range(25))
def test_an_implicit_rule_is_solved(seed: int, box: bool) -> None:
    """The g that the step implies, (u - x+)/c, lies in the subdifferential of r at x+."""
    rule = random_rule(random.Random(seed))
    parameters = f"{A}; learned D in diag(n) init I with D > 0; learned w in R init 0.3 with w > 0"
    code = algorithm(parameters, "x, y in R^n = 0", f"x+ = {rule} + 0*(a*D*w)*grad f(x) where g in subgrad r(x+); y+ = y").module()
    made = code.T(9).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        made.D.copy_(torch.rand(9, generator=generator, dtype=torch.float64))
    problem: Any = instances(code)
    problem = Box(problem) if box else problem
    start = made.init_state(problem)
    x, y = (torch.randn(3, 9, generator=generator, dtype=torch.float64) for _ in range(2))
    after = made.step(problem, start._replace(x=x, y=y)).x.detach()
    D, w, a = made.D.detach() + 1e-3, made.w.detach().abs() + 3e-4, 1 / problem.L
    names = {"x": x, "y": y, "D": D, "w": w, "a": a}
    text = rule.replace("grad f(x)", "grad")
    at = lambda g: eval(text, names | {"grad": problem.grad_f(x), "g": g})  # noqa: E731
    u, zero = at(torch.zeros_like(x)), torch.zeros_like(x)
    c = u - at(zero + 1)
    assert (c > 0).all()
    g = (u - after) / c
    if box:
        assert ((g.abs() < 1e-9) | (after == -0.3) & (g < 0) | (after == 0.5) & (g > 0)).all()
        assert ((after == -0.3) | (after == 0.5)).any()
        return
    lam = problem.lam.expand_as(x)
    assert ((g - lam * after.sign()).abs()[after != 0] < 1e-9).all()
    assert (g.abs() <= lam + 1e-9).all()
    assert (after != 0).any()


@pytest.mark.parametrize(("rule", "code"), [
    ("x - a*(grad f(x) + g .* g)", "L2O514"), ("x + a*g - a*grad f(x)", "L2O514"), ("x - a*tanh(g) - a*grad f(x)", "L2O514"),
    ("x - a*grad f(x+) - a*g", "L2O514"), ("x - W*g - a*grad f(x)", "L2O309"), ("x - a*g - W*g - a*grad f(x)", "L2O309"),
    ("x - W*g - a*g - a*grad f(x)", "L2O309"), ("x - S*(g + grad f(x))", "L2O309"),
])  # fmt: skip
def test_an_implicit_rule_that_no_prox_solves_is_not_compiled(rule: str, code: str) -> None:
    more = "".join(f"; learned {name} in {space}(n) init I".replace("R(n)", "R^(n, n)") for name, space in (("W", "R"), ("S", "sym")) if name in rule)
    text = f"{HEAD}parameters {{ {A}{more} }}\nstate {{ x in R^n = 0 }}\nupdate {{ x+ = {rule} where g in subgrad r(x+) }}\n"
    checked = pipeline.check(Source("spec.l2o", text))
    assert checked.ok == (code == "L2O514")  # what has no metric in which a prox exists can still be checked
    assert [d.code for d in pipeline.compilable(checked).diagnostics] == [code]


def test_any_map_can_be_checked_not_compiled() -> None:
    text = HEAD + "networks { d = any(C) }\nstate { x in R^n = 0 }\nupdate { x+ = x - d(x, grad f(x), x+, g) where g in subgrad r(x+) }\n"
    checked = pipeline.check(Source("spec.l2o", text))
    assert checked.ok
    assert [d.code for d in pipeline.compilable(checked).diagnostics] == ["L2O514"]


# ---- 13. bare rules ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("rule", [
    "x+ = x - alpha*grad f(x)", "x+ = prox_r,P(y - P*grad f(y)); y+ = x+ + A*(x+ - x)", "x+ = x - P*(grad f(x) + g) where g in subgrad r(x+)",
    "v+ = beta*v + grad f(x); x+ = prox_{r, alpha}(x - alpha*v+)", "x+ = soft(x - alpha*grad f(x), theta)",
])  # fmt: skip
def test_what_is_inferred_of_a_bare_rule_is_a_file(rule: str) -> None:
    spec = l2ogen.rule(rule)
    again = pipeline.check(Source("rule.l2o", spec.text))
    assert spec.check() and again.ok and not again.diagnostics
    assert spec.module() is not None


# ---- 15. safeguards ----------------------------------------------------------------------------------------
SAFE = f"{HEAD}networks {{ phi = lstm(hidden = 4) per coordinate }}\nparameters {{ RANGES }}\nstate {{ x, y in R^n = 0 }}\n" + (
    "update { d = phi(y, grad f(y)); x+ = prox_r,P(y - P*grad f(y) - d); y+ = x+ + A*(x+ - x) }\n" + TRAIN)
WILD = "predicted P, A in diag(n) = psi(x, y) with 0 < P < 2/L, 0 < A < 2"


def safeguarded(scale: float, guard: str = "descent") -> tuple[Any, Any]:
    text = SAFE.replace("RANGES", WILD).replace("networks {", "networks { psi = mlp(hidden = 4) per coordinate;") + f"safeguard {guard}\n"
    if guard != "descent":
        text = text.replace("P < 2/L", "P < 1/L")
    code = l2ogen.Spec(pipeline.check(Source("spec.l2o", text))).check().module()
    torch.manual_seed(0)
    made = code.T().double()
    with torch.no_grad():
        for weight in made.parameters():
            weight.mul_(scale)
        made.phi.out.bias.fill_(0)
    return code, made


@pytest.mark.parametrize("scale", [0.0, 0.1, 1.0, 1e8, 1e200, float("nan")])
def test_a_safeguarded_step_is_never_above_a_proximal_gradient_step(scale: float) -> None:
    code, made = safeguarded(scale)
    problem = instances(code, (8,))
    state = made.init_state(problem)
    taken = []
    with torch.no_grad():
        for _ in range(12):
            plain = problem.prox_r(state.x - problem.grad_f(state.x) / problem.L, 1 / problem.L)
            state = made.step(problem, state)
            assert state.x.isfinite().all()
            assert (problem.F(state.x) <= problem.F(plain)).all()
            taken.append((state.x != plain).any(-1))
    share = torch.stack(taken).double()
    assert share.sum() == 0 or scale == scale
    if scale == 0.1:
        assert 0 < share.mean() < 1  # some proposals are taken, others not


@pytest.mark.parametrize("guard", ["descent", "deviation(delta = 0.05)"])
def test_a_safeguard_decides_for_each_instance(guard: str) -> None:
    code, made = safeguarded(1.0, guard)
    problem = instances(code, (8,))
    with torch.no_grad():
        whole = made(problem, 6)
        for i in range(8):
            alone = made(code.Lasso(problem.A[i], problem.b[i], problem.lam[i]), 6)
            torch.testing.assert_close(alone, whole[i], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e8, float("nan")])
def test_the_rule_under_deviation_converges(scale: float) -> None:
    code, made = safeguarded(scale, "deviation(delta = 0.05)")
    problem = instances(code)
    with torch.no_grad():
        best = problem.F(algorithm(*METHODS["restarted_fista"][:3], head=DATA).compile()()(problem, 3000))
        reached = problem.F(made(problem, 3000))
    torch.testing.assert_close(reached, best, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("problem", "guard", "code"), [
    (HEAD, "descents", "L2O602"), (HEAD, "deviation(delta = 2)", "L2O602"), (HEAD, "descent(delta = 0.1)", "L2O211"),
    (HEAD, "deviation(dleta = 0.1)", "L2O211"), (HEAD, "descent\nsafeguard descent", "L2O116"),
    ("algorithm T\nproblem { F(x) : convex; minimize F(x) }\n", "descent", "L2O513"),
])  # fmt: skip
def test_safeguards_that_are_refused(problem: str, guard: str, code: str) -> None:
    update = "x+ = x - 0.1*subgrad F(x)" if "F(x) :" in problem else STEP
    found = codes(update, A if "L" in problem else "fixed a in R = 1", head=problem, more=f"safeguard {guard}\n")
    assert code in found
