from __future__ import annotations

from collections.abc import Sequence

import pytest

from babeltune.data import identify
from babeltune.errors import ModelError
from babeltune.records import Identified
from babeltune.study.steps.courses import codes, coursed


class Marked:
    """Takes a text for the language that its first word names."""

    def __init__(self) -> None:
        self.asked = 0

    def identify(self, texts: Sequence[str]) -> list[Identified]:
        self.asked += len(texts)
        return [Identified(text.split()[0], 0.9) for text in texts]


LONG = "de das ist ein langer Satz"


def test_each_line_has_the_code_of_its_language() -> None:
    text = f"  {LONG}\n\nen this is a long sentence\ntoo short\n{LONG}"
    assert codes(text, "de", Marked()) == ["de", "", "en", "", "de"]


def test_what_stands_after_a_further_question_is_not_told() -> None:
    assert codes(f"{LONG}\n{LONG}\nQ: en and then one more question", "de", Marked()) == ["de", "de", ""]


def test_an_only_line_is_in_the_language_of_the_whole_and_not_asked_again() -> None:
    model = Marked()
    assert codes("\nHallo.\n", "de", model) == ["", "de", ""]
    assert codes("Hallo.", None, model) == [""]
    assert codes("Hallo.", "not a language", model) == [""]
    assert model.asked == 0


def test_items_without_a_line_that_can_be_told_stay_as_they_are() -> None:
    items = ({"response": "", "notes": {}}, {"response": "Das ist gut.", "notes": {"response": "de"}})
    assert coursed(items, "lid176") == (items[0], {**items[1], "lines": ["de"]})


def test_a_report_is_made_where_the_identifier_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> None:
        raise ModelError(name)

    monkeypatch.setattr(identify, "identifier", gone)
    items = ({"response": "Das ist gut.", "notes": {"response": "de"}},)
    assert coursed(items, "openlid") == items
