"""Messages to the user: the model, the catalog of mistakes, rendering."""

from . import catalog
from .model import Diagnostic, nearest, one_of
from .render import render, summary

__all__ = ["Diagnostic", "catalog", "nearest", "one_of", "render", "summary"]
