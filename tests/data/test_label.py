import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.data.identify import identifier
from babeltune.data.label import Dropped, Labelled, fitting_threshold, label
from babeltune.data.sources import read_chats
from babeltune.records import ASSISTANT, HUMAN, Chat, Identified, Turn

REAL = Path(__file__).parents[2].parent / "shared/data/chat/guanaco_shaped.jsonl"


class Scripted:
    """Gives each text the verdict written down for it, and remembers what it was asked."""

    def __init__(self, *verdicts):
        self.verdicts = list(verdicts)
        self.asked = []

    def identify(self, texts):
        self.asked += texts
        return self.verdicts


def chat(name, language=None, confidence=None):
    turns = (Turn("user", f"question {name}"), Turn("assistant", f"answer {name}"))
    return Chat(name, turns, language, confidence)


def labelled(*pairs, threshold=0.8):
    return label([pair[0] for pair in pairs], Scripted(*(pair[1] for pair in pairs)), threshold)


def dropped(given, verdict, threshold=0.8):
    done = labelled((given, verdict), threshold=threshold)
    assert done.chats == ()
    (drop,) = done.dropped
    return drop


# Kept


@pytest.mark.parametrize(
    ("declared", "verdict", "code"),
    [
        (None, Identified("de", 0.93), "de"),
        (None, Identified("zho_Hans", 0.9), "zh"),  # OpenLID's labels become codes
        (None, Identified("de", 0.8), "de"),  # paper, Limitations: "a confidence threshold >= 0.8"
        ("no", Identified("nob_Latn", 0.9), "no"),
    ],
)
def test_a_kept_chat_carries_language_and_confidence(declared, verdict, code):
    done = labelled((chat("a", declared), verdict))
    assert done == Labelled((chat("a", code, verdict.probability),), ())


# Dropped: with what was identified, as a mix of every chat uses them too


def test_a_confidence_below_the_threshold_is_not_enough():
    found = dropped(chat("a"), Identified("de", 0.7999))
    assert found == Dropped(chat("a", "de", 0.7999), "confidence below 0.8")
    assert found.unsure


@pytest.mark.parametrize(
    ("given_", "verdict", "as_seen", "reason"),
    [
        (chat("a"), Identified(None, 0.0, "no letters"), chat("a", None, 0.0), "not identified: no letters"),
        (chat("a", "de"), Identified(None, 0.0, "empty"), chat("a", None, 0.0), "not identified: empty"),
        (chat("a"), Identified("zho_Hant", 0.9), chat("a", None, 0.9), "language 'zho_Hant' is not in the table"),
        (chat("a"), Identified("xx", 0.1), chat("a", None, 0.1), "language 'xx' is not in the table"),
        (chat("a", "da"), Identified("no", 0.9), chat("a", "no", 0.9), "declared 'da', identified 'no'"),
        (chat("a", "da"), Identified("no", 0.1), chat("a", "no", 0.1), "declared 'da', identified 'no'"),
    ],
)
def test_what_no_threshold_would_keep_is_dropped_with_what_was_identified(given_, verdict, as_seen, reason):
    for threshold in (0.0, 0.8):
        found = dropped(given_, verdict, threshold)
        assert found == Dropped(as_seen, reason)
        assert not found.unsure


def test_counts_and_reasons_come_most_first():
    done = labelled(
        (chat("a"), Identified("es", 0.9)),
        (chat("b"), Identified("en", 0.9)),
        (chat("c"), Identified("en", 0.95)),
        (chat("d"), Identified(None, 0.0, "empty")),
        (chat("e"), Identified("en", 0.1)),
        (chat("f"), Identified("de", 0.2)),
    )
    assert list(done.counts().items()) == [("en", 2), ("es", 1)]
    assert list(done.reasons().items()) == [("confidence below 0.8", 2), ("not identified: empty", 1)]


VERDICTS = st.one_of(
    st.just(Identified(None, 0.0, "empty")),
    # fastText computes in single precision.
    st.builds(Identified, st.sampled_from(["en", "de", "spa_Latn", "nn", "xx"]), st.floats(0, 1, width=32)),
)
ROWS = st.lists(st.tuples(st.sampled_from([None, "en", "de", "es"]), VERDICTS), max_size=12)


@given(ROWS, st.floats(0, 1))
def test_each_chat_is_kept_or_dropped_in_the_order_of_the_source(rows, threshold):
    chats = [chat(str(n), language) for n, (language, _) in enumerate(rows)]
    done = label(chats, Scripted(*(verdict for _, verdict in rows)), threshold)
    kept, gone = [int(one.id) for one in done.chats], [int(one.chat.id) for one in done.dropped]
    assert sorted(kept + gone) == list(range(len(rows)))
    assert (kept, gone) == (sorted(kept), sorted(gone))
    assert all(one.confidence >= threshold for one in done.chats)
    assert sum(done.counts().values()) == len(kept)
    assert sum(done.reasons().values()) == len(gone)
    for one in [*done.chats, *(drop.chat for drop in done.dropped)]:
        assert one.confidence == rows[int(one.id)][1].probability
        assert one.turns == chats[int(one.id)].turns


