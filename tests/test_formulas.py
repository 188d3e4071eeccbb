"""Random smooth functions in the language against NumPy: values, gradients, bounds, minibatches.

Every affine map is drawn as text and as an explicit matrix, so that derivatives can be written down without the
compiler's rules: grad = sum of c * K'*phi'(K*x + v), Hessian = sum of c * K'*diag(phi'')*K.
"""
from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

import l2ogen
from l2ogen import pipeline
from l2ogen.source import Source

Array = Any
M, N = 5, 4
HEAD = """problem q
data {
  A in R^(m, n); B in R^(m, m); b, y in R^m; c in R^n; d in R^n with d > 0; s, lam in R with lam > 0
}
variable { x in R^n }
"""
SAMPLE = """sample (m = 5, n = 4) {
  A ~ gaussian(m, n); B ~ gaussian(m, m); b ~ gaussian(m); y ~ rademacher(m); c ~ gaussian(n); d ~ uniform(n, low = 0.5, high = 2)
  s ~ gaussian(); lam ~ uniform(low = 0.2, high = 1)
}
"""
PHI: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array], Callable[[Array], Array]]] = {
    # phi, phi', the largest phi''
    "square": (lambda u: u**2, lambda u: 2 * u, lambda u: 2 + 0 * u),
    "softplus": (lambda u: np.logaddexp(0, u), lambda u: (1 + np.tanh(u / 2)) / 2, lambda u: (1 - np.tanh(u / 2) ** 2) / 4),
    "huber": (lambda u: np.where(abs(u) <= 0.7, u**2 / 2, 0.7 * (abs(u) - 0.35)), lambda u: np.clip(u, -0.7, 0.7), lambda u: 1.0 * (abs(u) <= 0.7)),
    "linear": (lambda u: u, lambda u: 1 + 0 * u, lambda u: 0 * u),
}  # fmt: skip


@dataclass
class Map:
    """A vector expression: text, how tightly it binds (1 sum, 2 product, 5 atom), K and v for the data of an instance."""

    text: str
    binding: int
    rows: str
    K: Callable[[dict[str, Array]], Array]
    v: Callable[[dict[str, Array]], Array]

    def at(self, binding: int) -> str:
        return self.text if self.binding >= binding else f"({self.text})"


class Draw:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def map(self, depth: int) -> Map:
        if depth == 0:
            return Map("x", 5, "n", lambda E: np.eye(N), lambda E: np.zeros(N))
        u = self.map(depth - 1)
        side = {"m": "b", "n": "c"}[u.rows]
        steps: list[Callable[[], Map]] = [
            lambda: Map(f"{u.at(1)} + {side}", 1, u.rows, u.K, lambda E: u.v(E) + E[side]),
            lambda: Map(f"{side} - {u.at(2)}", 1, u.rows, lambda E: -u.K(E), lambda E: E[side] - u.v(E)),
            lambda: Map(f"-{u.at(3)}", 3, u.rows, lambda E: -u.K(E), lambda E: -u.v(E)),
            lambda: Map(f"{u.at(1)} - 1.5", 1, u.rows, u.K, lambda E: u.v(E) - 1.5),
            lambda: Map(f"s*{u.at(3)}", 2, u.rows, lambda E: E["s"] * u.K(E), lambda E: E["s"] * u.v(E)),
            lambda: Map(f"{u.at(2)}/(2*lam)", 2, u.rows, lambda E: u.K(E) / (2 * E["lam"]), lambda E: u.v(E) / (2 * E["lam"])),
        ]
        if u.rows == "n":
            steps += 2 * [lambda: Map(f"A*{u.at(3)}", 2, "m", lambda E: E["A"] @ u.K(E), lambda E: E["A"] @ u.v(E))]
            steps += [
                lambda: Map(f"(2*B*A)*{u.at(3)}", 2, "m", lambda E: 2 * E["B"] @ E["A"] @ u.K(E), lambda E: 2 * E["B"] @ E["A"] @ u.v(E)),
                lambda: Map(f"{u.at(2)} ./ d", 2, "n", lambda E: u.K(E) / E["d"][:, None], lambda E: u.v(E) / E["d"]),
                lambda: Map(f"(A'*A + lam*I)*{u.at(3)}", 2, "n",
                            lambda E: (E["A"].T @ E["A"] + E["lam"] * np.eye(N)) @ u.K(E), lambda E: (E["A"].T @ E["A"] + E["lam"] * np.eye(N)) @ u.v(E)),
            ]
        else:
            steps += [
                lambda: Map(f"A'*{u.at(3)}", 2, "n", lambda E: E["A"].T @ u.K(E), lambda E: E["A"].T @ u.v(E)),
                lambda: Map(f"B*{u.at(3)}", 2, "m", lambda E: E["B"] @ u.K(E), lambda E: E["B"] @ u.v(E)),
                lambda: Map(f"y .* {u.at(3)}", 2, "m", lambda E: E["y"][:, None] * u.K(E), lambda E: E["y"] * u.v(E)),
                lambda: Map(f"(-y) .* {u.at(3)}", 2, "m", lambda E: -E["y"][:, None] * u.K(E), lambda E: -E["y"] * u.v(E)),
            ]
        return self.random.choice(steps)()

    def term(self, kind: str) -> tuple[str, Callable[[dict[str, Array]], float], Map]:
        """Text, c, the map."""
        u = self.map(self.random.randrange(5))
        size = {"m": M, "n": N}[u.rows]
        forms = {
            "square": [(f"||{u.text}||_2^2", 1), (f"mean({u.at(5)} .^ 2)", size)],
            "softplus": [(f"sum(softplus({u.text}))", 1), (f"mean(log(1 + exp({u.text})))", size)],
            "huber": [(f"sum(huber({u.text}, 0.7))", 1), (f"mean(huber({u.text}, 0.7))", size)],
            "linear": [(f"sum({u.text})", 1), (f"mean({u.text})", size)],
        }[kind]
        text, divisor = self.random.choice(forms)
        front, factor = self.random.choice([("", 1.0), ("2*", 2.0), ("lam*", None), ("1/(3*m)*", 1 / (3 * M)), ("sqrt(lam)*", "sqrt")])
        sign = -1 if kind == "linear" and self.random.random() < 0.5 else 1

        def c(E: dict[str, Array]) -> float:
            value = E["lam"] if factor is None else np.sqrt(E["lam"]) if factor == "sqrt" else factor
            return float(sign * np.squeeze(value) / divisor)

        return ("-" if sign < 0 else "") + front + text, c, u


