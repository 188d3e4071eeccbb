"""Rules with a network for each coordinate or each instance: generators of the states after one step, two, ..."""
import itertools

import numpy as np

from .classical import States
from .mathematics import Array, Instance, Weights, at_least, between, detached, elu, larger, sigmoid, smaller, within
from .networks import Network, of_scalars, pooled


def l2o_dm(w: Weights, p: Instance) -> States:
    x, phi = p.zero, Network(w, len(p.zero))
    while True:
        out, = phi(detached(p.subgrad_F(x)), x)
        x = x + 0.1 * elu(out)
        yield {"x": x}


def l2o_dm_original(w: Weights, p: Instance) -> States:
    """Appendix A of the paper with p = 5: log|g|/5 down to -1, and the sign, linear within e^-5."""
    x, phi = p.zero, Network(w, len(p.zero))
    while True:
        g = detached(p.subgrad_F(x))
        out, = phi(larger(np.log(np.abs(g) + 1e-16) / 5, -1), smaller(larger(148.413159 * g, -1), 1))
        x = x + 0.01 * out
        yield {"x": x}


def rnnprop(w: Weights, p: Instance) -> States:
    x, m, v = p.zero, p.zero, p.zero
    phi = Network(w, len(x), activation="elu")
    for t in itertools.count(1):
        g = p.subgrad_F(x)
        m = 0.95 * m + 0.05 * g
        v = 0.95 * v + 0.05 * g * g
        scale = np.sqrt(v / (1 - 0.95**t)) + 1e-8
        out, = phi(detached(g / scale), detached(m / (1 - 0.95**t) / scale))
        x = x - 0.1 * np.tanh(out)
        yield {"x": x, "m": m, "v": v}


def learned_step(w: Weights, p: Instance, activation: str = "relu") -> States:
    x, phi = p.zero, Network(w, 1, activation=activation)
    while True:
        g = p.grad_f(x)
        raw, = of_scalars(phi, step_features(x, g))
        x = x - between(raw, 0, 2 / p.L) * g
        yield {"x": x}


def learned_step_stochastic(w: Weights, p: Instance) -> States:
    x, phi = p.zero, Network(w, 1)
    for k in itertools.count():
        g = p.stochgrad_f(x, k)
        raw, = of_scalars(phi, step_features(x, g))
        x = x - at_least(raw, 1e-3) * g
        yield {"x": x}


def step_features(x: Array, g: Array) -> list[Array]:
    x, g = detached(x), detached(g)
    return [*pooled(x), *pooled(g), np.log(g @ g + 1e-12)]


# ---- the forms of the theorems -----------------------------------------------------------------------------
def smooth_form(w: Weights, p: Instance) -> States:
    x, phi = p.zero, Network(w, len(p.zero))
    for k in itertools.count():
        P, b = phi(detached(x), detached(p.grad_f(x)))
        x = x - between(P, 0, 2 / p.L) * p.grad_f(x) - within(b, (k + 1) ** -2)
        yield {"x": x}


def nonsmooth_form(w: Weights, p: Instance) -> States:
    x, phi = p.zero, Network(w, len(p.zero))
    for k in itertools.count():
        P, b = phi(detached(x))
        x = p.prox_r(x - within(b, (k + 1) ** -2), between(P, 0, 2))
        yield {"x": x}


def composite_form(w: Weights, p: Instance) -> States:
    x, phi = p.zero, Network(w, len(p.zero))
    for k in itertools.count():
        P, b = phi(detached(x), detached(p.grad_f(x)))
        P = between(P, 0, 2 / p.L)
        x = p.prox_r(x - P * p.grad_f(x) - within(b, (k + 1) ** -2), P)
        yield {"x": x}


def horizon_one(w: Weights, p: Instance) -> States:
    """Theorem 4, solved for x+: what is left of it without P1*g goes into the prox in the metric P1."""
    x, y, phi = p.zero, p.zero, Network(w, len(p.zero))
    for k in itertools.count():
        P1, P2, A, B, b1, b2 = phi(detached(y), detached(p.grad_f(y)))
        P1, P2 = between(P1, 0, 2 / p.L), between(P2, -2 / p.L, 2 / p.L)
        A, B = between(A, -2, 2), between(B, -2, 2)
        b1, b2 = within(b1, (k + 1) ** -2), within(b2, (k + 1) ** -2)
        smooth = (P1 - P2) * p.grad_f(x) + P2 * p.grad_f(y)
        old, x = x, p.prox_r(x - smooth - B * (y - x) - b1, P1)
        y = (1 - A) * x + A * old + b2
        yield {"x": x, "y": y}


