"""The generated modules against references.py, and what must hold for any weights and any batch."""
import importlib.util
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
import references
import torch
from references import Array, Weights
from torch import Tensor, nn

import l2ogen

GENERATED = Path(__file__).resolve().parent.parent / "generated"
CLASSES = {"bare_rule": "Rule", "ista": "ISTA", "fista": "FISTA", "lista": "LISTA", "l2o_pa": "L2O_PA"}
BARE_RULE = "x+ = prox_r,P(y - P*grad f(y)); y+ = x+ + A*(x+ - x)"
RULES = list(CLASSES)
ON_LASSO = [rule for rule in RULES if rule != "lista"]
WITH_NETWORK = ["bare_rule", "l2o_pa"]
ITERATIONS = 20
LAYERS = 16  # of LISTA: fewer than ITERATIONS
MARGIN = references.MARGIN

Load = Callable[[str], ModuleType]


@pytest.fixture(scope="session")
def module() -> Load:
    """module("lista") is generated/lista.py; the bare rule is compiled here."""
    @cache
    def load(name: str) -> ModuleType:
        if name == "bare_rule":
            return l2ogen.rule(BARE_RULE).module()
        spec = importlib.util.spec_from_file_location(f"generated_{name}", GENERATED / f"{name}.py")
        assert spec and spec.loader
        code = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = code
        spec.loader.exec_module(code)
        return code
    return load


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# ---- instances, weights, runs ------------------------------------------------------------------------------
class Data(NamedTuple):
    """B instances: A (B, m, n) with unit columns, b (B, m), lam (B, 1), sparse x_true (B, n)."""

    A: Array
    b: Array
    lam: Array
    x_true: Array


def instances(rule: str = "l2o_pa", batch: int = 6, m: int = 12, n: int = 24, seed: int = 1) -> Data:
    """Random ones, each with its own lam; LISTA's have one matrix in common."""
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(batch, m, n))
    if rule == "lista":
        A[:] = A[0]
    A /= np.linalg.norm(A, axis=1, keepdims=True)
    x_true = rng.normal(size=(batch, n)) * (rng.random((batch, n)) < 0.25)
    return Data(A, np.einsum("bmn,bn->bm", A, x_true), rng.uniform(0.05, 0.2, (batch, 1)), x_true)


def problem_of(code: ModuleType, data: Data, dtype: torch.dtype = torch.float64) -> Any:
    A, b, lam, x_true = (torch.as_tensor(v, dtype=dtype) for v in data)
    if hasattr(code, "SparseCoding"):
        return code.SparseCoding(A.reshape(-1, *A.shape[-2:])[0], b, x_true=x_true)
    return code.Lasso(A, b, lam, x_true=x_true)


def algorithm_of(code: ModuleType, rule: str, data: Data, dtype: torch.dtype = torch.float64) -> Any:
    """The algorithm with random weights that depend on their names and shapes alone."""
    build = getattr(code, CLASSES[rule])
    A = torch.as_tensor(data.A, dtype=dtype).reshape(-1, *data.A.shape[-2:])[0]
    algorithm = build(A, layers=LAYERS) if rule == "lista" else build().to(dtype)
    rng = np.random.default_rng(12)
    with torch.no_grad():
        for name, weight in sorted(algorithm.named_parameters()):
            noise = torch.as_tensor(rng.normal(size=weight.shape), dtype=dtype)
            if name.startswith("theta"):
                weight.copy_(0.03 * noise)  # of both signs: the threshold is |raw|
            elif rule == "lista":
                weight.add_(0.02 * noise)
            else:  # the first layer sees small numbers; it makes coordinates differ
                weight.copy_((3 if name == "phi.cells.0.weight_ih" else 0.4) * noise)
    return algorithm


def weights_of(algorithm: nn.Module) -> Weights:
    return {name: weight.detach().double().numpy().copy() for name, weight in algorithm.named_parameters()}


