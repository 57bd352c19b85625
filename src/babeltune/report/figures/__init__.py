"""Figures: the paper's, each by its number, and two more; every one from a study's results and the name of a model.

A figure whose data a study lacks raises ``NotDrawnError``, which says what it needs. ``catalogue`` says which there are.
"""

from babeltune.errors import NotDrawnError
from babeltune.report.figures.files import FORMATS, Format, save

__all__ = ("FORMATS", "Format", "NotDrawnError", "save")
