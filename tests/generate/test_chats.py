"""A model that runs here, asked as a server is: in its own chat format, every reply in the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from babeltune.errors import EngineError
from babeltune.generate.chats import LocalChats
from babeltune.generate.ledger import Ledger
from babeltune.records import Request, Sampling
from babeltune.study.check import open_study
from babeltune.study.executors.local import run
from doubles import study_file, tiny_model
from scripted import ScriptedEngine

TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.fixture(scope="module")
def chatting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that was taught to chat, as far as its folder says."""
    folder = tiny_model(tmp_path_factory.mktemp("chatting") / "chatting")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 4096}))  # room for the rubric
    return folder


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as found:
        yield found


def request(name: str, prompt: str, system: str | None = "Judge.", seed: int = 42) -> Request:
    return Request(name, "cell", prompt, Sampling(temperature=0.0, max_tokens=8), seed, system=system)


def test_a_chat_is_written_in_the_models_own_format(chatting: Path, ledger: Ledger) -> None:
    asked: list[str] = []

    def answer(one: Request) -> str:
        asked.append(one.prompt)
        return "fine"

    engine = LocalChats(ScriptedEngine(answer), chatting, "chatting", ledger)
    (output,) = engine.complete([request("a", "How are you?")])
    assert asked == ["<system>Judge.\n<user>How are you?\n<assistant>"]
    assert output.text == "fine"
    (entry,) = ledger.entries()
    assert (entry.state, entry.text, entry.purpose, entry.item, entry.cost) == ("answered", "fine", "cell", "a", 0.0)
    list(engine.complete([request("b", "And now?", system="")]))
    assert asked[1:] == ["<user>And now?\n<assistant>"]
    list(engine.complete([request("c", "to be continued", system=None)]))
    assert asked[2:] == ["to be continued"]


def test_what_the_ledger_has_is_not_asked_again_and_equal_requests_are_asked_once(
    chatting: Path, ledger: Ledger
) -> None:
    asked: list[str] = []

    def answer(one: Request) -> str:
        asked.append(one.id)
        return "" if "nothing" in one.prompt else f"said to {one.prompt[-30:]}"

    engine = LocalChats(ScriptedEngine(answer), chatting, "chatting", ledger)
    first = list(
        engine.complete([request("a", "One?"), request("b", "One?"), request("c", "Two?"), request("d", "nothing")])
    )
    assert asked == ["a", "c", "d"]
    assert {one.id: one.text for one in first}["a"] == {one.id: one.text for one in first}["b"]
    again = list(
        engine.complete([request(name, prompt) for name, prompt in (("a", "One?"), ("c", "Two?"), ("d", "nothing"))])
    )
    assert asked == ["a", "c", "d", "d"]  # an empty reply is no answer
    assert {one.id: one.text for one in again if one.id != "d"} == {one.id: one.text for one in first if one.id in "ac"}
    list(engine.complete([request("a", "One?", seed=43)]))
    assert asked[4:] == ["a"]  # another seed is another request


def test_a_model_that_was_never_taught_to_chat_is_refused(model_folder: Path, ledger: Ledger) -> None:
    engine = LocalChats(ScriptedEngine(lambda one: "x"), model_folder, "tiny", ledger)
    with pytest.raises(EngineError, match="was never taught to chat"):
        list(engine.complete([request("a", "How are you?")]))


def test_a_study_is_judged_by_a_model_that_runs_here(tmp_path: Path, model_folder: Path, chatting: Path) -> None:
    study = study_file(
        tmp_path,
        model_folder,
        mixes={"mono": {"en": 12}},
        tasks={"dialogue": {"split": "dev", "languages": ["en"]}},
        judge={"model": str(chatting), "engine": "transformers", "sample": 2, "max_tokens": 6, "attempts": 2},
    )
    opened = open_study(study, tmp_path / "runs")
    run(opened, lambda event: None)
    facts = [opened.store.facts(step) for step in opened.plan.of("judge")]
    assert [one["asked"] + one["skipped"] for one in facts] == [2, 2]
    assert sum(one["failed"] + one["unsent"] for one in facts) == 0
    with Ledger(tmp_path / "runs" / "tiny" / "ledger.sqlite") as found:
        assert {entry.model.rpartition(" ")[0] for entry in found.entries()} == {str(chatting)}
    assert run(open_study(study, tmp_path / "runs"), lambda event: None).steps == 0
