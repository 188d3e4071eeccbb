"""Both sides of every comparison: batches of instances, the generated modules on them, and the references."""
import importlib.util
import inspect
import sys
from functools import cache, cached_property
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

import l2ogen

from . import REFERENCES
from .mathematics import Array, Instance, Weights

ROOT = Path(__file__).resolve().parents[2]
LAYERS = 12  # of rules with layers: fewer than ITERATIONS
ITERATIONS = 20
STEP = 1e-30  # into the imaginary direction: no difference is taken, so it can't be too small

SMOOTH = ["gd", "gd_momentum", "smooth_form", "learned_step", "learned_step:stochastic"]
NONSMOOTH = ["ppa", "ppa_metric", "nonsmooth_form"]
RECOVERY = ["lista", "lista_ss", "lista_cp", "lista_cpss", "tilista", "tilista:plain", "alista", "alista:plain",
            "alista:geometric", "alista:noisy", "alista:plain_geometric", "tilista:geometric", "lista:free", "lista:residual", "lista_cp:analytic",
            "lista_cpss:scaled", "lista_cpss:noisy", "lista_ss:residual", "lista_ss:noisy", "hyperlista", "hyperlista:whitened", "na_alista", "na_alista:noisy"]  # fmt: skip
RANDOM_START = ["l2o_pa:official"]
LOSS_AT = {"l2o_pa:official": "y"}  # the others' losses are of x
OF_SCALARS = ["learned_step", "learned_step:stochastic", "na_alista", "na_alista:noisy"]  # the others' networks run over coordinates


def specs() -> list[str]:
    """Every algorithm under specs/ and every variant: ista, ..., pba12, pba12:PA, ..."""
    found = [(path.stem, l2ogen.load(path)) for path in sorted((ROOT / "specs").glob("*.l2o"))]
    return [name for stem, spec in found for name in (stem, *(f"{stem}:{variant}" for variant in spec.variants))]


@cache
def module(name: str) -> ModuleType:
    """The generated file of a spec or variant"""
    stem = name.replace(":", "_").lower()
    spec = importlib.util.spec_from_file_location(f"generated_{stem}", ROOT / "generated" / f"{stem}.py")
    assert spec and spec.loader
    code = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = code
    spec.loader.exec_module(code)
    return code


def class_of(code: ModuleType) -> Any:
    """The algorithm's class"""
    return next(v for v in vars(code).values() if isinstance(v, type) and hasattr(v, "reported"))


# ---- instances ---------------------------------------------------------------------------------------------
class Data(NamedTuple):
    """Instances (...): A (..., m, n) or (m, n), b (..., m), lam (..., 1), the rest (..., n), start (..., 2, 2, 20, n)."""

    A: Array
    b: Array
    lam: Array
    x_true: Array
    center: Array
    start: Array

    @property
    def batch(self) -> tuple[int, ...]:
        return self.b.shape[:-1]

    def reshaped(self, *batch: int) -> "Data":
        """Other leading dimensions; a shared A stays"""
        old = len(self.batch)
        return Data(*(v if v is self.A and v.ndim == 2 else v.reshape(*batch, *v.shape[old:]) for v in self))

    def part(self, i: int | slice) -> "Data":
        """One instance or a slice of a flat batch; a shared A stays"""
        return Data(*(v if v is self.A and v.ndim == 2 else v[i] for v in self))

    def instances(self) -> list[Instance]:
        flat = self.reshaped(int(np.prod(self.batch, dtype=int)))
        A = np.broadcast_to(flat.A, (len(flat.b), *flat.A.shape[-2:]))
        each = zip(A, flat.b, flat.lam[..., 0], flat.x_true, flat.center, flat.start, strict=True)
        return [Instance(*one) for one in each]


def data_for(name: str, batch: int = 6, m: int = 0, n: int = 0, seed: int = 3) -> Data:
    """Random instances of the rule's own problem: without r where it has none, without f, or with one shared A.

    Those for recovery have enough entries for shares of 12 and 13 % to select differently.
    """
    m, n = (m, n) if m else (30, 46) if name in RECOVERY else (12, 18)
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(batch, m, n))
    A /= np.linalg.norm(A, axis=1, keepdims=True)
    x_true = rng.normal(size=(batch, n)) * (rng.random((batch, n)) < 0.25)
    x_true[:, 0] = 1
    data = Data(A, np.einsum("bmn,bn->bm", A, x_true), rng.uniform(0.05, 0.2, (batch, 1)), x_true,
                np.zeros((batch, n)), rng.normal(size=(batch, 2, 2, 20, n)))
    if name in SMOOTH:
        return data._replace(lam=np.zeros((batch, 1)))
    if name in NONSMOOTH:  # around 0 every iterate would be 0
        return data._replace(A=0 * A, b=0 * data.b, center=rng.normal(size=(batch, n)))
    if name in RECOVERY:
        return data._replace(A=A[0], b=x_true @ A[0].T)
    return data


