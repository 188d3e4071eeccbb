"""Every mistake that l2ogen can name: one function each, all wording here; `catalog.NAME(...)` calls it.

1xx syntax, 2xx names, 3xx types and shapes, 4xx facts and ranges, 5xx convergence structure, 6xx training and data.
A code never changes its meaning. Every function has a bad example with its full output in tests/bad/.
"""
# ruff: noqa: F403

from .facts import *
from .names import *
from .structure import *
from .syntax import *
from .training import *
from .types import *