# ---- PBA12 and what is left of it --------------------------------------------------------------------------
def pba12(w: Weights, p: Instance, predicted: str = "P B A b1 b2", envelopes: bool = False) -> States:
    """What is not predicted is 1/L for P, 1 for B, 0 for A, b1 and b2."""
    x, y, phi = p.zero, p.zero, Network(w, len(p.zero))
    for k in itertools.count():
        g = p.grad_f(y)
        out = dict(zip(predicted.split(), phi(detached(y), detached(g)), strict=True))
        P = between(out["P"], 0, 2 / p.L) if "P" in out else np.full(len(x), 1 / p.L)
        B = between(out["B"], 0, 2) if "B" in out else 1.0
        A = between(out["A"], 0, 2) if "A" in out else 0.0
        b1, b2 = (out.get(name, np.zeros(len(x))) for name in ("b1", "b2"))
        if envelopes:
            b1, b2 = within(b1, (k + 1) ** -2), within(b2, (k + 1) ** -2)
        mixed = (1 - B) * (x - P * p.grad_f(x)) + B * (y - P * g)
        old, x = x, p.prox_r(mixed - b1, P)
        y = x + A * (x - old) + b2
        yield {"x": x, "y": y}


def l2o_pa(w: Weights, p: Instance, activation: str = "relu") -> States:
    x, y, phi = p.zero, p.zero, Network(w, len(p.zero), activation=activation)
    while True:
        g = p.grad_f(y)
        P, A = phi(detached(y), detached(g))
        P, A = between(P, 0, 2 / p.L), between(A, 0, 2)
        old, x = x, p.prox_r(y - P * g, P)
        y = x + A * (x - old)
        yield {"x": x, "y": y}


def l2o_pa_safeguarded(w: Weights, p: Instance) -> States:
    """L2O-PA's x+ where it is at least as low as a proximal-gradient step from x, and that step elsewhere"""
    x, y, phi = p.zero, p.zero, Network(w, len(p.zero))
    while True:
        g = p.grad_f(y)
        P, A = phi(detached(y), detached(g))
        P, A = between(P, 0, 2 / p.L), between(A, 0, 2)
        proposed, safe = p.prox_r(y - P * g, P), p.prox_r(x - p.grad_f(x) / p.L, 1 / p.L)
        old, x = x, proposed if p.F(proposed).real <= p.F(safe).real else safe
        y = x + A * (x - old)
        yield {"x": x, "y": y}


def l2o_p(w: Weights, p: Instance) -> States:
    x, phi = p.zero, Network(w, len(p.zero))
    while True:
        g = p.grad_f(x)
        (P,) = phi(detached(x), detached(g))
        P = between(P, 0, 2 / p.L)
        x = p.prox_r(x - P * g, P)
        yield {"x": x}


def l2o_pa_certified(w: Weights, p: Instance, eps: float = 0.1, delta: float = 0.05) -> States:
    """P rises to no more than 1/L, and falls to no less than what the last step's a allows"""
    x, y, a, phi = p.zero, p.zero, p.zero, Network(w, len(p.zero))
    P = np.full(len(x), 1.0) / p.L
    while True:
        g = p.grad_f(y)
        q, t = phi(detached(y), detached(g))
        low = smaller(larger(a * a * P / (1 - delta), eps / p.L), 1 / p.L)
        P = low + (1 / p.L - low) * sigmoid(q)
        a = (1 - delta) ** 0.5 * np.tanh(t)
        old, x = x, p.prox_r(y - P * g, P)
        y = x + a * (x - old)
        yield {"x": x, "y": y, "a": a, "p": P}


def l2o_pa_official(w: Weights, p: Instance) -> States:
    """The gradient first, the ranges to their ends, a step a little below 1/L, a random hidden state"""
    x, y, phi = p.zero, p.zero, Network(w, len(p.zero), start=p.start)
    while True:
        g = p.grad_f(y)
        P, A = phi(detached(g), detached(y))
        P, A = between(P, 0, 2 * 0.9999 / p.L, margin=0), between(A, 0, 2, margin=0)
        old, x = x, p.prox_r(y - P * g, P)
        y = x + A * (x - old)
        yield {"x": x, "y": y}
