"""Functions that generated modules may need: each gets a copy of those it uses. The compiler reads this as text."""

from collections.abc import Callable

import torch
from torch import Tensor


def start(problem) -> Tensor:  # type: ignore[no-untyped-def]
    """Where the iterate starts: at `problem.x0` where there is one, else at 0; (..., n)"""
    x0 = getattr(problem, "x0", None)
    return problem.zeros() if x0 is None else problem.zeros() + x0


def matvec(M: Tensor, v: Tensor) -> Tensor:
    """M*v for every instance; v enters as a row vector, the fast layout of a batched product."""
    if M.dim() == 2:
        return v @ M.mT
    return (v.unsqueeze(-2) @ M.mT).squeeze(-2)


def soft(v: Tensor, theta: Tensor | float) -> Tensor:
    """sign(v)*max(|v| - theta, 0) for theta >= 0, entry by entry."""
    return v - v.clamp(-theta, theta)  # type: ignore[arg-type]


def soft_ss(v: Tensor, theta: Tensor | float, p: Tensor | float) -> Tensor:
    """Support selection: entries above theta and above the (1 - p)-quantile of |v| pass, others are soft-thresholded.

    No gradient flows through the choice.
    """
    size = v.detach().abs()
    chosen = (size > theta) & (size > below_quantile(size, 1 - p))
    return torch.where(chosen, v, soft(v, theta))


def below_quantile(v: Tensor, q: Tensor | float) -> Tensor:
    """The largest entry that is not above the q-quantile (linear between entries) of the last axis, (..., 1).

    What is above the one is above the other. q is a number, which is faster, or (..., 1).
    """
    last = v.shape[-1] - 1
    if not isinstance(q, Tensor):
        return v.kthvalue(1 + int(min(max(q, 0), 1) * last), -1, keepdim=True).values
    place = (q * last).nan_to_num().clamp(0, last)
    return v.sort(-1).values.gather(-1, place.expand(*v.shape[:-1], 1).long())


def huber(v: Tensor, delta: Tensor | float) -> Tensor:
    """v^2/2 where |v| <= delta, delta*(|v| - delta/2) beyond, entry by entry."""
    size = v.abs()
    return torch.where(size <= delta, 0.5 * v * v, delta * (size - 0.5 * delta))


def larger(a: Tensor | float, b: Tensor | float) -> Tensor:
    """max(a, b), entry by entry; of two numbers the larger one."""
    a, b = (a, b) if isinstance(a, Tensor) else (b, a)
    if isinstance(a, Tensor):
        return torch.maximum(a, b) if isinstance(b, Tensor) else a.clamp(min=b)
    return max(a, b)  # type: ignore[return-value]


def smaller(a: Tensor | float, b: Tensor | float) -> Tensor:
    """min(a, b), entry by entry; of two numbers the smaller one."""
    a, b = (a, b) if isinstance(a, Tensor) else (b, a)
    if isinstance(a, Tensor):
        return torch.minimum(a, b) if isinstance(b, Tensor) else a.clamp(max=b)
    return min(a, b)  # type: ignore[return-value]


def nonzeros(v: Tensor) -> Tensor:
    """||v||_0, (..., 1)"""
    return (v != 0).to(v.dtype).sum(-1, keepdim=True)


def analytic_weight(A: Tensor) -> Tensor:
    """W (m, n) that minimizes ||W'*A||_F subject to w_i'*a_i = 1: w_i = M*a_i/(a_i'*M*a_i), M = inv(A*A').

    Raises ValueError for m > n.
    """
    A = wide(A)
    M_A = torch.cholesky_solve(A, torch.linalg.cholesky(A @ A.mT))
    return M_A / (A * M_A).sum(-2, keepdim=True)


