"""Networks of a spec in NumPy: the same architecture as in the generated modules, with weights under the same names."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...core import ir
from .operators import OPERATORS, Array, Value, sigmoid

Weights = dict[str, Array]


def features(network: ir.Network, inputs: list[Value], size: int) -> Array:
    """What the network sees: (inputs, coordinates), or (features, 1) with mean and root mean square of each vector."""
    if network.per_coordinate:
        return np.stack([np.broadcast_to(v, (size,)) for v in inputs])
    rows: list[Value] = []
    for v in inputs:
        rows += [v] if np.ndim(v) == 0 else [np.mean(v), np.linalg.norm(v) / np.sqrt(np.size(v))]
    return np.array(rows, dtype=float)[:, None]


@dataclass
class Net:
    """One network with weights named as in the generated module's `named_parameters` and `named_buffers`."""

    network: ir.Network
    weights: Weights
    seed: int = 0
    """Of a random initial hidden state."""
    says: float | None = None
    """The outputs, where the weights make them the same whatever it reads."""

    def start(self, size: int) -> Array | None:
        """The initial hidden state: h and c of every layer for an LSTM, h for a GRU."""
        n = self.network
        if not n.recurrent:
            return None
        shape = (n.layers, 2, n.hidden, size) if n.cell == "lstm" else (n.layers, n.hidden, size)
        if n.start == "learned":
            return np.broadcast_to(self.weights["start"], shape)
        return np.zeros(shape) if n.start == "zero" else np.random.default_rng(self.seed).normal(size=shape)

    def __call__(self, u: Array, hidden: Array | None) -> tuple[Array, Array | None]:
        """(outputs, coordinates) and the next hidden state from (inputs, coordinates)."""
        if self.says is not None:
            return np.full((len(self.weights["out.weight"]), u.shape[1]), self.says), hidden
        n, states = self.network, []
        activation = OPERATORS[n.activation]
        if n.inputs == "standardized":
            u = (u - self.weights["mean"]) / self.weights["deviation"]
        if n.embed:
            u = activation(self.linear("embed", u))
        for i in range(n.layers):
            if n.cell == "mlp":
                u = activation(self.linear(f"hidden.{i}", u))
                continue
            assert hidden is not None
            of_u = self.linear(f"cells.{i}", u, "ih")
            if n.cell == "lstm":
                h, c = hidden[i]
                gate_i, gate_f, g, gate_o = np.split(of_u + self.linear(f"cells.{i}", h, "hh"), 4)
                c = sigmoid(gate_f) * c + sigmoid(gate_i) * np.tanh(g)
                u = sigmoid(gate_o) * np.tanh(c)
                states.append(np.stack((u, c)))
            else:
                (r, z, g), (r_h, z_h, g_h) = np.split(of_u, 3), np.split(self.linear(f"cells.{i}", hidden[i], "hh"), 3)
                share = sigmoid(z + z_h)
                u = (1 - share) * np.tanh(g + sigmoid(r + r_h) * g_h) + share * hidden[i]
                states.append(u)
        if n.head:
            u = activation(self.linear("head", u))
        return self.linear("out", u), np.stack(states) if states else None

    def constant(self, value: float) -> Net:
        """The same architecture with the outputs `value` whatever it reads. Raises ValueError without biases."""
        if value and not self.network.bias:
            raise ValueError(f"`{self.network.name}` has no biases: its outputs are 0 if its weights are")
        last = {"out.bias": np.full_like(self.weights["out.bias"], value)} if value else {}
        kept = {name: w for name, w in self.weights.items() if name in ("mean", "deviation")}
        weights = {name: np.zeros_like(w) for name, w in self.weights.items()} | kept | last
        return replace(self, weights=weights, says=value)

    def linear(self, layer: str, u: Array, part: str = "") -> Array:
        suffix = f"_{part}" if part else ""
        product = self.weights[f"{layer}.weight{suffix}"] @ u
        return product + self.weights[f"{layer}.bias{suffix}"][:, None] if self.network.bias else product


def random_net(network: ir.Network, inputs: int, outputs: int, seed: int, scale: float = 1.0) -> Net:
    """Weights N(0, scale^2/fan_in), biases N(0, scale^2), all drawn from the seed."""
    rng = np.random.default_rng(seed)
    weights: Weights = {}

    def layer(name: str, rows: int, columns: int, part: str = "") -> None:
        suffix = f"_{part}" if part else ""
        weights[f"{name}.weight{suffix}"] = scale * rng.normal(size=(rows, columns)) / np.sqrt(columns)
        if network.bias:
            weights[f"{name}.bias{suffix}"] = scale * rng.normal(size=rows)

    n, width = network, inputs
    if n.inputs == "standardized":
        weights |= {"mean": np.zeros((inputs, 1)), "deviation": np.ones((inputs, 1))}
    if n.embed:
        layer("embed", n.embed, width)
        width = n.embed
    gates = {"mlp": 1, "gru": 3, "lstm": 4}[n.cell]
    for i in range(n.layers):
        if n.cell == "mlp":
            layer(f"hidden.{i}", n.hidden, width)
        else:
            layer(f"cells.{i}", gates * n.hidden, width, "ih")
            layer(f"cells.{i}", gates * n.hidden, n.hidden, "hh")
        width = n.hidden
    if n.head:
        layer("head", n.head, width)
        width = n.head
    layer("out", outputs, width)
    if n.start == "learned":
        shape = (n.layers, 2, n.hidden, 1) if n.cell == "lstm" else (n.layers, n.hidden, 1)
        weights["start"] = np.tanh(rng.normal(size=shape))
    return Net(network, weights, seed)


@dataclass(frozen=True)
class SmoothMap:
    """d(z) = sum over waves of a_j*sin(<w_j, z> + t_j) for a stacked input z, with ||J_d||_F <= bound everywhere.

    Each summand has a Jacobian a_j*cos(.)*w_j' of norm at most ||a_j||*||w_j||; the sum of these is the bound.
    """

    amplitudes: Array
    waves: Array
    phases: Array

    @classmethod
    def random(cls, rng: np.random.Generator, inputs: int, outputs: int, bound: float, count: int = 4) -> SmoothMap:
        amplitudes, waves = rng.normal(size=(outputs, count)), rng.normal(size=(count, inputs))
        total = (np.linalg.norm(amplitudes, axis=0) * np.linalg.norm(waves, axis=1)).sum()
        return cls(amplitudes * bound / total, waves, rng.uniform(0, 2 * np.pi, count))

    def __call__(self, z: Array) -> Array:
        return self.amplitudes @ np.sin(self.waves @ z + self.phases)
