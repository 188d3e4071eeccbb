"""One problem instance and the functions of the rules, in NumPy, written from their definitions.

Everything here is analytic in its real arguments and takes complex ones: v + i*h*d comes out as f(v) + i*h*f'(v)*d up
to h^2, so that with h = 1e-30 one run yields values and a directional derivative, both to rounding. Branches look at
the real part. Nothing may use np.abs, np.conj, np.maximum or np.linalg.norm on what depends on weights.
"""
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]  # float64, or complex128 in a run that differentiates
Weights = dict[str, Array]  # under the names of the module's `named_parameters` and buffers

MARGIN = 1e-3  # open intervals keep this relative distance from both ends


@dataclass(frozen=True)
class Instance:
    """f(x) = 1/2*||A*x - b||_2^2, r(x) = lam*||x - center||_1: A (m, n), b (m,), lam a number, center (n,)."""

    A: Array
    b: Array
    lam: float
    x_true: Array
    center: Array
    start: Array  # the first hidden state of a network that starts at random, (layers, 2, hidden, n)

    @property
    def L(self) -> float:
        """||A||_2^2, the Lipschitz constant of grad f"""
        return float(np.linalg.norm(self.A, 2) ** 2)

    @property
    def zero(self) -> Array:
        return np.zeros(self.A.shape[1])

    def grad_f(self, x: Array) -> Array:
        return self.A.T @ (self.A @ x - self.b)

    def subgrad_F(self, x: Array) -> Array:
        """0 at kinks"""
        return self.grad_f(x) + self.lam * np.sign((x - self.center).real)

    def stochgrad_f(self, x: Array, k: int) -> Array:
        """From three equations in turn, times m/3"""
        m = len(self.b)
        rows = [(3 * k + i) % m for i in range(3)]
        return m / 3 * self.A[rows].T @ (self.A[rows] @ x - self.b[rows])

    def prox_r(self, v: Array, P: Array | float) -> Array:
        return self.center + soft(v - self.center, self.lam * P)

    def F(self, x: Array) -> Array:
        residual = self.A @ x - self.b
        return residual @ residual / 2 + self.lam * np.sum(size(x - self.center))


# ---- of numbers --------------------------------------------------------------------------------------------
def detached(v: Array) -> Array:
    """No derivative passes."""
    return np.real(v)


def size(v: Array) -> Array:
    """|v|"""
    return np.where(np.real(v) < 0, -v, v)


def larger(v: Array, low: float) -> Array:
    return np.where(np.real(v) < low, low, v)


def smaller(v: Array, high: float) -> Array:
    return np.where(np.real(v) > high, high, v)


def relu(v: Array) -> Array:
    return larger(v, 0)


def elu(v: Array) -> Array:
    return np.where(np.real(v) > 0, v, np.exp(smaller(v, 0)) - 1)


def sigmoid(v: Array) -> Array:
    return 1 / (1 + np.exp(-v))


# ---- of vectors --------------------------------------------------------------------------------------------
def norm_1(v: Array) -> Array:
    return np.asarray(size(v).sum())


def soft(v: Array, theta: Array | float) -> Array:
    return np.where(size(v).real > np.real(theta), v - np.sign(np.real(v)) * theta, 0)


def soft_ss(v: Array, theta: Array | float, p: float) -> Array:
    """Soft-thresholding that lets the share p of the largest entries pass, those above theta."""
    height = np.abs(np.real(v))
    chosen = (height > np.real(theta)) & (height > np.quantile(height, 1 - p))
    return np.where(chosen, v, soft(v, theta))


# ---- raw weights into their ranges -------------------------------------------------------------------------
def between(raw: Array, low: float, high: float, margin: float = MARGIN) -> Array:
    """Sigmoid from end to end, without the margins"""
    first, last = low + margin * (high - low), high - margin * (high - low)
    return first + (last - first) * sigmoid(raw)


def within(raw: Array, bound: float) -> Array:
    """tanh(raw/2) is the sigmoid from -1 to 1."""
    return bound * np.tanh(raw / 2)


def at_least(raw: Array, low: float) -> Array:
    return low + size(raw)


# ---- weights that come from the dictionary -----------------------------------------------------------------
def analytic_weight(A: Array) -> Array:
    """Each column w_i alone: the least ||A'*w||_2^2 with w'*a_i = 1."""
    inverse = np.linalg.inv(A @ A.T)
    columns = [inverse @ a / (a @ inverse @ a) for a in A.T]
    return np.array(columns).T


def symmetric_weight(A: Array) -> Array:
    """Q*A with the least ||A'*Q*A||_F^2 over all Q with a_i'*Q*a_i = 1, from its linear equations in the entries of Q.

    The least one is symmetric by itself: the transpose of another would be as good, and their mean better.
    """
    m, n = A.shape
    gram, constraints = A @ A.T, np.array([np.kron(a, a) for a in A.T])
    equations = np.block([[np.kron(gram, gram), constraints.T], [constraints, np.zeros((n, n))]])
    Q = np.linalg.lstsq(equations, np.concatenate([np.zeros(m * m), np.ones(n)]), rcond=None)[0][: m * m]
    return Q.reshape(m, m) @ A


def whitening(A: Array) -> Array:
    """sqrt(n/m)*(A*A')^(-1/2): from the SVD A = U*diag(s)*V', it is sqrt(n/m)*U*diag(1/s)*U'."""
    U, s, _ = np.linalg.svd(A, full_matrices=False)
    return (A.shape[1] / A.shape[0]) ** 0.5 * (U / s) @ U.T


def coherence(W: Array, A: Array) -> float:
    """max over i != j of |w_i'*a_j|"""
    n = A.shape[1]
    return max(float(abs(W[:, i] @ A[:, j])) for i in range(n) for j in range(n) if i != j)
