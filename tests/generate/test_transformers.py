from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from babeltune.errors import EngineError
from babeltune.generate.transformers import TransformersEngine
from babeltune.records import Output, Request, Sampling, chat_prompt

SAMPLING = Sampling(max_tokens=12)
WORDS = ["Why?", "Name three trees and say where each of them grows.", "¿Qué es esto?", "Plan a day.", "A", "Und nun?"]


def requests(cell: str, adapter: Path | None = None, sampling: Sampling = SAMPLING, seed: int = 0) -> list[Request]:
    name = str(adapter) if adapter else None
    return [Request(f"p{at}", cell, chat_prompt(text), sampling, seed, name) for at, text in enumerate(WORDS)]


def by_id(outputs: list[Output]) -> dict[tuple[str, str], Output]:
    return {(output.cell, output.id): output for output in outputs}


@pytest.fixture(scope="module")
def adapters(model_folder, tmp_path_factory) -> list[Path]:
    folders = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        model = get_peft_model(
            AutoModelForCausalLM.from_pretrained(model_folder),
            LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False),
        )
        folders.append(tmp_path_factory.mktemp(f"adapter{seed}"))
        model.save_pretrained(folders[-1])
    return folders


def engine(model_folder: Path) -> TransformersEngine:
    return TransformersEngine(model_folder, batch_size=2)


def test_a_cell_alone_and_among_others_gives_the_same_bytes(model_folder, adapters):
    alone = by_id(list(engine(model_folder).complete(requests("b", adapters[0]))))
    among = [*requests("a"), *requests("b", adapters[0]), *requests("c", adapters[1]), *requests("d")]
    mixed = by_id(list(engine(model_folder).complete(among)))
    assert len(mixed) == len(among)
    assert {key: output for key, output in mixed.items() if key[0] == "b"} == alone
    # The base after the adapters is the base before them, bit by bit.
    assert [mixed["a", f"p{at}"].text for at in range(6)] == [mixed["d", f"p{at}"].text for at in range(6)]
    assert mixed["a", "p0"].text != mixed["b", "p0"].text != mixed["c", "p0"].text


def test_resumed_anywhere_the_rest_is_what_it_would_have_been(model_folder):
    whole = by_id(list(engine(model_folder).complete(requests("a"))))
    for kept in ({("a", "p0")}, {("a", "p1"), ("a", "p2"), ("a", "p5")}, set(whole)):
        rest = by_id(list(engine(model_folder).complete(requests("a"), kept)))
        assert rest == {key: output for key, output in whole.items() if key not in kept}


def test_greedy_answers_are_those_of_transformers_one_by_one(model_folder, adapters):
    """Independent oracle: transformers' own greedy search, unbatched, with peft applied on the fly, not merged."""
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(model_folder), adapters[0]).eval()
    found = by_id(list(engine(model_folder).complete(requests("a", adapters[0], Sampling(0, 1, 12)))))
    for request in requests("a"):
        ids = tokenizer(request.prompt, return_tensors="pt").input_ids
        with torch.no_grad():
            out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False)
        assert found["a", request.id].text == tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)


def test_seeds_differ_and_repeat(model_folder):
    first, again = (by_id(list(engine(model_folder).complete(requests("a", seed=3)))) for _ in range(2))
    assert first == again
    assert first != by_id(list(engine(model_folder).complete(requests("a", seed=4))))


def test_stop_strings_and_lengths_end_an_output(model_folder):
    free = by_id(list(engine(model_folder).complete(requests("a"))))
    text = free["a", "p1"].text
    stop = text[4:7]
    held = by_id(list(engine(model_folder).complete(requests("a", sampling=Sampling(max_tokens=12, stop=(stop,))))))
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
