"""Names: what the names of released folders and files say of a run.

Folders and files of the paper's authors, as their repository has them (ZurichNLP/multilingual-instruction-tuning):
``llama_2_7b_hf_mt_ml3_n50_merged/alpaca_eval_instructions_de-none-guanaco_prompt-s0-k50-p0.9-t0.8-b8.jsonl``, beside it
``.json`` (arguments) and ``.eval`` (language agreement), and the judge's ``…-b8-l300-ds42-as42-source-system.jsonl``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from babeltune.languages import LANGUAGES
from babeltune.records import Prompting

Kind = Literal["outputs", "arguments", "agreement", "direct", "translated"]
"""What a file holds; the last two are a judge's scores of answers themselves, and of their English translations."""

BASE = "base"
_MODELS = {
    "llama_2_7b_hf": "Llama-2-7b-hf",
    "llama_2_70b_hf": "Llama-2-70b-hf",
    "llama_3_8b": "Meta-Llama-3-8B",
    "falcon_7b": "falcon-7b",
}
"""The authors' name of a base model -> its name on the hub, which is what a study calls it."""
_ORDER = ("es", "ru", "de", "zh", "fr")
"""In which ``multi-2``, ``multi-3`` … take languages in: by their number in Guanaco (paper, section 3.2)."""
_SIZE, _EACH = 3200, 200
"""Chats of a mix, and of each other language in it (paper, section 3.2)."""
_GUANACO = {
    "es": 3850, "en": 3627, "ru": 754, "de": 351, "zh": 330, "fr": 259, "ca": 250, "th": 167, "pt": 164, "it": 113,
}  # fmt: skip
"""About so many chats of all of Guanaco, by the counts in the authors' script; the other languages have fewer."""

_FOLDER = re.compile(
    r"(?P<base>.+?)_(?P<mt>mt_)?(?:(?P<one>mono)|ml(?P<n>[1-9])(?:_n(?P<each>\d{1,4}))?|(?P<all>guanaco)|(?P<without>[a-z]{2}))"
)
_FILE = re.compile(
    r"(?P<set>.+?)-(?P<context>[^-]+)-(?P<prompt>[^-]+)-s(?P<seed>\d{1,9})-k(?P<k>\d+)-p(?P<p>[\d.]+)-t(?P<t>[\d.]+)"
    r"-b(?P<b>\d+)(?P<rest>.*)"
)
_SETS: tuple[tuple[str, str], ...] = (
    ("dialogue", r"alpaca_eval_instructions_(?P<to>[a-z]{2})"),
    ("xquad", r"xquad_dev_(?P<of>[a-z]{2})_(?P<to>[a-z]{2})"),
    ("xcsqa", r"xcsqa_dev_(?P<of>[a-z]{2})_(?P<to>[a-z]{2})"),
    ("simplification", r"(?P<of>[a-z]{2})[_-](?P<to>[a-z]{2})"),
)
"""Task -> what its test sets are called: language of the instruction, then of the input."""
_JUDGED = re.compile(r"(?:-with_en)?-l\d+-ds\d+-as\d+-(?P<source>source|source_en)-(?P<system>system|system_en)")
MODELS = tuple(_MODELS.values())
"""The paper's models, its main one first."""
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class UnknownNameError(ValueError):
    """A name that says too little, or something that has no place here; the message says what."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """A model and what it was tuned on."""

    model: str
    mix: str
    chats: tuple[tuple[str, int], ...] = ()
    """Chats of each language of the mix, as far as they are known."""
    twin_of: str | None = None
    """Of a mix of translated chats: the mix whose chats were translated."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the name of a file says."""

    kind: Kind
    task: str
    language: str
    prompting: Prompting
    seed: int
    batch: int
    """Requests that the authors' engine had in a batch: it moves their outputs, for its seed was the engine's."""


