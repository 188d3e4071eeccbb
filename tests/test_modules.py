"""Every generated module against its reference, and what must hold for any weights and any batch."""
import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from references import REFERENCES, harness
from references.harness import ITERATIONS, LAYERS, ByHand, Data, data_for, run
from references.mathematics import soft_ss as soft_ss_by_hand
from torch import Tensor

NAMES = sorted(REFERENCES)
# no derivative reaches these: x_0 = 0, and the choice of the support
FLAT = {"lista:free": ["W2.0"], "lista:residual": ["E.0"], "lista_ss:residual": ["E.0"], "lista_ss:noisy": ["E.0"],
        "lista": ["W2.0"], "lista_ss": ["W2.0"], "hyperlista": ["c3"], "hyperlista:whitened": ["c3"]}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def assert_close(actual: Tensor, expected: Any, rtol: float = 1e-10, atol: float = 1e-13) -> None:
    """atol is relative to the largest entry: where it matters, the entries are zeros or sums that cancel."""
    expected = torch.as_tensor(expected)
    torch.testing.assert_close(actual, expected, rtol=rtol, atol=atol * max(1.0, expected.abs().max().item()))


def assert_runs_close(actual: Tensor, expected: Tensor) -> None:
    """Two orders of summation: rounding, then 20 iterations that may amplify it."""
    assert expected.abs().max() > 0.01
    assert_close(actual, expected, rtol=1e-9, atol=1e-11)