class ByHand:
    """The problem of Instance in torch, with every method that some rule asks for."""

    def __init__(self, data: Data, dtype: torch.dtype = torch.float64) -> None:
        self.A, self.b, self.lam, self.x_true, self.center, _ = (torch.tensor(v, dtype=dtype) for v in data)
        self.drawn = 0

    @cached_property
    def L(self) -> Tensor:
        return torch.linalg.matrix_norm(self.A, 2).square().unsqueeze(-1)

    def zeros(self, size: int | None = None) -> Tensor:
        return self.b.new_zeros(*self.b.shape[:-1], size or self.A.shape[-1])

    def grad_f(self, x: Tensor) -> Tensor:
        return torch.einsum("...mn,...m->...n", self.A, torch.einsum("...mn,...n->...m", self.A, x) - self.b)

    def subgrad_F(self, x: Tensor) -> Tensor:
        return self.grad_f(x) + self.lam * (x - self.center).sign()

    def prox_r(self, v: Tensor, P: Tensor | float) -> Tensor:
        v = v - self.center
        return self.center + v.sign() * (v.abs() - self.lam * P).clamp(min=0)

    def F(self, x: Tensor) -> Tensor:
        residual = torch.einsum("...mn,...n->...m", self.A, x) - self.b
        return residual.square().sum(-1, keepdim=True) / 2 + self.lam * (x - self.center).abs().sum(-1, keepdim=True)

    def draw(self) -> list[int]:
        """Three equations in turn"""
        self.drawn += 3
        return [i % self.b.shape[-1] for i in range(self.drawn - 3, self.drawn)]

    def stochgrad_f(self, x: Tensor, rows: list[int]) -> Tensor:
        A, b = self.A[..., rows, :], self.b[..., rows]
        residual = torch.einsum("...mn,...n->...m", A, x) - b
        return torch.einsum("...mn,...m->...n", A, residual) * self.b.shape[-1] / 3


# ---- the generated side ------------------------------------------------------------------------------------
NOISE = {"W": 0.02, "W1": 0.02, "W2": 0.02, "gamma": 0.1, "theta": 0.02, "s": 0.1, "t": 0.1, "D": 2.0, "E": 5.0, "P": 1.0, "b": 0.1,
         "c1": 0.01, "c2": 0.01, "c3": 0.2}  # fmt: skip

# with full steps or biases these would diverge or amplify rounding
CALMED = {"alista": 0.5, "alista:plain": 0.5, "alista:plain_geometric": 0.5, "alista:geometric": 0.5, "alista:noisy": 0.5,
          "tilista:geometric": 0.5, "lista_cpss:scaled": 0.3, "lista_cpss:noisy": 0.3, "lista_ss:residual": 0.3,
          "lista_ss:noisy": 0.3, "lista:residual": 0.3, "lista_cp:analytic": 0.5, "na_alista": 0.2, "na_alista:noisy": 0.2, "learned_step:stochastic": 0.1,
          "pba12": 0.3, "pba12:PBA1": 0.3, "pba12:PBA2": 0.3}  # fmt: skip


def untrained(name: str, data: Data, dtype: torch.dtype = torch.float64, layers: int = LAYERS) -> Any:
    """The algorithm as it is built"""
    build = class_of(module(name))
    A = torch.tensor(data.A, dtype=dtype)
    given = {"A": A, "m": A.shape[-2], "n": A.shape[-1], "layers": layers}
    return build(**{key: given[key] for key in inspect.signature(build).parameters if key in given}).to(dtype)


def algorithm_for(name: str, data: Data, dtype: torch.dtype = torch.float64) -> Any:
    """The algorithm with random weights"""
    algorithm = untrained(name, data, dtype)
    randomize(name, algorithm)
    return algorithm


