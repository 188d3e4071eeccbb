"""What a spec says is what its module computes: formulas against NumPy, problems against differences and search.

Every spec that `check` accepts must build, take a step, and keep the declared shapes of its states.
"""
import inspect
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import l2ogen
from l2ogen import pipeline
from l2ogen.source import Source

HEAD = "algorithm T\nproblem { f(x) : convex, smooth(L); r(x) : convex, proximable; minimize f(x) + r(x) }\n"
TRAIN = "train { on lasso(m = 6, n = 9, sparsity = 2); layers 4; loss F(x); steps 1; batch 4 }\n"
STEP = "x+ = prox_r,a(x - a*grad f(x))"


def spec(text: str) -> l2ogen.Spec:
    return l2ogen.Spec(pipeline.check(Source("spec.l2o", text))).check()


def algorithm(parameters: str, state: str, update: str, nets: str = "", head: str = HEAD) -> l2ogen.Spec:
    networks = f"networks {{ {nets} }}\n" if nets else ""
    return spec(f"{head}{networks}parameters {{ {parameters} }}\nstate {{ {state} }}\nupdate {{ {update} }}\n{TRAIN}")


def build(made: Any, n: int) -> Any:
    wanted = inspect.signature(made).parameters
    return made(**{"n": n} if "n" in wanted else {})


A = "fixed a in R = 1/L"
ACCEPTED = {
    "sqrt of k": (f"{A}; fixed b_k in R = 1/sqrt(k + 1)", "x in R^n = 0", "x+ = prox_r,a(x - a*b_k*grad f(x))"),
    "function of a fixed": (f"{A}; fixed b_k in R = 1/(k + 1)", "x in R^n = 0", "x+ = prox_r,a(x - sqrt(b_k)*a*grad f(x))"),
    "function of a let": (A, "x in R^n = 0", f"c = 1/(k + 1); d = sqrt(c); {STEP}; e = log(2)*d; f2 = e"),
    "scalar state of k": (A, "x in R^n = 0; t in R = 1", f"t+ = k + 2; v = sqrt(t+)*x; {STEP}; w = v"),
    "where of k": (A, "x in R^n = 0", "x+ = where(k > 1, prox_r,a(x - a*grad f(x)), x)"),
    "where of numbers": (A, "x in R^n = 0; t in R = 1", f"{STEP}; t+ = where(<x, x> > 1, 1, 0)"),
    "gradient at 0": (A, "x in R^n = 0", "x+ = prox_r,a(x - a*grad f(0))"),
    "scalar into a vector": (A, "x, y in R^n = 0; s in R = 0", f"y+ = a; s+ = ||y+||_2^2; {STEP}"),
    "k into a vector": (A, "x, y in R^n = 0", "y+ = k; x+ = prox_r,a(x - a*grad f(y) + <y+, y+>)"),
    "state from L": (A, "x in R^n = 0; y in R^n = 1/L", f"{STEP}; y+ = y + x"),
    "fixed vector": (f"{A}; fixed v in R^n = 1", "x in R^n = 0", "x+ = prox_r,a(x - a*grad f(x) + 0.1*||v||_2^2*v)"),
    "fixed diagonal": (f"{A}; fixed p in diag(n) = I", "x in R^n = 0", "x+ = prox_r,a(x - a*(p*grad f(x)))"),
    "learned matrix": (f"{A}; learned W in R^(n, n) init 0.5*I", "x in R^n = 0", "x+ = prox_r,a(x - a*(W*grad f(x)))"),
    "learned step": ("learned a_k in R with 0 < a_k < 2/L", "x in R^n = 0", "x+ = prox_r,a_k(x - a_k*grad f(x))"),
    "names of torch's modules": (
        f"{A}; learned step_k in R init 0.1; learned forward in R init 0.1; learned name, training in R init 1; learned th in R; learned th_k in R",
        "x in R^n = 0", "x+ = prox_r,a(x - (step_k + forward + name + training + th + th_k)*a*grad f(x))"),
    "names of Python and of helpers": (
        "fixed lambda in R = 1/L",
        "x in R^n = 0; self, state, problem, torch, min, matvec, State, T, Lasso, range, super in R^n = 0",
        "soft2 = x; between = 2*x; max = x; x+ = prox_r,lambda(x - lambda*grad f(x) + self + state + between + max); self+ = soft2; state+ = state; "
        "problem+ = problem; torch+ = torch; min+ = min; matvec+ = matvec; State+ = State; T+ = T; Lasso+ = Lasso; "
        "range+ = range; super+ = super"),
}  # fmt: skip


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_accepted_spec_runs_and_keeps_its_shapes(name: str) -> None:
    made = algorithm(*ACCEPTED[name]).module()
    problem = made.Lasso.sample(4, m=6, n=9, sparsity=2)
    module = build(made.T, 9)
    state = module.init_state(problem)
    program = algorithm(*ACCEPTED[name]).checked.program
    sizes = [9 if s.type.kind == "vector" else 1 for s in program.states]  # type: ignore[union-attr]
    for _ in range(6):  # past the last layer
        state = module.step(problem, state)
        assert [tuple(v.shape) for v in state[1:]] == [(4, size) for size in sizes]
        assert all(v.dtype == torch.float32 and v.isfinite().all() for v in state[1:])


