"""Against what others published: the code of L2O-PA, the dictionaries of ALISTA and HyperLISTA and their recovery.

With L2OGEN_DATA set, the published dictionary and test signals are used beside small random ones.
"""
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from references import harness
from references.harness import ByHand, class_of, data_for, module
from torch import Tensor, nn


# ---- L2O-PA ------------------------------------------------------------------------------------------------
class CoordinateLSTM(nn.Module):
    """The public network and rule: torch's LSTM, a linear layer and five heads p, b, b1, b2, a, of which PA uses two."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(2, 20, num_layers=2)
        self.linear = nn.Linear(20, 20)
        self.heads = nn.ModuleDict({name: nn.Linear(20, 1) for name in ("p", "b", "b1", "b2", "a")})

    def take(self, phi: Any) -> None:
        """The weights of a generated network with the outputs P, A"""
        cells = {f"{name}_l{i}": weight for i, cell in enumerate(phi.cells) for name, weight in cell.named_parameters()}
        self.lstm.load_state_dict(cells)
        self.linear.load_state_dict(phi.head.state_dict())
        for row, name in enumerate(("p", "a")):
            self.heads[name].load_state_dict({key: v[row:row + 1] for key, v in phi.out.state_dict().items()})

    def iterate(self, A: Tensor, b: Tensor, rho: Tensor, memory: tuple[Tensor, Tensor], iterations: int) -> list[Tensor]:
        """y_1, ..., y_K as columns, (B, n, 1), from A (B, m, n), b (B, m, 1); memory: h and c, each (2, B*n, 20)"""
        size, n = A.shape[0], A.shape[2]
        step = 0.9999 / torch.linalg.matrix_norm(A, 2).square().reshape(size, 1, 1)
        x = y = A.new_zeros(size, n, 1)
        found = []
        for _ in range(iterations):
            slope_y, slope_x = (A.mT @ (A @ v - b) for v in (y, x))
            features = torch.cat((slope_y, y), dim=2).reshape(1, size * n, 2).detach()
            out, memory = self.lstm(features, memory)
            out = torch.relu(self.linear(out))
            raw = {name: head(out).reshape(size, n, 1) for name, head in self.heads.items()}
            p, a = step * 2 * raw["p"].sigmoid(), 2 * raw["a"].sigmoid()
            balance, b1, b2 = torch.ones_like(p), torch.zeros_like(p), torch.zeros_like(p)
            v = (1 - balance) * (x - p * slope_x) + balance * (y - p * slope_y) + b1
            x_next = v.sign() * torch.relu(v.abs() - rho * p)
            x, y = x_next, x_next + a * (x_next - x) + b2
            found.append(y)
        return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_l2o_pa_equals_the_public_code(dtype: torch.dtype) -> None:
    """y and F(y), which it reports, over 100 iterations with its weights and its random first hidden state"""
    data = data_for("l2o_pa:official", batch=4, m=20, n=40)._replace(lam=np.full((4, 1), 0.1))
    torch.manual_seed(3)
    algorithm, problem = harness.untrained("l2o_pa:official", data, dtype), ByHand(data, dtype)
    with torch.no_grad():  # as training would: untrained, A is near 1 and the iterates swing for ever
        algorithm.phi.out.bias[1] -= 1.5
    public = CoordinateLSTM().to(dtype)
    public.take(algorithm.phi)
    start = harness.initial("l2o_pa:official", algorithm, problem, data)
    h, c = (start.phi[:, i].mT.contiguous() for i in (0, 1))  # (2, coordinates, 20)
    with torch.no_grad():
        expected = public.iterate(problem.A, problem.b[..., None], problem.lam[..., None], (h, c), 100)
        found = harness.states("l2o_pa:official", algorithm, problem, data, 100)
    tolerance = 1e-6 if dtype == torch.float32 else 1e-12
    for state, column in zip(found, expected, strict=True):
        y = column[..., 0]
        assert (state.y - y).norm() <= tolerance * (1 + y.norm())
        torch.testing.assert_close(problem.F(state.y), problem.F(y), rtol=tolerance, atol=tolerance)
    assert len({round(problem.F(state.y).sum().item(), 3) for state in found[:10]}) > 5
    assert problem.F(found[-1].y).sum() < 0.6 * problem.F(found[0].y).sum()


def test_the_public_network_has_5805_weights_of_which_5742_are_used() -> None:
    assert sum(weight.numel() for weight in CoordinateLSTM().parameters()) == 5805
    algorithm = harness.untrained("l2o_pa:official", data_for("l2o_pa:official"))
    assert sum(weight.numel() for weight in algorithm.parameters()) == 5742


# ---- ALISTA and HyperLISTA ---------------------------------------------------------------------------------
class Dictionary(NamedTuple):
    """A (m, n), analytic W from the published solver, test signals (count, n), constants c1*mu, c2*mu, c3 for HyperLISTA"""

    A: Tensor
    W: Tensor
    signals: Tensor
    constants: tuple[float, float, float]


class Symmetric(NamedTuple):
    """G and W_gram = G*A: W = G'*G*A"""

    G: Tensor
    W_gram: Tensor


def solved(A: Tensor) -> Tensor:
    """The published solver of the analytic weight: gradient steps on ||A'*W - I||_F^2, each projected on w_i'*a_i = 1"""
    W, eye = A.clone(), torch.eye(A.shape[1], dtype=A.dtype)
    for _ in range(5000):
        W = W - 0.1 * A @ (A.mT @ W - eye)
        W = W + (1 - (A * W).sum(0)) * A
    return W


def small() -> Dictionary:
    generator = torch.Generator().manual_seed(2)
    A = torch.randn(60, 120, generator=generator, dtype=torch.float64)
    A = A / A.norm(dim=0)
    signals = torch.randn(200, 120, generator=generator, dtype=torch.float64)
    mask = torch.rand(200, 120, generator=generator) < 0.06
    return Dictionary(A, solved(A), signals * mask, (0.06, 0.005, 0.4))


