"""The rules by hand, from the mathematics: what the generated modules are compared with.

Values: NumPy in float64. Gradients: torch autograd, written naively and in other words than generated code.
Both know one instance at a time: A (m, n), b (m,), lam a number, x (n,). Weights are a dict of float64
arrays under the names of the module's `named_parameters`.
"""
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Array = NDArray[np.float64]
Weights = dict[str, Array]

MARGIN = 1e-3  # open intervals keep this relative distance from both ends


# ---- lasso: min over x of 1/2*||A*x - b||_2^2 + lam*||x||_1 ------------------------------------------------
def objective(A: Array, b: Array, lam: float, x: Array) -> float:
    residual = A @ x - b
    return float(0.5 * residual @ residual + lam * np.sum(np.abs(x)))


def gradient(A: Array, b: Array, x: Array) -> Array:
    """of the smooth part"""
    return A.T @ (A @ x - b)


def lipschitz(A: Array) -> float:
    """||A||_2^2, the Lipschitz constant of the gradient"""
    return float(np.linalg.norm(A, 2) ** 2)


def soft(v: Array, theta: Array | float) -> Array:
    return np.sign(v) * np.maximum(np.abs(v) - theta, 0)


# ---- values ------------------------------------------------------------------------------------------------
class Step(NamedTuple):
    """One iteration; P and A are nan where the rule has none. All (n,), or (K, B, n) when stacked."""

    x: Array          # the new iterate
    argument: Array   # what was thresholded
    threshold: Array
    P: Array
    A: Array


def step(x: Array, argument: Array, threshold: Array | float, P: Array | float = np.nan,
         A: Array | float = np.nan) -> Step:
    return Step(*(np.broadcast_to(v, x.shape) for v in (x, argument, threshold, P, A)))


def ista(weights: Weights, A: Array, b: Array, lam: float) -> Iterator[Step]:
    alpha, x = 1 / lipschitz(A), np.zeros(A.shape[1])
    while True:
        v = x - alpha * gradient(A, b, x)
        x = soft(v, lam * alpha)
        yield step(x, v, lam * alpha)


def fista(weights: Weights, A: Array, b: Array, lam: float) -> Iterator[Step]:
    alpha, x, z, t = 1 / lipschitz(A), np.zeros(A.shape[1]), np.zeros(A.shape[1]), 1.0
    while True:
        v = z - alpha * gradient(A, b, z)
        x_next = soft(v, lam * alpha)
        t_next = (1 + np.sqrt(1 + 4 * t**2)) / 2
        z = x_next + (t - 1) / t_next * (x_next - x)
        x, t = x_next, t_next
        yield step(x, v, lam * alpha)


def lista(weights: Weights, A: Array, b: Array, lam: float) -> Iterator[Step]:
    """Every layer has its own weights; past the last layer the last are used again. `lam` is not used."""
    last = max(int(name.split(".")[1]) for name in weights)
    x, k = np.zeros(A.shape[1]), 0
    while True:
        layer = min(k, last)
        v = weights[f"W1.{layer}"] @ b + weights[f"W2.{layer}"] @ x
        theta = np.abs(weights[f"theta.{layer}"])
        x, k = soft(v, theta), k + 1
        yield step(x, v, theta)


def sigmoid(v: Array) -> Array:
    return 1 / (1 + np.exp(-v))


def between(raw: Array, lo: float, hi: float) -> Array:
    return lo + (hi - lo) * (MARGIN + (1 - 2 * MARGIN) * sigmoid(raw))


