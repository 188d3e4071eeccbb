"""Hand-written methods, and those with a learned metric: each a generator of the states after one step, two, ..."""
import itertools
from collections.abc import Iterator

import numpy as np

from .mathematics import Array, Instance, Weights, at_least, between, larger

States = Iterator[dict[str, Array]]


def gd(w: Weights, p: Instance) -> States:
    x = p.zero
    while True:
        x = x - p.grad_f(x) / p.L
        yield {"x": x}


def gd_momentum(w: Weights, p: Instance) -> States:
    x, v = p.zero, p.zero
    while True:
        v = 0.9 * v + 0.1 * p.grad_f(x)
        x = x - v / p.L
        yield {"x": x, "v": v}


def ista(w: Weights, p: Instance) -> States:
    x = p.zero
    while True:
        x = p.prox_r(x - p.grad_f(x) / p.L, 1 / p.L)
        yield {"x": x}


def fista(w: Weights, p: Instance) -> States:
    x, z, t = p.zero, p.zero, 1.0
    while True:
        old, x = x, p.prox_r(z - p.grad_f(z) / p.L, 1 / p.L)
        old_t, t = t, 0.5 + np.sqrt(0.25 + t**2)
        z = x + (old_t - 1) / t * (x - old)
        yield {"x": x, "z": z, "t": np.array([t])}


def fista_restart(w: Weights, p: Instance) -> States:
    x, z, t = p.zero, p.zero, 1.0
    while True:
        old, x = x, p.prox_r(z - p.grad_f(z) / p.L, 1 / p.L)
        if ((z - x) @ (x - old)).real > 0:
            t, z = 1.0, x
        else:
            old_t, t = t, 0.5 + np.sqrt(0.25 + t**2)
            z = x + (old_t - 1) / t * (x - old)
        yield {"x": x, "z": z, "t": np.array([t])}


def ppa(w: Weights, p: Instance) -> States:
    x = p.zero
    while True:
        x = p.prox_r(x, 1)
        yield {"x": x}


def ppa_metric(w: Weights, p: Instance) -> States:
    """P >= 1e-3, the margin relative to its initial value 1; biases fade geometrically after the last layer."""
    layers = sum(name.startswith("b.") for name in w)
    P, x = at_least(w["P"], 1e-3), p.zero
    for k in itertools.count():
        b = w[f"b.{k}"] if k < layers else 0.9 ** (k - layers + 1) * w[f"b.{layers - 1}"]
        x = p.prox_r(x - b, P)
        yield {"x": x}


def pgd_metric(w: Weights, p: Instance) -> States:
    P, x = between(w["P"], 0, 2 / p.L), p.zero
    while True:
        x = p.prox_r(x - P * p.grad_f(x), P)
        yield {"x": x}


def adam(w: Weights, p: Instance, rate: float = 1e-2, beta1: float = 0.1, beta2: float = 0.1) -> States:
    """As in algorithm 1 of the paper: t counts from 1."""
    x, m, v = p.zero, p.zero, p.zero
    for t in itertools.count(1):
        g = p.subgrad_F(x)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        x = x - rate * m_hat / (np.sqrt(v_hat) + 1e-8)
        yield {"x": x, "m": m, "v": v}


def adam_usual(w: Weights, p: Instance) -> States:
    return adam(w, p, rate=1e-3, beta1=0.9, beta2=0.999)


def adam_hd(w: Weights, p: Instance) -> States:
    beta1, beta2, rate = 0.001, 0.1, np.array(0.1)
    x, m, v, u = p.zero, p.zero, p.zero, p.zero
    for t in itertools.count(1):
        g = p.subgrad_F(x)
        rate = larger(rate + 1e-7 * (g @ u), 1e-8)  # the last step's direction
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        u = m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + 1e-8)
        x = x - rate * u
        yield {"x": x, "m": m, "v": v, "u": u, "rate": rate.reshape(1)}
