"""Declared facts hold for any weights, in float32; initial values are the declared ones. Read off the variables of `step`."""
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from references import REFERENCES, harness
from references.harness import ByHand, data_for, locals_of_step, untrained
from references.mathematics import MARGIN, Array, Instance, analytic_weight, coherence, symmetric_weight, whitening
from torch import Tensor

# name -> variable -> (low, high, margin) as functions of L and k; a margin of None stands for a closed end
Bounds = tuple[Callable[[Tensor, int], Any], Callable[[Tensor, int], Any], float]


def two_sided(low: float, high: float, margin: float = MARGIN) -> Bounds:
    return lambda L, k: low, lambda L, k: high, margin


def over_L(low: float, high: float, margin: float = MARGIN) -> Bounds:
    return lambda L, k: low / L, lambda L, k: high / L, margin


def at_least(low: float) -> Bounds:
    return lambda L, k: low, lambda L, k: float("inf"), 0


STEP, UNIT = over_L(0, 2), two_sided(0, 2)
ENVELOPE: Bounds = (lambda L, k: -1 / (k + 1) ** 2, lambda L, k: 1 / (k + 1) ** 2, 0)
THETA = {"theta_k": at_least(0)}
FALLS, FALLS_SLOWLY = {"s_k": at_least(7.5e-4)}, {"s_k": at_least(6e-4)}
RANGES: dict[str, dict[str, Bounds]] = {
    **dict.fromkeys(["ada_lista", "lista", "lista_cp", "lista_ss", "lista_cpss", "alista", "alista:plain", "tilista", "tilista:plain",
                     "lista:free"], THETA),
    **dict.fromkeys(["alista:geometric", "tilista:geometric", "lista_cpss:scaled", "lista_ss:residual"],
                    FALLS),
    **dict.fromkeys(["alista:plain_geometric", "alista:noisy", "lista_cp:analytic", "lista:residual", "lista_cpss:noisy",
                     "lista_ss:noisy"], FALLS_SLOWLY),
    "composite_form": {"P": STEP, "b": ENVELOPE},
    "horizon_one": {"P1": STEP, "P2": over_L(-2, 2), "A": two_sided(-2, 2), "B": two_sided(-2, 2), "b1": ENVELOPE,
                    "b2": ENVELOPE},
    "hyperlista": {"c1": at_least(7.5e-5), "c2": at_least(1.5e-5), "c3": at_least(4e-4), "theta": at_least(0),
                   "beta": at_least(0), "p": two_sided(0, 1, 0)},
    "hyperlista:whitened": {"c1": at_least(4.8e-5), "c2": at_least(2.1e-5), "c3": at_least(4e-4), "theta": at_least(0),
                            "beta": at_least(0), "p": two_sided(0, 1, 0)},
    "l2o_p": {"P": STEP},
    "l2o_pa": {"P": STEP, "A": UNIT},
    "l2o_pa:safeguarded": {"P": STEP, "A": UNIT},
    "l2o_pa:official": {"P": over_L(0, 2 * 0.9999, 0), "A": two_sided(0, 2, 0)},
    "learned_step": {"alpha": STEP},
    "learned_step:stochastic": {"alpha": at_least(1e-3)},
    "na_alista": {"gamma": at_least(1e-3), "theta": at_least(1e-3)},
    "na_alista:noisy": {"gamma": at_least(1e-3), "theta": at_least(1e-3), "t": two_sided(0, 1, 0)},
    "nonsmooth_form": {"P": UNIT, "b": ENVELOPE},
    "pba12": {"P": STEP, "B": UNIT, "A": UNIT},
    "pba12:A": {"A": UNIT},
    "pba12:P": {"P": STEP},
    "pba12:PA": {"P": STEP, "A": UNIT},
    "pba12:PBA": {"P": STEP, "B": UNIT, "A": UNIT},
    "pba12:PBA1": {"P": STEP, "B": UNIT, "A": UNIT},
    "pba12:PBA2": {"P": STEP, "B": UNIT, "A": UNIT},
    "pba12:envelopes": {"P": STEP, "B": UNIT, "A": UNIT, "b1": ENVELOPE, "b2": ENVELOPE},
    "pgd_metric": {"P": STEP},
    "ppa_metric": {"P": at_least(1e-3)},
    "smooth_form": {"P": STEP, "b": ENVELOPE},
}  # fmt: skip
WITHOUT = {"adam", "adam:usual", "adam_hd", "fista", "fista_restart", "gd", "gd_momentum", "ista", "l2o_dm",
           "l2o_dm:original", "l2o_pa_certified", "ppa", "rnnprop"}  # fmt: skip