def randomize(name: str, algorithm: nn.Module) -> None:
    """Weights that depend on their names and shapes alone, and a standardization as if a first batch had been seen"""
    rng = np.random.default_rng(12)
    with torch.no_grad():
        for key, weight in sorted(algorithm.named_parameters()):
            noise = torch.tensor(rng.normal(size=weight.shape), dtype=weight.dtype)
            if key.startswith("phi."):  # the first layer sees small numbers; it makes coordinates differ
                first = key == "phi.cells.0.weight_ih" and name not in OF_SCALARS
                weight.copy_((1.5 if first else 2 / weight.shape[-1] ** 0.5) * noise)
            else:
                weight.add_(NOISE[key.split(".")[0]] * noise)
            if name == "lista:free" and key.startswith("W2."):  # at 0 it forgets what the first layer did
                weight.mul_(5)
            if key.startswith("s."):  # thresholds of the published size keep everything at 0 here
                weight.mul_(0.15)
            if key.startswith(("gamma.", "phi.out.")) and name in CALMED:
                weight.mul_(CALMED[name])
        for key, buffer in algorithm.named_buffers():
            if key in ("phi.mean", "phi.deviation"):
                place = torch.arange(len(buffer), dtype=buffer.dtype).unsqueeze(-1)
                buffer.copy_(1.5 + place if key == "phi.mean" else 0.6 + 0.3 * place)
            elif key == "phi.seen":
                buffer.fill_(True)


def weights_of(algorithm: nn.Module) -> Weights:
    named = (*algorithm.named_parameters(), *algorithm.named_buffers())
    return {name: weight.detach().double().numpy().copy() for name, weight in named}


def initial(name: str, algorithm: Any, problem: Any, data: Data) -> Any:
    """The first state, with the random hidden state of `data` where the network has one"""
    state = algorithm.init_state(problem)
    if name not in RANDOM_START:
        return state
    start = np.moveaxis(data.start, (-4, -3, -2), (0, 1, 2))  # (2, 2, 20, ..., n)
    return state._replace(phi=torch.tensor(start.reshape(*start.shape[:3], -1), dtype=state.x.dtype))


def states(name: str, algorithm: Any, problem: Any, data: Data, iterations: int = ITERATIONS) -> list[Any]:
    """The states after 1, ..., `iterations` steps"""
    state, found = initial(name, algorithm, problem, data), []
    for _ in range(iterations):
        state = algorithm.step(problem, state)
        found.append(state)
    return found


def run(name: str, data: Data, dtype: torch.dtype = torch.float64, problem: Any = None) -> Tensor:
    """x_1, ..., x_K: (K, ..., n)"""
    with torch.no_grad():
        found = states(name, algorithm_for(name, data, dtype), problem or ByHand(data, dtype), data)
        return torch.stack([state.x for state in found])


def locals_of_step(algorithm: Any, problem: Any, state: Any) -> dict[str, Any]:
    """One step, and the variables it ends with: what it used for P, theta_k, ..."""
    seen: dict[str, Any] = {}

    def watch(frame: Any, event: str, argument: Any) -> None:
        if event == "return" and frame.f_code is type(algorithm).step.__code__:
            seen.update(frame.f_locals)

    sys.setprofile(watch)
    try:
        algorithm.step(problem, state)
    finally:
        sys.setprofile(None)
    return seen


# ---- the side of the references ----------------------------------------------------------------------------
def expected(name: str, weights: Weights, data: Data, iterations: int = ITERATIONS) -> dict[str, Array]:
    """Every state after 1, ..., `iterations` steps: (K, ..., size)"""
    runs = [list(islice(REFERENCES[name](weights, one), iterations)) for one in data.instances()]
    stacked = {field: np.array([[state[field] for state in steps] for steps in runs]) for field in runs[0][0]}
    return {field: v.swapaxes(0, 1).reshape(iterations, *data.batch, -1) for field, v in stacked.items()}


def loss(name: str, weights: Weights, data: Data, iterations: int) -> Any:
    """What training minimizes, summed over the instances: ||x_K - x_true||_2^2, or the mean over k of F(x_k) or F(y_k)"""
    total: Any = 0.0
    for one in data.instances():
        xs = [state[LOSS_AT.get(name, "x")] for state in islice(REFERENCES[name](weights, one), iterations)]
        if name in RECOVERY:
            total = total + np.sum((xs[-1] - one.x_true) ** 2)
        else:
            total = total + sum(one.F(x) for x in xs) / iterations
    return total


def derivative(name: str, weights: Weights, data: Data, iterations: int, leaf: str, direction: Array) -> float:
    """of the loss, along a direction of a weight, of `b` or of `center`; the field's name decides"""
    if leaf in Data._fields:
        data = data._replace(**{leaf: getattr(data, leaf) + STEP * 1j * direction})
    else:
        weights = {**weights, leaf: weights[leaf] + STEP * 1j * direction}
    return loss(name, weights, data, iterations).imag / STEP
