"""Rules run in NumPy float64 on problems of known solution: what proofs are held against and refutations replay."""

from .corners import search
from .cycles import refute_by_huber
from .fitting import instance_for
from .instances import Instance
from .interpreter import CannotRun, start, step
from .parameters import Inadmissible, Parameters
from .recurrences import recurrence, refute_by_quadratic
from .residual import Residual, fixed_point_residual
from .trajectories import run
from .witnesses import refute_fixed_point, replay

__all__ = [
    "CannotRun", "Inadmissible", "Instance", "Parameters", "Residual", "fixed_point_residual", "instance_for",
    "recurrence", "refute_by_huber", "refute_by_quadratic", "refute_fixed_point", "replay", "run", "search",
    "start", "step",
]  # fmt: skip
