"""The networks by hand: an LSTM with linear layers around it, for one instance.

Rows are what the network runs over: the coordinates of the instance, or a single row for a network of scalars.
"""
from collections.abc import Callable

import numpy as np

from .mathematics import Array, Weights, relu, sigmoid


class Network:
    """phi with its hidden state; the weights' names decide about layers, embedding and head."""

    def __init__(self, weights: Weights, rows: int, start: Array | None = None,
                 activation: Callable[[Array], Array] = relu) -> None:
        """start: (layers, 2, hidden, rows), zeros without it"""
        self.w = {name.removeprefix("phi."): value for name, value in weights.items() if name.startswith("phi.")}
        self.activation = activation
        layers = sum(name.endswith("weight_hh") for name in self.w)
        hidden = self.w["cells.0.weight_hh"].shape[1]
        if start is None:
            start = np.zeros((layers, 2, hidden, rows))
        self.state = [(h.T, c.T) for h, c in start]

    def linear(self, name: str, u: Array) -> Array:
        return u @ self.w[f"{name}.weight"].T + self.w[f"{name}.bias"]

    def cell(self, i: int, u: Array) -> Array:
        """The gates in torch.nn.LSTM's order: input, forget, candidate, output."""
        h, c = self.state[i]
        hidden = h.shape[1]
        z = (u @ self.w[f"cells.{i}.weight_ih"].T + self.w[f"cells.{i}.bias_ih"]
             + h @ self.w[f"cells.{i}.weight_hh"].T + self.w[f"cells.{i}.bias_hh"])
        enter, keep, candidate, leave = (z[:, j * hidden:(j + 1) * hidden] for j in range(4))
        c = sigmoid(keep) * c + sigmoid(enter) * np.tanh(candidate)
        h = sigmoid(leave) * np.tanh(c)
        self.state[i] = h, c
        return h

    def __call__(self, *features: Array) -> tuple[Array, ...]:
        """One value (rows,) for each feature in, one for each output out"""
        u = np.stack(features, axis=1)
        if "embed.weight" in self.w:
            u = self.activation(self.linear("embed", u))
        for i in range(len(self.state)):
            u = self.cell(i, u)
        if "head.weight" in self.w:
            u = self.activation(self.linear("head", u))
        return tuple(self.linear("out", u).T)


def of_scalars(network: Network, features: list[Array]) -> tuple[Array, ...]:
    """The numbers that a network makes of numbers"""
    return tuple(out[0] for out in network(*(np.array([v]) for v in features)))


def pooled(v: Array) -> list[Array]:
    """Mean and root mean square: what a network of scalars sees of a vector"""
    return [np.sum(v) / len(v), np.sqrt(np.sum(v**2) / len(v))]