# The threshold that would do


@given(ROWS, st.floats(0, 1), st.integers(0, 6), st.sampled_from(["en", "es"]))
def test_with_the_fitting_threshold_so_many_chats_are_usable_and_with_the_next_step_they_are_not(rows, now, n, code):
    chats = [chat(str(at), language) for at, (language, _) in enumerate(rows)]

    def usable(threshold):
        done = label(chats, Scripted(*(verdict for _, verdict in rows)), threshold)
        return done.counts().get(code, 0)

    done = label(chats, Scripted(*(verdict for _, verdict in rows)), now)
    found = fitting_threshold(n, code, done)
    if found is None:
        assert n == 0 or usable(0.0) < n
    else:
        assert 0 <= found <= 1
        assert math.isclose(found * 100, round(found * 100))
        assert usable(found) >= n
        assert usable((round(found * 100) + 1) / 100) < n


def test_the_fitting_threshold_counts_kept_and_unsure_chats_of_the_language():
    done = labelled(
        (chat("a"), Identified("es", 0.93)),
        (chat("b"), Identified("es", 0.618)),
        (chat("c"), Identified("es", 0.425)),
        (chat("d"), Identified("en", 0.99)),
        (chat("e", "de"), Identified("es", 0.99)),
    )
    assert [fitting_threshold(n, "es", done) for n in range(5)] == [None, 0.93, 0.61, 0.42, None]
    assert fitting_threshold(1, "ru", done) is None


# What the identifier reads


THREE = Chat("a", (Turn("user", "One."), Turn("assistant", "Two."), Turn("user", "Three.")))


def read(one, *about):
    asked = Scripted(Identified("en", 0.9))
    label([one], asked, 0.8, *about)
    (text,) = asked.asked
    return text


def test_the_whole_chat_is_identified():
    assert read(THREE) == read(THREE, "as-paper") == "One.\nTwo.\nThree."


def test_as_run_the_marker_of_the_models_turn_stays_and_the_persons_goes():
    text = read(THREE, "as-run")
    assert text.split() == ["One.###", "Assistant:", "Two.", "Three."]
    assert ASSISTANT in text
    assert HUMAN not in text


SAID = st.text("aя字 \n{}%#", min_size=1, max_size=8).map(str.strip).filter(bool)


@given(st.lists(SAID, min_size=2, max_size=5))
def test_as_run_reads_guanacos_own_text_as_the_authors_clean_it(says):
    turns = tuple(Turn(("user", "assistant")[at % 2], content) for at, content in enumerate(says))
    row = "".join(f"{HUMAN if turn.role == 'user' else ASSISTANT} {turn.content}" for turn in turns)
    # Guanaco sets no space before a marker, and they take the model's out only behind one. fastText reads words.
    cleaned = row.replace("\n", " ").replace(HUMAN, " ").replace(f" {ASSISTANT}", " ")
    assert read(Chat("a", turns), "as-run").split() == cleaned.split()


# On real chats


@pytest.mark.skipif(not REAL.exists(), reason="the shared data are not here")
def test_labels_agree_with_the_true_languages_of_real_chats():
    rows = map(json.loads, (REAL.parent / "labels.jsonl").read_text(encoding="utf-8").splitlines())
    truth = {str(row["row"]): row["language"] for row in rows}
    done = label(read_chats(str(REAL)).chats, identifier("lid176"), 0.8)
    right = sum(one.language == truth[one.id] for one in done.chats)
    assert right >= 0.97 * len(done.chats)
    assert len(done.chats) >= 0.95 * len(truth)
    assert set(Counter(drop.reason for drop in done.dropped)) == {"confidence below 0.8"}
    assert all(drop.chat.language and drop.chat.confidence < 0.8 for drop in done.dropped)


@pytest.mark.parametrize(
    ("least", "expected"), [(0.29, 0.29), (0.57, 0.57), (0.8, 0.8), (math.nextafter(0.05, 0), 0.04)]
)
def test_the_fitting_threshold_is_the_highest_step_that_is_reached(least, expected):
    kept = tuple(
        replace(chat(str(n)), language="en", confidence=confidence) for n, confidence in enumerate((0.9, least))
    )
    assert fitting_threshold(2, "en", Labelled(kept, ())) == expected
