"""The networks by hand, for one instance: torch.nn's LSTM, GRU and linear layers from their documented formulas.

Rows are what the network runs over: the coordinates of the instance, or a single row for a network of scalars.
"""
from collections.abc import Callable

import numpy as np

from .mathematics import Array, Weights, elu, larger, relu, sigmoid

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": relu,
    "elu": elu,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "softplus": lambda v: larger(v, 0) + np.log(1 + np.exp(np.where(np.real(v) < 0, v, -v))),
}


class Network:
    """phi with its hidden state. The names and shapes of the weights decide about cell, layers, embedding and head."""

    def __init__(self, weights: Weights, rows: int, start: Array | None = None, activation: str = "relu") -> None:
        """start: (layers, 2, hidden, rows), of a GRU (layers, hidden, rows); without it the learned one or zeros"""
        self.w = {name.removeprefix("phi."): value for name, value in weights.items() if name.startswith("phi.")}
        self.activation = ACTIVATIONS[activation]
        cells = [name for name in self.w if name.endswith("weight_hh")]
        self.state: list[tuple[Array, ...]] = []
        if not cells:
            return
        gates, hidden = self.w[cells[0]].shape
        self.cell = {4 * hidden: self.lstm, 3 * hidden: self.gru}[gates]
        shape = (len(cells), gates // hidden - 2, hidden, rows)  # h and c, or h alone
        first = start if start is not None else self.w.get("start", np.zeros(shape))
        self.state = [tuple(v.T for v in layer) for layer in first.reshape(*shape[:3], -1) + np.zeros(shape)]

    def linear(self, name: str, u: Array, kind: str = "") -> Array:
        """kind: `_ih` or `_hh` of a cell"""
        return u @ self.w[f"{name}.weight{kind}"].T + self.w.get(f"{name}.bias{kind}", 0)

    def lstm(self, i: int, u: Array) -> tuple[Array, ...]:
        """The gates in torch's order: input, forget, candidate, output."""
        h, c = self.state[i]
        z = self.linear(f"cells.{i}", u, "_ih") + self.linear(f"cells.{i}", h, "_hh")
        enter, keep, candidate, leave = np.split(z, 4, axis=1)
        c = sigmoid(keep) * c + sigmoid(enter) * np.tanh(candidate)
        return sigmoid(leave) * np.tanh(c), c

    def gru(self, i: int, u: Array) -> tuple[Array, ...]:
        """The gates in torch's order: reset, update, candidate; the reset acts after the hidden weights."""
        h, = self.state[i]
        reset_u, update_u, new_u = np.split(self.linear(f"cells.{i}", u, "_ih"), 3, axis=1)
        reset_h, update_h, new_h = np.split(self.linear(f"cells.{i}", h, "_hh"), 3, axis=1)
        update = sigmoid(update_u + update_h)
        candidate = np.tanh(new_u + sigmoid(reset_u + reset_h) * new_h)
        return (1 - update) * candidate + update * h,

    def __call__(self, *features: Array) -> tuple[Array, ...]:
        """One value (rows,) for each feature in, one for each output out"""
        u = np.stack(features, axis=1)
        if "mean" in self.w:
            u = (u - self.w["mean"].T) / self.w["deviation"].T
        if "embed.weight" in self.w:
            u = self.activation(self.linear("embed", u))
        for i in range(len(self.state)):
            self.state[i] = self.cell(i, u)
            u = self.state[i][0]
        for i in range(sum(name.startswith("hidden.") and "weight" in name for name in self.w)):  # of an mlp
            u = self.activation(self.linear(f"hidden.{i}", u))
        if "head.weight" in self.w:
            u = self.activation(self.linear("head", u))
        return tuple(self.linear("out", u).T)


def of_scalars(network: Network, features: list[Array]) -> tuple[Array, ...]:
    """The numbers that a network makes of numbers"""
    return tuple(out[0] for out in network(*(np.array([v]) for v in features)))


def pooled(v: Array) -> list[Array]:
    """Mean and root mean square: what a network of scalars sees of a vector"""
    return [np.sum(v) / len(v), np.sqrt(np.sum(v**2) / len(v))]