def lstm_cell(weights: Weights, cell: str, u: Array, h: Array, c: Array) -> tuple[Array, Array]:
    """One coordinate: u (inputs,), h and c (hidden,); the gates are stacked in torch.nn.LSTMCell's order."""
    gates = (weights[f"{cell}.weight_ih"] @ u + weights[f"{cell}.bias_ih"]
             + weights[f"{cell}.weight_hh"] @ h + weights[f"{cell}.bias_hh"])
    i, f, g, o = gates.reshape(4, -1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def l2o_pa(weights: Weights, A: Array, b: Array, lam: float) -> Iterator[Step]:
    """x+ = prox_r,P(y - P*grad f(y)); y+ = x+ + A*(x+ - x), here with `a` for the accelerator A."""
    n, L, hidden = A.shape[1], lipschitz(A), weights["phi.cells.0.weight_hh"].shape[1]
    x, y = np.zeros(n), np.zeros(n)
    cells = ("phi.cells.0", "phi.cells.1")
    state = {cell: [(np.zeros(hidden), np.zeros(hidden))] * n for cell in cells}
    while True:
        g = gradient(A, b, y)
        out = np.zeros((n, 2))
        for j in range(n):
            u = np.array([y[j], g[j]])
            for cell in cells:
                state[cell][j] = lstm_cell(weights, cell, u, *state[cell][j])
                u = state[cell][j][0]
            u = np.maximum(weights["phi.head.weight"] @ u + weights["phi.head.bias"], 0)
            out[j] = weights["phi.out.weight"] @ u + weights["phi.out.bias"]
        P, a = between(out[:, 0], 0, 2 / L), between(out[:, 1], 0, 2)
        v = y - P * g
        x_next = soft(v, lam * P)
        y = x_next + a * (x_next - x)
        x = x_next
        yield step(x, v, lam * P, P, a)


RULES: dict[str, Callable[[Weights, Array, Array, float], Iterator[Step]]] = {
    "bare_rule": l2o_pa, "ista": ista, "fista": fista, "lista": lista, "l2o_pa": l2o_pa}


def run(rule: str, weights: Weights, A: Array, b: Array, lam: Array, iterations: int) -> Step:
    """K = `iterations` steps on every instance: A (B, m, n), b (B, m), lam (B, 1) -> all (K, B, n)"""
    runs = [list(islice(RULES[rule](weights, *instance), iterations))
            for instance in zip(A, b, lam[:, 0], strict=True)]
    return Step(*(np.array([[getattr(s, field) for s in steps] for steps in runs]).swapaxes(0, 1)
                  for field in Step._fields))


# ---- gradients ---------------------------------------------------------------------------------------------
class NaivePhi(nn.Module):
    """torch's own LSTM and linear layers over the coordinates of one instance."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        hidden, inputs = weights["phi.cells.0.weight_hh"].shape[1], weights["phi.cells.0.weight_ih"].shape[1]
        self.lstm = nn.LSTM(inputs, hidden, num_layers=2).double()
        self.head, self.out = nn.Linear(hidden, hidden).double(), nn.Linear(hidden, 2).double()
        self.named = {name: self.counterpart(name) for name in weights}
        with torch.no_grad():
            for name, value in weights.items():
                self.named[name].copy_(torch.from_numpy(value))

    def counterpart(self, name: str) -> nn.Parameter:
        """phi.cells.1.weight_ih -> lstm.weight_ih_l1, phi.head.bias -> head.bias"""
        parts = name.split(".")[1:]
        if parts[0] == "cells":
            return getattr(self.lstm, f"{parts[2]}_l{parts[1]}")
        return getattr(getattr(self, parts[0]), parts[1])


def shrink(v: Tensor, theta: Tensor | float) -> Tensor:
    return torch.where(v > theta, v - theta, torch.where(v < -theta, v + theta, torch.zeros_like(v)))


def iterates(rule: str, named: dict[str, Tensor], phi: NaivePhi | None, A: Tensor, b: Tensor, lam: float,
             iterations: int) -> list[Tensor]:
    L = lipschitz(A.numpy())
    slope = lambda x: torch.einsum("mn,m->n", A, torch.einsum("mn,n->m", A, x) - b)  # noqa: E731
    x = y = torch.zeros(A.shape[1], dtype=torch.float64)
    memory, t, found = None, 1.0, []
    for k in range(iterations):
        if rule == "lista":
            i = min(k, len(named) // 3 - 1)
            v = torch.einsum("nm,m->n", named[f"W1.{i}"], b) + torch.einsum("ij,j->i", named[f"W2.{i}"], x)
            x = shrink(v, torch.sqrt(named[f"theta.{i}"] ** 2))
            found.append(x)
            continue
        P: Tensor | float = 1 / L
        a: Tensor | float = 0.0
        if rule == "fista":
            t_next = 0.5 + (0.25 + t**2) ** 0.5
            a, t = (t - 1) / t_next, t_next
        elif phi is not None:
            features = torch.stack([y.detach(), slope(y).detach()], dim=1)
            hidden, memory = phi.lstm(features[None], memory)
            share = MARGIN + (1 - 2 * MARGIN) / (1 + torch.exp(-phi.out(torch.relu(phi.head(hidden[0])))))
            P, a = share[:, 0] * 2 / L, share[:, 1] * 2
        x_new = shrink(y - P * slope(y), lam * P)
        y = x_new + a * x_new - a * x
        x = x_new
        found.append(x)
    return found


def gradients(rule: str, weights: Weights, A: Array, b: Array, lam: Array, x_true: Array,
              iterations: int) -> tuple[float, Weights]:
    """The training loss, summed over instances, and its gradients with respect to all weights and to "b".

    sum over k of F(x_k), or ||x_K - x_true||_2^2 for LISTA. The network's inputs pass no gradient.
    """
    phi = NaivePhi(weights) if "phi.out.bias" in weights else None
    named: dict[str, Tensor] = dict(phi.named) if phi else {
        name: torch.tensor(value, requires_grad=True) for name, value in weights.items()}
    leaf = torch.tensor(b, requires_grad=True)
    loss = torch.zeros((), dtype=torch.float64)
    for i in range(len(b)):
        matrix, weight = torch.tensor(A[i]), float(lam[i, 0])
        xs = iterates(rule, named, phi, matrix, leaf[i], weight, iterations)
        if rule == "lista":
            loss = loss + torch.sum((xs[-1] - torch.tensor(x_true[i])) ** 2)
        else:
            for x in xs:
                loss = loss + torch.sum((matrix @ x - leaf[i]) ** 2) / 2 + weight * torch.sum(torch.abs(x))
    loss.backward()
    leaves = {**named, "b": leaf}
    return loss.item(), {name: grad.grad.numpy() for name, grad in leaves.items() if grad.grad is not None}