def symmetric_weight(A: Tensor) -> Tensor:
    """W = Q*A (m, n) with the symmetric Q that minimizes ||A'*Q*A||_F subject to a_i'*Q*a_i = 1.

    Q = M*A*diag(l)*A'*M with M = inv(A*A'), by Lagrange; the constraints are (H .* H)*l = 1 with H = A'*M*A. They are
    met in the least-squares sense where they contradict each other, which those of columns of norm 1 never do.
    Computed in float64: H .* H has the fourth power of the columns' norms. Raises ValueError for m > n.
    """
    exact = wide(A).double()
    M_A = torch.cholesky_solve(exact, torch.linalg.cholesky(exact @ exact.mT))
    H = exact.mT @ M_A
    multipliers = torch.linalg.pinv(H.square(), hermitian=True).sum(-1, keepdim=True)
    return (M_A @ (multipliers * H)).to(A.dtype)


def whitening(A: Tensor) -> Tensor:
    """G = sqrt(n/m)*inv(A*A')^(1/2) (m, m), symmetric: G*A is a tight frame, G*A*(G*A)' = (n/m)*I.

    Computed in float64; no gradient where eigenvalues of A*A' are equal. Raises ValueError for m > n.
    """
    exact = wide(A).double()
    eigenvalues, vectors = torch.linalg.eigh(exact @ exact.mT)
    root = (vectors / eigenvalues.sqrt().unsqueeze(-2)) @ vectors.mT
    return ((A.shape[-1] / A.shape[-2]) ** 0.5 * root).to(A.dtype)


def wide(A: Tensor) -> Tensor:
    """A itself. Raises ValueError where it has more rows than columns, which are dependent then."""
    if A.shape[-2] > A.shape[-1]:
        raise ValueError(f"a matrix {tuple(A.shape[-2:])} of dependent rows has no such weight")
    return A


def coherence(W: Tensor, A: Tensor) -> Tensor:
    """The largest |w_i'*a_j|, i != j, (..., 1)."""
    products = (W.mT @ A).abs()
    off = products - torch.diag_embed(torch.diagonal(products, dim1=-2, dim2=-1))
    return off.amax((-2, -1)).unsqueeze(-1)


def spectral_squared(M: Tensor) -> Tensor:
    """||M||_2^2, (..., 1): the largest eigenvalue of the smaller Gram matrix, rounded up so that it is a bound."""
    gram = M @ M.mT if M.shape[-2] < M.shape[-1] else M.mT @ M
    largest = torch.linalg.eigvalsh(gram)[..., -1:]
    return largest * (1 + max(16, *M.shape[-2:]) * torch.finfo(M.dtype).eps)


def smallest_squared(M: Tensor) -> Tensor:
    """min ||M*v||_2^2 over ||v||_2 = 1, (..., 1): the smallest eigenvalue of M'*M, rounded down to a bound."""
    if M.shape[-2] < M.shape[-1]:
        return torch.zeros_like(M[..., 0, :1])
    eigenvalues = torch.linalg.eigvalsh(M.mT @ M)
    rounding = max(16, *M.shape[-2:]) * torch.finfo(M.dtype).eps * eigenvalues[..., -1:]
    return (eigenvalues[..., :1] - rounding).clamp(min=0)


def unit(v: Tensor) -> Tensor:
    """v/||v||_2, and 0 for v = 0."""
    size = torch.linalg.vector_norm(v, dim=-1, keepdim=True)
    return v / torch.where(size > 0, size, 1.0)


def shrink_l2(v: Tensor, theta: Tensor | float) -> Tensor:
    """The prox of theta*||.||_2: v shortened by theta, 0 where it is not longer."""
    size = torch.linalg.vector_norm(v, dim=-1, keepdim=True)
    return v * (1 - theta / size.clamp(min=torch.finfo(v.dtype).tiny)).clamp(min=0)


def group_norms(v: Tensor, size: int) -> Tensor:
    """||v_g||_2 of each group of `size` neighbours, (..., groups)."""
    return torch.linalg.vector_norm(v.unflatten(-1, (-1, size)), dim=-1)


