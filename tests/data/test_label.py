from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from babeltune.data.label import Dropped, Labelled, label
from babeltune.records import Chat, Identified, Turn


class Scripted:
    """Gives each text the verdict written down for it, and remembers what it was asked."""

    def __init__(self, *verdicts):
        self.verdicts = list(verdicts)
        self.asked = []

    def identify(self, texts):
        self.asked += texts
        return self.verdicts


def chat(name, language=None):
    return Chat(name, (Turn("user", f"question {name}"), Turn("assistant", f"answer {name}")), language)


def labelled(*pairs, threshold=0.8):
    return label([pair[0] for pair in pairs], Scripted(*(pair[1] for pair in pairs)), threshold)


def dropped(given, verdict, threshold=0.8):
    done = labelled((given, verdict), threshold=threshold)
    assert done.chats == ()
    return done.dropped


def test_a_kept_chat_carries_language_and_confidence():
    done = labelled((chat("a"), Identified("de", 0.93)))
    assert done == Labelled((replace(chat("a"), language="de", confidence=0.93),), ())


def test_openlid_labels_become_codes():
    assert labelled((chat("a"), Identified("zho_Hans", 0.9))).chats[0].language == "zh"


def test_a_confidence_equal_to_the_threshold_is_enough():
    # Paper, Limitations: "a confidence threshold >= 0.8".
    assert len(labelled((chat("a"), Identified("de", 0.8))).chats) == 1


def test_a_confidence_below_the_threshold_is_not():
    assert dropped(chat("a"), Identified("de", 0.7999)) == (Dropped("a", "confidence below 0.8"),)


def test_an_unidentified_chat_is_dropped_with_the_identifiers_reason():
    assert dropped(chat("a"), Identified(None, 0.0, "no letters")) == (Dropped("a", "not identified: no letters"),)


def test_an_unidentified_chat_is_dropped_even_at_threshold_0():
    assert len(dropped(chat("a", "de"), Identified(None, 0.0, "empty"), threshold=0.0)) == 1


def test_a_language_outside_the_table_is_named():
    assert dropped(chat("a"), Identified("zho_Hant", 0.9)) == (Dropped("a", "language 'zho_Hant' is not in the table"),)


def test_a_chat_that_declares_another_language_is_dropped():
    assert dropped(chat("a", "da"), Identified("no", 0.9)) == (Dropped("a", "declared 'da', identified 'no'"),)


def test_a_chat_that_declares_the_same_language_is_kept():
    assert labelled((chat("a", "no"), Identified("nob_Latn", 0.9))).chats[0].language == "no"


def test_the_whole_chat_is_identified():
    asked = Scripted(Identified("en", 0.9))
    label([Chat("a", (Turn("user", "One."), Turn("assistant", "Two."), Turn("user", "Three.")))], asked, 0.8)
    assert asked.asked == ["One.\nTwo.\nThree."]


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
    st.builds(Identified, st.sampled_from(["en", "de", "spa_Latn", "nn", "xx"]), st.floats(0, 1)),
)


@given(st.lists(st.tuples(st.sampled_from([None, "en", "de", "es"]), VERDICTS), max_size=12), st.floats(0, 1))
def test_each_chat_is_kept_or_dropped_in_the_order_of_the_source(rows, threshold):
    chats = [chat(str(n), language) for n, (language, _) in enumerate(rows)]
    done = label(chats, Scripted(*(verdict for _, verdict in rows)), threshold)
    kept, gone = [int(one.id) for one in done.chats], [int(one.id) for one in done.dropped]
    assert sorted(kept + gone) == list(range(len(rows)))
    assert (kept, gone) == (sorted(kept), sorted(gone))
    assert all(one.confidence >= threshold for one in done.chats)
    assert sum(done.counts().values()) == len(kept)
    assert sum(done.reasons().values()) == len(gone)
