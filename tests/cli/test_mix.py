"""The verb ``mix``: what it prints, what it leaves, and that it goes on after whatever ended it."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import transformers
from huggingface_hub import constants

from babeltune.data import card
from babeltune.data import label as label_module
from babeltune.data.label import label
from babeltune.data.sources import POCKET
from babeltune.records import Identified
from babeltune.study.check import open_study
from babeltune.study.executors.local import DATA, run
from calls import Call, Said
from doubles import study_file

MIXES = {"mono": {"en": 12}, "multi-2": {"en": 8, "es": 4}, "mirror": {"en": 4, "es": 8}, "guanaco": None}
TASK = {"dialogue": {"split": "dev", "languages": ["en", "es", "de"]}}
BUNDLED = {"en": 252, "es": 64, "ru": 64, "de": 64, "zh": 64, "fr": 64}
"""Lines of the bundled chats, in the order of ``mixing.order``."""


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """No folded columns, whatever the terminal of the tests."""
    from babeltune.cli.terminal import console

    monkeypatch.setattr(console, "_width", 200)  # that it may go back to none


@pytest.fixture(scope="module")
def done(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A study and a runs folder that holds its mixes, made without a disturbance."""
    folder = tmp_path_factory.mktemp("done")
    study = study_file(folder, model_folder, mixes=MIXES)
    run(open_study(study, folder / "runs"), lambda event: None, DATA)
    return study, folder / "runs"


def files(runs: Path, *, but: str | None = None) -> dict[str, bytes]:
    return {
        str(path.relative_to(runs)): path.read_bytes()
        for path in runs.rglob("*")
        if path.is_file() and path.name != but
    }


def made(runs: Path) -> dict[str, bytes]:
    """All that was made, but for the records, which hold times."""
    return {place: content for place, content in files(runs, but="record.json").items() if not place.endswith("lock")}


def tables(said: Said) -> dict[str, list[list[str]]]:
    """Title of each table -> its rows, without the header."""
    found: dict[str, list[list[str]]] = {}
    title = ""
    for line in said.out.splitlines():
        cells = line.split()
        if line and not line.startswith(" "):
            title = line.strip()
        elif cells and not set(line.strip()) <= {"─"}:
            found.setdefault(title, []).append(cells)
    return {name: rows[1:] for name, rows in found.items()}


def one(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def mix_folder(runs: Path, mix: str) -> Path:
    (folder,) = [path for path in (runs / "tiny" / "data").glob(f"{mix}-*") if "card" not in path.name]
    return folder


def chats_of(runs: Path, mix: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (mix_folder(runs, mix) / "chats.jsonl").read_text().split("\n")[:-1]]


def test_table_3_is_printed_in_the_papers_columns(babeltune: Call, done: tuple[Path, Path]) -> None:
    study, runs = done
    said = babeltune("mix", study, "--runs", runs)
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0].strip() == "Table 3: makeup of the mixes"
    assert lines[2].split() == ["Dataset", "Languages", "%", "NE", "Total"]
    # Shares by hand; every bundled chat is in the mix of everything, 320 of 572 in another language than English.
    assert tables(said)["Table 3: makeup of the mixes"] == [
        ["mono", "en", "0.00%", "12"],
        ["multi-2", "en,", "es", "33.33%", "12"],
        ["mirror", "en,", "es", "66.67%", "12"],
        ["guanaco", "en,", "es,", "ru,", "de,", "zh,", "fr", "55.94%", "572"],
    ]


def test_tokens_and_fertility_of_each_language_are_those_of_the_tokenizer_itself(
    babeltune: Call, done: tuple[Path, Path], model_folder: Path
) -> None:
    study, runs = done
    said = babeltune("mix", study, "--runs", runs)
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_folder)
    rows = tables(said)["by language, tokens of tiny"]
    assert "mix       language   chats    chars    words   tokens   per char   per word" in said.out
    shown = {}
    mix = ""
    for row in rows:
        mix, cells = (row[0], row[1:]) if len(row) == 8 else (mix, row)
        shown[mix, cells[0]] = [cell.replace(",", "") for cell in cells[1:]]
    for name in ("mono", "multi-2", "mirror", "guanaco"):
        groups: dict[str, list[str]] = {}
        for row in chats_of(runs, name):
            groups.setdefault(row["language"], []).append("\n".join(turn["content"] for turn in row["turns"]))
        assert {code for mix, code in shown if mix == name} == set(groups)
        for code, texts in groups.items():
            tokens = sum(len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts)
            characters, words = sum(map(len, texts)), sum(len(text.split()) for text in texts)
            spaced = code != "zh"  # whose words are not written apart
            assert shown[name, code] == [
                str(len(texts)),
                str(characters),
                str(words) if spaced else "-",
                str(tokens),
                f"{tokens / characters:.3f}",
                f"{tokens / words:.2f}" if spaced else "-",
            ]
    assert {code: int(cells[0]) for (mix, code), cells in shown.items() if mix == "guanaco"} == BUNDLED


