"""Messages to the user: the model, the catalog of mistakes, rendering."""

from . import catalog
from .independent import Shape, independent
from .model import Diagnostic, one_of
from .render import render, summary
from .suggest import nearest

__all__ = ["Diagnostic", "Shape", "catalog", "independent", "nearest", "one_of", "render", "summary"]