def test_an_algorithm_and_its_problem_may_share_a_name() -> None:
    text = HEAD.replace("algorithm T", "algorithm lasso")
    made = spec(f"{text}parameters {{ {A} }}\nstate {{ x in R^n = 0 }}\nupdate {{ {STEP} }}\n{TRAIN}")
    problem = l2ogen.load("lasso").compile().sample(2, m=4, n=6, sparsity=2)
    assert made.compile()()(problem, 3).shape == (2, 6)


# ---- initial values ----------------------------------------------------------------------------------

INITS = [  # fact, initial value
    ("q > 0", 1e-4), ("q >= 0", 0.0), ("q >= 0", 0.3), ("q < 1", 0.5), ("0 < q < 1", 0.002), ("0 <= q <= 1", 0.5),
    ("q > 5", 5.5), ("-1 < q < 3", 1.0),
]  # fmt: skip


@pytest.mark.parametrize(("fact", "value"), INITS)
def test_a_learned_value_starts_where_it_says_and_can_move(fact: str, value: float) -> None:
    declared = f"{A}; learned q in R init {value} with {fact}"
    made = algorithm(declared, "x in R^n = 0", "x+ = q + prox_r,a(0*grad f(x))").module()
    problem = made.Lasso.sample(2, m=6, n=9, sparsity=2, dtype=torch.float64)
    module = made.T().double()
    found = module.step(problem, module.init_state(problem)).x
    assert torch.allclose(found, torch.full_like(found, value), atol=1e-9)
    found.sum().backward()
    (raw,) = module.parameters()
    assert raw.grad.isfinite().all() and (raw.grad != 0).all()


def test_an_initial_value_in_the_margin_is_refused() -> None:
    with pytest.raises(l2ogen.SpecError, match="L2O403"):
        algorithm("learned q in R init 0.0005 with 0 < q < 1", "x in R^n = 0", "x+ = prox_r,q(x - q*grad f(x))")


# ---- problems ----------------------------------------------------------------------------------------

DATA = "data { A in R^(m, n); b in R^m; lam in R with lam > 0 }\nvariable { x in R^n }\n"
SAMPLE = "sample (m = 5, n = 4) { A ~ gaussian(m, n); u ~ gaussian(n, m); x_true ~ sparse_gaussian(n, 2); b = A*x_true; lam = 0.3 }\n"
SMOOTH = [
    "1/2*||A*x - b||_2^2", "||b - A*x||_2^2", "2/3*||A*x - b||_2^2", "123456789*||A*x - b||_2^2", "||A*(2*x) - b||_2^2",
    "sqrt(2)*||A*x - b||_2^2", "3*(||A*x - b||_2^2/4)", "||A'*(A*x) - A'*b||_2^2", "lam*||b - 2*A*(x - 1)||_2^2/3", "||x||_2^2",
    "||-A*x + b||_2^2/(2*lam)",
]  # fmt: skip


def problem_of(f: str, r: str = "lam*||x||_1", sample: str = SAMPLE) -> Any:
    return spec(f"problem q\n{DATA}f(x) = {f}\nr(x) = {r}\nminimize f(x) + r(x)\n{sample}").compile()


