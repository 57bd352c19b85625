from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from babeltune.errors import EngineError
from babeltune.generate import batches, likelihood, writing
from babeltune.generate.tokens import to_continue
from babeltune.generate.transformers import TransformersEngine
from babeltune.records import Output, Request, Sampling, chat_prompt
from doubles import by_key, tiny_model

SAMPLING = Sampling(max_tokens=12)
WORDS = ["Why?", "Name three trees and say where each of them grows.", "¿Qué es esto?", "Plan a day.", "A", "Und nun?"]


def requests(cell: str, adapter: Path | None = None, sampling: Sampling = SAMPLING, seed: int = 0) -> list[Request]:
    name = str(adapter) if adapter else None
    return [Request(f"p{at}", cell, chat_prompt(text), sampling, seed, name) for at, text in enumerate(WORDS)]


def engine(model_folder: Path) -> TransformersEngine:
    return TransformersEngine(model_folder, batch_size=2)


PREMISES = ["It rained all day long", "Nobody was at home", "The cat sat on the mat, and the dog beside it"]
HYPOTHESES = ["It was dry.", "Somebody was there, as always.", "It."]


def ranked(cell: str, adapter: Path | None = None) -> list[Request]:
    texts = [
        [f"{one}, right? {word}, {two}" for word in ("Yes", "Also", "No")] for one in PREMISES for two in HYPOTHESES
    ]
    name = str(adapter) if adapter else None
    made = [Request(f"p{at}", cell, "", Sampling(), 0, name, "", tuple(some)) for at, some in enumerate(texts)]
    return [*made, Request("odd", cell, "", Sampling(), 0, name, "", ("", "a", "<eos>", "<eos>a", "a"))]


ASKED = {"complete": requests, "loglikelihood": ranked}
"""What is asked of an engine, and how."""
KINDS = pytest.mark.parametrize("kind", ASKED)


@KINDS
def test_a_cell_alone_and_among_others_gives_the_same_bytes(model_folder, adapters, kind):
    def answered(asked: list[Request]) -> dict[tuple[str, str], Output]:
        return by_key(getattr(engine(model_folder), kind)(asked))

    make = ASKED[kind]
    alone = answered(make("b", adapters[0]))
    among = [*make("a"), *make("b", adapters[0]), *make("c", adapters[1]), *make("d")]
    mixed = answered(among)
    assert len(mixed) == len(among)
    assert {key: output for key, output in mixed.items() if key[0] == "b"} == alone
    # The base after the adapters is the base before them, bit by bit.
    for request in make("a"):
        assert dataclasses.replace(mixed["a", request.id], cell="d") == mixed["d", request.id]
    assert len({(mixed[cell, "p0"].text, mixed[cell, "p0"].loglikelihoods) for cell in "abc"}) == 3


@KINDS
def test_resumed_anywhere_the_rest_is_what_it_would_have_been(model_folder, kind):
    asked = ASKED[kind]("a")
    whole = by_key(getattr(engine(model_folder), kind)(asked))
    for kept in ({("a", "p0")}, {("a", "p1"), ("a", "p2"), ("a", "p5"), ("a", "odd")}, set(whole)):
        rest = by_key(getattr(engine(model_folder), kind)(asked, kept))
        assert rest == {key: output for key, output in whole.items() if key not in kept}


@pytest.mark.parametrize(
    ("kind", "inner", "setting", "told"),
    [
        ("complete", "_generate", "batch_tokens", r"does not fit .* by itself .*Lower sampling.max_tokens"),
        ("loglikelihood", "_score", "batch_size: 3", r"its candidates do not fit .* by themselves .*dtype: bfloat16"),
    ],
)
def test_a_batch_that_does_not_fit_is_halved_and_so_are_later_ones(
    model_folder, monkeypatch, caplog, kind, inner, setting, told
):
    """A device with room for three rows: the real engine, with the memory error of torch."""
    rows: list[int] = []
    real, room = getattr(TransformersEngine, inner), 3

    def answer(self, batch):
        rows.append(len(batch))
        if len(batch) > room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return real(self, batch)

    def found() -> dict[tuple[str, str], Output]:
        asked = [one for cell in "ab" for one in ASKED[kind](cell)[:6]]
        return by_key(getattr(TransformersEngine(model_folder, batch_size=6), kind)(asked))

    expected = found()
    monkeypatch.setattr(TransformersEngine, inner, answer)
    halved = found()
    assert rows == [6, 3, 3, 3, 3]  # the second batch is not even tried whole
    assert halved.keys() == expected.keys()
    for key, one in halved.items():
        assert one.text == expected[key].text
        assert one.loglikelihoods == pytest.approx(expected[key].loglikelihoods, abs=1e-4)
    assert f"execution.{setting}" in caplog.text
    room = 0
    with pytest.raises(EngineError, match=rf"[ab], request p\d: {told}"):
        found()


