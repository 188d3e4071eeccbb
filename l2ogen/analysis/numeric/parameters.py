"""Admissible values of learned and predicted parameters: drawn at random, ends of ranges included, or given.

Everything follows from a seed and the given values, so that a witness can carry both as JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal
from zlib import crc32

import numpy as np

from ...core import ir
from .networks import Net, SmoothMap, random_net
from .operators import Array, Value
from .ranges import Space


class Inadmissible(Exception):
    """A given value that lies outside what the facts about its parameter allow."""


@dataclass
class Parameters:
    """Values of the parameters of one program, as functions of iteration and coordinate."""

    seed: int = 0
    given: dict[str, Any] = field(default_factory=dict)
    """Values by name: a number (a constant vector, or a multiple of I), an array as nested lists, or
    {"cycle": [v_0, v_1, ...]}, repeated. Others are drawn."""
    layers: int = 4
    """Trained layers of per-iteration parameters; given values are those of the trained layers."""
    edge: float = 0.3
    """Probability that the entries of a drawn value lie at, or next to, the ends of its range."""
    scale: float = 1.0
    """How far values go where no end is declared."""
    predictions: Literal["any", "network"] = "any"
    """Predicted parameters: any function of k and the coordinate, or the output of a random network."""
    outputs: dict[str, float] = field(default_factory=dict)
    """Constant outputs of networks that the rule calls itself, by name: all weights are 0 but the last bias."""
    nets: dict[str, Net] = field(default_factory=dict, repr=False)

    @classmethod
    def sample(cls, program: ir.Algorithm, rng: np.random.Generator, edge: float = 0.3, **options: Any) -> Parameters:
        """Random ones; a program with predicted parameters gets arbitrary or network outputs, half and half."""
        has_predicted = any(p.kind == "predicted" for p in program.parameters)
        options.setdefault("predictions", "network" if has_predicted and rng.random() < 0.5 else "any")
        options.setdefault("layers", int(rng.integers(1, 6)))
        return cls(seed=int(rng.integers(2**31)), edge=edge, **options)

    @classmethod
    def constant(cls, program: ir.Algorithm, values: dict[str, Any], **options: Any) -> Parameters:
        """The given values at every iteration, by name. Raises Inadmissible for a name that can't be given."""
        free = [p.name for p in program.parameters if p.kind in ("learned", "predicted")]
        unknown = sorted(set(values) - set(free))
        if unknown:
            raise Inadmissible(f"`{unknown[0]}` is no learned or predicted parameter: {', '.join(free) or 'none here'}")
        return cls(given=dict(values), **options)

    # -- JSON
    def as_json(self) -> dict[str, Any]:
        names = ("seed", "given", "layers", "edge", "scale", "predictions", "outputs")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Parameters:
        return cls(**document)

    # -- what the interpreter asks
    def learned(self, p: ir.Parameter, layer: int, space: Space) -> Value:
        return self.value(p, layer, space)

    def predicted(self, p: ir.Parameter, k: int, space: Space) -> Value | None:
        if self.predictions == "network" and p.name not in self.given:
            return None
        return self.value(p, k, space)

    def net(self, network: ir.Network, inputs: int, outputs: int) -> Net:
        if network.name not in self.nets:
            seed = crc32(f"{network.name} {self.seed}".encode())
            made = random_net(network, inputs, outputs, seed)
            constant = self.outputs.get(network.name)
            self.nets[network.name] = made if constant is None else made.constant(constant)
        return self.nets[network.name]

    def any(self, network: ir.Network, inputs: int, outputs: int, bound: float) -> SmoothMap:
        finite = bound if np.isfinite(bound) else self.scale
        return SmoothMap.random(self.rng(network.name, 0), inputs, outputs, finite)

    # -- values
    def rng(self, name: str, index: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, crc32(name.encode()), index])

    def value(self, p: ir.Parameter, index: int, space: Space) -> Value:
        """The value of a parameter in layer or iteration `index`."""
        if p.name in self.given:
            return given(p, self.given[p.name], index, space)
        rng = self.rng(p.name, index)
        if p.type.kind == "matrix":
            center = 0.0 if space.start is None else space.start
            return space.from_raw(center + self.scale * 0.1 * rng.normal(size=space.shape))
        share = self.shares(rng, space.shape[:1])
        if p.type.kind == "sym":
            q = np.linalg.qr(rng.normal(size=space.shape))[0]
            made = (q * space.at(share, self.scale)) @ q.T
            return (made + made.T) / 2
        return space.at(share, self.scale)

    def shares(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Value:
        """Places between the ends, in [0, 1]: with probability `edge` at or next to them."""
        inside = rng.random(shape)
        if rng.random() >= self.edge:
            return inside
        return rng.choice(np.array([0.0, 1.0, 1e-9, 1 - 1e-9, 1e-3, 1 - 1e-3]), size=shape or None)


def given(p: ir.Parameter, value: Any, index: int, space: Space) -> Value:
    """A given value as an array of the parameter's shape. Raises Inadmissible where the facts exclude it."""
    if isinstance(value, dict):
        value = value["cycle"][index % len(value["cycle"])]
    made: Array = np.asarray(value, dtype=float)
    if made.ndim == 0 and space.shape:
        made = float(made) * (np.eye(*space.shape) if len(space.shape) == 2 else np.ones(space.shape))
    if made.shape != space.shape or not space.contains(made):
        raise Inadmissible(f"`{p.name}` = {np.asarray(value).tolist()} is not allowed in iteration {index}")
    return np.float64(made) if made.ndim == 0 else made
