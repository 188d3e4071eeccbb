"""Sparse recovery, x from b = A*x: each a generator of the states after one step, two, ..."""
import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from .classical import States
from .mathematics import (
    Array,
    Instance,
    Weights,
    analytic_weight,
    at_least,
    between,
    coherence,
    detached,
    larger,
    norm_1,
    smaller,
    soft,
    soft_ss,
    symmetric_weight,
    whitening,
)
from .networks import Network, of_scalars


def layers(w: Weights) -> Iterator[tuple[int, Callable[[str], Array]]]:
    """k = 0, 1, ... and what a per-layer weight is called there: the last layer's for ever"""
    last = sum(name.startswith(("theta.", "s.")) for name in w) - 1
    for k in itertools.count():
        yield k, lambda name, k=k: w[f"{name}.{min(k, last)}"]  # type: ignore[misc]


def share(k: int, most: float, growth: float = 0.012) -> float:
    """p_k: 1.2 % more in every layer"""
    return min(growth * (k + 1), most)


def lista(w: Weights, p: Instance) -> States:
    x = p.zero
    for _, of in layers(w):
        x = soft(of("W1") @ p.b + of("W2") @ x, at_least(of("theta"), 0))
        yield {"x": x}


def lista_ss(w: Weights, p: Instance) -> States:
    x = p.zero
    for k, of in layers(w):
        x = soft_ss(of("W1") @ p.b + of("W2") @ x, at_least(of("theta"), 0), share(k, 0.12))
        yield {"x": x}


def lista_cp(w: Weights, p: Instance) -> States:
    x = p.zero
    for _, of in layers(w):
        x = soft(x + of("W") @ (p.b - p.A @ x), at_least(of("theta"), 0))
        yield {"x": x}


def lista_cpss(w: Weights, p: Instance) -> States:
    x = p.zero
    for k, of in layers(w):
        x = soft_ss(x + of("W") @ (p.b - p.A @ x), at_least(of("theta"), 0), share(k, 0.13))
        yield {"x": x}


def scaled(start: float, base: float, *, floor: float = 0.0, most: float | None = None) -> Callable[[Weights, Instance], States]:
    """x + gamma_k*(W' + t_k*(A' - W') + D_k/100)*(b - A*x) + E_k/1000*x by thresholds max(base^k, floor)*s_k, where t, D, E
    may be missing, or D one for all layers; `most`: the largest share p_k. The fact s > 0 keeps a thousandth of
    where s starts."""
    def states(w: Weights, p: Instance) -> States:
        W, x = analytic_weight(p.A), p.zero
        for k, of in layers(w):
            step = W.T
            if "D" in w:
                step = step + w["D"].T / 100
            if "t.0" in w:
                step = step + of("t") * (p.A.T - W.T)
            if "D.0" in w:
                step = step + of("D") / 100
            v = x + of("gamma") * (step @ (p.b - p.A @ x))
            if "E.0" in w:
                v = v + of("E") @ x / 1000
            theta = max(base**k, floor) * at_least(of("s"), 1e-3 * start)
            x = soft(v, theta) if most is None else soft_ss(v, theta, share(k, most))
            yield {"x": x}
    return states


def one_matrix(w: Weights, p: Instance, W: Array, selection: bool) -> States:
    """x + gamma_k*W'*(b - A*x), thresholded"""
    x = p.zero
    for k, of in layers(w):
        v, theta = x + of("gamma") * (W.T @ (p.b - p.A @ x)), at_least(of("theta"), 0)
        x = soft_ss(v, theta, share(k, 0.13)) if selection else soft(v, theta)
        yield {"x": x}


def tilista(w: Weights, p: Instance) -> States:
    return one_matrix(w, p, w["W"], selection=True)


def tilista_plain(w: Weights, p: Instance) -> States:
    return one_matrix(w, p, w["W"], selection=False)


def alista(w: Weights, p: Instance) -> States:
    return one_matrix(w, p, analytic_weight(p.A), selection=True)


def alista_plain(w: Weights, p: Instance) -> States:
    return one_matrix(w, p, analytic_weight(p.A), selection=False)


def hyperlista(w: Weights, p: Instance) -> States:
    return three_numbers(w, p, np.linalg.pinv(p.A), (0.075, 0.015, 0.4))


def hyperlista_whitened(w: Weights, p: Instance) -> States:
    return three_numbers(w, p, np.linalg.pinv(p.A) @ whitening(p.A), (0.048, 0.021, 0.4))


def three_numbers(w: Weights, p: Instance, inverse: Array, init: Sequence[float]) -> States:
    """The facts c > 0 keep a thousandth of the initial values as their margin."""
    c1, c2, c3 = (at_least(w[f"c{i}"], value / 1000) for i, value in enumerate(init, 1))
    W = symmetric_weight(p.A)
    mu = coherence(W, p.A)
    x, x_prev = p.zero, p.zero
    while True:
        error = norm_1(inverse @ (p.A @ x - p.b))
        share = smaller(larger(c3 * np.log(norm_1(inverse @ p.b) / error), 0), 1)
        momentum = c2 * mu * np.count_nonzero(x)
        v = x + W.T @ (p.b - p.A @ x) + momentum * (x - x_prev)
        x_prev, x = x, soft_ss(v, c1 * mu * error, float(detached(share)[0]))
        yield {"x": x, "x_prev": x_prev}


def na_alista(w: Weights, p: Instance, shares: bool = False) -> States:
    """`shares`: how much of A' goes into the weight is predicted, too."""
    W, x = analytic_weight(p.A), p.zero
    phi = Network(w, 1)
    for k in itertools.count():
        residual = p.A @ x - p.b
        u = W.T @ residual
        said = of_scalars(phi, [norm_1(residual), norm_1(u)])
        gamma, theta = (at_least(v, 1e-3) for v in said[:2])
        if shares:
            u = u + between(said[2], 0, 1, margin=0) * (p.A.T @ residual - u)
        x = soft_ss(x - gamma * u, theta, share(k, 0.12, growth=0.0075))
        yield {"x": x}


def ada_lista(w: Weights, p: Instance) -> States:
    x = p.zero
    for _, of in layers(w):
        G = (w["W1"] @ p.A).T @ (w["W1"] @ p.A)
        v = x - of("gamma") * (G @ x) + of("gamma") * (p.A.T @ (w["W2"].T @ p.b))
        x = soft(v, at_least(of("theta"), 0))
        yield {"x": x}
