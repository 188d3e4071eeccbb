"""LISTA, compiled for the problem `sparse_coding`. (prototype of generated code)"""
# mypy: ignore-errors
# ruff: noqa
from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


# ---- helpers -------------------------------------------------------------------------------------
def matvec(M: Tensor, v: Tensor) -> Tensor:
    """M*v per instance; v enters as a row vector, the fast layout of a batched product."""
    if M.dim() == 2:
        return v @ M.mT
    return (v.unsqueeze(-2) @ M.mT).squeeze(-2)


def soft(v: Tensor, theta: Tensor) -> Tensor:
    """sign(v)*max(|v| - theta, 0)"""
    return v - v.clamp(-theta, theta)


def spectral(M: Tensor) -> Tensor:
    """||M||_2"""
    return torch.linalg.matrix_norm(M, ord=2)


# ---- problem -------------------------------------------------------------------------------------
class SparseCoding:
    """recover x from b = A*x : sparse(x).   A (m, n) shared by all instances, b (..., m)"""

    name = "sparse_coding"
    defaults = {"m": 250, "n": 500, "density": 0.1}     # sizes of `sample`
    data = ("A", "b")
    shared = ("A",)

    def __init__(self, A: Tensor, b: Tensor, x_true: Tensor | None = None):
        self.A, self.b = A, b
        self.x_true = x_true                            # None where unknown
        self.m, self.n = A.shape[-2:]
        self.batch = b.shape[:-1]
        self.like = {"dtype": b.dtype, "device": b.device}

    @cached_property
    def L(self) -> Tensor:                              # (1,)
        return spectral(self.A).square().unsqueeze(-1)

    def zeros(self, size: int) -> Tensor:
        return torch.zeros(*self.batch, size, **self.like)

    @classmethod
    def sample_shared(cls, *, m: int = 250, n: int = 500, density: float = 0.1,
                      generator: torch.Generator | None = None, dtype: torch.dtype = torch.float32,
                      device: torch.device | str = "cpu") -> dict[str, Tensor]:
        """The data that all instances of a run share"""
        A = torch.randn(m, n, generator=generator, dtype=dtype, device=device)
        return {"A": A / torch.linalg.vector_norm(A, dim=-2, keepdim=True)}

    @classmethod
    def sample(cls, batch: int, *, A: Tensor, m: int = 250, n: int = 500, density: float = 0.1,
               generator: torch.Generator | None = None, dtype: torch.dtype = torch.float32,
               device: torch.device | str = "cpu") -> SparseCoding:
        """`batch` random instances, drawn on the device of the generator"""
        like = {"generator": generator, "dtype": dtype, "device": device}
        chosen = torch.rand(batch, n, **like) < density
        x_true = torch.where(chosen, torch.randn(batch, n, **like), 0.0)
        return cls(A, matvec(A, x_true), x_true)


# ---- algorithm -----------------------------------------------------------------------------------
class State(NamedTuple):
    k: int          # layers done
    x: Tensor       # (..., n), the reported iterate


class LISTA(nn.Module):
    """x+ = soft(W1_k*b + W2_k*x, theta_k)"""

    name = "LISTA"
    reported = "x"

    def __init__(self, A: Tensor, layers: int = 16):
        super().__init__()
        self.layers = layers
        n, L = A.shape[-1], spectral(A).square()
        identity = torch.eye(n, dtype=A.dtype, device=A.device)
        self.W1 = nn.Parameter((A.mT / L).repeat(layers, 1, 1))                         # (K, n, m)
        self.W2 = nn.Parameter((identity - A.mT @ A / L).repeat(layers, 1, 1))          # (K, n, n)
        self.theta_raw = nn.Parameter(torch.expm1(0.1 / L).log().repeat(layers, 1))     # (K, 1)

    def init_state(self, problem: SparseCoding) -> State:
        return State(0, problem.zeros(problem.n))

    def step(self, problem: SparseCoding, state: State) -> State:
        k, x = state
        layer = min(k, self.layers - 1)
        theta = functional.softplus(self.theta_raw[layer])
        x_next = soft(matvec(self.W1[layer], problem.b) + matvec(self.W2[layer], x), theta)
        return State(k + 1, x_next)

    def forward(self, problem: SparseCoding, iterations: int | None = None) -> Tensor:
        state = self.init_state(problem)
        for _ in range(self.layers if iterations is None else iterations):
            state = self.step(problem, state)
        return state.x


def detach(state: State) -> State:
    """Cut the graph between two unrolled segments (truncated backpropagation)."""
    return State(*(v.detach() if isinstance(v, Tensor) else v for v in state))
