"""Functions that generated modules may need: each gets a copy of those it uses. The compiler reads this as text."""

import torch
from torch import Tensor


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
    chosen = (size > theta) & (size > quantile(size, 1 - p))
    return torch.where(chosen, v, soft(v, theta))


def quantile(v: Tensor, q: Tensor | float) -> Tensor:
    """The q-quantile over the last axis, (..., 1), linear between entries; q is a number or (..., 1)."""
    ordered = v.sort(-1).values
    place = (torch.as_tensor(q, dtype=v.dtype, device=v.device) * (v.shape[-1] - 1)).clamp(0, v.shape[-1] - 1)
    low = place.floor().expand(*v.shape[:-1], 1)
    below, above = (ordered.gather(-1, i.long()) for i in (low, (low + 1).clamp(max=v.shape[-1] - 1)))
    return below + (place - low) * (above - below)


def huber(v: Tensor, delta: Tensor | float) -> Tensor:
    """v^2/2 where |v| <= delta, delta*(|v| - delta/2) beyond, entry by entry."""
    size = v.abs()
    return torch.where(size <= delta, 0.5 * v * v, delta * (size - 0.5 * delta))


def larger(a: Tensor | float, b: Tensor | float) -> Tensor:
    """max(a, b), entry by entry."""
    a, b = (a, b) if isinstance(a, Tensor) else (b, a)
    return torch.maximum(a, b) if isinstance(b, Tensor) else a.clamp(min=b)  # type: ignore[union-attr, arg-type]


def smaller(a: Tensor | float, b: Tensor | float) -> Tensor:
    """min(a, b), entry by entry."""
    a, b = (a, b) if isinstance(a, Tensor) else (b, a)
    return torch.minimum(a, b) if isinstance(b, Tensor) else a.clamp(max=b)  # type: ignore[union-attr, arg-type]


def nonzeros(v: Tensor) -> Tensor:
    """||v||_0, (..., 1)"""
    return (v != 0).to(v.dtype).sum(-1, keepdim=True)


def analytic_weight(A: Tensor) -> Tensor:
    """W (m, n) that minimizes ||W'*A||_F subject to w_i'*a_i = 1: w_i = M*a_i/(a_i'*M*a_i), M = inv(A*A')."""
    M_A = torch.cholesky_solve(A, torch.linalg.cholesky(A @ A.mT))
    return M_A / (A * M_A).sum(-2, keepdim=True)


def symmetric_weight(A: Tensor) -> Tensor:
    """W = G'*G*A (m, n) with G = sqrt(n/m)*inv(A*A')^(1/2): W'*A is symmetric, its diagonal 1 in the mean."""
    m, n = A.shape[-2:]
    return n / m * torch.cholesky_solve(A, torch.linalg.cholesky(A @ A.mT))


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


def between(
    raw: Tensor, low: Tensor | float, high: Tensor | float, margins: tuple[float, float] = (1e-3, 1e-3)
) -> Tensor:
    """Any real number into (low, high), a relative margin away from the ends: no weight can break the range."""
    share = margins[0] + (1 - margins[0] - margins[1]) * torch.sigmoid(raw)
    return low + (high - low) * share


def between_inverse(
    value: Tensor, low: Tensor | float, high: Tensor | float, margins: tuple[float, float] = (1e-3, 1e-3)
) -> Tensor:
    """The raw number that `between` maps to value; from a closed end, which no raw number reaches, a little inside."""
    share = ((value - low) / (high - low) - margins[0]) / (1 - margins[0] - margins[1])
    if not bool(((share >= 0) & (share <= 1)).all()):
        raise ValueError(
            f"initial value {value.flatten()[0]:g} lies outside its range, or in the margin of an open end"
        )
    return torch.logit(share.clamp(1e-4, 1 - 1e-4))


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
    return value - low


def at_most(raw: Tensor, high: Tensor | float) -> Tensor:
    """Any real number into (-inf, high]: high - |raw|, with slope at raw = 0."""
    return high - torch.where(raw < 0, -raw, raw)


def at_most_inverse(value: Tensor, high: Tensor | float) -> Tensor:
    """The raw number that `at_most` maps to value."""
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

    raw*raw' has eigenvalues mu >= 0, S has low + (high - low)*mu/(1 + mu).
    """
    eye = torch.eye(raw.shape[-1], dtype=raw.dtype, device=raw.device)
    gram = raw @ raw.mT
    share = margins[0] * eye + (1 - margins[0] - margins[1]) * symmetric(torch.linalg.solve(eye + gram, gram))
    return low * eye + (high - low) * share


def between_sym_inverse(
    value: Tensor, low: Tensor | float, high: Tensor | float, margins: tuple[float, float] = (1e-3, 1e-3)
) -> Tensor:
    """A raw matrix that `between_sym` maps to value; from a closed end a little inside."""
    eigenvalues, vectors = torch.linalg.eigh(value)
    share = ((eigenvalues - low) / (high - low) - margins[0]) / (1 - margins[0] - margins[1])
    if not bool(((share >= -1e-6) & (share <= 1 + 1e-6)).all()):
        raise ValueError("initial value with eigenvalues outside its range, or in the margin of an open end")
    share = share.clamp(1e-4, 1 - 1e-4)
    return vectors * (share / (1 - share)).sqrt().unsqueeze(-2)


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


def bernoulli_gaussian(*shape: int, density: float, generator: torch.Generator | None, like: dict) -> Tensor:
    """Every entry is N(0, 1) with probability `density`, else 0."""
    mask = torch.rand(*shape, generator=generator, **like) < density
    return torch.randn(*shape, generator=generator, **like) * mask


def with_noise(v: Tensor, snr: float, generator: torch.Generator | None) -> Tensor:
    """v plus Gaussian noise of `snr` dB below the standard deviation of each instance's entries."""
    noise = torch.randn(v.shape, generator=generator, dtype=v.dtype, device=v.device)
    return v + noise * v.std(-1, keepdim=True) * 10 ** (-snr / 20)