def group_unit(v: Tensor, size: int) -> Tensor:
    """v_g/||v_g||_2 in each group of `size` neighbours, 0 where v_g = 0."""
    return unit(v.unflatten(-1, (-1, size))).flatten(-2)


def shrink_groups(v: Tensor, theta: Tensor | float, size: int) -> Tensor:
    """The prox of theta * the sum of ||v_g||_2 over groups of `size` neighbours; theta is a number or (..., 1)."""
    theta = theta.unsqueeze(-1) if isinstance(theta, Tensor) and theta.dim() else theta
    return shrink_l2(v.unflatten(-1, (-1, size)), theta).flatten(-2)


def indicator(v: Tensor, low: Tensor | float | None, high: Tensor | float | None) -> Tensor:
    """0 where low <= v <= high in every entry, else infinite, (..., 1)."""
    outside = torch.zeros_like(v, dtype=torch.bool)
    if low is not None:
        outside = outside | (v < low)
    if high is not None:
        outside = outside | (v > high)
    return torch.zeros_like(v[..., :1]).masked_fill(outside.any(-1, keepdim=True), torch.inf)


def semidefinite(M: Tensor) -> bool:
    """Whether no eigenvalue is negative, up to rounding."""
    eigenvalues = torch.linalg.eigvalsh(M)
    slack = M.shape[-1] * torch.finfo(M.dtype).eps * eigenvalues.abs().amax(-1)
    return bool((eigenvalues[..., 0] >= -16 * slack).all())


