"""What follows from a problem's formulas: gradient, a certified Lipschitz bound, the prox, convexity and growth,
and what certifies that a point is nearly a minimizer."""

from .bounds import modulus, radius
from .prox import prox
from .smooth import coercive, convex, gradient, lipschitz, rows, strong
from .terms import Term, Unknown, split, stable

__all__ = [
    "Term", "Unknown", "coercive", "convex", "gradient", "lipschitz", "modulus", "prox", "radius", "rows", "split",
    "stable", "strong",
]  # fmt: skip
