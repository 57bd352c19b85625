"""Logs in Inspect's layout, as 0.3.285 wrote them with its mock model: a zip of JSON files, Zstandard or deflated, or one JSON."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import pyarrow
import pytest

from babeltune.study.importing import inspected
from babeltune.study.importing.found import Content
from babeltune.study.importing.survey import survey


def head(task: str = "xcsqa_de", model: str = "hf/llama_2_7b_hf_ml2_merged", **more: Any) -> dict[str, Any]:
    about = {"task": task, "model": model, "dataset": {"name": task, "samples": 2}, "task_args": {}, **more}
    return {"version": 2, "status": "success", "eval": about, "plan": {}}


def sample(name: Any, completion: str, **more: Any) -> dict[str, Any]:
    return {
        "id": name, "epoch": 1, "input": "Wo steht die Milch?", "choices": ["Keller", "Kühlschrank", "Dach", "Auto", "Garten"],
        "target": "B", "messages": [],
        "output": {"model": "m", "choices": [{"message": {"role": "assistant"}, "stop_reason": "stop"}], "completion": completion},
        "scores": {"choice": {"value": "C" if completion.endswith("B") else "I", "answer": completion[-1:]}},
        "metadata": {}, "attachments": {}, **more,
    }  # fmt: skip


def zipped(path: Path, about: dict[str, Any], samples: list[dict[str, Any]], *, zstandard: bool = False) -> Path:
    entries = {"header.json": about} | {f"samples/{one['id']}_epoch_{one.get('epoch')}.json": one for one in samples}
    if not zstandard:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in entries.items():
                file.writestr(name, json.dumps(content))
        return path
    body, central = b"", b""
    for name, content in entries.items():
        raw = json.dumps(content).encode()
        packed = pyarrow.Codec("zstd").compress(raw, asbytes=True)
        fields = (20, 0, 93, 0, 0, 0, len(packed), len(raw), len(name.encode()), 0)
        place = len(body)
        body += struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", *fields) + name.encode() + packed
        central += (
            struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", 20, *fields[:9], 0, 0, 0, 0, 0, place) + name.encode()
        )
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, len(entries), len(entries), len(central), len(body), 0)
    path.write_bytes(body + central + end)
    return path


def of(path: Path) -> list[tuple[int, Content]]:
    found = survey([path])
    assert not found.left, found.left
    return [(source.cell.seed, inspected.read(source)) for source in found.sources]


SAMPLES = [sample("q1", "ANSWER: B"), sample("q2", "I think so.\n\nANSWER: A")]


@pytest.mark.parametrize("zstandard", [False, True])
def test_multiple_choice_is_read_by_its_letter(tmp_path: Path, zstandard: bool) -> None:
    path = zipped(tmp_path / "a.eval", head(), SAMPLES, zstandard=zstandard)
    (source,) = survey([path]).sources
    assert (source.cell.model, source.cell.mix, source.cell.task) == ("Llama-2-7b-hf", "multi-2", "xcsqa")
    found = inspected.read(source)
    assert [one.output.text for one in found.answers if one.output] == ["B", "A"]
    assert found.theirs == {"xcsqa-first": 0.5}


def test_a_log_may_be_one_json_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({**head(), "samples": SAMPLES}), encoding="utf-8")
    ((_, found),) = of(path)
    assert len(found.answers) == 2


def test_epochs_are_seeds(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.eval", head(), [*SAMPLES, sample("q1", "ANSWER: C", epoch=2)])
    assert [(seed, len(found.answers)) for seed, found in of(path)] == [(1, 2), (2, 1)]


def test_dialogue_has_no_target_and_xquad_says_so_in_its_name(tmp_path: Path) -> None:
    chat = sample("1", "Gern.", choices=None, target="", metadata={"language": "de"})
    path = zipped(tmp_path / "a.eval", head("chats"), [chat])
    (source,) = survey([path]).sources
    assert (source.cell.task, source.cell.language) == ("dialogue", "de")
    asked = sample("1", "B", choices=None, target=["B"], metadata={"question": "Wo?"})
    path = zipped(tmp_path / "b.eval", head("xquad", task_args={"language": "es"}), [asked])
    (source,) = survey([path]).sources
    assert (source.cell.task, source.cell.language) == ("xquad", "es")
    (one,) = inspected.read(source).answers
    assert (one.item.source, one.item.references) == ("Wo?", ("B",))


def test_a_sample_that_failed_has_no_response_and_says_why(tmp_path: Path) -> None:
    failed = sample("q3", "", error={"message": "no connection"}, output={"choices": [], "completion": ""}, scores={})
    ((_, found),) = of(zipped(tmp_path / "a.eval", head(), [*SAMPLES, failed]))
    assert [one.reason for one in found.answers] == ["", "", "the sample ended in an error"]
    assert found.theirs == {}


def test_attachments_are_put_in_their_place(tmp_path: Path) -> None:
    held = sample("q1", "attachment://abc", attachments={"abc": "ANSWER: D"})
    ((_, found),) = of(zipped(tmp_path / "a.eval", head(), [held]))
    assert [one.output.text for one in found.answers if one.output] == ["D"]


def test_samples_in_another_language_twice_or_without_a_letter_are_told(tmp_path: Path) -> None:
    others = [sample("q9", "ANSWER: A", metadata={"language": "es"}), sample("q8", "ANSWER: A", target="x")]
    ((_, found),) = of(zipped(tmp_path / "a.eval", head(), [*SAMPLES, *others]))
    assert [problem.what for problem in found.problems] == ["is in 'es', not in 'de'", "its target is no letter A to E"]


@pytest.mark.parametrize(
    ("about", "samples", "why"),
    [
        (head("xnli_de"), SAMPLES, "to be ranked"),
        (head("hellaswag"), SAMPLES, "what language"),
        (head("sums_de"), [sample("1", "4", choices=None, target="4")], "matches no task"),
        (head(), [], "no samples"),
        ({"version": 2, "status": "success", "eval": 3}, SAMPLES, "'eval'"),
        (head(model="openai/../../x y"), SAMPLES, "model's name"),
    ],
)
def test_what_matches_nothing_is_told(tmp_path: Path, about: dict[str, Any], samples: list[Any], why: str) -> None:
    found = survey([zipped(tmp_path / "a.eval", about, samples)])
    assert not found.sources
    assert why in found.left[0].what


def test_a_torn_zip_and_broken_json_are_told(tmp_path: Path) -> None:
    whole = zipped(tmp_path / "a.eval", head(), SAMPLES, zstandard=True).read_bytes()
    (tmp_path / "a.eval").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "b.eval").write_bytes(whole.replace(b"\x28\xb5\x2f\xfd", b"\x00\x00\x00\x00"))
    found = survey([tmp_path])
    assert not found.sources
    assert len(found.left) == 2


def test_names_in_a_zip_are_written_nowhere(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    path = zipped(folder / "a.eval", head(), [sample("../../../evil", "ANSWER: B")])
    ((_, found),) = of(path)
    assert [one.item.id for one in found.answers] == ["../../../evil"]
    assert sorted(one.name for one in tmp_path.rglob("*")) == ["a.eval", "logs"]