def gradient(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The gradient of f(x), (..., 1), for every instance; differentiable where x is and gradients are recorded."""
    create_graph = torch.is_grad_enabled() and x.requires_grad
    with torch.enable_grad():
        point = x if x.requires_grad else x.detach().requires_grad_()
        (found,) = torch.autograd.grad(f(point).sum(), point, create_graph=create_graph)
    return found


def draw_rows(batch: torch.Size, rows: int, minibatch: int, generator: torch.Generator | None, like: dict) -> Tensor:
    """A weight for each row, (..., rows): rows/minibatch for `minibatch` random rows, else 0; its mean is 1."""
    count = min(minibatch, rows)
    chosen = torch.rand(*batch, rows, generator=generator, **like).argsort(-1)[..., :count]
    return torch.zeros(*batch, rows, **like).scatter(-1, chosen, rows / count)


def between(
    raw: Tensor, low: Tensor | float, high: Tensor | float, margins: tuple[float, float] = (1e-3, 1e-3)
) -> Tensor:
    """Any real number into (low, high), a relative margin away from the ends: no weight can break the range."""
    share = margins[0] + (1 - margins[0] - margins[1]) * torch.sigmoid(raw)
    return low + (high - low) * share


def between_inverse(
    value: Tensor, low: Tensor | float, high: Tensor | float, margins: tuple[float, float] = (1e-3, 1e-3)
) -> Tensor:
    """The raw number that `between` maps to value; from an end, which no raw number reaches, a little inside."""
    share = ((value - low) / (high - low) - margins[0]) / (1 - margins[0] - margins[1])
    return torch.logit(inside(share))


def inside(share: Tensor) -> Tensor:
    """Shares of a range, 0 and 1 moved a little inside. Raises ValueError for what lies outside."""
    if not bool(((share > -1e-6) & (share < 1 + 1e-6)).all()):
        raise ValueError("an initial value lies outside its range, or in the margin of an open end")
    return torch.where(share < 1e-6, 1e-4, torch.where(share > 1 - 1e-6, 1 - 1e-4, share))


def within(raw: Tensor, bound: Tensor | float) -> Tensor:
    """Any real number into [-bound, bound], entry by entry."""
    return bound * (2 * torch.sigmoid(raw) - 1)


def within_inverse(value: Tensor, bound: Tensor | float) -> Tensor:
    """The raw number that `within` maps to value; from an end a little inside."""
    return between_inverse(value, -bound, bound, (0.0, 0.0))


def at_least(raw: Tensor, low: Tensor | float) -> Tensor:
    """Any real number into [low, inf): low + |raw|, so low itself is reached; the slope at raw = 0 is 1, not 0."""
    return low + torch.where(raw < 0, -raw, raw)


def at_least_inverse(value: Tensor, low: Tensor | float) -> Tensor:
    """The raw number that `at_least` maps to value."""
    if not bool((value >= low).all()):
        raise ValueError("an initial value lies outside its range")
    return value - low


def at_most(raw: Tensor, high: Tensor | float) -> Tensor:
    """Any real number into (-inf, high]: high - |raw|, with slope at raw = 0."""
    return high - torch.where(raw < 0, -raw, raw)


def at_most_inverse(value: Tensor, high: Tensor | float) -> Tensor:
    """The raw number that `at_most` maps to value."""
    if not bool((value <= high).all()):
        raise ValueError("an initial value lies outside its range")
    return high - value


def within_norm(raw: Tensor, bound: Tensor | float) -> Tensor:
    """The matrix itself where ||raw||_2 <= bound, else scaled down to that norm."""
    return raw * (bound / larger(spectral_squared(raw), bound**2).sqrt()).unsqueeze(-1)


def within_norm_inverse(value: Tensor, bound: Tensor | float) -> Tensor:
    """The raw matrix that `within_norm` maps to value."""
    if not bool((spectral_squared(value) <= bound**2 * (1 + 1e-5)).all()):
        raise ValueError(f"initial value of norm {spectral_squared(value).max().sqrt():g} lies outside its bound")
    return value


def symmetric(raw: Tensor) -> Tensor:
    """The symmetric part of any square matrix."""
    return (raw + raw.mT) / 2


def symmetric_inverse(value: Tensor) -> Tensor:
    """The raw matrix that `symmetric` maps to value."""
    return value


def between_sym(
    raw: Tensor, low: Tensor | float, high: Tensor | float, margins: tuple[float, float] = (1e-3, 1e-3)
) -> Tensor:
    """Any square matrix into low*I < S < high*I, a relative margin away from the ends.

    raw*raw'/(1 + ||raw||_2^2) has eigenvalues from 0 to 1, however large or singular raw is.
    """
    eye = torch.eye(raw.shape[-1], dtype=raw.dtype, device=raw.device)
    gram = raw @ raw.mT / (1 + spectral_squared(raw)).unsqueeze(-1)
    share = margins[0] * eye + (1 - margins[0] - margins[1]) * gram
    return low * eye + (high - low) * share


def between_sym_inverse(
    value: Tensor, low: Tensor | float, high: Tensor | float, margins: tuple[float, float] = (1e-3, 1e-3)
) -> Tensor:
    """A raw matrix that `between_sym` maps to value; from an end a little inside."""
    eigenvalues, vectors = torch.linalg.eigh(value)
    share = inside(((eigenvalues - low) / (high - low) - margins[0]) / (1 - margins[0] - margins[1]))
    return vectors * (share / (1 - share.amax(-1, keepdim=True))).sqrt().unsqueeze(-2)


def at_least_sym(raw: Tensor, low: Tensor | float) -> Tensor:
    """Any square matrix into S >= low*I: low*I + raw*raw'."""
    return low * torch.eye(raw.shape[-1], dtype=raw.dtype, device=raw.device) + raw @ raw.mT


def at_least_sym_inverse(value: Tensor, low: Tensor | float) -> Tensor:
    """A raw matrix that `at_least_sym` maps to value."""
    eigenvalues, vectors = torch.linalg.eigh(value)
    if not bool((eigenvalues >= low - 1e-6).all()):
        raise ValueError("initial value with eigenvalues outside its range")
    return vectors * (eigenvalues - low).clamp(min=1e-8).sqrt().unsqueeze(-2)


def at_most_sym(raw: Tensor, high: Tensor | float) -> Tensor:
    """Any square matrix into S <= high*I: high*I - raw*raw'."""
    return high * torch.eye(raw.shape[-1], dtype=raw.dtype, device=raw.device) - raw @ raw.mT


def at_most_sym_inverse(value: Tensor, high: Tensor | float) -> Tensor:
    """A raw matrix that `at_most_sym` maps to value."""
    return at_least_sym_inverse(-value, -high)


def quick_tanh(v: Tensor) -> Tensor:
    """tanh(v) through the sigmoid, which is several times faster on a CPU; exact up to one rounding of 1."""
    return 2 * torch.sigmoid(2 * v) - 1


def pooled(v: Tensor) -> Tensor:
    """Mean and root mean square of the entries, (..., 2): what a network sees of a vector of any size."""
    root = torch.linalg.vector_norm(v, dim=-1, keepdim=True) / v.shape[-1] ** 0.5
    return torch.cat((v.mean(-1, keepdim=True), root), -1)


def gaussian(*shape: int, generator: torch.Generator | None, like: dict) -> Tensor:
    """Independent N(0, 1) entries."""
    return torch.randn(*shape, generator=generator, **like)


def columns_normalized(M: Tensor) -> Tensor:
    """Every column scaled to unit 2-norm."""
    return M / torch.linalg.vector_norm(M, dim=-2, keepdim=True)


def sparse_gaussian(*shape: int, generator: torch.Generator | None, like: dict) -> Tensor:
    """Exactly shape[-1] of the shape[-2] entries are N(0, 1), drawn without replacement; the others 0."""
    *batch, n, count = shape
    if count > n:
        raise ValueError(f"{count} of {n} entries can't be nonzero")
    chosen = torch.rand(*batch, n, generator=generator, **like).argsort(-1)[..., :count]
    values = torch.randn(*batch, count, generator=generator, **like)
    return torch.zeros(*batch, n, **like).scatter(-1, chosen, values)


def uniform(
    *shape: int, low: float = 0.0, high: float = 1.0, generator: torch.Generator | None, like: dict
) -> Tensor:
    """Independent entries, uniform in [low, high)."""
    return low + (high - low) * torch.rand(*shape, generator=generator, **like)


def bernoulli(*shape: int, p: float = 0.5, generator: torch.Generator | None, like: dict) -> Tensor:
    """Independent entries: 1 with probability p, else 0."""
    return (torch.rand(*shape, generator=generator, **like) < p).to(like["dtype"])


def rademacher(*shape: int, generator: torch.Generator | None, like: dict) -> Tensor:
    """Independent entries: 1 or -1, with equal probability."""
    return 1 - 2 * (torch.rand(*shape, generator=generator, **like) < 0.5).to(like["dtype"])


def bernoulli_gaussian(*shape: int, density: float, generator: torch.Generator | None, like: dict) -> Tensor:
    """Every entry is N(0, 1) with probability `density`, else 0."""
    mask = torch.rand(*shape, generator=generator, **like) < density
    return torch.randn(*shape, generator=generator, **like) * mask


def with_noise(v: Tensor, snr: float, generator: torch.Generator | None) -> Tensor:
    """v plus Gaussian noise of `snr` dB below the standard deviation of each instance's entries; with inf, v."""
    if snr == float("inf"):
        return v
    noise = torch.randn(v.shape, generator=generator, dtype=v.dtype, device=v.device)
    return v + noise * v.std(-1, keepdim=True) * 10 ** (-snr / 20)


def choice(generator: torch.Generator | None) -> int | None:
    """A seed for the choice of instances in files; None, without a generator: the first ones."""
    if generator is None:
        return None
    return int(torch.randint(2**62, (), generator=generator, device=generator.device))


def data_file(file: str, folder: str | None) -> str:
    """The path of a file in `folder`, else in the folder that L2OGEN_DATA names. Raises FileNotFoundError."""
    import os

    path = os.path.join(folder or os.environ.get("L2OGEN_DATA") or ".", file)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"no file {path}: give `folder`, or set L2OGEN_DATA")
    return path


