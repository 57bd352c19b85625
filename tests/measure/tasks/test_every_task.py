"""What holds of every task: an output an item, and no response too odd to have a value or a reason."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from babeltune.data.identify import identifier
from babeltune.data.sources import POCKET
from babeltune.hub import HubSet
from babeltune.measure.tasks import prompt, xcsqa, xnli, xquad
from babeltune.measure.tasks.dialogue import WORD_PASS, Dialogue
from babeltune.measure.tasks.simplification import Simplification
from babeltune.measure.tasks.xcsqa import XCsqa
from babeltune.measure.tasks.xnli import Xnli
from babeltune.measure.tasks.xquad import XQuad
from babeltune.records import Item, Output, Sampling
from taskwork import ODD, outputs, refused

READER = identifier("lid176")
TASKS: dict[str, Any] = {
    task.name: task
    for task in (
        Dialogue(Path(), READER, Sampling()),
        Simplification(Path(), READER, Sampling()),
        XQuad(Path(), Sampling()),
        XCsqa(Path(), Sampling()),
        Xnli(Path()),
    )
}
READING = [(name, code) for name in TASKS if name != "xnli" for code in ("de", "zh", "hi")]


def item(task: str, language: str = "de", prompt: str = "Warum ist der Himmel blau?", prefix: str = "") -> Item:
    return Item("a", language, prompt, ("B",), "Der alte Baum stand dort drüben.", prefix)


# Simplification's metrics are in its own tests.
@pytest.mark.parametrize(
    ("name", "metrics", "promptings"),
    [
        ("dialogue", ["agreement", "agreement-nominal", "line-pass", "word-pass"], ("xx:xx",)),
        ("xquad", ["xquad-paper", "xquad-code", "exact-match", "token-f1"], ("xx:xx", "en:xx")),
        ("xcsqa", ["xcsqa-first", "xcsqa-any"], ("xx:xx",)),  # paper, section 4.4
        ("xnli", ["accuracy", "accuracy-per-token"], ("xx:xx",)),
    ],
)
def test_the_papers_metric_comes_first_and_only_xnli_is_ranked(
    name: str, metrics: list[str], promptings: tuple[str, ...]
) -> None:
    task = TASKS[name]
    assert [metric.name for metric in task.metrics] == metrics
    assert (task.promptings, task.ranks) == (promptings, name == "xnli")


@pytest.mark.parametrize("name", ["xquad", "xcsqa", "xnli"])
def test_a_sample_is_of_the_same_items_in_every_language_in_their_order(name: str) -> None:
    task = dataclasses.replace(TASKS[name], place=POCKET / name)

    def ids(language: str, sample: int | None) -> list[str]:
        return [item.id for item in dataclasses.replace(task, sample=sample).items(language, "xx:xx")]

    every, drawn = ids("de", None), ids("de", 5)
    assert drawn == ids("ru", 5) == [one for one in every if one in drawn]
    assert len(set(drawn)) == 5 < len(every) == len(ids("de", 999))


@pytest.mark.parametrize(("name", "hub"), [("xquad", xquad.HUB), ("xcsqa", xcsqa.HUB), ("xnli", xnli.HUB)])
def test_a_hub_set_that_is_not_cached_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, hub: HubSet
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    ((where, what),) = refused(dataclasses.replace(TASKS[name], place=hub))
    assert where == hub.id
    assert "not in the local cache" in what


@pytest.mark.parametrize("name", TASKS)
def test_an_output_too_few_or_too_many_is_an_error(name: str) -> None:
    task, one, output = TASKS[name], item(name), Output("a", "", "B", "eos", 1)
    for items, said in (([one], []), ([], [output]), ([one, one], [output]), ([one], [output, output])):
        with pytest.raises(ValueError, match=r"argument|outputs"):
            task.score(items, said)
    assert task.score([], []) == []


@pytest.mark.parametrize(("name", "language"), READING)
@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_no_response_is_too_odd_to_have_a_value_or_a_reason(name: str, language: str, text: str) -> None:
    task = TASKS[name]
    forced = f" {prompt.template(name, language).prefix}" if name in ("xquad", "xcsqa") else ""
    # With the beginning that was forced and without; a prompt without letters agrees with nothing.
    items = [item(name, language, prefix=forced)] * 2 + [item(name, language, "?!")]
    scores = task.score(items, outputs(items, text, forced + text, text))
    for metric in task.metrics:
        for value in metric.needs if metric.name != WORD_PASS else ():
            for score in scores:
                assert (value in score.values) != bool(score.unscored.get(value))
                assert 0 <= score.values.get(value, 0) <= 100
                assert value == "sari" or score.values.get(value, 0) <= 1
    assert name != "dialogue" or "agreement" in scores[2].unscored
    if name == "simplification":
        assert all(len(score.counts) == 36 and min(score.counts) >= 0 for score in scores)
