"""Every option of a network against the formulas by hand: cells, layers, embedding, head, activation, bias, start, inputs.

The rules are L2O-PA, whose network runs over coordinates, and LearnedStep, whose network sees pooled features.
"""
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from references import REFERENCES, harness, learned
from references.harness import ITERATIONS, ByHand, data_for

import l2ogen
from l2ogen import pipeline
from l2ogen.source import Source

SPECS = Path(__file__).resolve().parent.parent / "specs"
RULES = {"l2o_pa": ("lstm(hidden = 20, layers = 2, head = 20)", learned.l2o_pa),
         "learned_step": ("lstm(hidden = 20, layers = 1)", learned.learned_step)}  # fmt: skip
CASES = [
    ("l2o_pa", "lstm(hidden = 7)"),
    ("l2o_pa", "lstm(hidden = 6, layers = 3, embed = 5, activation = elu)"),
    ("l2o_pa", "lstm(hidden = 6, layers = 2, head = 4, bias = false, activation = tanh)"),
    ("l2o_pa", "lstm(hidden = 5, layers = 2, start = learned, inputs = standardized)"),
    ("l2o_pa", "gru(hidden = 8, layers = 2)"),
    ("l2o_pa", "gru(hidden = 6, embed = 4, head = 3, bias = false, activation = softplus, start = learned)"),
    ("l2o_pa", "mlp(hidden = 9, layers = 2)"),
    ("l2o_pa", "mlp(hidden = 6, layers = 1, activation = sigmoid, bias = false)"),
    ("l2o_pa", "mlp(hidden = 8, layers = 3, activation = tanh, inputs = standardized)"),
    ("learned_step", "lstm(hidden = 6, layers = 2, embed = 4, head = 5, activation = sigmoid)"),
    ("learned_step", "gru(hidden = 6, layers = 2, head = 5, start = learned)"),
    ("learned_step", "mlp(hidden = 7, layers = 2, activation = softplus, inputs = standardized)"),
]


def words(options: str) -> dict[str, str]:
    """hidden, layers, ... of `lstm(hidden = 7)`"""
    return dict(part.split(" = ") for part in options.partition("(")[2].rstrip(")").split(", "))


def built(rule: str, options: str) -> Any:
    """The algorithm with another network, and random weights"""
    text = (SPECS / f"{rule}.l2o").read_text(encoding="utf-8")
    shipped = RULES[rule][0]
    assert text.count(f"phi = {shipped}") == 1
    spec = l2ogen.Spec(pipeline.check(Source(f"specs/{rule}.l2o", text.replace(f"phi = {shipped}", f"phi = {options}"))))
    algorithm = spec.check().compile()().double()
    harness.randomize(rule, algorithm)
    with torch.no_grad():  # else some of these swing ever further
        for weight in algorithm.phi.out.parameters():
            weight.mul_(0.3)
    return algorithm


@pytest.mark.parametrize(("rule", "options"), CASES)
def test_values_and_gradients_equal_the_reference(monkeypatch: pytest.MonkeyPatch, rule: str, options: str) -> None:
    by_hand = partial(RULES[rule][1], activation=words(options).get("activation", "relu"))
    monkeypatch.setitem(REFERENCES, rule, by_hand)
    data, algorithm = data_for(rule, batch=3), built(rule, options)
    problem = ByHand(data)
    found = harness.states(rule, algorithm, problem, data)
    weights = harness.weights_of(algorithm)
    expected = harness.expected(rule, weights, data)["x"]
    assert expected.std(axis=1).max() > 0.01 and np.abs(expected).max() < 1000
    xs = torch.stack([state.x for state in found])
    torch.testing.assert_close(xs.detach(), torch.tensor(expected), rtol=1e-10, atol=1e-13)

    (torch.stack([problem.F(x) for x in xs]).sum() / ITERATIONS).backward()
    rng = np.random.default_rng(4)
    for name, weight in algorithm.named_parameters():
        direction, gradient = rng.normal(size=weight.shape), weight.grad.numpy()
        size = np.linalg.norm(gradient) * np.linalg.norm(direction)
        assert size > 1e-9, name
        derivative = harness.derivative(rule, weights, data, ITERATIONS, name, direction)
        assert abs(np.sum(gradient * direction) - derivative) <= 1e-11 * size, name


@pytest.mark.parametrize(("rule", "options"), CASES)
def test_the_weights_are_those_of_the_options(rule: str, options: str) -> None:
    """A reference reads layers and sizes off the weights, so their number is counted here."""
    said, (inputs, outputs) = words(options), {"l2o_pa": (2, 2), "learned_step": (5, 1)}[rule]
    hidden, layers, embed, head = (int(said.get(key, default)) for key, default in
                                   (("hidden", 20), ("layers", 2), ("embed", 0), ("head", 0)))  # fmt: skip
    bias = said.get("bias") != "false"
    gates = {"lstm": 4, "gru": 3, "mlp": 1}[options.partition("(")[0]]
    count = (inputs + bias) * embed
    for layer in range(layers):
        into = hidden if layer else embed or inputs
        count += gates * hidden * (into + bias if gates == 1 else into + hidden + 2 * bias)
    count += (hidden + bias) * head + ((head or hidden) + bias) * outputs
    count += (gates - 2) * layers * hidden * (said.get("start") == "learned")
    assert sum(weight.numel() for weight in built(rule, options).parameters()) == count


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_cells_are_those_of_torch(cell: str) -> None:
    """The reference itself, against torch.nn.LSTM and GRU of two layers over five steps"""
    from references.networks import Network

    torch.manual_seed(0)
    theirs = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell](3, 4, num_layers=2).double()
    weights = {f"phi.cells.{name[-1]}.{name[:-3]}": v.detach().numpy() for name, v in theirs.named_parameters()}
    weights |= {"phi.out.weight": np.eye(4), "phi.out.bias": np.zeros(4)}
    features = torch.randn(5, 7, 3, dtype=torch.float64)
    ours = Network(weights, 7)
    for expected, u in zip(theirs(features)[0].detach(), features.numpy(), strict=True):
        np.testing.assert_allclose(np.stack(ours(*u.T), axis=1), expected, rtol=1e-12, atol=1e-14)