@pytest.mark.parametrize("f", SMOOTH)
def test_derived_gradient_and_bound(f: str) -> None:
    generator = torch.Generator().manual_seed(0)
    problem = problem_of(f).sample(3, generator=generator, dtype=torch.float64)
    x = torch.randn(3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    (exact,) = torch.autograd.grad(problem.f(x).sum(), x)
    torch.testing.assert_close(problem.grad_f(x), exact, rtol=1e-12, atol=1e-12 * exact.abs().max().item())
    for i in range(3):
        hessian = torch.autograd.functional.hessian(lambda v, i=i: problem.f(x.detach().index_put((torch.tensor(i),), v))[i], x[i].detach())
        curvature = torch.linalg.eigvalsh(hessian)[-1].item()
        bound = problem.L.expand(3, 1)[i].item()
        assert curvature * (1 - 1e-12) <= bound <= curvature * (1 + 1e-9)
    assert problem.L.shape == (3, 1)


@pytest.mark.parametrize("r", ["lam*||x||_1", "||x||_1*lam/3", "(1 + lam)*||x||_1", "sqrt(2)*||x||_1", "0*||x||_1"])
def test_derived_prox_minimizes(r: str) -> None:
    problem = problem_of(SMOOTH[0], r).sample(3, dtype=torch.float64)
    v, p = torch.randn(3, 4, dtype=torch.float64), torch.rand(3, 4, dtype=torch.float64) + 0.1
    z = problem.prox_r(v, p)

    def value(z: torch.Tensor) -> torch.Tensor:
        return problem.r(z) + (0.5 * (z - v).square() / p).sum(-1, keepdim=True)

    for _ in range(200):
        other = z + 10 ** -random.uniform(0, 6) * torch.randn(3, 4, dtype=torch.float64)
        assert (value(z) <= value(other) + 1e-12).all()


@pytest.mark.parametrize(("f", "r"), [
    ("-1*||A*x - b||_2^2", "lam*||x||_1"), ("(1 - 2)*||A*x - b||_2^2", "lam*||x||_1"), ("0*||A*x - b||_2^2", "lam*||x||_1"),
    ("||A*x - b||_2^2", "-lam*||x||_1"), ("||A*x - b||_2^2", "(0 - lam)*||x||_1"),
])  # fmt: skip
def test_what_is_not_convex_is_refused(f: str, r: str) -> None:
    with pytest.raises(l2ogen.SpecError, match="L2O511"):
        problem_of(f, r)


def test_an_objective_at_another_point_is_refused() -> None:
    with pytest.raises(l2ogen.SpecError, match="L2O214"):
        spec(f"problem q\n{DATA}f(x) = ||A*x - b||_2^2\nr(x) = lam*||x||_1\nminimize f(2*x) + r(x)\n{SAMPLE}")


def test_the_truth_is_what_is_called_so() -> None:
    sample = SAMPLE.replace("x_true ~", "w ~ sparse_gaussian(n, 1); x_true ~")
    problem = problem_of(SMOOTH[0], sample=sample).sample(3, dtype=torch.float64)
    torch.testing.assert_close((problem.A @ problem.x_true.unsqueeze(-1)).squeeze(-1), problem.b)


def test_data_that_do_not_fit_are_refused() -> None:
    Lasso = l2ogen.load("lasso").compile()
    A, b = torch.randn(4, 6, 9), torch.randn(4, 6)
    for wrong in ((A, b.double(), 0.1), (A, b, torch.rand(4)), (A, b[:3], 0.1), (A, b[:, :5], 0.1), (A.long(), b, 0.1), (A, b, 0.0)):
        with pytest.raises(ValueError):
            Lasso(*wrong)
    assert Lasso(A[0], b[0], torch.rand(4, 1) + 0.1).zeros().shape == (4, 9)


# ---- random formulas against NumPy -------------------------------------------------------------------

Formula = tuple[str, int, Callable[[dict[str, Any]], Any]]
"""Text, how tightly it binds (1 sum, 2 product, 3 sign, 5 atom), value."""


class Formulas:
    """Draws scalar and vector expressions, written with as few parentheses as the language allows, or more."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def at(self, e: Formula, binding: int) -> str:
        return e[0] if e[1] >= binding and self.random.random() < 0.8 else f"({e[0]})"

    def sums(self, a: Formula, b: Formula) -> Formula:
        if self.random.random() < 0.5:
            return f"{self.at(a, 1)} + {self.at(b, 2)}", 1, lambda E: a[2](E) + b[2](E)
        return f"{self.at(a, 1)} - {self.at(b, 2)}", 1, lambda E: a[2](E) - b[2](E)

    def scalar(self, depth: int) -> Formula:
        if depth <= 0:
            leaf = self.random.choice(["2", "0.5", "3", "k", "t", "L", "lam"])
            return leaf, 5, lambda E: E[leaf] if leaf in E else float(leaf)
        a, b = self.scalar(depth - 1), self.scalar(depth - 1)
        u, v = self.vector(depth - 1), self.vector(depth - 1)
        pick: list[Callable[[], Formula]] = [
            lambda: self.sums(a, b),
            lambda: (f"{self.at(a, 2)}*{self.at(b, 3)}", 2, lambda E: a[2](E) * b[2](E)),
            lambda: (f"{self.at(a, 2)}/(2 + abs({b[0]}))", 2, lambda E: a[2](E) / (2 + np.abs(b[2](E)))),
            lambda: (f"-{self.at(a, 3)}", 3, lambda E: -a[2](E)),
            lambda: (f"{self.at(a, 5)}^2", 4, lambda E: a[2](E) ** 2),
            lambda: (f"<{u[0]}, {v[0]}>", 5, lambda E: (u[2](E) * v[2](E)).sum(-1, keepdims=True)),
            lambda: (f"||{u[0]}||_1", 5, lambda E: np.abs(u[2](E)).sum(-1, keepdims=True)),
            lambda: (f"||{u[0]}||_2^2", 4, lambda E: (u[2](E) ** 2).sum(-1, keepdims=True)),
            lambda: (f"tanh({a[0]})", 5, lambda E: np.tanh(a[2](E))),
            lambda: (f"sqrt(1 + abs({a[0]}))", 5, lambda E: np.sqrt(1 + np.abs(a[2](E)))),
            lambda: (f"max({a[0]}, {b[0]})", 5, lambda E: np.maximum(a[2](E), b[2](E))),
            lambda: (f"where({a[0]} > lam, {b[0]}, 1)", 5, lambda E: np.where(a[2](E) > E["lam"], b[2](E), 1.0)),
        ]
        return self.random.choice(pick)()

    def vector(self, depth: int) -> Formula:
        if depth <= 0:
            leaf = self.random.choice(["x", "y"])
            return leaf, 5, lambda E: E[leaf]
        u, v, a = self.vector(depth - 1), self.vector(depth - 1), self.scalar(depth - 2)
        pick: list[Callable[[], Formula]] = [
            lambda: self.sums(u, v),
            lambda: self.sums(u, a),
            lambda: (f"{self.at(a, 2)}*{self.at(u, 3)}", 2, lambda E: a[2](E) * u[2](E)),
            lambda: (f"{self.at(u, 2)} .* {self.at(v, 3)}", 2, lambda E: u[2](E) * v[2](E)),
            lambda: (f"{self.at(u, 2)} ./ (1 + abs({v[0]}))", 2, lambda E: u[2](E) / (1 + np.abs(v[2](E)))),
            lambda: (f"-{self.at(u, 3)}", 3, lambda E: -u[2](E)),
            lambda: (f"grad f({u[0]})", 5, lambda E: E["grad"](u[2](E))),
            lambda: (f"A'*(A*{self.at(u, 5)} - b)", 2, lambda E: E["grad"](u[2](E))),
            lambda: (f"soft({u[0]}, abs({a[0]}))", 5, lambda E: np.sign(u[2](E)) * np.maximum(np.abs(u[2](E)) - np.abs(a[2](E)), 0)),
            lambda: (f"clip({u[0]}, -1, lam)", 5, lambda E: np.clip(u[2](E), -1, E["lam"])),
            lambda: (f"where({u[0]} > 0, {v[0]}, {a[0]})", 5, lambda E: np.where(u[2](E) > 0, v[2](E), a[2](E))),
        ]
        return self.random.choice(pick)()


OWN = "algorithm T\nproblem { data { A in R^(m, n); b in R^m; lam in R }; f(x) : convex, smooth(L); r(x) : convex, proximable; minimize f(x) + r(x) }\n"


@pytest.mark.parametrize("seed", range(40))
def test_random_formulas_mean_what_they_say(seed: int) -> None:
    draw = Formulas(seed)
    u, s = draw.vector(draw.random.choice([2, 3, 4])), draw.scalar(draw.random.choice([2, 3]))
    update = f"g = A'*(A*x - b); q = lam; w = ||g||_2; v = {u[0]}; x+ = prox_r,a(v + 0*grad f(x)); t+ = {s[0]}; y+ = q*w*x"
    made = algorithm(A, "x, y in R^n = 0; t in R = 1", update, head=OWN).module()
    generator = torch.Generator().manual_seed(seed)
    like: dict[str, Any] = {"dtype": torch.float64, "generator": generator}
    problem = made.Lasso.sample(3, m=6, n=9, sparsity=2, **like)
    x, y, t = torch.randn(3, 9, **like), torch.randn(3, 9, **like), torch.randn(3, 1, **like)
    k = draw.random.choice([0, 3])
    module = made.T()
    found = module.step(problem, made.State(k, x=x, y=y, t=t))
    A_, b_, lam = problem.A.numpy(), problem.b.numpy(), problem.lam.numpy()
    L = np.linalg.norm(A_, 2, axis=(-2, -1))[:, None] ** 2
    E = {"x": x.numpy(), "y": y.numpy(), "t": t.numpy(), "k": float(k), "L": L, "lam": lam}
    E["grad"] = lambda v: np.einsum("bmn,bm->bn", A_, np.einsum("bmn,bn->bm", A_, v) - b_)
    point = np.broadcast_to(u[2](E), (3, 9))
    expected = np.sign(point) * np.maximum(np.abs(point) - lam / L, 0)
    np.testing.assert_allclose(found.x.numpy(), expected, rtol=1e-8, atol=1e-9 * (1 + np.abs(expected).max()), err_msg=u[0])
    scalar = np.broadcast_to(s[2](E), (3, 1))
    np.testing.assert_allclose(found.t.expand(3, 1).numpy(), scalar, rtol=1e-8, atol=1e-9 * (1 + np.abs(scalar).max()), err_msg=s[0])
