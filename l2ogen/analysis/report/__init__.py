"""All verdicts about one algorithm: computed once, shown as text, as a document or as the JSON of `check --json`."""

from .document import Style, document, markdown
from .text import text
from .verdicts import RANK, Report, TargetReport, examine

__all__ = ["RANK", "Report", "Style", "TargetReport", "document", "examine", "markdown", "text"]