def load_arrays(
    file: str, shapes: dict[str, tuple[int, ...]], folder: str | None, like: dict,
    batch: int | None = None, chosen: int | None = None,
) -> list[Tensor]:
    """Arrays of an .npz or .npy file in `folder`, else in the folder that L2OGEN_DATA names.

    With `batch` their first axis counts instances, of which so many are taken; a single number stands for all of them.
    `x'` is the transpose of the array x.
    Raises FileNotFoundError; ValueError for a missing array, another shape, too few instances, numbers not finite.
    """
    import numpy as np

    path = data_file(file, folder)
    content = np.load(path, allow_pickle=False)
    found = []
    for key, shape in shapes.items():
        name = key.removesuffix("'")
        if file.endswith(".npz") and name not in content:
            raise ValueError(f"{path} has no array {name}, but {', '.join(content)}")
        array = content[name] if file.endswith(".npz") else content
        if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
            raise ValueError(f"{path}: {name} holds something else than finite numbers")
        array = array.T if key != name else array
        single = not shape and array.size == 1  # of a number for each instance; else (count,) or (count, 1)
        own = batch is not None and not single
        fits = single or array.shape[own:] == shape or (not shape and array.shape[own:] == (1,))
        if not fits or (own and not array.ndim):
            wanted = ("instances", *shape) if own else shape
            raise ValueError(f"{path}: {key} has the shape {array.shape}, not ({', '.join(map(str, wanted))})")
        values = torch.as_tensor(array, **like)
        if single:
            values = values.reshape(1)
        elif batch is not None:
            count = len(values)
            if count < batch:
                raise ValueError(f"{path}: {name} holds {count} instances, not {batch}")
            order = torch.arange(count)
            if chosen is not None:
                order = torch.randperm(count, generator=torch.Generator().manual_seed(chosen))
            values = values[order[:batch].to(values.device)].reshape(batch, *(shape or (1,)))
        found.append(values)
    return found


