"""`l2ogen check --weights`: what a trained run makes of a rule, in numbers."""

from .obligations import Measured, draw, measure

__all__ = ["Measured", "draw", "measure"]
