"""The command line. Every command takes files, folders, names of shipped specs, or a bare rule with -e.

Exit code 0: fine; 1: the input has mistakes; 2: wrong usage. check, compile, fmt and show never import torch.
"""

from . import check, compile, evaluate, train
from .base import main

__all__ = ["check", "compile", "evaluate", "main", "train"]
