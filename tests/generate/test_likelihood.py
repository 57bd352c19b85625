"""Trees and plain rows against one forward pass a text; the real model against lm-evaluation-harness."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import (
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

from babeltune.generate import likelihood
from babeltune.generate.transformers import TransformersEngine
from babeltune.measure.tasks.xnli import Xnli
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
