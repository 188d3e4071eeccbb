"""Using what was trained: `load_run(...).solve` and `spec.solve` on a user's own arrays, weights in files."""
from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import l2ogen
from l2ogen.runtime import Run, RunError, Trained, train

ROOT = Path(__file__).resolve().parent.parent
random = np.random.default_rng(5)
A, b = random.normal(size=(6, 10)), random.normal(size=6)
STACK, ROWS = random.normal(size=(4, 6, 10)), random.normal(size=(4, 6))
FISTA = l2ogen.load("fista")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folders: `pa`, which runs on any LASSO, and `lista`, whose weights belong to one A"""
    place = tmp_path_factory.mktemp("runs")
    few: dict[str, Any] = {"m": 6, "n": 10, "steps": 2, "batch": 4, "validate": "every = 1, batch = 4", "quiet": True}
    train(Run.create(place / "pa", ROOT / "generated/l2o_pa_train.py", sparsity=2, horizon=6, truncate=3, **few))
    train(Run.create(place / "lista", ROOT / "generated/lista_train.py", layers=3, **few))
    return place


@pytest.fixture
def pa(folder: Path) -> Trained:
    return l2ogen.load_run(folder / "pa")


@pytest.fixture
def lista(folder: Path) -> Trained:
    return l2ogen.load_run(folder / "lista")


def fista(A: np.ndarray, b: np.ndarray, lam: float, iterations: int) -> np.ndarray:
    """Beck and Teboulle (2009), by hand"""
    L = np.linalg.norm(A, 2) ** 2
    x = z = np.zeros(A.shape[1])
    t = 1.0
    for _ in range(iterations):
        v = z - A.T @ (A @ z - b) / L
        x_next = np.sign(v) * np.maximum(np.abs(v) - lam / L, 0)
        t_next = (1 + np.sqrt(1 + 4 * t * t)) / 2
        z, x, t = x_next + (t - 1) / t_next * (x_next - x), x_next, t_next
    return x


# ---- arrays ------------------------------------------------------------------------------------------
def test_an_algorithm_without_weights_on_numpy_arrays() -> None:
    x = FISTA.solve(A, b, 0.1, iterations=60)
    assert isinstance(x, np.ndarray) and x.dtype == np.float64
    np.testing.assert_allclose(x, fista(A, b, 0.1, 60), rtol=1e-10, atol=1e-12)


def test_a_batch_is_its_instances() -> None:
    lam = np.array([0.1, 0.2, 0.3, 0.4])
    expected = [fista(A_, b_, lam_, 30) for A_, b_, lam_ in zip(STACK, ROWS, lam, strict=True)]
    for weight in (lam, lam[:, None]):      # one for each instance, in either shape
        np.testing.assert_allclose(FISTA.solve(STACK, ROWS, weight, iterations=30), expected, rtol=1e-9, atol=1e-11)
    shared = FISTA.solve(A, ROWS, lam=0.1, iterations=30)
    np.testing.assert_allclose(shared, [fista(A, b_, 0.1, 30) for b_ in ROWS], rtol=1e-9, atol=1e-11)
    assert FISTA.solve(np.stack([STACK] * 2), ROWS, 0.1, iterations=1).shape == (2, 4, 10)


def test_a_trained_network_on_arrays(pa: Trained) -> None:
    problem = pa.problem(*(torch.tensor(v, dtype=torch.float32) for v in (STACK, ROWS)), 0.1)
    with torch.no_grad():
        expected = pa.model(problem, iterations=6)
    x = pa.solve(STACK.astype(np.float32), ROWS.astype(np.float32), 0.1)     # 6 iterations, as trained
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, expected.numpy())
    tensor = pa.solve(torch.tensor(STACK, dtype=torch.float32), torch.tensor(ROWS, dtype=torch.float32), 0.1)
    assert torch.equal(tensor, expected)


def test_float64_in_is_float64_throughout(pa: Trained) -> None:
    double = pa.model.double()
    problem = pa.problem(torch.tensor(A), torch.tensor(b), 0.1)
    with torch.no_grad():
        expected = double(problem, iterations=4).numpy()
    pa.model.float()
    x = pa.solve(A, b, 0.1, iterations=4)
    assert x.dtype == np.float64 and not np.array_equal(x, x.astype(np.float32))
    np.testing.assert_array_equal(x, expected)
    assert next(pa.model.parameters()).dtype == torch.float32       # the run itself stays as it was
    assert pa.solve(A, b.astype(np.float32), 0.1).dtype == np.float64
    assert pa.solve(A.astype(np.float16), b.astype(np.float32), np.float64(0.1)).dtype == np.float32


def test_the_shared_data_do_not_decide_the_type(lista: Trained) -> None:
    assert lista.solve(b).dtype == np.float64
    assert lista.solve(b.astype(np.float32)).dtype == np.float32
    lista.shared["A"] = lista.shared["A"].double()
    assert lista.solve(b.astype(np.float32)).dtype == np.float32
    assert lista.solve(np.arange(6)).dtype == np.float32        # whole numbers: the type of the weights


def test_arrays_of_other_kinds() -> None:
    whole = np.arange(6) - 2
    np.testing.assert_array_equal(FISTA.solve(A, whole, 1), FISTA.solve(A, whole.astype(float), 1.0))
    assert FISTA.solve(A.astype(int), whole, 1).dtype == np.float64
    np.testing.assert_array_equal(FISTA.solve(A.tolist(), b.tolist(), 0.1), FISTA.solve(A, b, 0.1))
    fixed = np.asfortranarray(A[::-1]).astype(">f8")
    fixed.setflags(write=False)
    np.testing.assert_array_equal(FISTA.solve(fixed, b[::-1], 0.1), FISTA.solve(A[::-1].copy(), b[::-1].copy(), 0.1))


def test_a_zero_column_gives_a_zero() -> None:
    holed = A.copy()
    holed[:, 3] = 0
    x = FISTA.solve(holed, b, 0.1, iterations=200)
    assert x[3] == 0
    np.testing.assert_allclose(np.delete(x, 3), fista(np.delete(A, 3, 1), b, 0.1, 200), rtol=1e-8, atol=1e-10)


def test_all_iterates_and_a_start() -> None:
    every = FISTA.solve(A, b, 0.1, iterations=9, return_all=True)
    assert every.shape == (10, 10)
    for k in (0, 4, 9):
        np.testing.assert_allclose(every[k], fista(A, b, 0.1, k), rtol=1e-10, atol=1e-12)
    start = random.normal(size=10)
    np.testing.assert_array_equal(FISTA.solve(A, ROWS, 0.1, x0=start, iterations=0), np.broadcast_to(start, (4, 10)))
    best = fista(A, b, 0.1, 3000)
    np.testing.assert_allclose(FISTA.solve(A, b, 0.1, x0=best, iterations=1), best, atol=1e-9)


def test_the_arguments_stay_as_they_are() -> None:
    copies = A.copy(), b.copy(), np.ones(10)
    FISTA.solve(*copies[:2], 0.1, x0=copies[2])
    for mine, before in zip(copies, (A, b, np.ones(10)), strict=True):
        np.testing.assert_array_equal(mine, before)


def spoiled(value: float) -> np.ndarray:
    found = STACK.copy()
    found[1, 2, 3] = value
    return found


@pytest.mark.parametrize(("arguments", "named", "kind", "message"), [
    ((A, b), {}, TypeError, r"solve\(A, b, lam\): `lam` is missing"),
    ((A, b, 0.1, 7), {}, TypeError, r"solve\(A, b, lam\) takes no 4 arrays"),
    ((A, b, 0.1), {"mu": 3}, TypeError, "no argument `mu`"),
    ((A, b, 0.1), {"b": b}, TypeError, "`b` is given twice"),
    ((A, b[:5], 0.1), {}, ValueError, r"^b must be \(\.\.\., m\) with m = 6 from A, not \(5,\)$"),
    ((A, b[:, None], 0.1), {}, ValueError, r"b must be \(\.\.\., m\) with m = 6 from A, not \(6, 1\)"),
    ((A[0], b, 0.1), {}, ValueError, r"A must be \(\.\.\., m, n\), not \(10,\)"),
    ((A[:0], b[:0], 0.1), {}, ValueError, r"^A has no entries: its shape is \(0, 10\)$"),
    ((A.T, b, 0.1), {}, ValueError, r"b must be \(\.\.\., m\) with m = 10 from A, not \(6,\)"),
    ((STACK, ROWS[:3], 0.1), {}, ValueError, r"leading dimensions do not fit together: \(4,\) of A, \(3,\) of b"),
    ((STACK, ROWS, [0.1, 0.2]), {}, ValueError, r"lam must be a number, or one for each instance: \(4,\), not"),
    ((spoiled(np.nan), ROWS, 0.1), {}, ValueError, r"A has 1 of 240 entries that are not finite, the first at \(1, 2, 3\)"),
    ((spoiled(-np.inf), ROWS, 0.1), {}, ValueError, "A has 1 of 240 entries that are not finite"),
    ((A, b, np.nan), {}, ValueError, "lam is nan"),
    ((A, b, -1), {}, ValueError, "lam > 0 is part of the problem"),
    ((A, b, 0), {}, ValueError, "lam > 0 is part of the problem"),
    ((A * 1j, b, 0.1), {}, ValueError, "A must hold real numbers, not complex128"),
    ((A, ["u"] * 6, 0.1), {}, ValueError, "b must hold real numbers"),
    ((A, [[1, 2], [3]], 0.1), {}, ValueError, "b is no array of numbers"),
    ((A, b, 0.1), {"x0": np.ones(9)}, ValueError, r"x0 must be \(10,\), not \(9,\)"),
    ((A, b, 0.1), {"x0": np.full(10, np.nan)}, ValueError, "x0 has 10 of 10 entries that are not finite"),
    ((A, b, 0.1), {"iterations": -1}, ValueError, "`iterations` must be a whole number"),
    ((A, b, 0.1), {"iterations": 2.5}, ValueError, "`iterations` must be a whole number"),
])
def test_what_is_wrong_is_said(arguments: tuple[Any, ...], named: dict[str, Any], kind: type, message: str) -> None:
    with pytest.raises(kind, match=message):
        FISTA.solve(*arguments, **named)


def test_instances_that_diverge_are_counted() -> None:
    zero = STACK.copy()
    zero[2] = 0     # L = 0: there is no step 1/L
    with pytest.warns(RuntimeWarning, match="FISTA diverged on 1 of 4 instances"):
        x = FISTA.solve(zero, ROWS, 0.1)
    assert np.isfinite(np.delete(x, 2, 0)).all()


# ---- specs and problems ------------------------------------------------------------------------------
def test_another_problem_by_name() -> None:
    x = FISTA.solve(A, b, problem="nonneg_least_squares", iterations=3000)
    gradient = A.T @ (A @ x - b)
    assert (x >= 0).all() and (gradient > -1e-6).all() and abs(x @ gradient) < 1e-6     # optimal


@pytest.mark.parametrize(("name", "options", "message"), [
    ("lista", {}, "`lista` has weights"), ("l2o_pa", {}, "`l2o_pa` has weights"), ("lasso", {}, "`lasso` is a problem"),
])
def test_specs_that_solve_nothing(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        l2ogen.load(name).solve(A, b, 0.1, **options)


def test_a_problem_of_callables_takes_no_arrays() -> None:
    with pytest.raises(TypeError, match="made of torch callables"):
        l2ogen.load("adam").solve(A, problem="external")


# ---- weights for one matrix --------------------------------------------------------------------------
def test_a_recovery_network_knows_its_matrix(lista: Trained) -> None:
    own = lista.shared["A"]
    measured = own.double() @ torch.tensor(random.normal(size=10))
    x = lista.solve(measured.numpy())
    assert x.shape == (10,)
    for same in (own.numpy(), own.double().numpy()):
        np.testing.assert_allclose(lista.solve(same, measured.numpy()), x, rtol=1e-6)
        np.testing.assert_allclose(lista.solve(b=measured.numpy(), A=same), x, rtol=1e-6)
    with pytest.raises(ValueError, match="was trained for one A, and the one given is another"):
        lista.solve(A, measured)
    with pytest.raises(ValueError, match=r"b must be \(\.\.\., m\) with m = 6 from A, not \(5,\)"):
        lista.solve(measured.numpy()[:5])
    with pytest.raises(ValueError, match=r"A must be \(m, n\), not \(4, 6, 10\)"):
        lista.solve(STACK, ROWS)
    with pytest.raises(ValueError, match="LISTA starts where its rule says"):
        lista.solve(measured, x0=np.ones(10))


def test_weights_of_one_size(tmp_path: Path) -> None:
    run = train(Run.create(tmp_path / "run", ROOT / "generated/pgd_metric_train.py", quiet=True, m=6, n=10, sparsity=2,
                           horizon=3, truncate=3, steps=1, batch=2, validate="every = 1, batch = 2"))
    trained = l2ogen.load_run(run.folder)
    assert trained.solve(A[:5], b[:5], 0.1).shape == (10,)
    with pytest.raises(ValueError, match="was trained for n = 10, not 9"):
        trained.solve(A[:, :9], b, 0.1)


# ---- folders and files -------------------------------------------------------------------------------
def test_folders_that_hold_no_run(folder: Path, tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(RunError, match=r"there is no run in .*: it has no settings\.json"):
            l2ogen.load_run(place)
    shutil.copytree(folder / "pa", tmp_path / "copy")
    (tmp_path / "copy/weights.safetensors").unlink()
    with pytest.raises(RunError, match="has no weights yet"):
        l2ogen.load_run(tmp_path / "copy")
    (tmp_path / "copy/settings.json").write_text("{")
    with pytest.raises(RunError, match="is no run folder"):
        l2ogen.load_run(tmp_path / "copy")


def test_a_device_that_is_not_there(folder: Path) -> None:
    for device in ("cuda:77", "xpu:99"):
        with pytest.raises(ValueError, match=f"`device` {device} is not there"):
            l2ogen.load_run(folder / "pa", device)
    with pytest.raises(ValueError, match="`device` cannot be 'gpu'"):
        l2ogen.load_run(folder / "pa", "gpu")


def test_weights_in_a_file(lista: Trained, pa: Trained, folder: Path, tmp_path: Path) -> None:
    lista.save(tmp_path / "mine.safetensors")
    fresh = l2ogen.load_run(folder / "lista")
    before = lista.solve(b)
    with torch.no_grad():
        for weight in fresh.model.parameters():
            weight.zero_()
    fresh.shared["A"].zero_()
    assert fresh.load(tmp_path / "mine.safetensors") is fresh
    np.testing.assert_array_equal(fresh.solve(b), before)
    with pytest.raises(ValueError, match=r"are no L2O_PA of this size: `\S+` is (missing|\(.*\)) there, "):
        pa.load(tmp_path / "mine.safetensors")
    with pytest.raises(ValueError, match="is not a file of weights written by l2ogen"):
        pa.load(folder / "pa/settings.json")


def test_a_run_needs_no_data_file_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shared data stand beside the weights."""
    A = np.random.default_rng(0).standard_normal((6, 10)).astype(np.float32)
    np.savez(tmp_path / "hyperlista_fixed_A.npz", A=A / np.linalg.norm(A, axis=0))
    monkeypatch.setenv("L2OGEN_DATA", str(tmp_path))
    l2ogen.load("lista_cp").train(tmp_path / "run", on="published_coding", m=6, n=10, layers=2, steps=1, batch=2, quiet=True)
    expected = l2ogen.load_run(tmp_path / "run").solve(b=A[:, 0])
    (tmp_path / "hyperlista_fixed_A.npz").unlink()
    monkeypatch.delenv("L2OGEN_DATA")
    assert np.array_equal(l2ogen.load_run(tmp_path / "run").solve(b=A[:, 0]), expected)
