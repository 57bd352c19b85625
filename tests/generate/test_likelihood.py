"""Trees and plain rows against one forward pass a text; the real model against lm-evaluation-harness."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import PeftModel
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BloomConfig,
    BloomForCausalLM,
    FalconConfig,
    FalconForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
)

from babeltune.errors import EngineError
from babeltune.generate import likelihood
from babeltune.generate.transformers import TransformersEngine
from babeltune.measure.tasks.xnli import Xnli
from babeltune.records import Request, Sampling
from doubles import by_key

VOCABULARY, PREFIX = 60, 1
# Weights this large make attention matter: a wrong mask or position changes the sums by whole nats.
DECODER = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 200,
    "initializer_range": 0.4,
}
SMALL = {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "initializer_range": 0.4}


def built(name: str) -> PreTrainedModel:
    torch.manual_seed(0)
    return {
        "llama": lambda: LlamaForCausalLM(LlamaConfig(**DECODER)),
        "llama eager": lambda: LlamaForCausalLM(LlamaConfig(**DECODER, attn_implementation="eager")),
        "llama flex": lambda: LlamaForCausalLM(LlamaConfig(**DECODER, attn_implementation="flex_attention")),
        "gpt2": lambda: GPT2LMHeadModel(
            GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=200, initializer_range=0.4)
        ),
        "falcon": lambda: FalconForCausalLM(FalconConfig(**SMALL, num_attention_heads=4, alibi=False)),
        "falcon alibi": lambda: FalconForCausalLM(FalconConfig(**SMALL, num_attention_heads=4, alibi=True)),
        "bloom": lambda: BloomForCausalLM(
            BloomConfig(vocab_size=VOCABULARY, hidden_size=32, n_layer=2, n_head=4, initializer_range=0.4)
        ),
        "mamba": lambda: MambaForCausalLM(MambaConfig(**SMALL, state_size=4)),
        "mistral": lambda: MistralForCausalLM(MistralConfig(**DECODER, sliding_window=30)),
        "mistral, narrow": lambda: MistralForCausalLM(MistralConfig(**DECODER, sliding_window=5)),
    }[name]().eval()


def alone(model: PreTrainedModel, text: likelihood.Tokens) -> float:
    """By the definition."""
    if not text:
        return 0.0
    with torch.no_grad():
        logits = model(torch.tensor([[PREFIX, *text[:-1]]])).logits[0]
    return float(logits.log_softmax(-1)[range(len(text)), list(text)].sum())


SHARED = tuple(range(5, 25))
TEXTS = [
    (*SHARED, 30, 31, 32),
    (*SHARED, 30, 40, 32),
    (*SHARED, 30, 31, 32),  # the first once more
    SHARED,  # the beginning of others
    (),
    (7,),
    (44, 3, PREFIX, 3, 44),
    (*SHARED[:3], *SHARED),
]
TREES, ROWS = ("llama", "llama eager", "gpt2", "falcon"), ("falcon alibi", "bloom", "mamba", "mistral, narrow")


@pytest.mark.parametrize("name", TREES)
def test_a_tree_gives_what_each_text_alone_gives(name):
    model = built(name)
    assert likelihood.reads_trees(model, PREFIX)
    tree = likelihood.grow(PREFIX, TEXTS)
    expected = [alone(model, text) for text in TEXTS]
    assert likelihood.score_tree(model, tree, TEXTS) == pytest.approx(expected, abs=1e-4)
    assert likelihood.score_rows(model, PREFIX, TEXTS) == pytest.approx(expected, abs=1e-4)
    # Read: the prefix token, what is shared, and what is not, but for the last token of each.
    assert len(tree.tokens) == 1 + 20 + 1 + 2 + 4 + 19
    assert len(tree.tokens) < sum(map(len, TEXTS)) / 2


@pytest.mark.filterwarnings("ignore")  # Mamba says that it has no kernel here
@pytest.mark.parametrize("name", ROWS)
def test_a_model_that_cannot_read_a_tree_reads_rows(name):
    model = built(name)
    assert not likelihood.reads_trees(model, PREFIX)
    expected = [alone(model, text) for text in TEXTS]
    assert likelihood.score(model, PREFIX, TEXTS, trees=False) == pytest.approx(expected, abs=1e-4)


def test_another_attention_than_sdpa_and_eager_is_not_tried():
    assert not likelihood.reads_trees(built("llama flex"), PREFIX)


@pytest.mark.parametrize("name", ["mistral", "gpt2", "llama"])
def test_a_tree_beyond_the_window_or_the_context_is_read_in_rows(name):
    """The texts of the first fit the probe in the window; the tree of the others is longer than the context."""
    model = built(name)
    assert likelihood.reads_trees(model, PREFIX)
    texts = [tuple((start + step * at) % VOCABULARY for at in range(90)) for start in (1, 2) for step in (1, 7)]
    expected = [alone(model, text) for text in texts]
    assert likelihood.score(model, PREFIX, texts, trees=True) == pytest.approx(expected, abs=2e-3)
    if name == "mistral":  # else this would show nothing
        assert likelihood.score_tree(model, likelihood.grow(PREFIX, texts), texts) != pytest.approx(expected, abs=1)


def test_long_texts_are_read_in_several_rows(monkeypatch):
    model = built("llama")
    expected = [alone(model, text) for text in TEXTS]
    monkeypatch.setattr(likelihood, "NODES", 40)
    monkeypatch.setattr(likelihood, "_ROWS", 3)
    assert likelihood.score_rows(model, PREFIX, TEXTS) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("trees", [True, False])
def test_half_precision_is_summed_in_single(trees):
    """A score of bfloat16 has 8 bits; the sum of many must have more."""
    model = built("llama").to(torch.bfloat16)
    assert likelihood.reads_trees(model, PREFIX)
    found = likelihood.score(model, PREFIX, TEXTS, trees)
    expected = [alone(model.float(), text) for text in TEXTS]
    assert all(abs(one - two) <= 0.1 * len(text) for one, two, text in zip(found, expected, TEXTS, strict=True))
    assert found[3] != float(torch.tensor(found[3]).bfloat16())


def test_a_node_sees_its_ancestors_and_itself_alone():
    tree = likelihood.grow(9, [(1, 2, 3), (1, 5, 6), (1, 2, 4), (8,)])
    assert tree.tokens.tolist() == [9, 1, 2, 5]
    assert tree.depths.tolist() == [0, 1, 2, 2]
    assert tree.paths == ((0, 1, 2), (0, 1, 3), (0, 1, 2), (0,))
    assert tree.sees.astype(int).tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 0, 1]]


TEXT = st.lists(st.integers(0, 3), max_size=9).map(tuple)
LLAMA = built("llama")


@given(st.lists(TEXT, min_size=1, max_size=12))
def test_any_texts_have_the_sums_that_they_have_alone(texts):
    expected = [alone(LLAMA, text) for text in texts]
    for trees in (True, False):
        assert likelihood.score(LLAMA, PREFIX, texts, trees) == pytest.approx(expected, abs=1e-3)


@given(st.lists(st.lists(TEXT, max_size=3), max_size=12), st.integers(1, 5), st.integers(1, 20))
def test_every_request_is_in_one_batch_which_is_one_by_itself_too(requests, size, nodes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(likelihood, "NODES", nodes)
        found = likelihood.batches(requests, size)
        for batch in found:
            assert likelihood.batches([requests[at] for at in batch], size) == [list(range(len(batch)))]
    assert sorted(at for batch in found for at in batch) == list(range(len(requests)))
    assert all(1 <= len(batch) <= size for batch in found)
    for batch in found:
        before_last = [text for at in batch[:-1] for text in requests[at]]
        assert len(likelihood.grow(PREFIX, before_last).tokens) <= nodes


# The engine.

PREMISES = ["It rained all day long", "Nobody was at home", "The cat sat on the mat, and the dog beside it"]
HYPOTHESES = ["It was dry.", "Somebody was there, as always.", "It."]
WORDS = ("Yes", "Also", "No")


def requests(cell: str, adapter: Path | None = None) -> list[Request]:
    texts = [[f"{one}, right? {word}, {two}" for word in WORDS] for one in PREMISES for two in HYPOTHESES]
    name = str(adapter) if adapter else None
    made = [Request(f"p{at}", cell, "", Sampling(), 0, name, "", tuple(some)) for at, some in enumerate(texts)]
    return [*made, Request("odd", cell, "", Sampling(), 0, name, "", ("", "a", "<eos>", "<eos>a", "a"))]


def test_candidates_are_scored_from_the_prefix_token_on(model_folder, adapters):
    """Oracle: transformers with peft applied on the fly, a text at a time, tokens as the tokenizer gives them."""
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(model_folder), adapters[0]).eval()
    found = by_key(TransformersEngine(model_folder).loglikelihood(requests("a", adapters[0])))
    assert len(found) == len(requests("a"))
    for request in requests("a", adapters[0])[:-1]:
        output = found["a", request.id]
        assert (output.text, output.finish, output.tokens) == ("", "ranked", sum(output.lengths))
        for text, value, length in zip(request.candidates, output.loglikelihoods, output.lengths, strict=True):
            ids = tokenizer(text).input_ids
            with torch.no_grad():
                logits = model(torch.tensor([[tokenizer.eos_token_id, *ids]])).logits[0, :-1]
            assert value == pytest.approx(float(logits.log_softmax(-1)[range(len(ids)), ids].sum()), abs=1e-4)
            assert length == len(ids)


def test_empty_texts_and_such_that_begin_with_the_prefix_token(model_folder):
    found = by_key(TransformersEngine(model_folder).loglikelihood(requests("a")))["a", "odd"]
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
        found = by_key(engine.loglikelihood(requests("a")))
        whole = whole or found
        for key, output in found.items():
            assert output.loglikelihoods == pytest.approx(whole[key].loglikelihoods, abs=1e-4)


def test_a_cell_alone_and_among_others_gives_the_same_bytes(model_folder, adapters):
    def engine() -> TransformersEngine:
        return TransformersEngine(model_folder, batch_size=2)

    alone = by_key(engine().loglikelihood(requests("b", adapters[0])))
    among = [*requests("a"), *requests("b", adapters[0]), *requests("c", adapters[1]), *requests("d")]
    mixed = by_key(engine().loglikelihood(among))
    assert len(mixed) == len(among)
    assert {key: output for key, output in mixed.items() if key[0] == "b"} == alone
    assert [mixed["a", f"p{at}"].loglikelihoods for at in range(9)] == [
        mixed["d", f"p{at}"].loglikelihoods for at in range(9)
    ]
    assert len({mixed[cell, "p0"].loglikelihoods for cell in "abc"}) == 3


def test_resumed_anywhere_the_rest_is_what_it_would_have_been(model_folder):
    whole = by_key(TransformersEngine(model_folder, batch_size=4).loglikelihood(requests("a")))
    for kept in ({("a", "p0")}, {("a", "p1"), ("a", "p2"), ("a", "p5"), ("a", "odd")}, set(whole)):
        rest = by_key(TransformersEngine(model_folder, batch_size=4).loglikelihood(requests("a"), kept))
        assert rest == {key: output for key, output in whole.items() if key not in kept}


def test_a_batch_that_is_done_is_not_read(model_folder, monkeypatch):
    read = []
    kept = {("a", request.id) for request in requests("a")} - {("a", "p4")}
    engine = TransformersEngine(model_folder, batch_size=1)
    score = likelihood.score
    monkeypatch.setattr(likelihood, "score", lambda *all: read.append(all) or score(*all))
    assert [output.id for output in engine.loglikelihood(requests("a"), kept)] == ["p4"]
    assert len(read) == 1


def test_candidates_that_do_not_fit_are_halved_and_so_are_later_batches(model_folder, monkeypatch, caplog):
    """A device with room for the candidates of two requests: the real engine, with the memory error of torch."""
    asked = [Request(f"p{at}", "a", "", Sampling(), 0, candidates=(f"{at} is one", f"{at} is two")) for at in range(10)]
    expected = {one.id: one for one in TransformersEngine(model_folder, batch_size=5).loglikelihood(asked)}
    rows: list[int] = []
    real = TransformersEngine._score

    def score(self, batch):
        rows.append(len(batch))
        if len(batch) > room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return real(self, batch)

    monkeypatch.setattr(TransformersEngine, "_score", score)
    room = 2
    found = {one.id: one for one in TransformersEngine(model_folder, batch_size=5).loglikelihood(asked)}
    assert rows == [5, 2, 1, 2, 2, 1, 2]  # the second batch is not even tried whole
    assert found.keys() == expected.keys()
    for key, one in found.items():
        assert one.loglikelihoods == pytest.approx(expected[key].loglikelihoods, abs=1e-4)
    assert "execution.batch_size: 2 to begin with that" in caplog.text
    room = 0
    with pytest.raises(
        EngineError, match=r"a, request p\d: its candidates do not fit .* by themselves .*dtype: bfloat16"
    ):
        list(TransformersEngine(model_folder, batch_size=5).loglikelihood(asked))


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
        list(engine.loglikelihood(requests("a")))


# The real model.

BESIDE = Path(__file__).parents[2].parent / "shared"
ORACLE = BESIDE / "oracles" / "xnli_lm_eval.json"


@pytest.mark.slow
@pytest.mark.skipif(not ORACLE.is_file(), reason="the oracle's data is not beside this checkout")
def test_xnli_is_answered_as_by_lm_evaluation_harness():
    from babeltune.study.models import BUNDLED, locate, prepare
    from babeltune.study.spec.study import ModelSpec

    oracle = json.loads(ORACLE.read_text(encoding="utf-8"))
    engine = TransformersEngine(prepare(locate(ModelSpec(id=BUNDLED))))
    made = []
    for language in ("en", "es"):
        task = Xnli(BESIDE / "data" / "xnli", words="harness")
        # Ids of items are row numbers from 1 on.
        some = [task.request(item) for item in task.items(language, "xx:xx")[:50]]
        made += [replace(one, id=str(int(one.id) - 1), cell=language) for one in some]
    found = by_key(engine.loglikelihood(made))
    assert engine._trees
    apart = 0.0
    for language in ("en", "es"):
        for at, expected in enumerate(oracle[language]["loglikelihood"]):
            values = found[language, str(at)].loglikelihoods
            assert values.index(max(values)) == expected.index(max(expected))
            apart = max(apart, *(abs(one - two) for one, two in zip(values, expected, strict=True)))
    print(f"largest difference {apart:.6f} nats")
    assert apart < 1e-2
