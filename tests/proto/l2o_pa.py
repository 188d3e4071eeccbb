"""L2O_PA, compiled for the problem `lasso`. (prototype of generated code)"""
# mypy: ignore-errors
# ruff: noqa
from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor, nn


# ---- helpers -------------------------------------------------------------------------------------
def matvec(M: Tensor, v: Tensor) -> Tensor:
    """M*v per instance; v enters as a row vector, the fast layout of a batched product."""
    if M.dim() == 2:
        return v @ M.mT
    return (v.unsqueeze(-2) @ M.mT).squeeze(-2)


def soft(v: Tensor, theta: Tensor) -> Tensor:
    """sign(v)*max(|v| - theta, 0)"""
    return v - v.clamp(-theta, theta)


def between(raw: Tensor, lo, hi, margin: float = 1e-3) -> Tensor:
    """The open interval (lo, hi) from any real number, a relative margin away from both ends."""
    return lo + (hi - lo) * (margin + (1 - 2 * margin) * torch.sigmoid(raw))


# ---- problem -------------------------------------------------------------------------------------
class Lasso:
    """min over x of 1/2*||A*x - b||_2^2 + lam*||x||_1.   A (..., m, n), b (..., m), lam () or (..., 1)"""

    name = "lasso"
    defaults = {"m": 250, "n": 500, "sparsity": 50}     # sizes of `sample`
    data = ("A", "b", "lam")

    def __init__(self, A: Tensor, b: Tensor, lam, x_true: Tensor | None = None):
        self.A, self.b = A, b
        self.lam = torch.as_tensor(lam, dtype=b.dtype, device=b.device)
        self.x_true = x_true                            # None where unknown
        self.m, self.n = A.shape[-2:]
        self.batch = b.shape[:-1]
        self.like = {"dtype": b.dtype, "device": b.device}

    @cached_property
    def L(self) -> Tensor:                              # (..., 1)
        gram = self.A @ self.A.mT if self.m < self.n else self.A.mT @ self.A
        return torch.linalg.eigvalsh(gram)[..., -1:]

    def zeros(self, size: int) -> Tensor:
        return torch.zeros(*self.batch, size, **self.like)

    def f(self, x: Tensor) -> Tensor: return 0.5 * (matvec(self.A, x) - self.b).square().sum(-1, keepdim=True)
    def grad_f(self, x: Tensor) -> Tensor: return matvec(self.A.mT, matvec(self.A, x) - self.b)
    def r(self, x: Tensor) -> Tensor: return self.lam * x.abs().sum(-1, keepdim=True)
    def prox_r(self, v: Tensor, P) -> Tensor: return soft(v, self.lam * P)
    def F(self, x: Tensor) -> Tensor: return self.f(x) + self.r(x)      # (..., 1)

    @classmethod
    def sample(cls, batch: int, *, m=250, n=500, sparsity=50, generator: torch.Generator | None = None,
               dtype=torch.float32, device="cpu") -> "Lasso":
        """`batch` random instances, drawn on the device of the generator"""
        A = torch.randn(batch, m, n, generator=generator, dtype=dtype, device=device)
        A = A / torch.linalg.vector_norm(A, dim=-2, keepdim=True)
        chosen = torch.rand(batch, n, generator=generator, dtype=dtype, device=device).argsort(-1)[..., :sparsity]
        x_true = torch.zeros(batch, n, dtype=dtype, device=device).scatter(
            -1, chosen, torch.randn(batch, sparsity, generator=generator, dtype=dtype, device=device))
        return cls(A, matvec(A, x_true), 0.1, x_true)


# ---- algorithm -----------------------------------------------------------------------------------
class Phi(nn.Module):
    """phi: LSTM shared by all coordinates, 2 inputs, 2 outputs; layout (features, coordinates)."""

    def __init__(self, inputs: int = 2, outputs: int = 2, hidden: int = 20, layers: int = 2, head: int = 20):
        super().__init__()
        self.cells = nn.ModuleList([nn.LSTMCell(inputs if i == 0 else hidden, hidden) for i in range(layers)])
        self.head, self.out = nn.Linear(hidden, head), nn.Linear(head, outputs)
        self.hidden, self.layers = hidden, layers

    def init_state(self, x: Tensor) -> Tensor:
        return x.new_zeros(self.layers, 2, self.hidden, x.numel())

    def forward(self, inputs: tuple[Tensor, ...], state: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        shape = inputs[0].shape
        u = torch.stack([v.reshape(-1) for v in inputs])
        new = []
        for cell, (h, c) in zip(self.cells, state):
            gates = torch.addmm((cell.bias_ih + cell.bias_hh).unsqueeze(-1), cell.weight_ih, u)
            gates = gates.addmm(cell.weight_hh, h)
            i, f, g, o = gates.chunk(4)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            new.append(torch.stack((h, c)))
            u = h
        u = torch.relu(torch.addmm(self.head.bias.unsqueeze(-1), self.head.weight, u))
        out = torch.addmm(self.out.bias.unsqueeze(-1), self.out.weight, u)
        return tuple(v.reshape(shape) for v in out), torch.stack(new)


class State(NamedTuple):
    k: int          # iterations done
    x: Tensor       # (..., n), the reported iterate
    y: Tensor       # (..., n)
    phi: Tensor     # hidden state of phi


class L2O_PA(nn.Module):
    """x+ = prox_r,P(y - P*grad f(y)); y+ = x+ + A*(x+ - x)"""

    name = "L2O_PA"
    reported = "x"

    def __init__(self):
        super().__init__()
        self.phi = Phi()

    def init_state(self, problem) -> State:
        x = problem.zeros(problem.n)
        return State(0, x, x, self.phi.init_state(x))

    def step(self, problem, state: State) -> State:
        k, x, y, phi = state
        g = problem.grad_f(y)
        (P, A), phi = self.phi((y.detach(), g.detach()), phi)
        P, A = between(P, 0, 2 / problem.L), between(A, 0, 2)
        x_next = problem.prox_r(y - P * g, P)
        y_next = x_next + A * (x_next - x)
        return State(k + 1, x_next, y_next, phi)

    def forward(self, problem, iterations: int = 100) -> Tensor:
        state = self.init_state(problem)
        for _ in range(iterations):
            state = self.step(problem, state)
        return state.x


def detach(state: State) -> State:
    """Cut the graph between two unrolled segments (truncated backpropagation)."""
    return State(*(v.detach() if isinstance(v, Tensor) else v for v in state))