def test_each_guarantee_is_shown_with_what_it_rests_on(babeltune: Call, done: tuple[Path, Path]) -> None:
    study, runs = done
    checked = babeltune("mix", study, "--runs", runs).out.partition("what was checked")[2]
    for claim in (
        "equal size                                  yes     mono: 12, multi-2: 12, mirror: 12, guanaco: 572",
        "'en' parts nest                             yes     each within the next larger",
        "other languages' parts are the same chats   yes     es: identical where as many, else nested",
        "no chat twice in a mix                      yes     every id once",
        "confidence of at least 0.8                  yes     0 chats below; guanaco takes every chat",
        "no test prompt in training                  yes     whole prompts and 13 words in a row: 0 chats",
    ):
        assert claim in checked


def test_each_mix_is_named_with_its_content_hash_and_its_card(babeltune: Call, done: tuple[Path, Path]) -> None:
    study, runs = done
    said = babeltune("mix", study, "--runs", runs)
    ends = [line for line in said.out.splitlines() if ": content " in line]
    assert [line.partition(":")[0] for line in ends] == list(MIXES)
    for name, line in zip(MIXES, ends, strict=True):
        content, _, path = line.partition(": content ")[2].partition(", card ")
        page = Path(path)
        assert page == one(runs / "tiny" / "data", f"{name}-card-*") / "card.md"
        chats = chats_of(runs, name)
        # As documented: SHA-256 over ids and turns, sorted.
        rows = sorted(repr((c["id"], [(turn["role"], turn["content"]) for turn in c["turns"]])) for c in chats)
        digest = hashlib.sha256("\n".join(rows).encode()).hexdigest()
        assert digest.startswith(content)
        assert len(content) == 16
        assert f"content hash: `{digest}`" in page.read_text()
        data = json.loads(page.with_name("card.json").read_text())
        assert (data["mix"], data["main"], data["content_hash"]) == (name, "en", digest)
        assert sum(part["chats"] for part in data["parts"]) == len(chats)


def test_a_card_says_where_its_chats_come_from_and_where_they_are(done: tuple[Path, Path]) -> None:
    _, runs = done
    page = one(runs / "tiny" / "data", "multi-2-card-*") / "card.md"
    text = page.read_text()
    assert text.startswith("# Mix multi-2\n\n12 chats; 33.33 % not in 'en'.\n")
    for said in (
        "- study: tiny",
        "- source: pocket",
        "- language identification: lid176, confidence of at least 0.8",
        "- usable chats of the source: 568 (dropped: 4 confidence below 0.8)",
        "- draw: as-paper, seed 42",
        "| no test prompt in training | yes |",
    ):
        assert said in text
    (line,) = [line for line in text.splitlines() if line.startswith("- chats: ")]
    assert (page.parent / line.split("`")[1]).is_file()


def test_a_second_call_does_nothing_new(babeltune: Call, done: tuple[Path, Path]) -> None:
    study, runs = done
    first = babeltune("mix", study, "--runs", runs)
    before = files(runs)
    again = babeltune("mix", study, "--runs", runs)
    assert again == first
    assert again.err == ""  # no step ran
    assert files(runs) == before  # the records too


def test_it_tunes_nothing_and_a_plan_sees_what_it_did(babeltune: Call, done: tuple[Path, Path]) -> None:
    study, runs = done
    assert {path.name for path in (runs / "tiny").iterdir()} == {"data", "lock"}
    said = babeltune("plan", study, "--runs", runs)
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in said.out.splitlines() if "│" in line]
    assert {row[0]: (row[2], row[3]) for row in rows[:5]} == {
        "label": ("1", "0"), "mix": ("4", "0"), "proof": ("1", "0"), "card": ("4", "0"), "tune": ("0", "4"),
    }  # fmt: skip


@pytest.mark.parametrize(("point", "count"), [("record", 1), ("record", 4), ("publish", 6), ("record", 8)])
def test_killed_anywhere_it_goes_on_and_ends_with_the_same_bytes(
    babeltune: Call, done: tuple[Path, Path], tmp_path: Path, point: str, count: int
) -> None:
    study, runs = done
    driver = Path(__file__).parents[1] / "faulty_run.py"
    call = [sys.executable, str(driver), str(study), str(tmp_path / "runs"), point, str(count)]
    assert subprocess.run(call, capture_output=True, check=False).returncode == -signal.SIGKILL
    assert made(tmp_path / "runs") != made(runs)
    said = babeltune("mix", study, "--runs", tmp_path / "runs")
    assert said.code == 0
    assert made(tmp_path / "runs") == made(runs)
    assert not list((tmp_path / "runs").rglob("*.partial"))