def test_a_few_requests_of_each_adapter_share_a_batch_and_read_as_alone(model_folder, adapters, monkeypatch):
    sizes: list[int] = []
    real = TransformersEngine._generate
    monkeypatch.setattr(
        TransformersEngine, "_generate", lambda self, batch: sizes.append(len(batch)) or real(self, batch)
    )
    asked = [*requests("a"), *requests("b", adapters[0]), *requests("c", adapters[1])]
    roomy = TransformersEngine(model_folder, batch_size=24, dtype="float64")  # in float32 a draw may fall on an edge
    together = by_key(roomy.complete(asked))
    assert sizes == [18]
    sizes.clear()
    # Then merged, in the same engine: nothing of the adapters on the fly is left, nor the other way round.
    alone = by_key(roomy.complete(requests("b", adapters[0])))
    assert sizes == [6]
    assert {key: one.text for key, one in together.items() if key[0] == "b"} == {
        key: one.text for key, one in alone.items()
    }
    base = by_key(roomy.complete(requests("a")))
    assert {key: one.text for key, one in together.items() if key[0] == "a"} == {
        key: one.text for key, one in base.items()
    }
    assert by_key(roomy.complete(asked)) == together


def test_batches_hold_several_cells_and_a_batch_by_itself_is_that_batch(model_folder):
    asked = [*requests("a"), *requests("b", seed=1)]
    whole = TransformersEngine(model_folder, batch_size=5)
    split = whole.split(asked)
    assert [len(batch) for batch in split] == [5, 5, 2]
    assert any(len({request.cell for request in batch}) == 2 for batch in split)
    assert whole._base is None  # no weights were needed
    found = by_key(whole.complete(asked))
    apart = [output for batch in split for output in TransformersEngine(model_folder, batch_size=5).complete(batch)]
    assert by_key(apart) == found


def test_rows_that_have_ended_leave_the_batch(model_folder, monkeypatch):
    widths: list[int] = []
    real = writing.Rows._read

    def read(self, ids, mask):
        widths.append(len(ids))
        return real(self, ids, mask)

    free = by_key(TransformersEngine(model_folder, batch_size=6).complete(requests("a")))
    stops = tuple({text[3:5] for at in (0, 2, 5) if (text := free["a", f"p{at}"].text)})
    monkeypatch.setattr(writing.Rows, "_read", read)
    asked = requests("a", sampling=Sampling(max_tokens=12, stop=stops))
    held = by_key(TransformersEngine(model_folder, batch_size=6).complete(asked))
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < widths[0] == 6
    for key, output in free.items():
        cut = min((at for stop in stops if (at := output.text.find(stop)) >= 0), default=len(output.text))
        assert held[key].text == output.text[:cut]


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="there is one")
def test_a_device_that_is_not_there_is_named(model_folder):
    with pytest.raises(EngineError, match=r"cannot be put on mps \(.*\)\. Set execution\.device: auto"):
        list(TransformersEngine(model_folder, device="mps").complete(requests("a")))


def test_prompts_longer_than_the_context_are_counted_before_any_work(model_folder):
    long = Request("p9", "a", "word " * 4000, SAMPLING, 0)
    with pytest.raises(EngineError, match=r"a, request p9: a prompt and one token of \d+ tokens, .*1 requests are too"):
        list(engine(model_folder).complete([*requests("a"), long]))


def test_an_answer_ends_where_the_context_does(model_folder):
    room = AutoConfig.from_pretrained(model_folder).max_position_embeddings
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    ids = tokenizer("word " * room)["input_ids"][: room - 3]
    prompt = tokenizer.decode(ids)
    left = room - len(tokenizer(prompt)["input_ids"])
    (output,) = engine(model_folder).complete([Request("p0", "a", prompt, Sampling(0, 1, 40), 0)])
    assert output.tokens <= max(left, 1)
    assert output.finish in ("length", "eos")


def test_greedy_answers_are_those_of_transformers_one_by_one(model_folder, adapters):
    """Independent oracle: transformers' own greedy search, unbatched, with peft applied on the fly, not merged."""
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(model_folder), adapters[0]).eval()
    found = by_key(engine(model_folder).complete(requests("a", adapters[0], Sampling(0, 1, 12))))
    for request in requests("a"):
        ids = tokenizer(request.prompt, return_tensors="pt").input_ids
        with torch.no_grad():
            out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False)
        assert found["a", request.id].text == tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)


