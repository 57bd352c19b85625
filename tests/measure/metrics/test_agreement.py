"""Both rules of language agreement, and what is unscored."""

from __future__ import annotations

import pytest

from babeltune.measure.metrics.agreement import AGREEMENT, AGREEMENT_NOMINAL, agreement
from babeltune.records import Identified

NONE = Identified(None, 0.0, "no letters")


def found(label: str) -> Identified:
    return Identified(label, 0.9)


@pytest.mark.parametrize(
    ("nominal", "prompt", "response", "identified", "known"),
    [
        ("de", "de", "de", 1.0, 1.0),
        ("de", "de", "en", 0.0, 0.0),
        ("de", "nl", "de", 0.0, 1.0),  # the detector errs on the prompt: only the first rule counts it
        ("de", "nl", "nl", 1.0, 0.0),
        ("de", "deu_Latn", "deu_Latn", 1.0, 1.0),  # OpenLID's labels are compared as well
        ("de", "de", "xx", 0.0, 0.0),  # a language that the table does not know
    ],
)
def test_the_two_rules(nominal: str, prompt: str, response: str, identified: float, known: float) -> None:
    score = agreement("p01", nominal, found(prompt), found(response))
    assert score.item == "p01"
    assert score.values == {AGREEMENT: identified, AGREEMENT_NOMINAL: known}
    assert not score.unscored


def test_an_unidentified_response_is_unscored_under_both_rules_and_never_zero() -> None:
    score = agreement("p01", "de", found("de"), NONE)
    assert not score.values
    assert score.unscored == dict.fromkeys((AGREEMENT, AGREEMENT_NOMINAL), "response not identified: no letters")


def test_an_unidentified_prompt_leaves_the_nominal_rule() -> None:
    score = agreement("p01", "de", NONE, found("de"))
    assert score.values == {AGREEMENT_NOMINAL: 1.0}
    assert score.unscored == {AGREEMENT: "prompt not identified: no letters"}


def test_the_notes_say_what_the_verdict_rests_on() -> None:
    score = agreement("p01", "de", NONE, Identified("de", 0.98765))
    assert score.notes == {"prompt": "none (no letters)", "response": "de", "probability": "0.988"}