FILES = [Path(os.environ.get("L2OGEN_DATA", "")) / name
         for name in ("hyperlista_fixed_A.npz", "lista_x_test_500x1000.npy")]  # fmt: skip
PUBLISHED = "L2OGEN_DATA" in os.environ and all(path.is_file() for path in FILES)


def published() -> tuple[Dictionary, Symmetric]:
    with np.load(FILES[0], allow_pickle=False) as arrays:
        A, W, G, W_gram = (torch.tensor(arrays[key]) for key in ("A", "W", "G", "W_gram"))
    signals = torch.tensor(np.load(FILES[1], allow_pickle=False).T, dtype=torch.float64)
    return Dictionary(A, W, signals, (0.015, 0.003, 0.4)), Symmetric(G, W_gram)


def cross_products(W: Tensor, A: Tensor) -> Tensor:
    """W'*A with zeros on the diagonal"""
    products = W.mT @ A
    return products - torch.diag(products.diagonal())


@pytest.mark.parametrize("source", ["small", *["published"] * PUBLISHED])
def test_alista_computes_the_published_weights(source: str) -> None:
    A, W, *_ = small() if source == "small" else published()[0]
    found = class_of(module("alista"))(A).W
    assert (found - W).norm() <= 1e-4 * W.norm()
    torch.testing.assert_close((found * A).sum(0), torch.ones(A.shape[1], dtype=A.dtype), rtol=1e-12, atol=1e-12)
    ours, coherence = cross_products(found, A), cross_products(found, A).abs().max().item()
    assert ours.square().sum() <= cross_products(W, A).square().sum() * (1 + 1e-9)  # the least there is
    assert ours.square().sum() < 0.8 * cross_products(A, A).square().sum()
    if source == "published":
        assert ours.square().sum().item() == pytest.approx(502.05, abs=0.005)
        assert coherence == pytest.approx(0.204, abs=5e-4)


class Recovery:
    """b = A*x for all signals"""

    def __init__(self, A: Tensor, b: Tensor) -> None:
        self.A, self.b = A, b

    def zeros(self, size: int | None = None) -> Tensor:
        return self.b.new_zeros(len(self.b), size or self.A.shape[1])


def hyperlista(A: Tensor, constants: tuple[float, float, float], W: Tensor | None = None, B: Tensor | None = None) -> Any:
    """The module with constants c1*mu, c2*mu, c3, by default with the W and B that it computes"""
    algorithm = class_of(module("hyperlista"))(A).double()
    with torch.no_grad():
        for buffer, value in ((algorithm.W, W), (algorithm.B, B)):
            if value is not None:
                buffer.copy_(value)
        algorithm.mu.copy_(cross_products(algorithm.W, A).abs().max())
        theta, beta, share = constants
        algorithm.c1.fill_(theta / algorithm.mu.item() - 5e-5)
        algorithm.c2.fill_(beta / algorithm.mu.item() - 2e-5)
        algorithm.c3.fill_(share - 4e-4)
    return algorithm


def nmse(algorithm: Any, problem: Recovery, signals: Tensor) -> list[float]:
    """10*log10(sum of ||x_k - x_true||_2^2 / sum of ||x_true||_2^2) for k = 1, ..., 16"""
    state, found = algorithm.init_state(problem), []
    with torch.no_grad():
        for _ in range(16):
            state = algorithm.step(problem, state)
            found.append(10 * ((state.x - signals).square().sum() / signals.square().sum()).log10().item())
    return found


@pytest.mark.parametrize("source", ["small", *["published"] * PUBLISHED])
def test_hyperlista_computes_the_published_weight(source: str) -> None:
    (A, *_), *symmetric = (small(),) if source == "small" else published()
    W = class_of(module("hyperlista"))(A).W
    products = W.mT @ A
    torch.testing.assert_close(products, products.mT, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(products.diagonal(), torch.ones(A.shape[1], dtype=A.dtype), rtol=1e-10, atol=1e-10)
    for G, W_gram in symmetric:
        assert (W - G.mT @ W_gram).norm() <= 1e-4 * W.norm()


@pytest.mark.parametrize("source", ["small", *["published"] * PUBLISHED])
def test_hyperlista_recovers_with_its_own_weights(source: str) -> None:
    A, _, signals, constants = small() if source == "small" else published()[0]
    levels = nmse(hyperlista(A, constants), Recovery(A, signals @ A.mT), signals)
    assert levels == sorted(levels, reverse=True)
    assert levels[-1] < (-60 if source == "small" else -80)


if PUBLISHED:

    def test_hyperlista_with_the_published_weights_is_as_good_as_published() -> None:
        """-86.4 dB after 16 layers. The public code replaces A by G*A and b by G*b, but takes A's own pseudo-inverse, so
        that its error is a larger number: the rule as it is written needs half as much again for c1."""
        (A, _, signals, constants), (G, W_gram) = published()
        b, pinv = signals @ A.mT, torch.linalg.pinv(A)
        public = nmse(hyperlista(G @ A, (0.01, 0.0046, 0.4), W_gram, pinv), Recovery(G @ A, b @ G.mT), signals)
        written = nmse(hyperlista(A, constants, G.mT @ W_gram, pinv), Recovery(A, b), signals)
        reference = [-2.4, -6.9, -11.8, -17.1, -23.0, -29.2, -35.4, -41.5, -47.5, -53.2, -58.6, -64.0, -69.7, -75.3, -80.9, -86.4]
        assert np.abs(np.array(public) - reference).max() < 2
        assert np.abs(np.array(written) - reference).max() < 2.5
