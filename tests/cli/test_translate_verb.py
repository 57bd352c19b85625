"""The verb ``translate``: files that babeltune reads itself, an audit, and nothing asked twice."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import faultserver
from babeltune.data.identify import FastText, lid176_path
from babeltune.data.sources import read_chats
from babeltune.generate import endpoint
from babeltune.generate.ledger import Ledger
from babeltune.measure.tasks.dialogue import Dialogue
from babeltune.records import Request, Sampling
from calls import Call
from scripted import ScriptedEngine

WORDS = {
    "Where does the river begin?": ("Wo entspringt der Fluss eigentlich?", "¿Dónde nace realmente el río?"),
    "It begins high up in the mountains, where the snow melts.": (
        "Er entspringt hoch oben in den Bergen, wo der Schnee schmilzt.",
        "Nace en lo alto de las montañas, donde se derrite la nieve.",
    ),
    "What should I cook for my friends tonight?": (
        "Was soll ich heute Abend für meine Freunde kochen?",
        "¿Qué debería cocinar esta noche para mis amigos?",
    ),
    "A soup of leeks and potatoes, as it is cold outside.": (
        "Eine Suppe aus Lauch und Kartoffeln, denn draußen ist es kalt.",
        "Una sopa de puerros y patatas, porque fuera hace frío.",
    ),
}
ASKED, SAID = list(WORDS)[::2], list(WORDS)[1::2]


def translation(prompt: str) -> str:
    text = re.search(r"Original:\n(.*)\n\nTranslation into", prompt, re.DOTALL)
    if text is None:
        return "ready"
    for english, (german, spanish) in WORDS.items():
        prompt = prompt.replace(english, german if prompt.endswith("German:") else spanish)
    found = re.search(r"Original:\n(.*)\n\nTranslation into", prompt, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def alpaca(tmp_path: Path) -> Path:
    """Prompts as AlpacaEval has them: one array, no ids."""
    path = tmp_path / "alpaca_eval.json"
    path.write_text(json.dumps([{"instruction": text, "dataset": "koala"} for text in ASKED]))
    return path


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    path = tmp_path / "chats.jsonl"
    rows = [
        {"id": f"c{at}", "text": f"### Human: {asked}### Assistant: {said}"}
        for at, (asked, said) in enumerate(zip(ASKED, SAID, strict=True))
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """A translator without a server; what it was asked."""
    asked: list[Request] = []

    def answer(request: Request) -> str:
        asked.append(request)
        return translation(request.prompt)

    monkeypatch.setattr(endpoint, "EndpointEngine", lambda *_, **__: ScriptedEngine(answer))
    return asked


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[faultserver.Server, str]]:
    """A translator behind real HTTP; 10 tokens a word cost what the test says."""
    monkeypatch.setattr(faultserver, "answer", lambda prompt, seed: translation(prompt))
    made = faultserver.Server(models=("mt-1",), key=faultserver.KEY)
    monkeypatch.setenv("MT_KEY", faultserver.KEY)
    with faultserver.running(made) as url:
        yield made, url


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def test_prompts_become_items_of_the_same_ids_in_every_language(
    babeltune: Call, alpaca: Path, tmp_path: Path, scripted: list[Request]
) -> None:
    out = tmp_path / "alpaca"
    said = babeltune("translate", alpaca, "--to", "de,es", "--out", out, "--model", "mt-1")
    assert said.code == 0
    assert "de 2 2 0 0 0 0 0" in said.words
    reader = Dialogue(out, FastText(lid176_path()), Sampling())
    for language, at in (("de", 0), ("es", 1)):
        items = reader.items(language, "xx:xx")
        assert [(item.id, item.prompt) for item in items] == [
            (str(number), WORDS[text][at]) for number, text in enumerate(ASKED, 1)
        ]
    # The source stands beside them, so that the folder has every language.
    assert [(item.id, item.prompt) for item in reader.items("en", "xx:xx")] == [("1", ASKED[0]), ("2", ASKED[1])]
    assert [request.cell for request in scripted] == ["translate-de"] * 2 + ["translate-es"] * 2
    assert {request.sampling.max_tokens for request in scripted} == {4096}


def test_ids_and_splits_are_kept(babeltune: Call, tmp_path: Path, scripted: list[Request]) -> None:
    path = tmp_path / "prompts.jsonl"
    rows = [{"id": 7, "prompt": ASKED[0], "split": "dev"}, {"id": "b", "prompt": ASKED[1], "split": "test"}]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert babeltune("translate", path, "--to", "de", "--out", tmp_path / "o", "--model", "m").code == 0
    assert lines(tmp_path / "o" / "de.jsonl") == [
        {"id": "7", "split": "dev", "prompt": WORDS[ASKED[0]][0]},
        {"id": "b", "split": "test", "prompt": WORDS[ASKED[1]][0]},
    ]


def test_chats_become_chats(babeltune: Call, chats: Path, tmp_path: Path, scripted: list[Request]) -> None:
    out = tmp_path / "twin"
    said = babeltune("translate", chats, "--chats", "--to", "de", "--out", out, "--model", "mt-1")
    assert said.code == 0
    found = read_chats(str(out / "de.jsonl")).chats
    assert [(one.id, one.language) for one in found] == [("c0", "de"), ("c1", "de")]
    assert [[turn.content for turn in one.turns] for one in found] == [
        [WORDS[asked][0], WORDS[answer][0]] for asked, answer in zip(ASKED, SAID, strict=True)
    ]
    assert all("<S1>" in request.prompt for request in scripted)
    assert [one.text for one in read_chats(str(out / "en.jsonl")).chats] == [
        one.text for one in read_chats(str(chats)).chats
    ]


def test_bad_translations_are_asked_for_again_then_kept_out_and_told(
    babeltune: Call, alpaca: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[int] = []

    def answer(request: Request) -> str:
        if ASKED[0] in request.prompt:
            return translation(request.prompt) if request.seed > 42 else ""
        seeds.append(request.seed)
        return ASKED[1]

    monkeypatch.setattr(endpoint, "EndpointEngine", lambda *_, **__: ScriptedEngine(answer))
    said = babeltune("translate", alpaca, "--to", "de", "--out", tmp_path / "o", "--model", "m", "--retries", "1")
    assert said.code == 0
    assert seeds == [42, 43]
    assert "de 2 1 1 1 0 0 0" in said.words
    assert "de, 2: language: identified as 'en'" in said.out
    assert [row["id"] for row in lines(tmp_path / "o" / "de.jsonl")] == ["1"]
    first, second = lines(tmp_path / "o" / "de.audit")
    assert (first["id"], first["state"], first["tries"], first["earlier"]) == ("1", "good", 2, ["empty"])
    assert (second["state"], second["tries"], second["identified"]) == ("bad", 2, "en")
    assert [flag["kind"] for flag in second["flags"]] == ["language", "untranslated"]


def test_over_http_a_second_run_asks_only_for_what_is_missing(
    babeltune: Call, chats: Path, tmp_path: Path, server: tuple[faultserver.Server, str]
) -> None:
    made, url = server
    out = tmp_path / "twin"
    given = ["translate", chats, "--chats", "--out", out, "--model", "mt-1", "--base-url", url,
             "--key-variable", "MT_KEY", "--price-input", "1", "--price-output", "2"]  # fmt: skip
    dry = babeltune(*given, "--to", "de", "--dry-run")
    assert (dry.code, made.asked) == (0, 0)
    assert not out.exists()
    assert re.search(r"de 2 0 \d+ \d+ 0\.000\d", dry.words)
    said = babeltune(*given, "--to", "de")
    assert said.code == 0
    first = made.asked
    assert len(read_chats(str(out / "de.jsonl")).chats) == 2
    assert faultserver.KEY not in said.out + said.err
    before = (out / "de.jsonl").read_bytes()
    # German is in the ledger, Spanish is not.
    assert re.search(r"de 0 2 0 0 0\.0000 es 2 0 \d+", babeltune(*given, "--to", "de,es", "--dry-run").words)
    assert babeltune(*given, "--to", "de").code == 0
    assert made.asked == first
    assert (out / "de.jsonl").read_bytes() == before
    assert babeltune(*given, "--to", "de,es").code == 0
    # Once more the question whether the server answers, and two chats.
    assert made.asked <= first + 3
    assert len(read_chats(str(out / "es.jsonl")).chats) == 2
    with Ledger(out / "ledger.sqlite") as book:
        assert {purpose for _, _, purpose in book.counts()} >= {"translate-de", "translate-es"}


def test_over_http_the_cap_leaves_chats_unsent_and_says_so(
    babeltune: Call, chats: Path, tmp_path: Path, server: tuple[faultserver.Server, str]
) -> None:
    given = ["translate", chats, "--chats", "--to", "de", "--out", tmp_path / "o", "--model", "mt-1", "--base-url",
             server[1], "--key-variable", "MT_KEY", "--price-input", "100", "--price-output", "100",
             "--concurrency", "1"]  # fmt: skip
    # A chat reserves 4,096 tokens and some 900 bytes at 0.0001 dollars each: 0.3 dollars hold none, 10 both.
    said = babeltune(*given, "--max-cost", "0.3")
    assert said.code == 1
    assert "2 were not sent, as --max-cost would have been passed: raise it and go on" in said.words
    assert "leaves no room" not in said.words
    assert lines(tmp_path / "o" / "de.jsonl") == []
    assert babeltune(*given, "--max-cost", "10").code == 0
    assert len(lines(tmp_path / "o" / "de.jsonl")) == 2


def test_a_wrong_key_ends_the_run_before_anything_is_written(
    babeltune: Call,
    alpaca: Path,
    tmp_path: Path,
    server: tuple[faultserver.Server, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MT_KEY", "sk-wrong-0123456789")
    said = babeltune("translate", alpaca, "--to", "de", "--out", tmp_path / "o", "--model", "mt-1", "--base-url",
                     server[1], "--key-variable", "MT_KEY")  # fmt: skip
    assert said.code == 1
    assert "MT_KEY" in said.err
    assert "sk-wrong" not in said.out + said.err
    assert not (tmp_path / "o" / "de.jsonl").exists()


def test_a_model_of_this_machine_answers_and_is_kept_in_the_ledger(
    babeltune: Call, alpaca: Path, tmp_path: Path, model_folder: Path
) -> None:
    from transformers import AutoTokenizer

    given = [
        "translate",
        alpaca,
        "--to",
        "de",
        "--out",
        tmp_path / "o",
        "--engine",
        "transformers",
        "--max-tokens",
        "4",
    ]
    untaught = babeltune(*given, "--model", model_folder)
    assert (untaught.code, "was never taught to chat" in untaught.err) == (1, True)
    taught = tmp_path / "taught"
    taught.mkdir()
    for file in model_folder.iterdir():
        (taught / file.name).write_bytes(file.read_bytes())
    tokenizer = AutoTokenizer.from_pretrained(taught)
    tokenizer.chat_template = "{% for one in messages %}{{ one['content'] }}\n{% endfor %}"
    tokenizer.save_pretrained(taught)
    said = babeltune(*given, "--model", taught)
    # A random model says nothing that passes.
    assert said.code == 0
    assert "de 2 0 0 2 0 0 0" in said.words
    with Ledger(tmp_path / "o" / "ledger.sqlite") as book:
        assert book.spent().calls == 6


def test_wrong_options_are_told_all_at_once(babeltune: Call, alpaca: Path, tmp_path: Path) -> None:
    said = babeltune(
        "translate", alpaca, "--to", "de,ger,de,en", "--out", tmp_path / "o", "--model", "m", "--engine", "vllm",
        "--protocol", "as-is", "--max-cost", "3", "--price-input", "1",
    )  # fmt: skip
    assert said.code == 2
    for told in (
        "--to: unknown language 'ger'. Did you mean 'de' (German)?",
        "--to: names a language twice",
        "--to: 'en' is the language of the source",
        "--engine: unknown engine 'vllm'",
        "--protocol: unknown protocol 'as-is'",
        "--price-input, --price-output: only one is given",
    ):
        assert told in said.err
    capped = babeltune("translate", alpaca, "--to", "de", "--out", tmp_path / "o", "--model", "m", "--max-cost", "3")
    assert "--max-cost: given without the model's price. Add --price-input and --price-output" in capped.err
    local = babeltune(
        "translate", alpaca, "--to", "de", "--out", tmp_path / "o", "--model", "m", "--engine", "transformers"
    )
    assert "--model: 'm' is no folder of a model" in local.err
    assert not (tmp_path / "o").exists()


def test_sources_that_cannot_be_read_are_told_with_their_lines(babeltune: Call, tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "Good."}\n{"prompt": ""}\n{broken\n{"text": "x"}\n')
    given = ["--to", "de", "--out", tmp_path / "o", "--model", "m"]
    said = babeltune("translate", path, *given)
    assert said.code == 2
    for told in ("prompts.jsonl:2: field 'prompt': is empty", "prompts.jsonl:3: broken JSON", "prompts.jsonl:4: field"):
        assert told in said.err
    missing = babeltune("translate", tmp_path / "none.jsonl", *given)
    assert (missing.code, "there is no such file" in missing.err) == (2, True)
    assert "is a folder" in babeltune("translate", tmp_path, *given).err
    assert babeltune("translate", path, "--chats", *given).code == 2


def test_the_source_is_not_written_over(babeltune: Call, tmp_path: Path, scripted: list[Request]) -> None:
    path = tmp_path / "de.jsonl"
    path.write_text(json.dumps({"prompt": ASKED[0]}) + "\n")
    said = babeltune("translate", path, "--to", "de", "--out", tmp_path, "--model", "m")
    assert (said.code, "de.jsonl is the source" in said.err, scripted) == (2, True, [])
    own = tmp_path / "en.jsonl"
    own.write_bytes(path.read_bytes())
    assert babeltune("translate", own, "--to", "es", "--out", tmp_path, "--model", "m").code == 0
    assert own.read_bytes() == path.read_bytes()