def test_seeds_differ_and_repeat(model_folder):
    first, again = (by_key(engine(model_folder).complete(requests("a", seed=3))) for _ in range(2))
    assert first == again
    assert first != by_key(engine(model_folder).complete(requests("a", seed=4)))


def test_stop_strings_and_lengths_end_an_output(model_folder):
    free = by_key(engine(model_folder).complete(requests("a")))
    text = free["a", "p1"].text
    stop = text[4:7]
    held = by_key(list(engine(model_folder).complete(requests("a", sampling=Sampling(max_tokens=12, stop=(stop,))))))
    assert held["a", "p1"].text == text[: text.index(stop)]
    assert held["a", "p1"].finish == "stop"
    assert all(output.tokens <= 12 for output in free.values())
    assert {output.finish for output in free.values()} <= {"length", "eos"}


def test_forced_prefix_stands_in_the_output_and_is_continued(model_folder):
    forced = [Request("p0", "a", chat_prompt("Why?"), Sampling(0, 1, 6), 0, prefix=" Be")]
    (output,) = engine(model_folder).complete(forced)
    longer = [Request("p0", "a", chat_prompt("Why?") + " Be", Sampling(0, 1, 6), 0)]
    (plain,) = engine(model_folder).complete(longer)
    assert output.text == " Be" + plain.text


def test_foreign_adapter_is_named(model_folder, tmp_path):
    with pytest.raises(EngineError, match="cannot be loaded as an adapter"):
        list(engine(model_folder).complete(requests("a", tmp_path / "none")))


@pytest.mark.parametrize("others", [[], [None, None]])
def test_an_adapter_of_a_base_with_other_layers_is_refused_not_applied_in_part(tmp_path, others):
    """Merged, and on the fly beside others; peft itself takes both without an error."""
    bases = [tiny_model(tmp_path / f"{layers} layers", layers=layers) for layers in (3, 4)]
    for base, other in (bases, bases[::-1]):
        model = AutoModelForCausalLM.from_pretrained(other)
        adapter = tmp_path / f"of {other.name}"
        lora = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
        get_peft_model(model, lora).save_pretrained(adapter)
        asked = [Request(str(at), "a", "Hi", SAMPLING, 0, one) for at, one in enumerate([str(adapter), *others])]
        refusing = TransformersEngine(base)
        with pytest.raises(
            EngineError, match=r"adapts other layers than the base has\)\. Was it tuned on another base"
        ):
            list(refusing.complete(asked))
        # Nothing of it stays in the model.
        assert list(refusing.complete(requests("b"))) == list(TransformersEngine(base).complete(requests("b")))


INSTRUCTION = "Rewrite what follows so that a child understands it, in short words and in one or two short sentences: "


@pytest.mark.parametrize("sampling", [SAMPLING, Sampling(0, 1, 12)])
def test_a_beginning_that_is_read_once_for_all_changes_no_answer(model_folder, adapters, monkeypatch, sampling):
    read: list[int] = []
    real = writing._shared
    monkeypatch.setattr(writing, "_shared", lambda rows: read.append(real(rows)) or read[-1])
    prompts = [chat_prompt(INSTRUCTION + text) for text in WORDS]
    for adapter in (None, str(adapters[0])):
        asked = [Request(f"p{at}", "a", prompt, sampling, 3, adapter) for at, prompt in enumerate(prompts)]
        together = by_key(TransformersEngine(model_folder, batch_size=6).complete(asked))
        alone = by_key(TransformersEngine(model_folder, batch_size=1).complete(asked))
        assert together == alone
    # The instruction was shared by the six, and by none of those alone.
    assert sorted(set(read))[0] == 0
    assert max(read) >= batches.HEAD


def test_rows_are_padded_between_what_they_share_and_what_is_their_own():
    ids, mask = writing._padded([[1, 2, 3, 4, 5], [1, 2, 9]], 2, 0)
    assert ids.tolist() == [[1, 2, 3, 4, 5], [1, 2, 0, 0, 9]]
    assert mask.tolist() == [[1, 1, 1, 1, 1], [1, 1, 0, 0, 1]]
    ids, mask = writing._padded([[1, 2, 3], [7]], 0, 0)  # nothing shared: on the left, as ever
    assert (ids.tolist(), mask.tolist()) == ([[1, 2, 3], [0, 0, 7]], [[1, 1, 1], [0, 0, 1]])


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ((40, 50), 35),  # all that they share
        ((20, 50), 0),  # a row of nothing else: too little is left that is worth it
        ((35, 50), 34),  # one token of its own at least
        ((50,), 0),  # nobody to share with
    ],
)
def test_what_is_shared_is_worth_it_and_leaves_each_row_a_token(lengths, expected):
    rows = [[*range(min(35, n)), *(100 * at + 1000 for _ in range(n - 35))] for at, n in enumerate(lengths)]
    assert writing._shared(rows) == expected


