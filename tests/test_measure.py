"""`check --weights` against NumPy on weights that are set by hand."""
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
from l2ogen.runtime import checkpoint
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
    assert run("check", "lista", "--weights", lista, "--json")[0] == 2


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
