"""Problems from real data: LASSO on 8x8 patches of photographs, a small neural network on handwritten digits.

The published test of learned optimizers on data they were not trained for (Liu et al., ICML 2023) takes
patches of BSDS500; its weight of the l1 norm is 0.5. Where that file is not at hand, the photographs that
come with scikit-learn give a comparable set.
"""
from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

FILE = "bsds_patches_lasso.npz"
VARIABLE = "L2OGEN_DATA"    # the environment variable that names the data folder
SIDE, ATOMS_PER_SIDE = 8, 12
GREY = (0.2125, 0.7154, 0.0721)     # luminance of red, green, blue


class Patches(NamedTuple):
    """min over x of 1/2*||A*x - b||_2^2 + lam*||x||_1 for each patch"""

    A: Tensor           # (64, atoms), unit-norm columns, the same for all patches
    b: Tensor           # (count, 64)
    lam: Tensor         # ()
    source: str         # where they come from, for captions


def bsds_patches(folder: Path | str | None = None, count: int | None = None, *,
                 dtype: torch.dtype = torch.float64) -> Patches:
    """The first `count` patches (all: 1000) of the file in `folder`, else in the one that L2OGEN_DATA names.

    Without a folder they are cut from scikit-learn's photographs. Raises FileNotFoundError when a folder is
    named and the file isn't in it, ValueError when the file holds something else.
    """
    named = folder if folder is not None else os.environ.get(VARIABLE) or None
    if named is None:
        A, b, lam, source = *_from_photographs(1000 if count is None else count), "photographs"
    else:
        A, b, lam, source = *_from_file(Path(named) / FILE), "BSDS500"
    b = b[:count]
    kind = "learnt" if source == "BSDS500" else "cosine"
    source = f"8x8 patches of {source}, {A.shape[1]} {kind} atoms, lam {lam:g}"
    atoms, patches, weight = (torch.tensor(value, dtype=dtype) for value in (A, b, lam))
    return Patches(atoms, patches, weight, source)


def _from_file(path: Path) -> tuple[np.ndarray, np.ndarray, float]:
    if not path.is_file():
        raise FileNotFoundError(f"no {path.name} in {path.parent}; "
                                f"without {VARIABLE}, scikit-learn's photographs are used")
    try:
        with np.load(path, allow_pickle=False) as data:
            A, b, lam = data["W"], data["Y"], float(data["rho"])
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{path} is not the expected set of patches (W, Y, rho): {error}") from None
    if A.ndim != 2 or b.ndim != 2 or A.shape[0] != b.shape[1]:
        raise ValueError(f"{path}: W {A.shape} and Y {b.shape} do not fit together")
    return A, b, lam


def _from_photographs(count: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Random patches, prepared like the published ones: stretched to [0, 1], then without their mean."""
    from sklearn.datasets import load_sample_images

    photographs = [image @ np.array(GREY) / 255 for image in load_sample_images().images]
    random = np.random.default_rng(0)
    patches = np.empty((count, SIDE * SIDE))
    for row in patches:
        image = photographs[random.integers(len(photographs))]
        top, left = (random.integers(length - SIDE) for length in image.shape)
        patch = image[top:top + SIDE, left:left + SIDE]
        patch = (patch - patch.min()) / (patch.max() - patch.min() + 1e-3)
        row[:] = (patch - patch.mean()).ravel()
    return _cosine_dictionary(), patches, 0.5


def _cosine_dictionary() -> np.ndarray:
    """The usual overcomplete two-dimensional cosine dictionary, (64, 144): fixed, nothing is learnt."""
    line = np.cos(np.pi * np.outer(np.arange(SIDE) + 0.5, np.arange(ATOMS_PER_SIDE)) / ATOMS_PER_SIDE)
    line[:, 1:] -= line[:, 1:].mean(axis=0)
    atoms = np.kron(line, line)
    return atoms / np.linalg.norm(atoms, axis=0)


# ---- digits --------------------------------------------------------------------------------------
CLASSES = 10


def digits_mlp(hidden: int = 20, minibatch: int = 64, *, batch: tuple[int, ...] = (), seed: int = 0,
               dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu") -> dict[str, Any]:
    """The arguments of an external problem: the training loss of a network 64 - hidden - 10 with sigmoids.

    The data are the 1797 digits that come with scikit-learn; the loss is the mean cross-entropy, that of one draw
    is over `minibatch` digits, the same for all instances. The unknowns x, (*batch, n), are the weights W1, b1,
    W2, b2 in a row. They start at x0: weights from N(0, 1/inputs), since x = 0 is a saddle point.
    """
    from sklearn.datasets import load_digits

    like: dict[str, Any] = {"dtype": dtype, "device": device}
    images, labels = load_digits(return_X_y=True)
    pixels = torch.tensor(images / 16, **like)
    classes = torch.tensor(labels, dtype=torch.long, device=device)
    shapes = ((hidden, pixels.shape[1]), (hidden,), (CLASSES, hidden), (CLASSES,))
    sizes = [int(np.prod(shape)) for shape in shapes]

    def loss(x: Tensor, rows: Tensor | slice) -> Tensor:
        W1, b1, W2, b2 = (part.unflatten(-1, shape) for part, shape in zip(x.split(sizes, -1), shapes, strict=True))
        inner = torch.sigmoid(pixels[rows] @ W1.mT + b1.unsqueeze(-2))
        scores = (inner @ W2.mT + b2.unsqueeze(-2)).log_softmax(-1)     # (..., rows, classes)
        right = classes[rows].expand(scores.shape[:-1]).unsqueeze(-1)
        return -scores.gather(-1, right).mean(-2)

    def draw(generator: torch.Generator | None) -> Callable[[Tensor], Tensor]:
        rows = torch.randperm(len(classes), generator=generator, device=generator.device if generator else None)
        chosen = rows[:minibatch].to(device)
        return lambda x: loss(x, chosen)

    start = torch.Generator().manual_seed(seed)
    parts = [torch.randn(*batch, *shape, generator=start, dtype=dtype) / shape[1] ** 0.5 if len(shape) == 2
             else torch.zeros(*batch, *shape, dtype=dtype) for shape in shapes]
    x0 = torch.cat([part.flatten(len(batch)) for part in parts], -1).to(device)
    return {"f": lambda x: loss(x, slice(None)), "n": sum(sizes), "batch": batch, "minibatch": draw, "x0": x0,
            "like": like}
