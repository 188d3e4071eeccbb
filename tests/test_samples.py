"""What instances are drawn from, files and callables included; which problems an algorithm can be bound to."""
from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import l2ogen
from l2ogen import pipeline
from l2ogen.runtime import digits_mlp, evaluate, solve
from l2ogen.source import Source

LIKE: dict[str, Any] = {"dtype": torch.float64}


def check(text: str) -> l2ogen.Spec:
    return l2ogen.Spec(pipeline.check(Source("spec.l2o", text)))


def codes(text: str) -> list[str]:
    return [d.code for d in check(text).diagnostics]


def drawn(data: str, lines: str, **options: Any) -> Any:
    """200 instances of a problem with these data, drawn by these lines."""
    text = f"problem q\ndata {{ A in R^(m, n); {data} }}\nvariable {{ x in R^n }}\nf(x) = ||A*x||_2^2\nminimize f(x)\n"
    made = check(f"{text}sample (m = 6, n = 40) {{ A ~ gaussian(m, n); {lines} }}\n").compile()
    return made.sample(200, generator=torch.Generator().manual_seed(0), **LIKE, **options)


# ---- laws ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("law", "mean", "deviation", "low", "high"), [
    ("gaussian(n)", 0, 1, None, None), ("gaussian(n, std = 0.5)", 0, 0.5, None, None), ("uniform(n)", 0.5, 12**-0.5, 0, 1),
    ("uniform(n, low = -1, high = 3)", 1, 4 * 12**-0.5, -1, 3), ("rademacher(n)", 0, 1, -1, 1), ("bernoulli(n)", 0.5, 0.5, 0, 1),
    ("bernoulli(n, p = 0.1)", 0.1, 0.3, 0, 1), ("bernoulli_gaussian(n, 0.25)", 0, 0.5, None, None),
])  # fmt: skip
def test_laws(law: str, mean: float, deviation: float, low: float | None, high: float | None) -> None:
    v = drawn("v in R^n", f"v ~ {law}").v
    assert v.shape == (200, 40)
    assert abs(v.mean() - mean) < 5 * deviation / 8000**0.5
    assert abs(v.std() / deviation - 1) < 0.06
    assert low is None or v.min() >= low
    assert high is None or v.max() <= high


def test_a_matrix_a_number_and_labels() -> None:
    problem = drawn("y, z in R^m; lam, mu in R", "lam ~ uniform(low = 1, high = 2); mu ~ gaussian(); x_true ~ gaussian(n);"
                    "y = where(A*x_true >= 0, 1, 0); z = where(A*x_true < lam, -1, x_true'*x_true)" .replace("x_true'*x_true", "<x_true, x_true>"))
    assert problem.lam.shape == problem.mu.shape == (200, 1) and len(problem.lam.unique()) == 200
    image = (problem.A @ problem.x_true.unsqueeze(-1)).squeeze(-1)
    assert torch.equal(problem.y, (image >= 0).double())
    squares = problem.x_true.square().sum(-1, keepdim=True).expand(200, 6)
    torch.testing.assert_close(problem.z, torch.where(image < problem.lam, -torch.ones_like(squares), squares))


@pytest.mark.parametrize(("noise", "expected"), [("std = 0.25", 0.25), ("std = 1/4", 0.25), ("snr = 20", 0.1), ("snr = inf", 0.0)])
def test_noise(noise: str, expected: float) -> None:
    problem = drawn("b in R^m", f"x_true ~ gaussian(n, std = 0.15); b = A*x_true + noise({noise})")
    clean = (problem.A @ problem.x_true.unsqueeze(-1)).squeeze(-1)
    size = clean.std(-1).mean() if "snr" in noise else 1.0
    assert abs((problem.b - clean).std() - expected * size) < 0.06 * max(expected, 1e-9) * size


RATIO = """problem q
data { shared A in R^(m, n); b in R^m }
variable { x in R^n }
recover x from b = A*x : sparse(x)
sample (m = 200, n = 300, density = 0.5, sigma = 2, snr = inf) {
  A ~ gaussian(m, n); x_true ~ bernoulli_gaussian(n, density, std = sigma); b = A*x_true + noise(snr = snr)
}
"""