# ---- the mathematics ---------------------------------------------------------------------------------------
def test_every_spec_has_a_reference() -> None:
    assert harness.specs() and sorted(harness.specs()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_values_equal_the_reference(name: str) -> None:
    """of every state, after each of 20 steps, on six instances"""
    data = data_for(name)
    algorithm = harness.algorithm_for(name, data)
    expected = harness.expected(name, harness.weights_of(algorithm), data)
    with torch.no_grad():
        found = harness.states(name, algorithm, ByHand(data), data)
    assert set(type(found[0])._fields) - {"k", "phi"} == set(expected)
    assert [state.k for state in found] == list(range(1, ITERATIONS + 1))
    for field, values in expected.items():
        assert_close(torch.stack([getattr(state, field) for state in found]), values)
    moved = np.abs(np.diff(expected["x"], axis=0)).max(axis=(1, 2))
    assert np.abs(expected["x"]).max() < 1000 and moved.min() > 1e-8  # still under way, not blown up


def test_fista_restarts_in_these_tests() -> None:
    t = harness.expected("fista_restart", {}, data_for("fista_restart"))["t"]
    assert (np.diff(t, axis=0) < 0).any(axis=0).mean() > 0.3


def test_the_safeguard_takes_and_refuses_in_these_tests() -> None:
    name = "l2o_pa:safeguarded"
    data = data_for(name)
    xs = harness.expected(name, harness.weights_of(harness.algorithm_for(name, data)), data)["x"]
    refused = []
    for i, one in enumerate(data.instances()):
        safe = np.array([one.prox_r(x - one.grad_f(x) / one.L, 1 / one.L) for x in (one.zero, *xs[:-1, i])])
        assert all(one.F(x) <= one.F(least) for x, least in zip(xs[:, i], safe, strict=True))
        refused.append((xs[:, i] == safe).all(axis=-1))
    assert 0.1 < np.mean(refused) < 0.9


def directions(algorithm: Any, problem: ByHand, leaf: str) -> Iterator[tuple[str, Tensor, np.ndarray]]:
    """Leaves with a random direction of length 1 for each: all weights and the data named `leaf`"""
    rng = np.random.default_rng(4)
    for name, value in (*algorithm.named_parameters(), (leaf, getattr(problem, leaf))):
        direction = rng.normal(size=value.shape)
        yield name, value, direction / np.linalg.norm(direction)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_equal_the_reference(name: str) -> None:
    """of the training loss over 20 iterations, along a random direction of every weight and of the data

    A wrong gradient agrees along a random direction with probability 0. The reference differentiates without
    differences (see mathematics.py), and what is detached in the rule is detached there.
    """
    data = data_for(name, batch=2)
    leaf = "center" if name in harness.NONSMOOTH else "b"
    algorithm, problem = harness.algorithm_for(name, data), ByHand(data)
    getattr(problem, leaf).requires_grad_()
    found = harness.states(name, algorithm, problem, data)
    if name in harness.RECOVERY:
        loss = (found[-1].x - problem.x_true).square().sum()
    else:
        points = [getattr(state, harness.LOSS_AT.get(name, "x")) for state in found]
        loss = torch.stack([problem.F(v) for v in points]).sum() / ITERATIONS
    loss.backward()
    weights = harness.weights_of(algorithm)
    assert loss.item() == pytest.approx(harness.loss(name, weights, data, ITERATIONS), rel=1e-10)
    for key, value, direction in directions(algorithm, problem, leaf):
        gradient = np.zeros(direction.shape) if value.grad is None else value.grad.numpy()
        size = np.linalg.norm(gradient)
        assert (size == 0) if key in FLAT.get(name, []) else (size > 1e-9), f"{key}: {size}"
        expected = harness.derivative(name, weights, data, ITERATIONS, key, direction)
        assert abs(np.sum(gradient * direction) - expected) <= 1e-11 * size, key


@pytest.mark.parametrize("name", ["lista_ss", "lista_cpss", "tilista", "alista", "hyperlista", "na_alista"])
def test_support_selection_takes_the_share_it_is_told(name: str) -> None:
    """A number or one for each instance, nothing and everything included; a share beyond those is cut."""
    v, rng = np.random.default_rng(0).normal(size=(7, 11)), np.random.default_rng(1)
    soft_ss, at = harness.module(name).soft_ss, torch.tensor(v)
    theta = rng.uniform(0, 0.5, (7, 1))
    shares = np.array([-0.2, 0, 0.123, 0.5, 0.87, 1, 1.3])[:, None]
    expected = np.array([soft_ss_by_hand(*one) for one in zip(v, theta, np.clip(shares[:, 0], 0, 1), strict=True)])
    assert_close(soft_ss(at, torch.tensor(theta), torch.tensor(shares)), expected)
    for row, p in zip(range(7), shares[:, 0], strict=True):
        assert_close(soft_ss(at[row], torch.tensor(theta[row]), float(p)), expected[row])


@pytest.mark.parametrize("name", ["gd", "ista", "fista"])
def test_the_classical_ones_solve_the_problem(name: str) -> None:
    """A check without a reference: -grad f(x) is lam*sign(x) where x is not zero, at most lam elsewhere."""
    data = data_for(name, batch=2, m=20, n=10)
    algorithm, problem = harness.untrained(name, data), ByHand(data)
    x = algorithm(problem, 6000)
    slope, lam = -problem.grad_f(x), problem.lam.expand_as(x)
    assert (x == 0).any() == (name != "gd") and (x != 0).any()
    assert_close(slope[x != 0], (lam * x.sign())[x != 0], rtol=1e-8, atol=1e-8)
    assert (slope.abs() <= lam * (1 + 1e-8) + 1e-8).all()


# ---- the module's own problem ------------------------------------------------------------------------------
def own(name: str) -> Any:
    """The problem's class in the generated module, None where it has none"""
    return getattr(harness.module(name), "SparseCoding" if name in harness.RECOVERY else "Lasso", None)


WITH_PROBLEM = [name for name in NAMES if own(name)]


def own_problem(name: str, data: Data) -> Any:
    A, b, lam, x_true = (torch.tensor(v) for v in data[:4])
    return own(name)(A, b, x_true=x_true) if name in harness.RECOVERY else own(name)(A, b, lam, x_true=x_true)


@pytest.mark.parametrize("name", WITH_PROBLEM)
def test_its_own_problem_is_the_one_by_hand(name: str) -> None:
    data = data_for(name)
    assert_runs_close(run(name, data, problem=own_problem(name, data)), run(name, data))


def test_the_specs_for_lasso_and_recovery_have_their_problem() -> None:
    assert set(WITH_PROBLEM) == set(NAMES) - {*harness.SMOOTH, *harness.NONSMOOTH, "horizon_one"}


@pytest.mark.parametrize("name", [name for name in WITH_PROBLEM if name not in harness.RECOVERY])
def test_lasso_equals_the_reference(name: str) -> None:
    data, rng = data_for(name), np.random.default_rng(3)
    problem = own_problem(name, data)
    x, P = rng.normal(size=data.x_true.shape), rng.uniform(0.1, 2, data.x_true.shape)
    at, instances = torch.as_tensor(x), data.instances()
    assert_close(problem.L, np.array([[one.L] for one in instances]))
    assert_close(problem.F(at), np.array([[one.F(v)] for one, v in zip(instances, x, strict=True)]))
    assert_close(problem.f(at) + problem.r(at), problem.F(at))
    assert_close(problem.grad_f(at), np.array([one.grad_f(v) for one, v in zip(instances, x, strict=True)]))
    each = zip(instances, x, P, strict=True)
    assert_close(problem.prox_r(at, torch.as_tensor(P)), np.array([one.prox_r(v, p) for one, v, p in each]))


# ---- how a module is used ----------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NAMES)
def test_forward_is_init_state_and_steps(name: str) -> None:
    data = data_for(name)
    algorithm = harness.algorithm_for(name, data)
    with torch.no_grad():
        torch.manual_seed(0)  # of a hidden state that starts at random
        whole, problem = algorithm(ByHand(data), ITERATIONS), ByHand(data)
        torch.manual_seed(0)
        state = start = algorithm.init_state(problem)
        for _ in range(ITERATIONS):
            state = algorithm.step(problem, state)
    assert torch.equal(whole, state.x) and state.k == ITERATIONS
    assert start.k == 0 and torch.equal(start.x, torch.zeros(data.x_true.shape, dtype=torch.float64))


@pytest.mark.parametrize("name", NAMES)
def test_detach_keeps_the_values_and_cuts_the_graph(name: str) -> None:
    data, problem = data_for(name), ByHand(data_for(name))
    (problem.center if name in harness.NONSMOOTH else problem.b).requires_grad_()
    state = harness.states(name, harness.algorithm_for(name, data), problem, data, 2)[-1]
    cut = harness.module(name).detach(state)
    assert state.x.requires_grad and type(cut) is type(state)
    for before, after in zip(state, cut, strict=True):
        if isinstance(before, Tensor):
            assert torch.equal(before, after) and not after.requires_grad
        else:
            assert before == after


# ---- batches and symmetries --------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NAMES)
def test_a_batch_equals_single_runs(name: str) -> None:
    data = data_for(name, batch=3)
    whole = run(name, data)
    for i in range(3):
        alone = run(name, data.part(i))  # no batch dimension at all
        assert alone.shape == (ITERATIONS, data.x_true.shape[-1])
        assert_runs_close(alone, whole[:, i])
        assert_runs_close(run(name, data.part(slice(i, i + 1))), whole[:, i:i + 1])


@pytest.mark.parametrize("name", NAMES)
def test_leading_dimensions_equal_a_flat_batch(name: str) -> None:
    data = data_for(name)
    actual = run(name, data.reshaped(2, 3))
    assert actual.shape == (ITERATIONS, 2, 3, data.x_true.shape[-1])
    assert_runs_close(actual.flatten(1, 2), run(name, data))


@pytest.mark.parametrize("name", NAMES)
def test_shared_data_equal_their_copies(name: str) -> None:
    """A (m, n) against A (B, m, n), lam a single number against lam (B, 1)"""
    data = data_for(name)
    A = data.A.reshape(-1, *data.A.shape[-2:])[0]
    shared = data._replace(A=A, lam=np.full_like(data.lam, data.lam[0, 0]))
    copies = shared._replace(A=np.broadcast_to(A, (6, *A.shape)).copy())
    one_lam = ByHand(shared)
    one_lam.lam = one_lam.lam[0, 0]
    algorithm = harness.algorithm_for(name, shared)
    with torch.no_grad():
        runs = [torch.stack([state.x for state in harness.states(name, algorithm, problem, shared)])
                for problem in (one_lam, ByHand(copies))]
    assert_runs_close(*runs)


@pytest.mark.parametrize("name", NAMES)
def test_permuted_coordinates_permute_the_result(name: str) -> None:
    """Columns of A, and the axes of weights over coordinates: those with n entries"""
    data = data_for(name)
    n = data.x_true.shape[-1]
    order = np.random.default_rng(5).permutation(n)
    permuted = Data(*(v[..., order] if v.shape[-1] == n else v for v in data))
    algorithm, other = harness.algorithm_for(name, data), harness.algorithm_for(name, permuted)
    weights = dict(algorithm.named_parameters())
    with torch.no_grad():
        for key, value in other.named_parameters():
            moved = weights[key]
            for axis in range(moved.dim()):
                if moved.shape[axis] == n:
                    moved = moved.index_select(axis, torch.as_tensor(order))
            value.copy_(moved)
        actual, expected = (torch.stack([state.x for state in harness.states(name, one, ByHand(d), d)])
                            for one, d in ((other, permuted), (algorithm, data)))
    assert_runs_close(actual, expected[..., order])


# ---- numbers -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NAMES)
def test_the_inputs_decide_the_dtype(name: str, dtype: torch.dtype) -> None:
    data = data_for(name)
    algorithm, problem = harness.algorithm_for(name, data, dtype), ByHand(data, dtype)
    assert {weight.dtype for weight in algorithm.parameters()} <= {dtype}
    for state in (algorithm.init_state(problem), *harness.states(name, algorithm, problem, data, 2)):
        assert {v.dtype for v in state if isinstance(v, Tensor)} == {dtype}
        assert all(isinstance(v, Tensor) for field, v in state._asdict().items() if field != "k")


@pytest.mark.parametrize("name", NAMES)
def test_float32_is_close_to_float64(name: str) -> None:
    # of these no entry is so near its quantile, and no two values of F so near each other, that rounding chooses otherwise
    data = data_for(name, seed=6 if name.endswith(":safeguarded") else 5)
    single, double = run(name, data, torch.float32), run(name, data)
    assert single.dtype == torch.float32
    assert (single - double).norm() <= 1e-5 * double.norm()


@pytest.mark.parametrize("name", NAMES)
def test_one_seed_one_module(name: str) -> None:
    """The torch seed decides the weights, and the weights and the problem decide the run, bit by bit."""
    data = data_for(name)

    def build(seed: int) -> Any:
        torch.manual_seed(seed)
        return harness.untrained(name, data, torch.float32)

    def iterates(algorithm: Any) -> Tensor:
        return harness.states(name, algorithm, ByHand(data, torch.float32), data)[-1].x

    first, second, other = build(0), build(0), build(1)
    assert list(first.state_dict()) == list(second.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    if hasattr(first, "phi"):
        assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))
    again = iterates(first)
    assert torch.equal(iterates(first), again) and torch.equal(iterates(second), again)


