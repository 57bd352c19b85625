"""Both rules of language agreement, and what is unscored."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.measure.metrics.agreement import AGREEMENT, AGREEMENT_NOMINAL, agreement, corrected
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


# Corrected for the detector's own confusions

# A detector that takes a quarter of Norwegian for Danish and a tenth of Danish for Norwegian.
NORDIC = {"no": {"no": 75, "da": 25}, "da": {"da": 0.9, "no": 0.1}, "en": {"en": 1}}


def test_a_perfect_detector_is_taken_at_its_word() -> None:
    assert corrected(["de", "de", "en"], "de", {"de": {"de": 5}, "en": {"en": 3}}) == pytest.approx(2 / 3)
    assert corrected(["de", "de", "en"], "de", {}) == pytest.approx(2 / 3)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.8, 1.0])
def test_the_true_share_is_found_again(share: float) -> None:
    # Of a thousand responses `share` are Norwegian, the others Danish: so many are labelled Norwegian.
    norwegian = round(1000 * (0.75 * share + 0.1 * (1 - share)))
    labels = ["no"] * norwegian + ["da"] * (1000 - norwegian)
    assert corrected(labels, "no", NORDIC) == pytest.approx(share, abs=2e-3)
    assert corrected(labels, "da", NORDIC) == pytest.approx(1 - share, abs=2e-3)


def test_fewer_norwegian_labels_than_the_error_alone_gives_are_none() -> None:
    assert corrected(["no"] * 5 + ["da"] * 95, "no", NORDIC) == pytest.approx(0, abs=1e-3)


def test_a_label_that_no_row_explains_is_taken_at_its_word() -> None:
    assert corrected(["sv", "no", "no", "no", "da"], "sv", NORDIC) == pytest.approx(0.2)


def test_a_language_without_a_row_is_found_though_others_are_taken_for_it() -> None:
    # 30 labels of Norwegian stand for 40 responses, ten of which were taken for Danish: 60 are Danish.
    labels = ["no"] * 30 + ["da"] * 70
    assert corrected(labels, "da", {"no": NORDIC["no"]}) == pytest.approx(0.6, abs=1e-6)


@given(st.lists(st.sampled_from(["no", "da", "en", "sv"]), min_size=1, max_size=30))
def test_corrected_shares_are_shares_and_add_up(labels: list[str]) -> None:
    found = [corrected(labels, code, NORDIC) for code in ("no", "da", "en", "sv")]
    assert all(-1e-9 <= share <= 1 + 1e-9 for share in found)
    assert sum(found) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("labels", "confusion", "said"),
    [([], {}, "no labels"), (["no"], {"no": {}}, "row of 'no'"), (["no"], {"no": {"no": -1, "da": 3}}, "row of 'no'")],
)
def test_what_cannot_be_corrected_is_refused(
    labels: list[str], confusion: dict[str, dict[str, float]], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        corrected(labels, "no", confusion)
