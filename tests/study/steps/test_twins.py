"""Translated twins in a study, and a judge that reads translations: a translator over real HTTP that knows some Spanish."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from babeltune.data.sources import POCKET
from babeltune.data.translation import twin
from babeltune.errors import EngineError, MixError
from babeltune.generate.ledger import Ledger
from babeltune.study.artefacts import read_chats, read_lines
from babeltune.study.check import Opened, open_study
from babeltune.study.executors.local import DATA, run
from doubles import study_file
from faultserver import Server, answer, running
from opening import silent

SPANISH = " ".join(
    turn["content"]
    for line in (POCKET / "chats" / "es.jsonl").read_text(encoding="utf-8").splitlines()
    for turn in json.loads(line)["messages"]
)
"""Spanish enough for any length."""
MIXES = {
    "mono": {"en": 12},
    "multi-2": {"en": 8, "es": 4},
    "twin-2": {"translated": 2, "each": 4},
}
CHANGES: dict[str, Any] = {
    "mixes": MIXES,
    "mixing": {"size": 12, "each": 4, "order": ["es"]},
    "tasks": {"dialogue": {"split": "dev", "languages": ["en", "de"]}},
}


@dataclass
class Translator(Server):
    """Answers a chat turn by turn with as much Spanish, and any text with as much English."""

    drops: int = 0
    """So many of the chats lose their second turn, whenever they are asked for."""
    dropped: tuple[str, ...] = ()

    def content(self, prompt: str, body: dict[str, Any]) -> str:
        found = re.search(r"Original:\n(.*)\n\nTranslation into (.*):", prompt, re.DOTALL)
        if found is None:
            return answer(prompt, body.get("seed"))
        text, language = found.groups()
        if language == "English":
            return ("It is a plain answer, and here is more of it. " * 40)[: max(20, len(text))]
        parts = re.split(r"(<S[12]>)", text)[1:]
        if text in self.dropped or len(self.dropped) < self.drops:
            self.dropped = tuple(dict.fromkeys((*self.dropped, text)))
            parts = parts[:2]
        said = [part if part.startswith("<S") else f" {SPANISH[: max(12, len(part))].strip()}\n" for part in parts]
        return "".join(said).strip()


@pytest.fixture
def server() -> Translator:
    return Translator(schemas="json")


@pytest.fixture
def url(server: Translator) -> Iterator[str]:
    with running(server) as at:
        yield at


def opened(folder: Path, model: Path, url: str, **changes: Any) -> Opened:
    translator = {"model": "judge-1", "base_url": url}
    return open_study(study_file(folder, model, **{"translator": translator, **CHANGES, **changes}), folder / "runs")


def translations(server: Server) -> int:
    """Requests for a translation that came to the server."""
    return sum(count for prompt, count in server.counts.items() if "Original:" in prompt)


def chats(study: Opened, mix: str) -> list[Any]:
    (step,) = (step for step in study.plan.steps if step.kind in ("mix", "twin") and step.mix == mix)
    return read_chats(study.store.path(step) / "chats.jsonl")


def test_a_twin_has_the_chats_of_mono_some_of_them_translated(
    tmp_path: Path, model_folder: Path, url: str, server: Translator
) -> None:
    study = opened(tmp_path, model_folder, url)
    run(study, silent, DATA)
    mono, native, twin_2 = (chats(study, mix) for mix in MIXES)
    assert {chat.id for chat in twin_2} == {chat.id for chat in mono}
    assert sum(chat.language == "es" for chat in twin_2) == sum(chat.language == "es" for chat in native) == 4
    # What stays in English is the very English part of the native mix, to the letter.
    assert {chat for chat in twin_2 if chat.language == "en"} == {chat for chat in native if chat.language == "en"}
    originals = {chat.id: chat for chat in mono}
    for chat in (chat for chat in twin_2 if chat.language == "es"):
        assert [turn.role for turn in chat.turns] == [turn.role for turn in originals[chat.id].turns]
        assert chat.turns != originals[chat.id].turns
        assert "<S" not in chat.text
    claims = {
        row["name"]: row["holds"] for row in read_lines(study.store.path(study.plan.of("proof")[0]) / "proof.jsonl")
    }
    assert claims["twins hold the chats of 'mono'"]
    assert claims["every chat of a block is translated"]
    assert claims["no test prompt in translations"]
    asked = server.asked
    assert run(opened(tmp_path, model_folder, url), silent, DATA).steps == 0
    assert server.asked == asked


def test_too_many_bad_translations_refuse_the_mix_and_one_chat_may_stay_behind(
    tmp_path: Path, model_folder: Path, url: str, server: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.drops = 1
    study = opened(tmp_path, model_folder, url)
    with pytest.raises(MixError, match=r"1 of 4 chats have no good translation into 'es'"):
        run(study, silent, DATA)
    (block,) = study.plan.of("translate")
    audit = read_lines(study.store.path(block) / "audit.jsonl")
    (bad,) = (row for row in audit if row["state"] == "bad")
    assert (bad["tries"], [flag["kind"] for flag in bad["checked"]["flags"]]) == (3, ["turns"])
    monkeypatch.setattr(twin, "MOST_LEFT", 0.25)
    run(study, silent, DATA)
    assert sum(chat.language == "es" for chat in chats(study, "twin-2")) == 3
    claims = {row["name"]: row for row in read_lines(study.store.path(study.plan.of("proof")[0]) / "proof.jsonl")}
    assert claims["every chat of a block is translated"]["detail"] == "twin-2 1 of 'es'"


def test_a_translator_that_goes_away_costs_nothing_twice(
    tmp_path: Path, model_folder: Path, url: str, server: Translator
) -> None:
    study = opened(tmp_path, model_folder, url, translator={"model": "judge-1", "base_url": url, "tries": 1})
    server.ratio = 2  # every other request fails, the first try of each being the only one
    with pytest.raises(EngineError, match=r"chats have no translation into 'es' yet"):
        run(study, silent, DATA)
    assert translations(server) == 4
    with Ledger(tmp_path / "runs" / "tiny" / "ledger.sqlite") as ledger:
        kept = sum(entry.purpose.startswith("translate") for entry in ledger.entries(state="answered"))
    assert 0 < kept < 4
    server.ratio = 0
    run(study, silent, DATA)
    assert translations(server) == 4 + (4 - kept)
    assert len(chats(study, "twin-2")) == 12


def test_a_judge_that_reads_translations_reads_the_english_prompts(
    tmp_path: Path, model_folder: Path, url: str, server: Translator
) -> None:
    judge = {
        "model": "judge-1",
        "base_url": url,
        "readings": ["direct", "translated"],
        "off_language": "ask",
        "sample": 5,
    }
    server.keep = True
    study = opened(tmp_path, model_folder, url, mixes={"mono": {"en": 12}}, judge=judge)
    run(study, silent)
    said = [
        body["messages"][-1]["content"] for body in server.bodies if "[BEGIN DATA]" in body["messages"][-1]["content"]
    ]
    rows = {
        (row["metric"], row["language"]): row
        for row in read_lines(study.store.path(study.plan.of("summary")[0]) / "rows.jsonl")
        if row["mix"] == "mono"
    }
    assert rows["helpfulness-raw-translated", "de"]["n"] == 5
    # English needs no translation: both readings are one.
    assert rows["helpfulness-raw", "en"]["value"] == rows["helpfulness-raw-translated", "en"]["value"]
    translated = [text for text in said if "It is a plain answer" in text]
    assert translated
    prompts = [json.loads(line) for line in (POCKET / "dialogue" / "en.jsonl").read_text(encoding="utf-8").splitlines()]
    for text in translated:
        assert any(f"[Task]: {row['prompt']}\n" in text for row in prompts)
    (shift,) = read_lines(study.store.path(study.plan.of("summary")[0]) / "shifts.jsonl")
    assert (shift["model"], shift["language"]) == ("tiny", "de")
    assert shift["translated"] - shift["direct"] == pytest.approx(shift["difference"]["value"])
    counted = read_lines(study.store.path(study.plan.of("summary")[0]) / "histogram.jsonl")
    of_mono = {(row["reading"], row["language"]): 0 for row in counted}
    for row in counted:
        of_mono[row["reading"], row["language"]] += row["count"] if row["mix"] == "mono" else 0
    assert of_mono["translated", "de"] == 5
    assert of_mono["direct", "en"] == of_mono["translated", "en"] == rows["helpfulness-raw", "en"]["n"]
    page = (tmp_path / "runs" / "tiny" / "report" / "index.html").read_text()
    assert "The judge in two languages" in page
