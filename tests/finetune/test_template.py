from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from babeltune.errors import TemplateError
from babeltune.finetune.recipe import LoraRecipe
from babeltune.finetune.template import IGNORED, encode, lint, render, unanswered
from babeltune.records import Chat, Turn, chat_prompt


@pytest.fixture(scope="module")
def tokenizer(model_folder) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(model_folder)


def chat(*texts: str, name: str = "c") -> Chat:
    roles = ("user", "assistant")
    return Chat(name, tuple(Turn(roles[at % 2], text) for at, text in enumerate(texts)), "en")  # type: ignore[arg-type]


def test_training_string_is_guanacos_to_the_letter():
    # Paper, section 3.3, and PROTOCOL 6: one space after each marker, no newline between turns.
    text, spans = render(chat("Hi?", "Hello.", "More?", "Yes."))
    assert text == "### Human: Hi?### Assistant: Hello.### Human: More?### Assistant: Yes."
    assert [text[start:end] for start, end in spans] == [" Hello.", " Yes."]


def test_training_string_starts_with_the_test_prompt():
    assert render(chat("Name a colour.", "Red."))[0].startswith(chat_prompt("Name a colour."))


def test_loss_on_answers_covers_the_answers_and_the_end_token_only(tokenizer):
    encoded = encode(chat("Name a colour.", "Red."), tokenizer, LoraRecipe(loss_on="answers"))
    learned = [label for label in encoded.labels if label != IGNORED]
    assert tokenizer.decode(learned) == " Red.<eos>"


def test_loss_on_all_covers_every_token(tokenizer):
    encoded = encode(chat("Name a colour.", "Red."), tokenizer, LoraRecipe(teach_eos=False))
    assert encoded.labels == encoded.input_ids
    assert tokenizer.decode(encoded.input_ids) == "### Human: Name a colour.### Assistant: Red."


def test_end_token_is_learned_though_it_is_also_the_padding_token(tokenizer):
    # https://github.com/huggingface/trl/issues/1623: with pad = eos the collator used to mask it.
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    encoded = encode(chat("Hi?", "Hello."), tokenizer, LoraRecipe(loss_on="answers"))
    assert encoded.labels[-1] == tokenizer.eos_token_id


@given(st.integers(8, 60))
def test_cut_chats_keep_their_length_and_lose_the_end_token(tokenizer, most):
    whole = encode(chat("Why?", "Because of rain. " * 20), tokenizer, LoraRecipe(max_tokens=999))
    cut = encode(chat("Why?", "Because of rain. " * 20), tokenizer, LoraRecipe(max_tokens=most))
    assert cut.input_ids == whole.input_ids[:most]
    assert len(cut.labels) == most
    assert cut.input_ids[-1] != tokenizer.eos_token_id


def test_chats_without_any_answer_left_are_refused_by_id(tokenizer):
    long = chat("What is this? " * 30, "A test.", name="too-long")
    with pytest.raises(TemplateError, match=r"1 chats have no answer left after 40 tokens \(too-long\)"):
        lint([chat("Hi?", "Hello."), long], tokenizer, LoraRecipe(max_tokens=40))


def test_tokenizer_without_end_token_is_refused_where_it_is_to_be_taught(tokenizer, monkeypatch):
    monkeypatch.setattr(type(tokenizer), "eos_token_id", None, raising=False)
    with pytest.raises(TemplateError, match=r"teach_eos: false"):
        lint([chat("Hi?", "Hello.")], tokenizer, LoraRecipe(max_tokens=40))


def test_tokenizer_that_splits_the_marker_differently_is_refused(tokenizer):
    class Merging:
        """Takes the last marker and the first letter of the answer as one token, as some merges do."""

        eos_token_id, unk_token_id = 1, 0

        def __call__(self, text: str, return_offsets_mapping: bool = False) -> dict[str, list]:
            pieces = text.replace("Assistant: H", "\N{SNOWMAN}").split(" ")
            ids = [hash(piece) for piece in pieces]
            return {"input_ids": ids, "offset_mapping": [(0, len(text))] * len(ids)}

    with pytest.raises(TemplateError, match="split differently"):
        lint([chat("Hi?", "Hello.")], Merging(), LoraRecipe(max_tokens=40))  # type: ignore[arg-type]


def test_chats_without_room_may_be_left_out_but_not_all_of_them(tokenizer):
    long = chat("What is this? " * 30, "A test.", name="too-long")
    lint([chat("Hi?", "Hello."), long], tokenizer, LoraRecipe(max_tokens=40, unanswered="leave-out"))
    assert unanswered([chat("Hi?", "Hello."), long], tokenizer, LoraRecipe(max_tokens=40)) == ["too-long"]
    with pytest.raises(TemplateError, match="1 chats have no answer left"):
        lint([long], tokenizer, LoraRecipe(max_tokens=40, unanswered="leave-out"))