def states(algorithm: Any, problem: Any, iterations: int = ITERATIONS) -> list[Any]:
    """The states after 1, ..., `iterations` steps"""
    state, found = algorithm.init_state(problem), []
    for _ in range(iterations):
        state = algorithm.step(problem, state)
        found.append(state)
    return found


def iterates(algorithm: Any, problem: Any) -> Tensor:
    """x_1, ..., x_K: (K, ..., n)"""
    with torch.no_grad():
        return torch.stack([state.x for state in states(algorithm, problem)])


def run(load: Load, rule: str, data: Data, dtype: torch.dtype = torch.float64) -> Tensor:
    code = load(rule)
    return iterates(algorithm_of(code, rule, data, dtype), problem_of(code, data, dtype))


def assert_close(actual: Tensor, expected: Tensor | Array, rtol: float = 1e-10, atol: float = 1e-13) -> None:
    """atol is relative to the largest entry: where it matters, the entries are zeros or sums that cancel."""
    expected = torch.as_tensor(expected)
    torch.testing.assert_close(actual, expected, rtol=rtol, atol=atol * max(1.0, expected.abs().max().item()))


def assert_generic(steps: references.Step) -> None:
    """Bounded, sparse but not zero, and no entry so near its threshold that rounding could flip it."""
    assert np.abs(steps.x).max() < 100
    assert 0.05 < (steps.x[-1] != 0).mean() < 0.95
    assert np.abs(np.abs(steps.argument) - steps.threshold).min() > 1e-6


# ---- the mathematics ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("rule", RULES)
def test_values_equal_the_reference(module: Load, rule: str) -> None:
    data = instances(rule)
    algorithm = algorithm_of(module(rule), rule, data)
    expected = references.run(rule, weights_of(algorithm), *data[:3], ITERATIONS)
    assert_generic(expected)
    assert_close(iterates(algorithm, problem_of(module(rule), data)), expected.x)


@pytest.mark.parametrize("rule", WITH_NETWORK)
def test_the_network_of_these_tests_is_not_trivial(module: Load, rule: str) -> None:
    """P and A vary, over coordinates and in time; otherwise the comparisons here would say little."""
    data = instances(rule)
    steps = references.run(rule, weights_of(algorithm_of(module(rule), rule, data)), *data[:3], ITERATIONS)
    for value in (steps.P / steps.P.max(), steps.A / 2):
        assert value.std(axis=-1).min() > 0.02
        assert value.std(axis=0).mean() > 0.02


@pytest.mark.parametrize("rule", RULES)
def test_gradients_equal_the_reference(module: Load, rule: str) -> None:
    """of sum over k of F(x_k), for LISTA ||x_K - x_true||_2^2, with respect to every weight and to b"""
    data = instances(rule)
    algorithm, problem = algorithm_of(module(rule), rule, data), problem_of(module(rule), data)
    problem.b.requires_grad_()
    loss: Any = 0.0
    found = states(algorithm, problem)
    if rule == "lista":
        loss = (found[-1].x - problem.x_true).square().sum()
    else:
        loss = sum(problem.F(state.x).sum() for state in found)
    loss.backward()

    value, expected = references.gradients(rule, weights_of(algorithm), *data, ITERATIONS)
    leaves = {**dict(algorithm.named_parameters()), "b": problem.b}
    assert set(leaves) == set(expected)
    assert loss.item() == pytest.approx(value, rel=1e-10)
    for name, leaf in leaves.items():
        size = np.linalg.norm(expected[name])
        assert size > 1e-8 or name == "W2.0", f"{name}: nothing to compare"  # W2_0 multiplies x_0 = 0
        assert leaf.grad is not None, name
        assert np.linalg.norm(leaf.grad.numpy() - expected[name]) <= 1e-9 * size, name