COORDINATE = 4 * 20 * (2 + 20 + 2) + 4 * 20 * (20 + 20 + 2)  # weights of an LSTM of two layers on two features
PA = COORDINATE + 20 * 21 + 2 * 21
SIZES: dict[str, int] = {
    **dict.fromkeys(["adam", "adam:usual", "adam_hd", "fista", "fista_restart", "gd", "gd_momentum", "ista", "ppa"], 0),
    **dict.fromkeys(["lista", "lista_ss", "lista:free"], 16 * (250 * 500 + 500 * 500 + 1)),
    **dict.fromkeys(["lista:residual", "lista_ss:residual", "lista_ss:noisy"], 16 * (250 * 500 + 500 * 500 + 3)),
    **dict.fromkeys(["lista_cp", "lista_cpss"], 16 * (250 * 500 + 1)),
    **dict.fromkeys(["lista_cp:analytic", "lista_cpss:scaled", "lista_cpss:noisy"], 16 * (250 * 500 + 3)),
    **dict.fromkeys(["tilista", "tilista:plain", "tilista:geometric"], 250 * 500 + 2 * 16),
    **dict.fromkeys(["alista", "alista:plain", "alista:geometric", "alista:plain_geometric"], 2 * 16),
    "alista:noisy": 3 * 16,
    **dict.fromkeys(["hyperlista", "hyperlista:whitened"], 3),
    "ada_lista": 2 * 250 * 250 + 2 * 10,
    "na_alista": 84_610,
    "na_alista:noisy": 84_610 + 129,
    **dict.fromkeys(["l2o_dm", "l2o_dm:original"], COORDINATE + 21),
    "rnnprop": 6_801,
    **dict.fromkeys(["l2o_pa", "l2o_pa:official", "l2o_pa:safeguarded", "l2o_pa_certified"], PA),
    **dict.fromkeys(["pba12:PA", "smooth_form", "composite_form"], PA),
    **dict.fromkeys(["pba12", "pba12:envelopes"], PA + 3 * 21),
    **dict.fromkeys(["pba12:PBA1", "pba12:PBA2"], PA + 2 * 21),
    "pba12:PBA": PA + 21,
    **dict.fromkeys(["l2o_p", "pba12:P", "pba12:A"], PA - 21),
    "horizon_one": PA + 4 * 21,
    "nonsmooth_form": PA - 4 * 20,
    **dict.fromkeys(["learned_step", "learned_step:stochastic"], 4 * 20 * (5 + 20 + 2) + 21),
    "pgd_metric": 500,
    "ppa_metric": 500 + 16 * 500,
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_there_are_as_many_weights_as_published(name: str) -> None:
    """for m = 250, n = 500; a reference takes its layers and hidden units from the weights, so they are counted here"""
    build = harness.class_of(harness.module(name))
    given = {"A": torch.randn(250, 500), "m": 250, "n": 500}
    algorithm = build(**{key: given[key] for key in inspect.signature(build).parameters if key in given})
    assert sum(weight.numel() for weight in algorithm.parameters()) == SIZES[name]


def test_layers_have_tensors_of_their_own() -> None:
    for name in NAMES:
        algorithm = harness.algorithm_for(name, data_for(name))
        for key, weight in algorithm.named_parameters():
            if key.endswith(".0") and hasattr(algorithm, "layers"):
                others = [value for other, value in algorithm.named_parameters()
                          if other.split(".")[0] == key.split(".")[0]]
                assert len({value.data_ptr() for value in others}) == len(others) == LAYERS
                assert weight.requires_grad


@pytest.mark.parametrize("name", NAMES)
def test_an_instance_whose_data_are_zero_harms_nothing(name: str) -> None:
    """b = 0: its iterates and the gradients of all stay finite; where 0 is the solution and no bias acts, it stays 0."""
    data = data_for(name, batch=3)
    data.b[1] = 0
    algorithm, problem = harness.algorithm_for(name, data), ByHand(data)
    found = torch.stack([state.x for state in harness.states(name, algorithm, problem, data)])
    assert found.isfinite().all()
    if name in harness.RECOVERY:
        assert (found[:, 1] == 0).all()
    if found.requires_grad:
        found.square().sum().backward()
        assert all(weight.grad is None or weight.grad.isfinite().all() for weight in algorithm.parameters())


@pytest.mark.parametrize("name", [name for name in NAMES if name not in (*harness.RECOVERY, "ada_lista")])
def test_a_run_starts_where_the_problem_says(name: str) -> None:
    """x and the points extrapolated from it at `problem.x0`; averages and counters as ever. Unfolded rules start at 0."""
    data, problem, x0 = data_for(name), ByHand(data_for(name)), torch.arange(18, dtype=torch.float64)
    algorithm = harness.algorithm_for(name, data)
    usual = algorithm.init_state(problem)
    problem.x0 = x0  # type: ignore[attr-defined]
    for field, value in algorithm.init_state(problem)._asdict().items():
        if field in ("x", "y", "z"):
            assert torch.equal(value, x0.expand(6, 18))
        elif field not in ("k", "phi"):
            assert torch.equal(value, getattr(usual, field))
