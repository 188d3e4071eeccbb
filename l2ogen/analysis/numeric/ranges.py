"""The closed ranges that generated parameters obey, at one instance and one iteration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.types import Type
from .operators import Array, Value, sigmoid, spectral_squared


@dataclass(frozen=True)
class Space:
    """What values a parameter can take: entries, or eigenvalues where it is `sym`, in [low, high]; for matrices a bound
    of the norm. The ends are those that are enforced, the margin of open ends included."""

    type: Type
    shape: tuple[int, ...]
    low: Value = -np.inf
    high: Value = np.inf
    norm: Value = np.inf
    """||M||_2 <= norm, of a matrix."""
    start: Value | None = None
    """The declared initial value of a learned parameter."""

    @property
    def bounded(self) -> bool:
        return bool(np.all(np.isfinite(self.low)) and np.all(np.isfinite(self.high)))

    def contains(self, value: Value, slack: float = 1e-9) -> bool:
        """Whether a value lies in the space, up to rounding; nan does not."""
        v = np.asarray(value, dtype=float)
        if v.shape not in ((), self.shape) or not np.isfinite(v).all():
            return False
        if self.type.kind == "matrix":
            return bool(np.isinf(self.norm)) or bool(np.linalg.norm(v, 2) <= self.norm * (1 + slack))
        if self.type.kind == "sym":
            if v.shape != self.shape or not np.allclose(v, v.T, rtol=slack, atol=slack):
                return False
            v = np.linalg.eigvalsh(v)
        ends = [np.abs(e) for e in (self.low, self.high) if np.all(np.isfinite(e))]
        room = slack * max([1e-12, *(float(np.max(e)) for e in ends)])
        return bool(np.all(v >= self.low - room) and np.all(v <= self.high + room))

    def at(self, share: Value, scale: float = 1.0) -> Value:
        """The value at a share of the way from low to high; where an end is missing, `scale` says how far it goes.

        share: entries in [0, 1], (n,) or a number; of `sym`: eigenvalues' shares. Free values run over (-scale, scale).
        """
        low_known, high_known = np.all(np.isfinite(self.low)), np.all(np.isfinite(self.high))
        if low_known and high_known:
            return self.low + (self.high - self.low) * share
        if low_known:
            return self.low + scale * share
        if high_known:
            return self.high - scale * (1 - share)
        return scale * (2 * share - 1)

    def from_raw(self, raw: Value) -> Value:
        """Any real numbers into the space, by the maps of the generated modules."""
        kind = self.type.kind
        if kind == "matrix":
            if np.isinf(self.norm):
                return raw
            return raw * (self.norm / np.sqrt(max(spectral_squared(raw), self.norm**2)))
        low_known, high_known = np.all(np.isfinite(self.low)), np.all(np.isfinite(self.high))
        if kind == "sym":
            return self._sym_from_raw(raw, bool(low_known), bool(high_known))
        if low_known and high_known:
            return self.low + (self.high - self.low) * sigmoid(raw)
        if low_known:
            return self.low + np.abs(raw)
        return self.high - np.abs(raw) if high_known else raw

    def _sym_from_raw(self, raw: Array, low_known: bool, high_known: bool) -> Array:
        eye, gram = np.eye(len(raw)), raw @ raw.T
        if low_known and high_known:
            return self.low * eye + (self.high - self.low) * gram / (1 + spectral_squared(raw))
        if low_known:
            return self.low * eye + gram
        return self.high * eye - gram if high_known else (raw + raw.T) / 2
