"""LASSO problems from photographs: 8x8 patches over an overcomplete dictionary.

The published test of learned optimizers on data they were not trained for (Liu et al., ICML 2023) takes
patches of BSDS500; its weight of the l1 norm is 0.5. Where that file is not at hand, the photographs that
come with scikit-learn give a comparable set.
"""
from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

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