@pytest.mark.parametrize("rule", RULES)
def test_the_two_references_agree(module: Load, rule: str) -> None:
    data = instances(rule)
    weights = weights_of(algorithm_of(module(rule), rule, data))
    steps = references.run(rule, weights, *data[:3], ITERATIONS)
    if rule == "lista":
        expected = float(((steps.x[-1] - data.x_true) ** 2).sum())
    else:
        expected = sum(references.objective(A, b, lam[0], x) for xs in steps.x
                       for A, b, lam, x in zip(*data[:3], xs, strict=True))
    assert references.gradients(rule, weights, *data, ITERATIONS)[0] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("rule", ON_LASSO)
def test_lasso_equals_the_reference(module: Load, rule: str) -> None:
    data, rng = instances(), np.random.default_rng(3)
    problem = problem_of(module(rule), data)
    x, P = rng.normal(size=data.x_true.shape), rng.uniform(0.1, 2, data.x_true.shape)
    at = torch.as_tensor(x)
    each = list(zip(*data[:3], x, strict=True))
    assert_close(problem.L, np.array([[references.lipschitz(A)] for A, *_ in each]))
    assert_close(problem.F(at), np.array([[references.objective(A, b, lam[0], v)] for A, b, lam, v in each]))
    assert_close(problem.f(at), np.array([[references.objective(A, b, 0, v)] for A, b, _, v in each]))
    assert_close(problem.f(at) + problem.r(at), problem.F(at))
    assert_close(problem.grad_f(at), np.array([references.gradient(A, b, v) for A, b, _, v in each]))
    assert_close(problem.prox_r(at, torch.as_tensor(P)), references.soft(x, data.lam * P))


@pytest.mark.parametrize(("rule", "iterations"), [("ista", 4000), ("fista", 1500)])
def test_ista_and_fista_solve_lasso(module: Load, rule: str, iterations: int) -> None:
    """A check without a reference: -grad f(x) is lam*sign(x) where x is not zero, at most lam elsewhere."""
    data, code = instances(batch=2, m=20, n=10), module(rule)
    problem = problem_of(code, data)
    x = algorithm_of(code, rule, data)(problem, iterations)
    slope, lam = -problem.grad_f(x), problem.lam.expand_as(x)
    assert (x == 0).any() and (x != 0).any()
    assert_close(slope[x != 0], (lam * x.sign())[x != 0], rtol=1e-8)
    assert (slope.abs() <= lam * (1 + 1e-8)).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_lista_starts_as_ista(module: Load, dtype: torch.dtype) -> None:
    """W1 = A'/||A||_2^2, W2 = I - A'*A/||A||_2^2, theta = 0.1/||A||_2^2 in every layer"""
    data, code = instances("lista"), module("lista")
    A, L = data.A[0], references.lipschitz(data.A[0])
    algorithm = code.LISTA(torch.as_tensor(A, dtype=dtype), layers=5)
    assert algorithm.layers == len(algorithm.W1) == len(algorithm.W2) == len(algorithm.theta) == 5
    assert code.LISTA(torch.as_tensor(A, dtype=dtype)).layers == 16
    rtol = 1e-12 if dtype == torch.float64 else 1e-5
    for values, expected in [(algorithm.W1, A.T / L), (algorithm.W2, np.eye(A.shape[1]) - A.T @ A / L),
                             (algorithm.theta, np.array([0.1 / L]))]:
        for value in values:
            assert value.requires_grad
            assert_close(value.detach(), torch.as_tensor(expected, dtype=dtype), rtol=rtol, atol=rtol / 10)
    with torch.no_grad():  # every layer has its own tensors
        for values in (algorithm.W1, algorithm.W2, algorithm.theta):
            kept = values[1].clone()
            values[0].add_(1)
            assert torch.equal(values[1], kept)