def load_table(
    file: str, shapes: dict[str, tuple[int, ...]], folder: str | None, like: dict, batch: int | None = None,
) -> list[Tensor]:
    """`labels`, the last column of a .csv file without a heading, and `features`, the others; found like arrays.

    Two words as labels become 0 and 1 in the order of the alphabet. `standardized` are the features, each column with
    mean 0 and deviation 1; a constant one becomes 0. The table is one instance: with `batch` there is an axis for it.
    Raises FileNotFoundError; ValueError for another shape, entries that are no numbers, more than one instance.
    """
    import csv

    import numpy as np

    path = data_file(file, folder)
    with open(path, newline="", encoding="utf-8", errors="replace") as lines:
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines) if row]

    def numbers(rows: list) -> np.ndarray:
        try:
            return np.array(rows, dtype=float)
        except ValueError:
            return np.empty(0)

    table, words = numbers(rows), sorted({row[-1] for row in rows})
    if not table.size and len(words) == 2:
        table = numbers([[*row[:-1], words.index(row[-1])] for row in rows])
    if table.ndim != 2 or not np.isfinite(table).all():
        raise ValueError(f"{path} is no table of finite numbers, with numbers or two words in the last column")
    if batch not in (None, 1):
        raise ValueError(f"{path} is one instance, not {batch}")
    features = table[:, :-1]
    deviation = features.std(0)
    centered = (features - features.mean(0)) / np.where(deviation > 0, deviation, 1)
    content = {"features": features, "standardized": centered, "labels": table[:, -1]}
    for name, shape in shapes.items():
        if content[name].shape != shape:
            raise ValueError(f"{path}: {name} has the shape {content[name].shape}, not {shape}")
    found = [torch.as_tensor(content[name], **like) for name in shapes]
    return found if batch is None else [values.unsqueeze(0) for values in found]