@pytest.mark.parametrize("seed", range(60))
def test_random_smooth_functions(seed: int) -> None:
    draw = Draw(seed)
    kinds = [draw.random.choice(["square", "softplus", "huber"]), *draw.random.choices(list(PHI), k=draw.random.randrange(3))]
    terms = [(kind, *draw.term(kind)) for kind in kinds]
    f = " + ".join(f"({text})" if text.startswith("-") else text for _, text, _, _ in terms)
    unused = "0*sum(b + y) + 0*<c, d> + 0*(s + lam) + 0*||A||_F + 0*||B||_F"
    spec = l2ogen.Spec(pipeline.check(Source("q.l2o", f"{HEAD}f(x) = {f} + {unused}\nminimize f(x)\n{SAMPLE}")))
    problem = spec.compile().sample(3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    points = torch.randn(4, 3, N, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    x = points[0]
    value, gradient, bound = problem.f(x).numpy(), problem.grad_f(x).numpy(), problem.L.expand(3, 1).numpy()
    rows = problem.draw() if hasattr(problem, "draw") else None
    if rows is not None:
        assert torch.allclose(problem.stochgrad_f(x, torch.ones_like(rows)), problem.grad_f(x), rtol=1e-10, atol=1e-10)
    for i in range(3):
        E = {name: np.atleast_1d(getattr(problem, name)[i].numpy()) for name in problem.data}
        at = x[i].numpy()
        expected, slope, worst = 0.0, np.zeros(N), 0.0
        for kind, _, c, u in terms:
            phi, derivative, _ = PHI[kind]
            image = u.K(E) @ at + u.v(E)
            expected += c(E) * phi(image).sum()
            slope += c(E) * u.K(E).T @ derivative(image)
        np.testing.assert_allclose(value[i, 0], expected, rtol=1e-9, atol=1e-9, err_msg=f)
        np.testing.assert_allclose(gradient[i], slope, rtol=1e-9, atol=1e-9 * (1 + abs(slope).max()), err_msg=f)
        for point in points[:, i].numpy():
            hessian = sum(c(E) * u.K(E).T @ (PHI[kind][2](u.K(E) @ point + u.v(E))[:, None] * u.K(E)) for kind, _, c, u in terms)
            worst = max(worst, np.linalg.eigvalsh(hessian)[-1])
        assert worst <= bound[i, 0] * (1 + 1e-11), f
        if len(kinds) == 1 and kinds[0] == "square" and "./" not in f and " .* " not in f:
            assert bound[i, 0] <= worst * (1 + 1e-8), f  # nothing is lost where no entries are scaled one by one
