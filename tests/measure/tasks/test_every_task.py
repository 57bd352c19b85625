"""What holds of every task: an output an item, and no response too odd to have a value or a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from babeltune.data.identify import identifier
from babeltune.measure.tasks import prompt
from babeltune.measure.tasks.dialogue import WORD_PASS, Dialogue
from babeltune.measure.tasks.simplification import Simplification
from babeltune.measure.tasks.xcsqa import XCsqa
from babeltune.measure.tasks.xnli import Xnli
from babeltune.measure.tasks.xquad import XQuad
from babeltune.records import Item, Output, Sampling, Task
from taskwork import ODD, outputs

READER = identifier("lid176")
TASKS: dict[str, Task] = {
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