def test_an_end_token_that_a_tokenizer_puts_behind_a_prompt_is_not_asked_about(model_folder):
    tokenizer = engine(model_folder)._tokenizer

    def ending(text: str) -> dict[str, list[int]]:
        return {"input_ids": [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]}

    ending.eos_token_id = tokenizer.eos_token_id
    request = requests("a")[1]
    assert to_continue(request, ending) == tokenizer(request.prompt)["input_ids"]
    assert to_continue(request, tokenizer) == tokenizer(request.prompt)["input_ids"]


# Texts that are ranked.


def test_candidates_are_scored_from_the_prefix_token_on(model_folder, adapters):
    """Oracle: transformers with peft applied on the fly, a text at a time, tokens as the tokenizer gives them."""
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(model_folder), adapters[0]).eval()
    found = by_key(TransformersEngine(model_folder).loglikelihood(ranked("a", adapters[0])))
    assert len(found) == len(ranked("a"))
    for request in ranked("a", adapters[0])[:-1]:
        output = found["a", request.id]
        assert (output.text, output.finish, output.tokens) == ("", "ranked", sum(output.lengths))
        for text, value, length in zip(request.candidates, output.loglikelihoods, output.lengths, strict=True):
            ids = tokenizer(text).input_ids
            with torch.no_grad():
                logits = model(torch.tensor([[tokenizer.eos_token_id, *ids]])).logits[0, :-1]
            assert value == pytest.approx(float(logits.log_softmax(-1)[range(len(ids)), ids].sum()), abs=1e-4)
            assert length == len(ids)


def test_empty_texts_and_such_that_begin_with_the_prefix_token(model_folder):
    found = by_key(TransformersEngine(model_folder).loglikelihood(ranked("a")))["a", "odd"]
    assert found.lengths == (0, 1, 0, 1, 1)
    assert found.loglikelihoods[0] == found.loglikelihoods[2] == 0
    assert found.loglikelihoods[1] == found.loglikelihoods[3] == found.loglikelihoods[4] < 0
    (nothing,) = TransformersEngine(model_folder).loglikelihood([Request("p", "a", "", Sampling(), 0)])
    assert (nothing.loglikelihoods, nothing.lengths, nothing.tokens) == ((), (), 0)


@pytest.mark.parametrize("trees", [True, False])
def test_the_size_of_the_batch_changes_nothing_but_noise(model_folder, trees):
    whole = None
    for size in (1, 4, 24):
        engine = TransformersEngine(model_folder, batch_size=size)
        engine._trees = trees
        found = by_key(engine.loglikelihood(ranked("a")))
        whole = whole or found
        for key, output in found.items():
            assert output.loglikelihoods == pytest.approx(whole[key].loglikelihoods, abs=1e-4)


def test_a_batch_that_is_done_is_not_read(model_folder, monkeypatch):
    read = []
    kept = {("a", request.id) for request in ranked("a")} - {("a", "p4")}
    engine = TransformersEngine(model_folder, batch_size=1)
    score = likelihood.score
    monkeypatch.setattr(likelihood, "score", lambda *all: read.append(all) or score(*all))
    assert [output.id for output in engine.loglikelihood(ranked("a"), kept)] == ["p4"]
    assert len(read) == 1


def test_a_candidate_that_is_too_long_is_named(model_folder):
    fits, long = (
        Request(name, "a", "", Sampling(), 0, candidates=("a" * times,)) for name, times in (("p", 9), ("q", 5000))
    )
    with pytest.raises(EngineError, match=r"a, request q: a candidate of \d+ tokens, and .* reads 1024"):
        list(TransformersEngine(model_folder).loglikelihood([fits, long]))


def test_a_text_as_long_as_the_context_is_read(model_folder):
    """As the harness: its last token need not be read."""
    (output,) = TransformersEngine(model_folder).loglikelihood(
        [Request("p", "a", "", Sampling(), 0, candidates=("<unk>" * 1024,))]
    )
    assert output.lengths == (1024,)


def test_a_tokenizer_without_a_token_to_begin_with_is_named(model_folder):
    engine = TransformersEngine(model_folder)
    engine._tokenizer.eos_token = None
    with pytest.raises(EngineError, match="neither a bos_token nor an eos_token"):
        list(engine.loglikelihood(ranked("a")))
