"""`check --weights` against NumPy on weights that are set by hand."""
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import l2ogen
from l2ogen import pipeline
from l2ogen.api import Spec
from l2ogen.cli import main
from l2ogen.core import ir
from l2ogen.measure import Measured, measure
from l2ogen.measure.structure import MeanForm, NoStructure, mean_form
from l2ogen.runtime import checkpoint, load_run
from l2ogen.runtime.run import WEIGHTS
from l2ogen.source import Source

COUPLING, THRESHOLD = "W1_k*A + W2_k - I -> 0", "theta_k -> 0"
HEAD = "problem { data { shared A in R^(m, n); b in R^m }; recover x from b = A*x : sparse(x) }\nstate { x in R^n = 0 }\n"
FOOT = "train { on sparse_coding(m = 6, n = 10, density = 0.2); layers 2; loss ||x - x_true||_2^2; dtype float64 }\n"

Weights = dict[str, np.ndarray]


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def trained(spec: Spec, folder: Path, **sizes: Any) -> Path:
    torch.set_num_threads(1)
    spec.train(folder, quiet=True, steps=2, batch=4, device="cpu", **sizes)
    return folder


def change(folder: Path, edit: Callable[[Weights], None]) -> Weights:
    """The weights of a run, changed; as float64 arrays."""
    tensors, meta = checkpoint.load(folder / WEIGHTS)
    arrays = {name: tensor.double().numpy() for name, tensor in tensors.items()}
    edit(arrays)
    checkpoint.save(folder / WEIGHTS, {name: torch.as_tensor(value) for name, value in arrays.items()}, meta)
    return arrays


def measured(spec: Spec, folder: Path) -> Measured:
    program = spec.check().checked.program
    assert isinstance(program, ir.Algorithm)
    return measure(program, folder)


def small(text: str) -> Spec:
    return Spec(pipeline.check(Source("small.l2o", text))).check()