def test_the_ratio_of_signal_to_noise_and_the_deviation_are_options() -> None:
    made = check(RATIO).compile()
    assert made.defaults == {"m": 200, "n": 300, "density": 0.5, "sigma": 2.0, "snr": math.inf}
    shared = made.sample_shared(generator=torch.Generator().manual_seed(1), **LIKE)

    def draw(**law: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        problem = made.sample(20, **shared, **law, generator=torch.Generator().manual_seed(2), **LIKE)
        clean = problem.x_true @ shared["A"].T
        return problem.x_true, clean, problem.b - clean

    x, clean, noise = draw()
    assert not noise.any() and abs(x[x != 0].std() - 2) < 0.1
    same, _, noise = draw(snr=20.0)
    assert torch.equal(x, same) and abs((noise.std(-1) / clean.std(-1)).mean() - 0.1) < 0.005
    torch.testing.assert_close(draw(sigma=6.0)[0], 3 * x)


@pytest.mark.parametrize(("old", "new"), [
    ("sigma = 2", "sigma = inf"), ("m = 200", "m = inf"), ("snr = inf)", "snr = -inf)"), ("noise(snr = snr)", "noise(std = snr)"),
])  # fmt: skip
def test_only_a_ratio_is_infinite(old: str, new: str) -> None:
    assert codes(RATIO.replace(old, new, 1)) != []


def test_shared_numbers_are_tensors() -> None:
    text = """problem q
data { shared A in R^(m, n); shared d in diag(n); shared lam in R with lam > 0; b in R^m }
variable { x in R^n }
f(x) = ||A*(d*x) - b||_2^2
r(x) = lam*||x||_1
minimize f(x) + r(x)
sample (m = 4, n = 3) { A ~ gaussian(m, n); d ~ uniform(n, low = 1, high = 2); lam = 0.5; b ~ gaussian(m) }
"""
    made = check(text).compile()
    shared = made.sample_shared(generator=torch.Generator().manual_seed(1), **LIKE)
    assert {name: tuple(value.shape) for name, value in shared.items()} == {"A": (4, 3), "d": (3,), "lam": (1,)}
    problem = made.sample(5, **shared, **LIKE)
    x = torch.randn(5, 3, **LIKE, requires_grad=True)
    (exact,) = torch.autograd.grad(problem.f(x).sum(), x)
    torch.testing.assert_close(problem.grad_f(x), exact)
    assert problem.zeros().shape == (5, 3) and problem.L.shape[-1] == 1


def test_what_shared_data_are_made_of_is_drawn_with_them() -> None:
    text = """problem q
data { shared Q in sym(n) with Q >= 0; c in R^n }
variable { x in R^n }
f(x) = <x, Q*x> + <c, x>
minimize f(x)
sample (n = 3) { u ~ gaussian(n, std = 2); G ~ gaussian(n, n); Q = G'*G + I; c = u + 1 }
"""
    made = check(text).compile()
    problem = made.sample(4, **made.sample_shared(**LIKE), **LIKE)
    assert problem.Q.shape == (3, 3) and problem.c.shape == (4, 3) and problem.zeros().shape == (4, 3)


def test_declared_facts_are_checked_when_a_problem_is_made() -> None:
    Quadratic = l2ogen.load("quadratic").compile()
    Q, c = torch.eye(3, **LIKE).expand(2, 3, 3), torch.zeros(2, 3, **LIKE)
    assert Quadratic(Q, c).L.shape == (2, 1)
    for wrong, why in ((0.05 * Q, "Q >= 0.1"), (-Q, "Q >= 0.1"), (Q + torch.ones(3, 3, **LIKE).triu(1), "symmetric"), (Q[:, :2], "axis")):
        with pytest.raises(ValueError, match=why):
            Quadratic(wrong, c)
    with pytest.raises(ValueError, match="groups of 5"):
        l2ogen.load("group_lasso").compile().sample(1, n=12, sparsity=1)
    box = "problem q\ndata { lo, hi in R^n }\nvariable { x in R^n }\nr(x) = indicator(lo <= x <= hi)\nminimize r(x)\n"
    made = check(box).compile()
    assert made(torch.zeros(3), torch.zeros(3)).prox_r(torch.ones(3), 1.0).sum() == 0
    with pytest.raises(ValueError, match="lo <= hi"):
        made(torch.zeros(3), torch.tensor([1.0, 1.0, -1.0]))
    Logistic = l2ogen.load("logistic_l1").compile()
    with pytest.raises(ValueError, match="y <= 1"):
        Logistic(torch.ones(2, 3), torch.tensor([0.0, 2.0]), 0.1)


# ---- files --------------------------------------------------------------------------------------------


@pytest.fixture
def patches(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    content: dict[str, Any] = {"W": random.normal(size=(6, 9)), "Y": random.normal(size=(20, 6)), "rho": np.array(0.5)}
    np.savez(tmp_path / "bsds_patches_lasso.npz", **content)
    return tmp_path


SIZES = {"m": 6, "n": 9}


def load(folder: Path | None, batch: int = 4, **more: Any) -> Any:
    made = l2ogen.load("bsds_lasso").compile()
    where = {"folder": str(folder)} if folder is not None else {}
    return made.sample(batch, **made.sample_shared(**SIZES, **where, **LIKE), **SIZES, **where, **{**LIKE, **more})


def test_a_file_is_loaded(patches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = np.load(patches / "bsds_patches_lasso.npz")
    problem = load(patches)
    np.testing.assert_array_equal(problem.A, content["W"])
    np.testing.assert_array_equal(problem.b, content["Y"][:4])  # the first ones
    assert problem.lam.shape == (1,) and problem.lam == 0.5 and problem.zeros().shape == (4, 9)
    chosen = load(patches, 20, generator=torch.Generator().manual_seed(3)).b.numpy()
    assert not np.array_equal(chosen, content["Y"]) and np.array_equal(np.sort(chosen[:, 0]), np.sort(content["Y"][:, 0]))
    np.testing.assert_array_equal(chosen, load(patches, 20, generator=torch.Generator().manual_seed(3)).b)
    monkeypatch.setenv("L2OGEN_DATA", str(patches))
    np.testing.assert_array_equal(load(None).b, problem.b)
    assert solve(problem).residual < 1e-10


def test_arrays_of_one_instance_stay_together(tmp_path: Path) -> None:
    text = """problem q
data { A in R^(m, n); b in R^m; lam in R with lam > 0 }
variable { x in R^n }
f(x) = ||A*x - b||_2^2
r(x) = lam*||x||_1
minimize f(x) + r(x)
sample (m = 2, n = 3) { load "one.npz" { A; b }; load "two.npz" { lam; x_true = x } }
"""
    index = np.arange(1.0, 8)
    np.savez(tmp_path / "one.npz", A=index[:, None, None] * np.ones((2, 3)), b=index[:, None] * np.ones(2))
    np.savez(tmp_path / "two.npz", lam=index, x=index[:, None] * np.ones(3))
    problem = check(text).compile().sample(5, folder=str(tmp_path), generator=torch.Generator().manual_seed(0), **LIKE)
    assert problem.lam.shape == (5, 1) and len(problem.lam.unique()) == 5
    for value in (problem.A[:, 0], problem.b, problem.x_true):
        assert torch.equal(value, problem.lam.expand_as(value))


def test_a_single_array(tmp_path: Path) -> None:
    text = """problem q
data { shared A in R^(m, n); b in R^m }
variable { x in R^n }
recover x from b = A*x : sparse(x)
sample (m = 2, n = 3) { A ~ gaussian(m, n); load "signals.npy" { x_true }; b = A*x_true }
"""
    signals = np.arange(12, dtype=np.float32).reshape(4, 3)
    np.save(tmp_path / "signals.npy", signals)
    made = check(text).compile()
    problem = made.sample(2, torch.ones(2, 3), folder=str(tmp_path))
    np.testing.assert_array_equal(problem.x_true, signals[:2])
    np.testing.assert_array_equal(problem.b, signals[:2].sum(-1, keepdims=True).repeat(2, -1))
    columns = check(text.replace("{ x_true }", "{ x_true = x' }")).compile()
    with pytest.raises(ValueError, match=r"x' has the shape \(3, 4\), not \(instances, 3\)"):
        columns.sample(2, torch.ones(2, 3), folder=str(tmp_path))
    np.save(tmp_path / "signals.npy", signals.T)
    np.testing.assert_array_equal(columns.sample(2, torch.ones(2, 3), folder=str(tmp_path)).x_true, signals[:2])


@pytest.mark.parametrize(("change", "error", "why"), [
    ({}, FileNotFoundError, "no file"), ({"W": None}, ValueError, "no array W, but Y, rho"),
    ({"W": np.ones((6, 8))}, ValueError, r"W has the shape \(6, 8\), not \(6, 9\)"),
    ({"Y": np.ones((20, 7))}, ValueError, r"Y has the shape \(20, 7\), not \(instances, 6\)"),
    ({"Y": np.full((20, 6), np.nan)}, ValueError, "Y holds something else than finite numbers"),
    ({"Y": np.full((20, 6), "a")}, ValueError, "finite numbers"), ({"Y": np.ones((3, 6))}, ValueError, "3 instances, not 4"),
    ({"Y": np.ones(6)}, ValueError, r"\(instances, 6\)"), ({"rho": np.ones(2)}, ValueError, "rho has the shape"),
    ({"rho": np.array(-1.0)}, ValueError, "lam > 0"),
])  # fmt: skip
def test_what_is_wrong_with_a_file_is_said(patches: Path, change: dict[str, Any], error: type[Exception], why: str) -> None:
    file = patches / "bsds_patches_lasso.npz"
    content = dict(np.load(file)) | change
    file.unlink()
    if change:
        np.savez(file, **{name: value for name, value in content.items() if value is not None})
    with pytest.raises(error, match=why):
        load(patches)


TABLE = "1, 5, 0.5,g\n3, 5, 0.1,b\n\n2, 5, 0.6,g\n2, 5, 0.8,b\n"


def table(folder: Path, content: str | bytes = TABLE, array: str = "standardized", batch: int = 1) -> Any:
    """An instance of `ionosphere` from a table of this content."""
    folder.joinpath("ionosphere.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    text = Path("specs/problems/ionosphere.l2o").read_text().replace("standardized", array)
    return check(text).compile().sample(batch, m=4, n=3, folder=str(folder), **LIKE)


def test_a_table_is_loaded(tmp_path: Path) -> None:
    problem = table(tmp_path)
    assert problem.W.shape == (1, 4, 3) and problem.y.shape == (1, 4) and problem.zeros().shape == (1, 3)
    np.testing.assert_array_equal(problem.y[0], [1, 0, 1, 0])
    np.testing.assert_allclose(problem.W[0, :, 0], np.array([-1, 1, 0, 0]) * 2**0.5, atol=1e-15)
    assert (problem.W[..., 1] == 0).all()  # constant
    np.testing.assert_allclose(problem.W[0, :, 2], (np.array([0.5, 0.1, 0.6, 0.8]) - 0.5) / 0.065**0.5)
    assert solve(problem).residual < 1e-10
    plain = table(tmp_path, TABLE.replace("g", "0.25").replace("b", "1"), "features")
    np.testing.assert_array_equal(plain.W[0, 0], [1, 5, 0.5])
    np.testing.assert_array_equal(plain.y[0], [0.25, 1, 0.25, 1])
    np.testing.assert_array_equal(table(tmp_path, TABLE.replace("b", "g2"), "features").y[0], [0, 1, 0, 1])


@pytest.mark.parametrize(("content", "why"), [
    (TABLE.replace("5", "?"), "no table of finite numbers"), (TABLE.replace("5", "nan"), "no table of finite numbers"),
    (TABLE.replace("b", "c", 1), "no table of finite numbers"), (TABLE.replace(" 5,", "", 1), "no table"),
    ("", "no table"), (TABLE.replace(" 5,", ""), r"standardized has the shape \(4, 2\), not \(4, 3\)"),
    (TABLE + "1,2,3,g", r"\(5, 3\), not \(4, 3\)"), (b"\xff,1,2,g\n", "no table"),
])  # fmt: skip
def test_what_is_wrong_with_a_table_is_said(tmp_path: Path, content: str | bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        table(tmp_path, content)


def test_a_table_is_one_instance_of_known_arrays(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one instance, not 2"):
        table(tmp_path, batch=2)
    with pytest.raises(FileNotFoundError, match=r"no file .*ionosphere\.csv"):
        l2ogen.load("ionosphere").compile().sample(1, folder=str(tmp_path / "none"), **LIKE)
    assert codes(Path("specs/problems/ionosphere.l2o").read_text().replace("standardized", "standardised")) == ["L2O602"]


@pytest.mark.parametrize("name", ["../x.npz", "/x.npz", "a/x.npz", "a\\\\x.npz", "x.mat", ".npz", "C:x.npz", ""])
def test_a_file_is_named_without_its_folder(name: str) -> None:
    text = (Path("specs/problems/bsds_lasso.l2o")).read_text().replace("bsds_patches_lasso.npz", name)
    assert codes(text) == ["L2O620"]


# ---- external -----------------------------------------------------------------------------------------


def test_an_external_problem_by_autograd() -> None:
    External = l2ogen.load("external").compile()
    lasso = l2ogen.load("lasso").compile().sample(3, m=6, n=4, sparsity=2, **LIKE)
    problem = External(lasso.f, 4, batch=(3,), L=lasso.L, like=LIKE)
    x = torch.randn(3, 4, **LIKE)
    torch.testing.assert_close(problem.grad_f(x), lasso.grad_f(x))
    torch.testing.assert_close(problem.F(x), lasso.f(x))
    assert torch.equal(problem.L, lasso.L) and problem.zeros().shape == (3, 4)
    with torch.no_grad():
        torch.testing.assert_close(problem.stochgrad_f(x, problem.draw()), lasso.grad_f(x))
    smooth = solve(problem, iterations=3000)
    assert smooth.residual < 1e-8
    with pytest.raises(ValueError, match="Lipschitz"):
        External(lasso.f, 4, batch=(3,)).L  # noqa: B018
    with pytest.raises(ValueError, match="shape"):
        External(lasso.f, 4, batch=(3,), x0=torch.zeros(4))
    with pytest.raises(ValueError, match="callables"):
        solve(External(lasso.f, 4, batch=(3,), L=1.0))


def test_training_differentiates_through_an_external_gradient() -> None:
    External = l2ogen.load("external").compile()
    problem = External(lambda x: (x**4).sum(-1, keepdim=True), 2, like=LIKE)
    start = torch.tensor([1.0, -2.0], **LIKE, requires_grad=True)
    (start - 0.1 * problem.grad_f(start)).sum().backward()
    torch.testing.assert_close(start.grad, 1 - 0.1 * 12 * start.detach() ** 2)
    assert not problem.grad_f(start.detach()).requires_grad  # nothing is recorded where nothing is trained


def test_an_external_smooth_part_beside_a_proximable_one() -> None:
    text = "problem e\nvariable { x in R^n }\nf(x) : external\nr(x) = 1/2*||x||_1 + indicator(x <= 1)\nminimize f(x) + r(x)\n"
    problem = check(text).compile()(lambda x: (x - 3).square().sum(-1, keepdim=True), 2, L=2.0, like=LIKE)
    expected = torch.tensor([1.0, 1.0], **LIKE)
    torch.testing.assert_close(solve(problem).x, expected)
    torch.testing.assert_close(problem.F(expected), torch.tensor([9.0], **LIKE))


def test_a_network_on_digits_is_an_external_problem() -> None:
    External = l2ogen.load("external").compile()
    arguments = digits_mlp(hidden=5, minibatch=8, batch=(2,), dtype=torch.float64)
    problem = External(**arguments)
    assert problem.n == 64 * 5 + 5 + 5 * 10 + 10 and problem.x0.shape == (2, problem.n)
    x = problem.x0
    assert problem.f(x).shape == (2, 1) and (problem.f(x) - np.log(10)).abs().max() < 0.5
    assert problem.grad_f(x).abs().amax(-1).min() > 1e-3  # no saddle
    single = External(**digits_mlp(hidden=5, minibatch=8, dtype=torch.float64))
    torch.testing.assert_close(single.f(x[1]), problem.f(x)[1])
    W1, b1, W2, b2 = np.split(x[0].numpy(), np.cumsum([320, 5, 50]))
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    inner = 1 / (1 + np.exp(-(pixels / 16 @ W1.reshape(5, 64).T + b1)))
    scores = inner @ W2.reshape(10, 5).T + b2
    loss = np.log(np.exp(scores).sum(-1)) - scores[np.arange(len(labels)), labels]
    np.testing.assert_allclose(problem.f(x)[0, 0], loss.mean(), rtol=1e-12)
    problem.generator = torch.Generator().manual_seed(0)
    draws = torch.stack([problem.stochgrad_f(x, problem.draw()) for _ in range(400)])
    error = (draws.mean(0) - problem.grad_f(x)).norm() / draws.std(0).norm()
    assert error < 3 / 400**0.5 and draws.std(0).norm() > 0  # unbiased
    for _ in range(200):
        x = x - 2.0 * problem.grad_f(x)
    assert (problem.f(x) < 0.6).all()


# ---- binding ------------------------------------------------------------------------------------------

RULE = """algorithm T
problem { f(x) : convex, smooth(L); r(x) : convex, proximable; minimize f(x) + r(x) }
parameters { STEP }
state { x in R^n = 0 }
update { x+ = prox_r,P(x - P*grad f(x)) }
"""
SCALAR, DIAGONAL = "fixed P in R = 1/L", "fixed P in diag(n) = 1/L*I"


@pytest.mark.parametrize(("step", "problem", "fits"), [
    (SCALAR, "lasso", True), (DIAGONAL, "lasso", True), (SCALAR, "group_lasso", True), (DIAGONAL, "group_lasso", False),
    (DIAGONAL, "nonneg_least_squares", True), (DIAGONAL, "elastic_net", True), (SCALAR, "logistic", True), (SCALAR, "external", True),
])  # fmt: skip
def test_a_metric_needs_a_prox_in_closed_form(step: str, problem: str, fits: bool) -> None:
    text = RULE.replace("STEP", step)
    assert codes(f"{text}train {{ on {problem} }}\n") == ([] if fits else ["L2O606"])
    if not fits:
        with pytest.raises(l2ogen.SpecError, match="L2O606"):
            check(text).compile(problem)


def test_a_gradient_needs_a_smooth_part() -> None:
    text = "problem only_r\ndata { c in R^n }\nvariable { x in R^n }\nr(x) = ||x - c||_1\nminimize r(x)\n"
    bound = check(text).check().checked.program
    program = check(RULE.replace("STEP", SCALAR)).check().checked.program
    assert [d.code for d in pipeline.misfits(program, bound)] == ["L2O606"]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["lasso", "logistic_l1", "elastic_net", "nonneg_least_squares", "group_lasso", "quadratic", "logistic"])
def test_proximal_gradient_converges_on_every_shipped_problem(name: str) -> None:
    sizes = {"m": 12, "n": 10, "sparsity": 3}
    made = l2ogen.load(name).compile()
    problem = made.sample(3, **{k: v for k, v in sizes.items() if k in made.defaults}, generator=torch.Generator().manual_seed(1), **LIKE)
    model = l2ogen.load("fista").compile(problem=name)()
    curve = evaluate({"FISTA": model}, problem, iterations=300).curves["FISTA"]
    assert curve.values[-1].abs().max() < 1e-3 * curve.values[0].abs().max() + 1e-9


def test_an_algorithm_holds_what_it_needs_of_a_problem() -> None:
    text = l2ogen.load("fista").files("logistic_l1")["fista.py"]
    assert "def L(" in text and "def prox_r(" in text
    assert "def subgrad_F(" not in text and "def draw(" not in text
    alone = l2ogen.load("logistic_l1").files()["logistic_l1.py"]
    assert all(f"def {name}(" in alone for name in ("L", "grad_f", "prox_r", "subgrad_F", "draw", "stochgrad_f"))


# ---- what is refused ----------------------------------------------------------------------------------

DATA = "problem q\ndata { A in R^(m, n); b, y in R^m; Q in sym(n); mu in R; lam in R with lam > 0 }\nvariable { x in R^n }\n"


@pytest.mark.parametrize(("f", "code"), [
    ("-||A*x - b||_2^2", "L2O511"), ("mu*||A*x - b||_2^2", "L2O511"), ("||A*x - b||_2^2 - lam*||x||_2^2", "L2O511"),
    ("-sum(softplus(A*x))", "L2O511"), ("(0 - 1)*<x, x>", "L2O511"), ("||A*x||_2^2/(1 - 1)", "L2O511"), ("||A*x||_2^2/mu", "L2O511"),
    ("<x, Q*x>", "L2O520"), ("sum(huber(A*x, mu))", "L2O520"), ("sum(y .* softplus(A*x))", "L2O520"), ("sum(y .* (A*x) .^ 2)", "L2O520"),
    ("sum(exp(A*x))", "L2O501"), ("||A*x||_2", "L2O501"), ("||A*x - b||_2^2*||x||_2^2", "L2O501"), ("sum(x .^ 3)", "L2O501"),
    ("sum(softplus(A*x) .* (A*x))", "L2O501"), ("log(1 + exp(<x, x>))", "L2O501"), ("<x, A'*b>^2", "L2O501"), ("||A*tanh(x)||_2^2", "L2O501"),
    ("sum(huber(A*x, ||x||_1))", "L2O501"), ("lam*||x||_1 + lam*||x - 1||_1", "L2O501"), ("||x||_1 + group_l2(x, 2)", "L2O501"),
    ("||mu*x - 1||_1", "L2O501"), ("||x||_2 + indicator(x >= 0)", "L2O501"), ("||x||_inf", "L2O501"), ("-||x||_1", "L2O511"),
    ("-1*indicator(x >= 0)", "L2O511"), ("0*indicator(x >= 0)", "L2O511"), ("indicator(2*x >= 0)", "L2O501"), ("indicator(x)", "L2O303"),
    ("indicator(0 < x)", "L2O303"), ("indicator(0 <= x >= 1)", "L2O303"), ("indicator(x >= b)", "L2O303"), ("group_l2(x, 0)", "L2O521"),
    ("group_l2(x, lam)", "L2O521"), ("group_l2(x, b)", "L2O303"), ("indicator(x >= x)", "L2O501"), ("mean(x) + k", "L2O201"),
])  # fmt: skip
def test_what_is_not_proved_convex_or_not_known_is_refused(f: str, code: str) -> None:
    assert [c for c in codes(f"{DATA}f(x) = {f}\nminimize f(x)\n") if c != "L2O203"] == [code]


def test_parts_find_their_roles() -> None:
    """What has no prox is f, whatever comes first; a smooth ridge may be either."""
    for goal in ("f(x) + r(x)", "r(x) + f(x)"):
        for r in ("lam*||x||_2^2", "lam*||x||_1"):
            program: Any = check(f"{DATA}f(x) = ||A*x - b||_2^2\nr(x) = {r}\nminimize {goal}\n").checked.program
            assert program.smooth.text == "||A*x - b||_2^2" and program.prox.text == r
    alone: Any = check(f"{DATA}r(x) = lam*||x||_2^2\nminimize r(x)\n").checked.program
    assert alone.smooth is not None and alone.prox is None
    two = f"{DATA}f(x) = ||A*x - b||_2^2\ng(x) = ||A*x||_2^2\nminimize f(x) + g(x)\n"
    assert "L2O116" in codes(two)
