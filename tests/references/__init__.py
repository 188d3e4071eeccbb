"""The rules by hand, from the mathematics, in NumPy float64: what the generated modules are compared with.

A reference knows one instance at a time and the weights under the module's own names. The same code differentiates:
see mathematics.py. A spec or variant without an entry here fails the tests.
"""
from collections.abc import Callable
from functools import partial

from . import classical, learned, lista
from .classical import States
from .mathematics import Array, Instance, Weights

__all__ = ["REFERENCES", "Array", "Instance", "Rule", "States", "Weights"]

Rule = Callable[[Weights, Instance], States]

REFERENCES: dict[str, Rule] = {
    "ada_lista": lista.ada_lista,
    "adam": classical.adam,
    "adam:usual": classical.adam_usual,
    "adam_hd": classical.adam_hd,
    "alista": lista.alista,
    "alista:geometric": lista.scaled(0.75, 0.72, most=0.13),
    "alista:noisy": lista.scaled(0.6, 0.72, floor=0.08, most=0.13),
    "alista:plain": lista.alista_plain,
    "alista:plain_geometric": lista.scaled(0.6, 0.78),
    "composite_form": learned.composite_form,
    "fista": classical.fista,
    "fista_restart": classical.fista_restart,
    "gd": classical.gd,
    "gd_momentum": classical.gd_momentum,
    "horizon_one": learned.horizon_one,
    "hyperlista": lista.hyperlista,
    "hyperlista:whitened": lista.hyperlista_whitened,
    "ista": classical.ista,
    "l2o_dm": learned.l2o_dm,
    "l2o_dm:original": learned.l2o_dm_original,
    "l2o_p": learned.l2o_p,
    "l2o_pa": learned.l2o_pa,
    "l2o_pa:official": learned.l2o_pa_official,
    "l2o_pa:safeguarded": learned.l2o_pa_safeguarded,
    "l2o_pa_certified": learned.l2o_pa_certified,
    "learned_step": learned.learned_step,
    "learned_step:stochastic": learned.learned_step_stochastic,
    "lista": lista.lista,
    "lista:free": lista.lista,
    "lista:residual": lista.scaled(0.6, 0.78),
    "lista_cp": lista.lista_cp,
    "lista_cp:analytic": lista.scaled(0.6, 0.78),
    "lista_cpss": lista.lista_cpss,
    "lista_cpss:noisy": lista.scaled(0.6, 0.72, floor=0.08, most=0.13),
    "lista_cpss:scaled": lista.scaled(0.75, 0.72, most=0.13),
    "lista_ss": lista.lista_ss,
    "lista_ss:noisy": lista.scaled(0.6, 0.72, floor=0.08, most=0.12),
    "lista_ss:residual": lista.scaled(0.75, 0.72, most=0.12),
    "na_alista": lista.na_alista,
    "na_alista:noisy": partial(lista.na_alista, shares=True),
    "nonsmooth_form": learned.nonsmooth_form,
    "pba12": learned.pba12,
    "pba12:A": partial(learned.pba12, predicted="A"),
    "pba12:P": partial(learned.pba12, predicted="P"),
    "pba12:PA": partial(learned.pba12, predicted="P A"),
    "pba12:PBA": partial(learned.pba12, predicted="P B A"),
    "pba12:PBA1": partial(learned.pba12, predicted="P B A b1"),
    "pba12:PBA2": partial(learned.pba12, predicted="P B A b2"),
    "pba12:envelopes": partial(learned.pba12, envelopes=True),
    "pgd_metric": classical.pgd_metric,
    "ppa": classical.ppa,
    "ppa_metric": classical.ppa_metric,
    "rnnprop": learned.rnnprop,
    "smooth_form": learned.smooth_form,
    "tilista": lista.tilista,
    "tilista:geometric": lista.scaled(0.75, 0.72, most=0.13),
    "tilista:plain": lista.tilista_plain,
}