@pytest.fixture(scope="module")
def lista(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = l2ogen.load("lista").with_settings(dtype="float64")
    return trained(spec, tmp_path_factory.mktemp("runs") / "lista", m=6, n=10, layers=3)


def test_coupled_weights_leave_nothing(lista: Path) -> None:
    def couple(w: Weights) -> None:
        for k in range(3):
            w[f"model.W2.{k}"] = np.eye(10) - w[f"model.W1.{k}"] @ w["shared.A"]

    change(lista, couple)
    found = measured(l2ogen.load("lista"), lista)
    assert list(found.sizes) == [COUPLING, THRESHOLD]
    assert len(found.sizes[COUPLING]) == 3 and max(found.sizes[COUPLING]) < 1e-12
    assert list(found.left_out) == ["W1_k - theta_k/lam*A' -> 0"] and not found.drawn


def test_sizes_equal_numpy(lista: Path) -> None:
    def draw(w: Weights) -> None:
        rng = np.random.default_rng(0)
        for name, value in w.items():
            if name.startswith("model."):
                w[name] = rng.normal(size=value.shape)

    w = change(lista, draw)
    found = measured(l2ogen.load("lista"), lista)
    coupling = [np.linalg.norm(w[f"model.W1.{k}"] @ w["shared.A"] + w[f"model.W2.{k}"] - np.eye(10), 2) for k in range(3)]
    np.testing.assert_allclose(found.sizes[COUPLING], coupling, rtol=1e-6)
    np.testing.assert_allclose(found.sizes[THRESHOLD], [abs(w[f"model.theta.{k}"][0]) for k in range(3)], rtol=1e-6)
    code, output = run("check", "lista", "--weights", lista)
    assert code == 0 and f"{coupling[2]:.3e}" in output and "`lam` has no value" in output


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_picture(lista: Path, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"sizes.{suffix}"
    code, output = run("check", "lista", "--weights", lista, "--plot", file)
    assert code == 0 and output.endswith(f"{file}\n")
    assert {"png": b"PNG", "svg": b"<svg", "pdf": b"%PDF"}[suffix] in file.read_bytes()


def test_vectors_diagonals_and_ranges(tmp_path: Path) -> None:
    """What is stored is not what the rule uses: values in (0, 1), a diagonal as a vector, a scalar in front."""
    spec = small("algorithm T\n" + HEAD + "parameters { learned D in diag(n) with 0 < D < 1; learned c_k in R^n init 0;"
                 " learned s_k in R init 0.5 }\nupdate { x+ = x + s_k*D*(A'*(b - A*x)) + s_k*x + D*c_k }\n" + FOOT)  # fmt: skip
    folder = trained(spec, tmp_path / "run")
    rng = np.random.default_rng(1)
    w = change(folder, lambda w: w.update({k: rng.normal(size=v.shape) for k, v in w.items() if k.startswith("model.")}))
    found = measured(spec, folder)
    assert list(found.sizes) == ["D*c_k -> 0", "s_k*I -> 0", "s_k*D*A' -> 0"]
    D = 1 / (1 + np.exp(-w["model.D"]))  # up to the margin of open ends
    last = np.linalg.norm(w["model.s.1"] * D[:, None] * w["shared.A"].T, 2)
    np.testing.assert_allclose(found.sizes["s_k*D*A' -> 0"][1], last, rtol=1e-3)
    np.testing.assert_allclose(found.sizes["D*c_k -> 0"], [abs(D * w[f"model.c.{k}"]).max() for k in range(2)], rtol=1e-3)
    np.testing.assert_allclose(found.sizes["s_k*I -> 0"], [abs(w[f"model.s.{k}"][0]) for k in range(2)], rtol=1e-12)


def test_a_matrix_that_differs_between_instances(tmp_path: Path) -> None:
    folder = trained(l2ogen.load("ada_lista"), tmp_path / "run", m=6, n=10, layers=2, sparsity=2)
    found = measured(l2ogen.load("ada_lista"), folder)
    assert found.drawn == ["A"] and "A: of one instance" in str(found)
    lam = 0.1  # of the problem; the rule does not read it
    w, _ = checkpoint.load(folder / WEIGHTS)
    A = load_run(folder).training.sample(load_run(folder).settings, 1, load_run(folder).settings.generator(3), {}).A[0]
    gamma, theta, W2 = w["model.gamma.1"], w["model.theta.1"], w["model.W2"]
    expected = torch.linalg.matrix_norm(gamma * A.mT @ W2.mT - theta / lam * A.mT, 2)
    np.testing.assert_allclose(found.sizes["gamma_k*A'*W2' - theta_k/lam*A' -> 0"][1], expected.item(), rtol=1e-5)


def test_what_can_not_be_measured_is_one_message(lista: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "settings.json").write_text("{")
    for spec, folder, message in [
        ("lista", tmp_path, "is no run folder"), ("lista", tmp_path / "none", "is no run folder"),
        ("lista", broken, "can't be used"), ("lista_cp", lista, "is a run of LISTA, not of LISTA_CP"),
        ("ista", lista, "there is nothing to measure"), ("lasso", lista, "takes an algorithm"),
    ]:  # fmt: skip
        code, output = run("check", spec, "--weights", folder)
        assert code == 2 and message in output and output.count("Error") == 1, output
    assert run("check", "lista", "ista", "--weights", lista)[0] == 2
    assert run("check", "lista", "--plot", tmp_path / "a.png")[0] == 2
    assert run("check", "lista", "--weights", lista, "--plot", tmp_path / "a.txt")[0] == 2
    assert run("check", "lista", "--weights", lista, "--format", "sarif")[0] == 2
    code, output = run("check", "lista", "--weights", lista, "--plot", broken / "settings.json" / "a.png")
    assert code == 2 and "a.png can't be written" in output and output.count("Error") == 1


@pytest.mark.parametrize(("parameters", "update", "message"), [
    ("learned W1_k in R^(n, m); learned theta_k in R with theta_k >= 0", "soft(x + W1_k*(b - A*x), theta_k)", "it has learned `W2`"),
    ("learned W1_k in R^(n, m); learned W2_k, V_k in R^(n, n); learned theta_k in R with theta_k >= 0",
     "soft(W1_k*b + W2_k*x + V_k*x, theta_k)", "it has not learned `V_k`"),
    ("learned W2_k in R^(n, m); learned W1_k in R^(n, n); learned theta_k in R with theta_k >= 0",
     "soft(W2_k*b + W1_k*x, theta_k)", "`W2_k` is 10 x 10, not 10 x 6"),
])  # fmt: skip
def test_another_algorithm_of_the_same_name(lista: Path, parameters: str, update: str, message: str) -> None:
    file = lista.parent / "other.l2o"
    file.write_text(f"algorithm LISTA\n{HEAD}parameters {{ {parameters} }}\nupdate {{ x+ = {update} }}\n")
    code, output = run("check", file, "--weights", lista)
    assert code == 2 and "is a run of another LISTA" in output and message in output, output


def test_json(lista: Path) -> None:
    code, output = run("check", "lista", "--weights", lista, "--json")
    document, found = json.loads(output), measured(l2ogen.load("lista"), lista)
    assert code == 0 and document["sizes"] == found.sizes and document["structure"] is None
    assert document["not_measured"] == {"W1_k - theta_k/lam*A' -> 0": "`lam` has no value in this run"}


# ---- the structure of a step -----------------------------------------------------------------------
SMOOTH = """algorithm T
problem { f(x) : convex, smooth(L); minimize f(x) }
parameters { %s }
state { x in R^n = 0 }
update { x+ = x - %s }
train { on quadratic(n = 4); horizon 8; loss F(x); dtype float64 }
"""


A, C = "learned a in R init 0.05", "learned c in R^n init 0.01"


def structure(text: str, folder: Path) -> tuple[MeanForm, Weights, np.ndarray]:
    """The form, the weights, and the gradients along the same trajectory."""
    spec = small(text)
    folder = trained(spec, folder)
    made: Any = load_run(folder)
    problem = made.training.sample(made.settings, 1, made.settings.generator(3), made.shared)
    program = spec.check().checked.program
    assert isinstance(program, ir.Algorithm)
    state, gradients = made.model.init_state(problem), []
    with torch.no_grad():
        for _ in range(8):
            gradients.append(problem.grad_f(state.x)[0].numpy())
            state = made.model.step(problem, state)
    weights = {k: v.double().numpy() for k, v in checkpoint.load(folder / WEIGHTS)[0].items()}
    return mean_form(program, made, problem), weights, np.array(gradients)


@pytest.mark.parametrize(("step", "bias"), [("a*grad f(x)", False), ("a*grad f(x) - c", True), ("a*detach(grad f(x))", False)])
def test_the_structure_of_gradient_descent(tmp_path: Path, step: str, bias: bool) -> None:
    """P = a*I and b = 0, or the bias; `detach` hides nothing."""
    form, w, _ = structure(SMOOTH % (f"{A}; {C}" if bias else A, step), tmp_path / "run")
    assert form.at == [0, 1, 2, 5, 7]
    np.testing.assert_allclose(form.P, np.full(5, abs(w["model.a"].item())), rtol=1e-12)
    expected = np.linalg.norm(w["model.c"]) if bias else 0
    np.testing.assert_allclose(form.b, np.full(5, expected), rtol=1e-9, atol=1e-14)


def test_the_structure_of_a_nonlinear_step(tmp_path: Path) -> None:
    """For a*tanh(g) + x_i/10 the mean Jacobian is diag(a*tanh(g)/g), and b = x/10: the integral is no value at a point."""
    form, w, g = structure(SMOOTH % (A, "(a*tanh(detach(grad f(x))) + 0.1*x)"), tmp_path / "run")
    a = w["model.a"].item()
    np.testing.assert_allclose(form.P, [np.abs(a * np.tanh(g[k]) / g[k]).max() for k in form.at], rtol=1e-6)
    assert form.b[0] < 1e-6 and form.b[-1] > 1e-4


@pytest.mark.parametrize(("step", "reason"), [
    ("a*grad f(2*x)", "elsewhere than at `x`"), ("a*stochgrad f(x)", "minibatches"),
    ("a*grad f(x) + a*stochgrad f(x)", "several gradients"),
])  # fmt: skip
def test_steps_without_this_structure(step: str, reason: str) -> None:
    program = small((SMOOTH % (A, step)).partition("train")[0]).check().checked.program
    assert isinstance(program, ir.Algorithm)
    with pytest.raises(NoStructure, match=reason):
        mean_form(program, None, None)


@pytest.mark.parametrize("name", ["l2o_dm", "rnnprop"])
def test_a_black_box(tmp_path: Path, name: str) -> None:
    """Networks whose step is refuted: b does not vanish, in a table, in JSON and as a picture."""
    sizes = {"m": 6, "n": 8, "sparsity": 2, "horizon": 7, "truncate": 7}
    folder = trained(l2ogen.load(name), tmp_path / "run", **sizes)
    code, output = run("check", name, "--weights", folder, "--plot", tmp_path / "p.svg")
    head = [line.split() for line in output.splitlines()][1]
    assert code == 0 and head == ["k", "||P_k||_2", "||b_k||_2", "||x_k", "-", "x*||_2"]
    assert "weights alone do not decide it" in output and (tmp_path / "p.svg").is_file()
    document = json.loads(run("check", name, "--weights", folder, "--json")[1])["structure"]
    assert document["k"] == [0, 1, 2, 5, 6] and all(len(v) == 5 for v in document.values())
    assert min(document["b"][1:]) > 1e-5 and all(f"{b:.3e}" in output for b in document["b"])