SWEPT = {name: [key for key, fact in facts.items() if fact[1](torch.ones(1), 0) != float("inf")]
         for name, facts in RANGES.items() if not name.startswith("hyperlista")}  # fmt: skip
ROUNDING = 1e-6


def extreme(name: str, scale: float, seed: int) -> tuple[Any, ByHand]:
    """Float32, as built, its raw weights perturbed and scaled"""
    data = data_for(name)
    torch.manual_seed(seed)
    algorithm, problem = untrained(name, data, torch.float32, layers=4), ByHand(data, torch.float32)
    with torch.no_grad():
        for weight in algorithm.parameters():
            weight.add_(torch.randn(weight.shape) * (0.3 if scale > 1 else 0.05)).mul_(scale)
    return algorithm, problem


def test_every_spec_is_in_one_of_the_tables() -> None:
    assert set(RANGES) | WITHOUT == set(REFERENCES) and not set(RANGES) & WITHOUT


@pytest.mark.parametrize("scale", [1.0, 1e4, 1e8])
@pytest.mark.parametrize("name", RANGES)
def test_ranges_hold_for_any_weights(name: str, scale: float) -> None:
    """Every entry, at every one of five steps; after each, x and y return to where networks see them finite."""
    ends: dict[str, list[float]] = {key: [1.0, 0.0] for key in RANGES[name]}
    for seed in range(6):
        algorithm, problem = extreme(name, scale, seed)
        state = algorithm.init_state(problem)
        point = torch.randn(state.x.shape, generator=torch.Generator().manual_seed(seed))
        for k in range(5):
            state = state._replace(**{field: point for field in ("x", "y", "x_prev") if field in state._fields})
            used = locals_of_step(algorithm, problem, state)
            for key, (low, high, margin) in RANGES[name].items():
                L = problem.L if len(problem.L) else torch.ones(1)
                value, least, most = used[key], torch.as_tensor(low(L, k)), torch.as_tensor(high(L, k))
                assert value.dtype == torch.float32 and bool(((value >= least) & (value <= most)).all()), key
                if bool(most.isinf().all()):
                    continue
                share = (value - least) / (most - least)
                assert share.min() >= margin - ROUNDING and share.max() <= 1 - margin + ROUNDING, key
                if margin:
                    assert bool(((value > least) & (value < most)).all()), key
                ends[key] = [min(ends[key][0], share.min().item()), max(ends[key][1], share.max().item())]
            state = algorithm.step(problem, state)
    if scale > 1:  # the test reached both ends: nothing would be left of a narrower margin
        for key in SWEPT.get(name, []):
            margin = RANGES[name][key][2]
            assert ends[key][0] < margin + 2 * ROUNDING and ends[key][1] > 1 - margin - 2 * ROUNDING, key


@pytest.mark.parametrize("scale", [1.0, 1e4, 1e8])
@pytest.mark.parametrize(("name", "longest"), [("rnnprop", 0.1), ("l2o_dm", None)])
def test_steps_of_black_boxes_are_as_short_as_their_last_function_says(name: str, longest: float | None, scale: float) -> None:
    """|x+ - x| <= 0.1 by the tanh; x+ - x > -0.1 by the elu"""
    algorithm, problem = extreme(name, scale, 0)
    with torch.no_grad():
        state = algorithm.init_state(problem)
        for _ in range(5):
            state = algorithm.step(problem, state._replace(x=torch.zeros_like(state.x)))
            assert state.x.min() >= -0.1 - ROUNDING and (longest is None or state.x.max() <= longest + ROUNDING)
            assert state.x.abs().max() > 1e-3