def test_a_failure_keeps_what_was_finished_and_the_same_command_goes_on(
    babeltune: Call, done: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, runs = done
    real, calls = card.card, 0

    def full(*args: Any) -> card.Card:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise OSError(28, "No space left on device")
        return real(*args)

    monkeypatch.setattr(card, "card", full)
    said = babeltune("mix", study, "--runs", tmp_path / "runs")
    assert said.code == 1
    assert "No space left on device. Mend it and run again; nothing is lost." in said.err
    kept = files(tmp_path / "runs", but="lock")
    assert sum(place.endswith("card.json") for place in kept) == 2
    monkeypatch.undo()
    again = babeltune("mix", study, "--runs", tmp_path / "runs")
    assert again.code == 0
    assert [line for line in again.err.splitlines() if line.startswith(("label", "mix", "proof"))] == []
    assert made(tmp_path / "runs") == made(runs)
    after = files(tmp_path / "runs")
    assert all(after[place] == content for place, content in kept.items() if ".partial" not in place)


def test_a_changed_mix_alone_is_drawn_again(babeltune: Call, done: tuple[Path, Path], model_folder: Path) -> None:
    study, runs = done
    changed = study_file(study.parent, model_folder, mixes={**MIXES, "mirror": {"en": 5, "es": 7}})
    said = babeltune("mix", changed, "--runs", runs)
    assert said.code == 0
    assert [line for line in said.err.splitlines() if line.startswith(("label", "mix"))] == ["mix mirror: 1/1 steps"]
    study_file(study.parent, model_folder, mixes=MIXES)
    back = babeltune("mix", study, "--runs", runs)
    assert (back.code, back.err) == (0, "")  # the first one is still there


def test_a_study_that_is_run_afterwards_tunes_on_these_mixes(done: tuple[Path, Path]) -> None:
    study, runs = done
    opened = open_study(study, runs)
    left = opened.plan.pending(opened.store.done(opened.plan.steps))
    assert {step.kind for step in left} == {"tune", "generate", "score", "summary", "report"}


def test_two_models_have_a_table_each(babeltune: Call, model_folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.symlink_to(model_folder)
    study = study_file(tmp_path, "", models=[str(model_folder), str(other)])
    said = babeltune("mix", study, "--runs", tmp_path / "runs")
    found = tables(said)
    assert found["by language, tokens of tiny"] == found["by language, tokens of other"]


def test_without_the_model_the_mixes_are_made_and_only_tokens_are_missing(
    babeltune: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    study = study_file(tmp_path, "some-org/some-model")
    said = babeltune("mix", study, "--runs", tmp_path / "runs")
    assert said.code == 0
    need = "model some-org/some-model, newest revision (pin one with `revision:`)"
    assert said.out.splitlines()[-1] == f"No token counts: not in the local cache: {need}."
    assert tables(said)["by language"][0][:3] == ["mono", "en", "12"]
    assert "tokens of" not in said.out
    page = one(tmp_path / "runs" / "tiny" / "data", "mono-card-*") / "card.md"
    assert "| language | chats | turns | characters | words |\n" in page.read_text()


def test_a_model_that_arrives_later_has_its_tokens_counted_and_nothing_is_drawn_again(
    babeltune: Call, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    study = study_file(tmp_path, "", models=[{"id": "some-org/tiny", "revision": "a" * 40}])
    assert babeltune("mix", study, "--runs", tmp_path / "runs").code == 0
    snapshots = tmp_path / "hub" / "models--some-org--tiny" / "snapshots"
    snapshots.mkdir(parents=True)
    (snapshots / ("a" * 40)).symlink_to(model_folder)
    said = babeltune("mix", study, "--runs", tmp_path / "runs")
    assert said.code == 0
    assert said.err.splitlines() == ["card mono-card: 1/2 steps", "card multi-2-card: 2/2 steps"]
    assert "by language, tokens of tiny" in said.out
    assert "No token counts" not in said.out


def test_as_run_draws_what_pandas_draws(babeltune: Call, model_folder: Path, tmp_path: Path) -> None:
    """The authors' draw, by pandas itself where it is installed: the English part of a mix from a Mono drawn first."""
    pandas = pytest.importorskip("pandas")
    mixing = {"protocol": "as-run", "seed": 7, "size": 40, "each": 6}
    study = study_file(tmp_path, model_folder, mixes=["mono", "multi-2"], mixing=mixing)
    assert babeltune("mix", study, "--runs", tmp_path / "runs").code == 0
    data = tmp_path / "runs" / "tiny" / "data"
    rows = pandas.read_json(one(data, "chats-*") / "chats.jsonl", lines=True)
    mono = rows[rows.language == "en"].sample(40, random_state=7)
    spanish = rows[rows.language == "es"].sample(6, random_state=7)
    assert sorted(drawn(tmp_path / "runs", "mono")) == sorted(mono.id)
    assert drawn(tmp_path / "runs", "multi-2") == [*mono.sample(34, random_state=7).id, *spanish.id]


def leaking(folder: Path, *, count: int = 11) -> tuple[Path, str]:
    """English chats, one of which asks what the task will ask; and its id."""
    prompts = [json.loads(line) for line in (POCKET / "dialogue" / "en.jsonl").read_text().splitlines()]
    prompt = next(row["prompt"] for row in prompts if row["split"] == "dev")
    answer = "That depends on what you want to do with it, and on how much time there is before the evening."
    turns = [{"role": "user", "content": f" {prompt.upper()} "}, {"role": "assistant", "content": answer * 3}]
    rows = (POCKET / "chats" / "en.jsonl").read_text().splitlines()[:count]
    path = folder / "leaking.jsonl"
    path.write_text("\n".join([*rows, json.dumps({"id": "the-leak", "messages": turns})]) + "\n")
    return path, "the-leak"


def drawn(runs: Path, mix: str) -> list[str]:
    return [row["id"] for row in chats_of(runs, mix)]


@pytest.mark.parametrize("mixes", [{"a": {"en": 12}}, {"a": {"all": True}}], ids=["counts", "every chat"])
def test_a_chat_that_holds_a_test_prompt_stops_the_study_and_is_named(
    babeltune: Call, model_folder: Path, tmp_path: Path, mixes: dict[str, object]
) -> None:
    chats, name = leaking(tmp_path)
    study = study_file(tmp_path, model_folder, chats=str(chats), mixes=mixes)
    said = babeltune("mix", study, "--runs", tmp_path / "runs")
    assert (said.code, said.out) == (1, "")
    assert f"no test prompt in training (whole prompts and 13 words in a row: 1 chats ({name}))" in said.err
    assert said.err.strip().endswith("Set mixing.overlap: leave-out to draw without them.")
    assert not list((tmp_path / "runs").rglob("card.md"))
    assert babeltune("run", study, "--runs", tmp_path / "runs").err == said.err.splitlines()[-1] + "\n"


@pytest.mark.parametrize(
    ("mixes", "chats_left"), [({"a": {"en": 11}}, 11), ({"a": {"all": True}}, 11), ({"a": {"en": 4}}, 4)]
)
def test_left_out_it_is_never_drawn(
    babeltune: Call, model_folder: Path, tmp_path: Path, mixes: dict[str, object], chats_left: int
) -> None:
    chats, name = leaking(tmp_path)
    study = study_file(tmp_path, model_folder, chats=str(chats), mixes=mixes, mixing={"overlap": "leave-out"})
    said = babeltune("mix", study, "--runs", tmp_path / "runs")
    assert said.code == 0
    assert "no test prompt in training yes whole prompts and 13 words in a row: 0 chats" in said.words
    ids = drawn(tmp_path / "runs", "a")
    assert len(ids) == chats_left
    assert name not in ids
    (record,) = (tmp_path / "runs" / "tiny" / "data").glob("chats-*/record.json")
    assert json.loads(record.read_text())["facts"]["dropped"] == {"holds a test prompt": 1}


def test_allowed_it_is_drawn_and_reported(babeltune: Call, model_folder: Path, tmp_path: Path) -> None:
    chats, name = leaking(tmp_path)
    study = study_file(tmp_path, model_folder, chats=str(chats), mixes={"a": {"en": 12}}, mixing={"overlap": "allow"})
    said = babeltune("mix", study, "--runs", tmp_path / "runs")
    assert said.code == 0
    assert name in drawn(tmp_path / "runs", "a")
    (line,) = [line for line in said.out.splitlines() if "no test prompt in training" in line]
    assert " NO " in line
    assert f"1 chats ({name})" in line
    page = one(tmp_path / "runs" / "tiny" / "data", "a-card-*") / "card.md"
    assert (
        f"| no test prompt in training | NO | whole prompts and 13 words in a row: 1 chats ({name}) |"
        in page.read_text()
    )


def test_what_the_study_does_not_ask_may_be_trained_on(babeltune: Call, model_folder: Path, tmp_path: Path) -> None:
    chats, name = leaking(tmp_path)
    task = {"dialogue": {"split": "dev", "languages": ["es"]}}
    study = study_file(tmp_path, model_folder, chats=str(chats), mixes={"a": {"en": 12}}, tasks=task)
    assert babeltune("mix", study, "--runs", tmp_path / "runs").code == 0
    assert name in drawn(tmp_path / "runs", "a")


def test_too_few_chats_after_leaving_out_are_told_by_the_plan(
    babeltune: Call, model_folder: Path, tmp_path: Path
) -> None:
    chats, _ = leaking(tmp_path)
    study = study_file(
        tmp_path, model_folder, chats=str(chats), mixes={"a": {"en": 12}}, mixing={"overlap": "leave-out"}
    )
    assert babeltune("plan", study, "--runs", tmp_path / "runs").code == 2


def test_too_few_chats_after_leaving_out_end_the_mix_with_the_remedy(
    babeltune: Call, model_folder: Path, tmp_path: Path
) -> None:
    chats, _ = leaking(tmp_path)
    study = study_file(
        tmp_path, model_folder, chats=str(chats), mixes={"a": {"en": 12}}, mixing={"overlap": "leave-out"}
    )
    said = babeltune("mix", study, "--runs", tmp_path / "runs")
    assert said.code in (1, 2)
    assert "12" in said.err
    assert "11 usable" in said.err


def test_a_mistake_is_told_as_everywhere_and_nothing_is_written(
    babeltune: Call, model_folder: Path, tmp_path: Path
) -> None:
    study = study_file(tmp_path, model_folder, mixes={"mulit-2": None, "a": {"es": 99}})
    said = babeltune("mix", study, "--runs", tmp_path / "runs")
    assert said.code == 2
    assert said.err.splitlines()[0] == f"{study}: 2 problems"
    assert "Did you mean 'multi-2'?" in said.err
    assert "Ask for at most 64" in said.err
    assert not (tmp_path / "runs").exists()


def test_a_study_that_another_run_holds_is_left_alone(babeltune: Call, model_folder: Path, tmp_path: Path) -> None:
    study = study_file(tmp_path, model_folder)
    with open_study(study, tmp_path / "runs").store.locked():
        said = babeltune("mix", study, "--runs", tmp_path / "runs")
    assert said.code == 3


def test_many_languages_are_shortened_on_the_screen_and_whole_on_the_card(
    babeltune: Call, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from babeltune.languages import LANGUAGES

    codes = list(LANGUAGES)[:15]
    verdicts = [Identified(LANGUAGES[code].lid176, 0.99) for code in codes]

    class Scripted:
        def identify(self, texts: list[str]) -> list[Identified]:
            return verdicts[: len(texts)]

    rows = (POCKET / "chats" / "en.jsonl").read_text().splitlines()[: len(codes)]
    chats = tmp_path / "many.jsonl"
    undeclared = [{"id": str(at), "messages": json.loads(row)["messages"]} for at, row in enumerate(rows)]
    chats.write_text("\n".join(map(json.dumps, undeclared)) + "\n")
    monkeypatch.setattr(
        label_module, "label", lambda chats, identifier, threshold, *rest: label(chats, Scripted(), threshold, *rest)
    )
    study = study_file(tmp_path, model_folder, chats=str(chats), mixes=["guanaco"])
    said = babeltune("mix", study, "--runs", tmp_path / "runs")
    assert said.code == 0
    assert "3 more: see the card" in said.out
    assert "and 9 more" in said.out
    text = (one(tmp_path / "runs" / "tiny" / "data", "guanaco-card-*") / "card.md").read_text()
    for code in codes:
        assert f"| {code} | 1 |" in text


def test_names_in_brackets_are_printed_as_they_are(babeltune: Call, model_folder: Path, tmp_path: Path) -> None:
    odd = tmp_path / "my[bold]model"
    odd.symlink_to(model_folder)
    said = babeltune("mix", study_file(tmp_path, odd), "--runs", tmp_path / "runs")
    assert "tokens of my[bold]model" in said.out


def test_a_mix_of_which_every_chat_was_left_out_is_told(babeltune: Call, model_folder: Path, tmp_path: Path) -> None:
    chats, _ = leaking(tmp_path, count=0)
    study = study_file(tmp_path, model_folder, chats=str(chats), mixes=["guanaco"], mixing={"overlap": "leave-out"})
    assert babeltune("mix", study, "--runs", tmp_path / "runs").code == 1
