"""What the user most likely meant by a word: another case or order of letters, a plural, a forgotten `_k`, or the word
that papers and other tools use for the same thing."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

SYNONYMS = {
    "soft": "shrink shrinkage softthresh soft_thresh soft_threshold softthreshold softthresholding soft_thresholding",
    "grad": "gradient nabla del", "subgrad": "subgradient", "stochgrad": "sgrad stochastic_gradient minibatch_grad",
    "prox": "proximal proximity prox_op", "pinv": "pseudo_inverse pseudoinverse", "inv": "inverse",
    "clip": "clamp", "max": "maximum", "min": "minimum", "sign": "sgn", "abs": "absolute", "mean": "average avg",
    "detach": "stop_gradient stopgrad stop_grad no_grad", "where": "if_else ifelse select", "sigmoid": "logistic expit",
    "lam": "lambda lmbda lamda reg", "lambda": "lam lmbda lamda",
    "batch": "batch_size batchsize minibatch", "steps": "epochs epoch num_steps n_steps updates",
    "horizon": "max_iter maxiter iterations iters unroll unroll_length num_iter", "layers": "depth num_layers n_layers",
    "optimizer": "optim optimiser opt", "clip_norm": "clip grad_clip clip_grad max_norm", "seed": "random_seed rng",
    "dtype": "precision", "patience": "early_stopping early_stop", "truncate": "tbptt truncation bptt",
    "loss": "objective criterion", "on": "problem dataset data", "validate": "validation val",
    "rate": "lr learning_rate schedule scheduler",
    "hidden": "hidden_size hidden_dim units width", "head": "output_size head_size", "gaussian": "normal randn",
    "sparse_gaussian": "sparse sparse_normal", "bernoulli_gaussian": "bernoulli",
    "smooth": "lipschitz l_smooth differentiable",
    "proximable": "proximal prox_friendly proxable simple",
    "convex": "cvx", "sparse": "sparsity k_sparse", "R": "Real real reals float", "diag": "diagonal",
    "sym": "symmetric",
    "fixed_point": "fixpoint fixed fp", "convergence": "converges converge", "proved": "true yes proven verified",
    "refuted": "false no disproved", "conditional": "maybe", "update": "step iterate iteration", "parameters": "params",
    "state": "states vars", "problem": "objective", "networks": "network nets", "train": "training", "data": "inputs",
    "sample": "sampling", "learned": "trainable learnable", "fixed": "const constant", "precomputed": "computed",
    "minimize": "minimise min argmin", "recover": "reconstruct", "with": "where subject st", "init": "initial start",
}  # fmt: skip
"""The language's word -> what others call it."""
MEANS: dict[str, list[str]] = {}
for _word, _others in SYNONYMS.items():
    for _other in _others.split():
        MEANS.setdefault(_other, []).append(_word)

ADVICE = {
    "norm": "write `||x||_2` for the Euclidean norm, `||x||_1` for the sum of absolute values",
    "l1": "write `||x||_1`", "l2": "write `||x||_2`", "norm1": "write `||x||_1`", "norm2": "write `||x||_2`",
    "transpose": "write `A'` for the transpose", "T": "write `A'` for the transpose",
    "dot": "write `<u, v>` for the inner product", "inner": "write `<u, v>` for the inner product",
    "vdot": "write `<u, v>` for the inner product",
    "matmul": "write `A*x` for a product", "mm": "write `A*x` for a product",
    "mul": "write `u .* v` for the product of entries", "pow": "write `x^2` for a power, `v .^ 2` for those of entries",
    "square": "write `x^2`, or `v .^ 2` for the squares of entries",
    "eye": "write `I` for the identity", "identity": "write `I` for the identity", "Id": "write `I` for the identity",
    "zeros": "write `0`: a number stands for a constant vector",
    "ones": "write `1`: a number stands for a constant vector",
    "zeros_like": "write `0`: a number stands for a constant vector",
    "argmin": "write `prox_r,P(v)` for the minimizer of r(z) + ||z - v||^2/2 in the metric of P",
    "learning_rate": "write `optimizer adam(rate = 1e-3)`", "lr": "write `optimizer adam(rate = 1e-3)`",
}  # fmt: skip
"""Words for what has a notation of its own here."""


def nearest(word: str, candidates: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The candidate the user most likely meant, or None."""
    pool = sorted(set(candidates) - {word})
    plain = _plain(word)
    for candidate in pool:
        if _plain(candidate) == plain:
            return candidate
    for other in MEANS.get(word, []) or MEANS.get(word.lower(), []):
        if other in pool:
            return other
    stem = _stem(plain)
    for candidate in pool:
        if len(stem) > 1 and _stem(_plain(candidate)) == stem:
            return candidate
    if len(word) > 2:
        for candidate in pool:
            if len(candidate) > 2 and edited_once(word, candidate):
                return candidate
    found = get_close_matches(word, pool, n=1, cutoff=cutoff)
    return found[0] if found else None


def sure(word: str, meant: str) -> bool:
    """Whether a word is so near to another that it can be replaced unseen: another case, or one slip of a finger."""
    return _plain(word) == _plain(meant) or (len(word) > 3 and edited_once(word, meant))


def edited_once(a: str, b: str) -> bool:
    """Whether one letter added, left out, replaced, or swapped with its neighbour makes one word of the other."""
    if len(a) > len(b):
        a, b = b, a
    start = next((i for i, (p, q) in enumerate(zip(a, b, strict=False)) if p != q), len(a))
    rest, other = a[start:], b[start:]
    if len(a) < len(b):
        return rest == other[1:]
    return rest[1:] == other[1:] or (rest[:2] == other[1::-1] and rest[2:] == other[2:])


def _plain(word: str) -> str:
    return word.lower().replace("_", "")


def _stem(plain: str) -> str:
    """Without the `k` of one value per iteration, or a plural's s."""
    return plain.removesuffix("k").removesuffix("s")