# ---- initial values ----------------------------------------------------------------------------------------
def layered(one: Instance) -> dict[str, dict[str, Array | float]]:
    """What the specs declare, by hand, for the matrix of an instance"""
    A, L, n = one.A, one.L, one.A.shape[1]
    coupled: dict[str, Array | float] = {"W_k": A.T / L, "theta_k": 0.1 / L}
    free: dict[str, Array | float] = {"W1_k": A.T / L, "W2_k": np.eye(n) - A.T @ A / L, "theta_k": 0.1 / L}
    tied: dict[str, Array | float] = {"W": A / L, "gamma_k": 1, "theta_k": 0.1 / L}
    analytic: dict[str, Array | float] = {"W": analytic_weight(A), "gamma_k": 1, "theta_k": 0.4 / L}
    W = symmetric_weight(A)
    hyper: dict[str, Array | float] = {"W": W, "B": np.linalg.pinv(A), "mu": coherence(W, A), "c1": 0.075, "c2": 0.015,
                                       "c3": 0.4}  # fmt: skip
    whitened = hyper | {"B": np.linalg.pinv(A) @ whitening(A), "c1": 0.048, "c2": 0.021}
    return {"lista": free, "lista_ss": free, "lista_cp": coupled, "lista_cpss": coupled, "tilista": tied,
            "tilista:plain": tied, "alista": analytic, "alista:plain": analytic, "hyperlista": hyper, "hyperlista:whitened": whitened,
            "ada_lista": {"W1": np.eye(len(A)), "W2": np.eye(len(A)), "gamma_k": 0.2, "theta_k": 0.02},
            "ppa_metric": {"P": 1, "b_k": 0}, "pgd_metric": {"P": 1 / L}}  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["lista", "lista_ss", "lista_cp", "lista_cpss", "tilista", "tilista:plain", "alista",
                                  "alista:plain", "hyperlista", "hyperlista:whitened", "ada_lista", "ppa_metric", "pgd_metric"])  # fmt: skip
def test_initial_values_are_the_declared_ones(name: str, dtype: torch.dtype) -> None:
    """In the natural scale, through the reparametrization, in the first layer and the last; without one, the middle."""
    data = data_for("lista" if name in harness.RECOVERY else "ista", batch=1)
    one = data.instances()[0]
    algorithm, problem = untrained(name, data, dtype), ByHand(data, dtype)
    for k in (0, harness.LAYERS - 1):
        used = locals_of_step(algorithm, problem, algorithm.init_state(problem)._replace(k=k))
        for key, value in layered(one)[name].items():
            found = used[key].detach()
            assert found.dtype == dtype
            wanted = torch.tensor(np.broadcast_to(value, found.shape).copy(), dtype=dtype)
            single = dtype == torch.float32
            scale = wanted.abs().max().item() if single else 0.0  # entries of a matrix are rounded at its scale
            torch.testing.assert_close(found, wanted, rtol=1e-5 if single else 1e-7, atol=1e-6 * max(1.0, scale))


def test_layers_default_to_those_of_the_training() -> None:
    data = data_for("lista")
    A = torch.tensor(data.A)
    build = harness.class_of(harness.module("lista"))
    assert build(A).layers == 16 and len(build(A, layers=5).W1) == build(A, layers=5).layers == 5
    assert harness.class_of(harness.module("ada_lista"))(m=4).layers == 10


def test_the_first_batch_ever_seen_sets_the_standardization() -> None:
    """of NA-ALISTA: mean and deviation of ||b||_1 and ||W'*b||_1 over the batch, kept from then on"""
    data, other = data_for("na_alista"), data_for("na_alista", seed=8)
    algorithm = untrained("na_alista", data)
    for one in (data, other._replace(A=data.A)):
        with torch.no_grad():
            problem = ByHand(one)
            algorithm.step(problem, algorithm.init_state(problem))
        norms = np.array([np.abs(data.b).sum(1), np.abs(data.b @ analytic_weight(data.A)).sum(1)])
        np.testing.assert_allclose(algorithm.phi.mean[:, 0], norms.mean(1), rtol=1e-10)
        np.testing.assert_allclose(algorithm.phi.deviation[:, 0], norms.std(1), rtol=1e-10)