def tuned(folder: str) -> Tuned:
    """The model and mix of a folder's name; a name of another shape is taken for a model without an adapter.

    Raises:
        UnknownNameError: it is no name that a folder of ours could bear.
    """
    bare = folder.removesuffix("_merged")
    if not _SAFE.fullmatch(bare):
        raise UnknownNameError(
            "holds characters that no model's name has here (letters, digits, dot, dash, underscore)"
        )
    found = _FOLDER.fullmatch(bare)
    if found is None or (found["without"] and found["without"] not in ("en", *_ORDER, "ca")):
        return Tuned(_MODELS.get(bare, bare), BASE)
    if found["base"].endswith("_mtol"):
        raise UnknownNameError("a mix 'mtol' of the authors', of which nothing says what it holds")
    model = _MODELS.get(found["base"], found["base"].replace("_", "-"))
    translated = bool(found["mt"])
    if found["all"]:
        return Tuned(model, "guanaco", tuple(_GUANACO.items()))
    if code := found["without"]:
        others = [one for one in (*_ORDER, "ca") if one != code]
        counts = {"en": _SIZE - _EACH * 5 if code != "en" else _SIZE - _EACH * 6, **dict.fromkeys(others, _EACH)}
        name = f"{'twin-' if translated else ''}without-{code}"
        return Tuned(model, name, tuple(counts.items()), "mono" if translated else None)
    return _multi(model, 1 if found["one"] else int(found["n"]), found["each"], translated)


def makeup(model: str, mix: str) -> Tuned:
    """A model and one of the authors' mixes, by the name that ``tuned`` gives it.

    Raises:
        UnknownNameError: there is no such mix.
    """
    if mix == BASE:
        return Tuned(model, mix)
    if mix == "guanaco":
        return Tuned(model, mix, tuple(_GUANACO.items()))
    if mix == "mono":
        return _multi(model, 1, None, False)
    found = re.fullmatch(r"(multi|twin)-([2-6])(?:-n(\d{1,4}))?", mix)
    if found is None:
        raise UnknownNameError(f"'{mix}' is none of the authors' mixes")
    return _multi(model, int(found[2]), found[3], found[1] == "twin" or found[3] is not None)


def _multi(model: str, n: int, some: str | None, translated: bool) -> Tuned:
    if n > len(_ORDER) + 1:
        raise UnknownNameError(f"a mix of {n} languages, and the authors' largest has {len(_ORDER) + 1}")
    if n == 1:
        return Tuned(model, "mono", (("en", _SIZE),))  # translated or not: there is nothing to translate
    each = int(some or _EACH)
    if each * (n - 1) >= _SIZE:
        raise UnknownNameError(f"{n - 1} times {each} chats leave none of {_SIZE} for English")
    counts = {"en": _SIZE - each * (n - 1), **dict.fromkeys(_ORDER[: n - 1], each)}
    name = f"multi-{n}-n{each}" if some else f"{'twin' if translated else 'multi'}-{n}"
    return Tuned(model, name, tuple(counts.items()), "mono" if translated else None)


def told(stem: str, suffix: str) -> Told:
    """What a file's name says, and by its suffix what is in it.

    Raises:
        UnknownNameError: it is not named as the authors name their files, or its test set is none of ours.
    """
    found = _FILE.fullmatch(stem)
    if found is None:
        raise UnknownNameError("is not named TESTSET-none-PROMPT-sSEED-kK-pP-tT-bB, as the authors' files are")
    task, of, to = _test_set(found["set"])
    if to not in LANGUAGES:
        raise UnknownNameError(f"its language '{to}' is not in the table")
    if of not in (to, "en"):
        raise UnknownNameError(f"its instruction is in '{of}' and its input in '{to}'; known are xx-xx and en-xx")
    prompting: Prompting = "xx:xx" if of == to else "en:xx"
    return Told(_kind(found["rest"], suffix), task, to, prompting, int(found["seed"]), int(found["b"]))


def _test_set(name: str) -> tuple[str, str, str]:
    for task, pattern in _SETS:
        if found := re.fullmatch(pattern, name):
            return task, found.groupdict().get("of") or found["to"], found["to"]
    raise UnknownNameError(f"its test set '{name[:60]}' is none of dialogue, simplification, XQuAD and X-CSQA")


def _kind(rest: str, suffix: str) -> Kind:
    if suffix == ".llm_eval":
        raise UnknownNameError("an earlier judge of the authors', which gave words and no score from 1 to 6")
    if suffix in (".json", ".eval") and not rest:
        return "arguments" if suffix == ".json" else "agreement"
    if suffix == ".jsonl" and not rest:
        return "outputs"
    if suffix == ".jsonl" and rest == "-with_en":
        raise UnknownNameError("English translations for the judge; its own file brings what is needed of them")
    judged = _JUDGED.fullmatch(rest)
    if suffix != ".jsonl" or judged is None:
        raise UnknownNameError(f"what follows the batch size ('{rest[:60]}{suffix}') is not known")
    if judged["system"] == "system_en":
        return "translated"
    if judged["source"] == "source_en":
        raise UnknownNameError("the judge read the English prompt with the untranslated answer")
    return "direct"