@pytest.mark.parametrize("rule", RULES)
def test_forward_is_init_state_and_steps(module: Load, rule: str) -> None:
    data, code = instances(rule), module(rule)
    algorithm, problem = algorithm_of(code, rule, data), problem_of(code, data)
    with torch.no_grad():
        assert torch.equal(algorithm(problem, ITERATIONS), states(algorithm, problem)[-1].x)
        start = algorithm.init_state(problem)
    assert start.k == 0 and torch.equal(start.x, torch.zeros(data.x_true.shape, dtype=torch.float64))
    assert states(algorithm, problem)[-1].k == ITERATIONS


@pytest.mark.parametrize("rule", RULES)
def test_detach_keeps_the_values_and_cuts_the_graph(module: Load, rule: str) -> None:
    data, code = instances(rule), module(rule)
    problem = problem_of(code, data)
    problem.b.requires_grad_()
    state = states(algorithm_of(code, rule, data), problem, 2)[-1]
    cut = code.detach(state)
    assert state.x.requires_grad and type(cut) is type(state)
    for before, after in zip(state, cut, strict=True):
        if isinstance(before, Tensor):
            assert torch.equal(before, after) and not after.requires_grad
        else:
            assert before == after


# ---- batches and symmetries --------------------------------------------------------------------------------
def assert_runs_close(actual: Tensor, expected: Tensor) -> None:
    """Two orders of summation: rounding, then 20 iterations that may amplify it."""
    assert expected.abs().max() > 0.1
    assert_close(actual, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rule", RULES)
def test_a_batch_equals_single_runs(module: Load, rule: str) -> None:
    data = instances(rule)
    whole = run(module, rule, data)
    for i in range(len(data.b)):
        single = Data(*(v[i] for v in data))  # no batch dimension at all
        alone = run(module, rule, single)
        assert alone.shape == (ITERATIONS, data.x_true.shape[-1])
        assert_runs_close(alone, whole[:, i])
        assert_runs_close(run(module, rule, Data(*(v[i:i + 1] for v in data))), whole[:, i:i + 1])


@pytest.mark.parametrize("rule", RULES)
def test_leading_dimensions_equal_a_flat_batch(module: Load, rule: str) -> None:
    data = instances(rule)
    folded = Data(*(v.reshape(2, 3, *v.shape[1:]) for v in data))
    actual = run(module, rule, folded)
    assert actual.shape == (ITERATIONS, 2, 3, data.x_true.shape[-1])
    assert_runs_close(actual.flatten(1, 2), run(module, rule, data))


@pytest.mark.parametrize("rule", ON_LASSO)
def test_a_shared_matrix_equals_its_copies(module: Load, rule: str) -> None:
    """A (m, n) against A (B, m, n), lam one number against lam (B, 1)"""
    data = instances()
    copies = data._replace(A=np.broadcast_to(data.A[0], data.A.shape).copy(), lam=np.full_like(data.lam, 0.1))
    shared = copies._replace(A=data.A[0], lam=np.array(0.1))
    assert_runs_close(run(module, rule, shared), run(module, rule, copies))


@pytest.mark.parametrize("rule", ON_LASSO)
def test_permuted_columns_permute_the_result(module: Load, rule: str) -> None:
    data = instances()
    order = np.random.default_rng(5).permutation(data.x_true.shape[-1])
    permuted = data._replace(A=data.A[..., order], x_true=data.x_true[..., order])
    assert_runs_close(run(module, rule, permuted), run(module, rule, data)[..., order])


# ---- facts, for any weights --------------------------------------------------------------------------------
@pytest.mark.parametrize("scale", [1.0, 1e4, 1e8])
@pytest.mark.parametrize("rule", WITH_NETWORK)
def test_P_and_A_stay_inside_their_intervals(module: Load, rule: str, scale: float) -> None:
    """0 < P < 2/L and 0 < A < 2 in float32, with a margin at both ends, read off the step itself.

    With lam = 1e-30 and x = y = 0 the rule is x+ = -P*grad f(0) and y+ = (1 + A)*x+, free of cancellation.
    """
    data, code = instances(), module(rule)
    data = data._replace(lam=np.full_like(data.lam, 1e-30), b=data.b * np.logspace(-2, 2, len(data.b))[:, None])
    problem = problem_of(code, data, torch.float32)
    rounding = 1e-6
    shares = []
    for seed in range(10):
        torch.manual_seed(seed)
        algorithm = getattr(code, CLASSES[rule])()
        with torch.no_grad():
            for weight in algorithm.parameters():
                weight.mul_(scale)
            state = algorithm.init_state(problem)
            zero = torch.zeros_like(state.x)
            for _ in range(5):  # the network's state goes on, x and y return to zero
                state = algorithm.step(problem, state._replace(x=zero, y=zero))
                P, A = -state.x / problem.grad_f(zero), state.y / state.x - 1
                assert ((P > 0) & (P < 2 / problem.L) & (A > 0) & (A < 2)).all()
                shares.append(torch.stack((P * problem.L / 2, A / 2)))
    share = torch.stack(shares)
    assert share.min() >= MARGIN - rounding and share.max() <= 1 - MARGIN + rounding
    if scale > 1:  # both ends were met, by P and by A
        for one in (share[:, 0], share[:, 1]):
            assert one.min() < MARGIN + 2 * rounding and one.max() > 1 - MARGIN - 2 * rounding


@pytest.mark.parametrize("scale", [1.0, 1e4, 1e8])
def test_theta_is_never_negative(module: Load, scale: float) -> None:
    """Whatever its raw value, the threshold shrinks: from x = 0, |x+| <= |W1*b|, by |raw| or down to zero."""
    data, code = instances("lista"), module("lista")
    problem = problem_of(code, data, torch.float32)
    algorithm = code.LISTA(problem.A, layers=2)
    before = problem.b @ algorithm.W1[0].detach().mT
    for raw in (-0.01 * scale, 0.0, 0.01 * scale):
        with torch.no_grad():
            algorithm.theta[0].fill_(raw)
            x = algorithm(problem, 1)
        expected = before.sign() * (before.abs() - abs(raw)).clamp(min=0)
        torch.testing.assert_close(x, expected, rtol=1e-5, atol=1e-6)
        assert (x.abs() <= before.abs() + 1e-6).all()


# ---- numbers -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rule", RULES)
def test_the_inputs_decide_the_dtype(module: Load, rule: str, dtype: torch.dtype) -> None:
    data, code = instances(rule), module(rule)
    algorithm, problem = algorithm_of(code, rule, data, dtype), problem_of(code, data, dtype)
    assert {weight.dtype for weight in algorithm.parameters()} <= {dtype}
    for state in (algorithm.init_state(problem), *states(algorithm, problem, 2)):
        assert {v.dtype for v in state if isinstance(v, Tensor)} == {dtype}
    if rule != "lista":
        assert problem.L.dtype == problem.F(state.x).dtype == dtype


@pytest.mark.parametrize("rule", RULES)
def test_float32_is_close_to_float64(module: Load, rule: str) -> None:
    data = instances(rule)
    single, double = run(module, rule, data, torch.float32), run(module, rule, data)
    assert single.dtype == torch.float32
    assert (single - double).norm() <= 1e-5 * double.norm()


@pytest.mark.parametrize("rule", RULES)
def test_one_seed_one_module(module: Load, rule: str) -> None:
    """The torch seed decides the weights, and the weights and the problem decide the run, bit by bit."""
    data, code = instances(rule), module(rule)
    problem = problem_of(code, data, torch.float32)

    def build(seed: int) -> Any:
        torch.manual_seed(seed)
        return code.LISTA(problem.A, layers=LAYERS) if rule == "lista" else getattr(code, CLASSES[rule])()

    first, second, other = build(0), build(0), build(1)
    assert list(first.state_dict()) == list(second.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    if rule in WITH_NETWORK:
        assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))
    again = iterates(first, problem)
    assert torch.equal(iterates(first, problem), again) and torch.equal(iterates(second, problem), again)
