"""The pure parts and, against a double of vLLM, the order of things; then vLLM itself (`make test-vllm`)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from babeltune.data.identify import identifier
from babeltune.data.sources import POCKET, Source, read_chats
from babeltune.errors import EngineError
from babeltune.finetune.recipe import LoraRecipe
from babeltune.generate import vllm as module
from babeltune.generate.tokens import to_continue
from babeltune.generate.transformers import TransformersEngine
from babeltune.generate.vllm import VllmEngine, parameters, seed_of
from babeltune.generate.ways import Costs, estimate, tokens_to_come
from babeltune.measure.statistics.intervals import difference
from babeltune.records import STOP, Output, Request, Sampling, chat_prompt
from babeltune.study.models import BUNDLED, locate, prepare
from babeltune.study.spec.study import ModelSpec
from doubles import by_key

GREEDY = Sampling(0, 1, 24, STOP)
SAMPLED = Sampling(0.8, 0.9, 24, STOP)
ASKED = Request("p1", "cell", "Why?", SAMPLED, 3)
Outputs = dict[tuple[str, str], Output]


# The pure parts.


def test_a_merge_is_chosen_where_it_costs_less_than_it_saves():
    costs = Costs(merge=300, slowdown=1.5)
    pending = {"little": 599, "just": 600, "much": 10**6}
    assert estimate(pending, costs) == {"little": "on-the-fly", "just": "merged", "much": "merged"}
    for adapter, way in estimate(pending, costs).items():
        on_the_fly, merged = pending[adapter] * costs.slowdown, pending[adapter] + costs.merge
        assert (merged <= on_the_fly) == (way == "merged")
    assert set(estimate(pending, Costs(merge=0, slowdown=1)).values()) == {"on-the-fly"}


def test_tokens_to_come_are_those_to_write_or_about_those_to_read():
    assert tokens_to_come(ASKED) == 24
    assert tokens_to_come(dataclasses.replace(ASKED, candidates=("x" * 40, "y" * 80))) == 30


def test_a_seed_is_of_the_item_and_its_seed_alone():
    digest = hashlib.sha256(b"3\0p1").digest()
    assert seed_of(ASKED) == int.from_bytes(digest, "big") >> (256 - 63)
    elsewhere = dataclasses.replace(ASKED, cell="other", adapter="tuned", prompt="What?")
    assert seed_of(elsewhere) == seed_of(ASKED)
    many = {seed_of(dataclasses.replace(ASKED, id=f"p{at}", seed=seed)) for at in range(500) for seed in range(4)}
    assert len(many) == 2000
    assert all(0 <= seed < 2**63 for seed in many)
    # "1" and "0p" are not "10" and "p".
    assert seed_of(dataclasses.replace(ASKED, seed=1, id="0p")) != seed_of(dataclasses.replace(ASKED, seed=10, id="p"))


def test_parameters_say_what_the_request_says():
    assert parameters(ASKED) == {
        "temperature": 0.8,
        "top_p": 0.9,
        "max_tokens": 24,
        "stop": list(STOP),
        "seed": seed_of(ASKED),
    }

    def at(temperature: float) -> Request:
        return dataclasses.replace(ASKED, sampling=dataclasses.replace(SAMPLED, temperature=temperature))

    # vLLM would draw at 0.01 what is to be drawn at 0.001: greedy is nearer.
    assert [parameters(at(t))["temperature"] for t in (0, 0.001, 0.01, 2)] == [0, 0, 0.01, 2]
    with pytest.raises(EngineError, match=r"cell, request p1: .* up to 2, not at 2\.5"):
        parameters(at(2.5))


# Against a double of vLLM that answers with the prompt's own tokens, the last request first.


class Double:
    """Speaks as much of ``vllm.LLM`` and its engine as is used."""

    class EngineDeadError(Exception):
        pass

    def __init__(self, *given: object, **settings: object) -> None:
        self.given, self.settings = given, settings
        self.llm_engine = self
        self.engine_core = self
        self.model_config = SimpleNamespace(max_model_len=200)
        self.flying: dict[str, tuple[list[int], SimpleNamespace, object]] = {}
        self.most = 0
        self.story: list[str] = []
        self.dies = False

    def add_request(self, key, prompt, params, lora_request=None):
        if params.structured_outputs is not None and not params.structured_outputs.json.startswith("{"):
            raise ValueError("not a schema")
        self.flying[key] = prompt["prompt_token_ids"], params, lora_request
        self.most = max(self.most, len(self.flying))

    def step(self):
        if self.dies:
            raise self.EngineDeadError("gone")
        key = list(self.flying)[-1]
        ids, params, lora = self.flying.pop(key)
        self.story.append(f"answer {lora.lora_int_id if lora else 0}")
        answer = SimpleNamespace(token_ids=ids[: params.max_tokens], stop_reason=None, text="")
        logprobs = [None, *({token: SimpleNamespace(logprob=-0.5)} for token in ids[1:])]
        return [
            SimpleNamespace(
                finished=True, request_id=key, outputs=[answer], prompt_token_ids=ids, prompt_logprobs=logprobs
            )
        ]

    def abort_request(self, keys):
        self.story.append(f"abort {len(keys)}")
        for key in keys:
            del self.flying[key]

    def add_lora(self, lora):
        return True

    def collective_rpc(self, method, args=()):
        assert not self.flying
        if method == "babeltune_keep_draws":
            return
        self.story.append(f"merge {Path(args[1]).name if args[1] else None}")

    def reset_prefix_cache(self):
        self.story.append("forget")
        return True

    def shutdown(self):
        self.story.append("end")


@pytest.fixture
def made(monkeypatch) -> list[Double]:
    """Modules of the double in vLLM's place; holds the engines that were started."""
    engines: list[Double] = []

    def start(*given: object, **settings: object) -> Double:
        engines.append(Double(*given, **settings))
        return engines[-1]

    def put(name: str, **content: object) -> None:
        found = ModuleType(name)
        found.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, found)

    def record(**fields: object) -> SimpleNamespace:
        return SimpleNamespace(**fields)

    def lora(name: str, number: int, path: str) -> SimpleNamespace:
        return SimpleNamespace(lora_name=name, lora_int_id=number, lora_path=path)

    llama = SimpleNamespace(load_model_cls=lambda: "with adapters")
    put("vllm", LLM=start, SamplingParams=record)
    put(
        "vllm.sampling_params",
        RequestOutputKind=SimpleNamespace(FINAL_ONLY=2),
        StructuredOutputsParams=record,
    )
    put("vllm.lora")
    put("vllm.lora.request", LoRARequest=lora)
    for name in ("vllm.v1", "vllm.v1.engine", "vllm.model_executor", "vllm.model_executor.models"):
        put(name)
    put("vllm.v1.engine.exceptions", EngineDeadError=Double.EngineDeadError)
    put("vllm.model_executor.models.interfaces", supports_lora=lambda found: found == "with adapters")
    put("vllm.model_executor.models.registry", ModelRegistry=SimpleNamespace(models={"LlamaForCausalLM": llama}))
    put("vllm.platforms", current_platform=SimpleNamespace(is_cpu=lambda: True))
    return engines


@pytest.fixture
def tiny_adapters(adapters) -> list[str]:
    return list(map(str, adapters))


def asked(adapter: str | None, count: int = 4, sampling: Sampling = GREEDY) -> list[Request]:
    cell = Path(adapter).name if adapter else "base"
    return [Request(f"p{at}", cell, chat_prompt(f"Question {at}"), sampling, 0, adapter) for at in range(count)]


def test_everything_is_answered_once_and_nothing_that_is_done(model_folder, tiny_adapters, made):
    engine = VllmEngine(model_folder, adapters="on-the-fly")
    requests = [request for adapter in (None, *tiny_adapters) for request in asked(adapter, sampling=Sampling(0, 1, 9))]
    found = by_key(engine.complete(requests, {("base", "p1"), ("two", "p3")}))
    expected = {(request.cell, request.id) for request in requests} - {("base", "p1"), ("two", "p3")}
    assert set(found) == expected
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    ids = tokenizer(requests[0].prompt)["input_ids"]
    assert found["base", "p0"] == Output("p0", "base", tokenizer.decode(ids[:9]), "length", 9)
    assert made[0].most == len(expected)  # in flight at once
    assert Counter(made[0].story) == {"answer 0": 3, "answer 1": 4, "answer 2": 3}
    assert list(engine.complete(requests, {(request.cell, request.id) for request in requests})) == []
    assert len(made) == 1


def test_no_more_is_in_flight_than_there_is_room_for(model_folder, made, monkeypatch):
    monkeypatch.setattr(module, "_QUEUE", 3)
    found = list(VllmEngine(model_folder).complete(asked(None, 20)))
    assert len(found) == 20
    assert made[0].most == 3


def test_outputs_are_yielded_before_the_rest_is_answered_and_leaving_early_aborts(model_folder, made):
    engine = VllmEngine(model_folder)
    outputs = engine.complete(asked(None))
    next(outputs)
    assert made[0].story == ["answer 0"]
    outputs.close()
    assert made[0].story == ["answer 0", "abort 3"]
    assert not made[0].flying


def test_merged_adapters_come_after_the_base_and_what_was_read_is_forgotten(model_folder, tiny_adapters, made):
    engine = VllmEngine(model_folder, adapters="merged")
    first, second = tiny_adapters
    list(engine.complete([*asked(second, 1), *asked(None, 1), *asked(first, 2)]))
    assert made[0].story == [
        "answer 0", "merge one", "forget", "answer 0", "answer 0", "merge two", "forget", "answer 0",
    ]  # fmt: skip
    assert "enable_lora" not in made[0].settings
    # The weights that are there are used first.
    made[0].story.clear()
    list(engine.complete([*asked(None, 1), *asked(second, 1)]))
    assert made[0].story == ["answer 0", "merge None", "forget", "answer 0"]


def test_it_is_estimated_which_adapters_are_merged_and_said_why(model_folder, tiny_adapters, made, caplog):
    first, second = tiny_adapters
    engine = VllmEngine(model_folder, costs=Costs(merge=100, slowdown=2))
    with caplog.at_level("INFO", logger="babeltune"):
        list(engine.complete([*asked(first, 5), *asked(second, 4), *asked(None)]))
    assert Counter(made[0].story) == {"answer 0": 4 + 5, "answer 1": 4, "merge one": 1, "forget": 1}
    said = [record.getMessage() for record in caplog.records]
    assert said[0].startswith(f"{first}: merged; at most 120 tokens to come; a merge of 0.00 GB costs the time of 100")
    assert said[1].startswith(f"{second}: on-the-fly; at most 96 tokens to come; ")
    assert "merging pays from 100 on" in said[1]


def test_an_engine_started_for_no_adapter_on_the_fly_merges_them(model_folder, tiny_adapters, made, caplog):
    engine = VllmEngine(model_folder, adapters="on-the-fly")
    list(engine.complete(asked(None)))
    with caplog.at_level("INFO", logger="babeltune"):
        list(engine.complete(asked(tiny_adapters[0])))
    assert "merge one" in made[0].story
    assert "the engine was not started for it on the fly" in caplog.text
    assert len(made) == 1


def test_the_output_head_is_left_without_a_place_for_adapters(model_folder, tiny_adapters, made):
    engine = VllmEngine(model_folder, adapters="on-the-fly", max_rank=5, tensor_parallel=2, gpu_memory=0.5)
    list(engine.complete(asked(tiny_adapters[0])))
    settings = made[0].settings
    assert made[0].given == (str(model_folder),)
    assert (settings["max_lora_rank"], settings["max_loras"]) == (8, 2)  # on a CPU one stays empty
    assert settings["lora_target_modules"] == [
        "down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj",
    ]  # fmt: skip
    assert (settings["tensor_parallel_size"], settings["gpu_memory_utilization"]) == (2, 0.5)
    assert settings["enable_prefix_caching"] is True


def test_a_model_that_vllm_adapts_not_on_the_fly_is_merged(model_folder, tiny_adapters, made, monkeypatch):
    registry = sys.modules["vllm.model_executor.models.registry"].ModelRegistry
    registry.models["LlamaForCausalLM"] = SimpleNamespace(load_model_cls=lambda: "without adapters")
    list(VllmEngine(model_folder, adapters="on-the-fly").complete(asked(tiny_adapters[0])))
    assert "merge one" in made[0].story


def test_candidates_of_a_request_are_gathered(model_folder, made):
    request = Request("r", "c", "", GREEDY, 0, candidates=("The cat sat.", "", "Two trees"))
    other = dataclasses.replace(request, id="none", candidates=("",))
    found = by_key(VllmEngine(model_folder).loglikelihood([request, other]))
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    lengths = tuple(len(tokenizer(text)["input_ids"]) for text in request.candidates)
    output = found["c", "r"]
    assert (output.finish, output.text, output.lengths) == ("ranked", "", lengths)
    assert output.loglikelihoods == tuple(-0.5 * length for length in lengths)
    assert output.tokens == sum(lengths)
    assert found["c", "none"].loglikelihoods == (0,)


def test_a_prompt_that_fills_the_context_is_named_before_any_is_answered(model_folder, made):
    engine = VllmEngine(model_folder)
    long = Request("p9", "long", "word " * 300, GREEDY, 0)
    with pytest.raises(EngineError, match=r"long, request p9: a prompt of \d+ tokens, and vLLM reads 200"):
        list(engine.complete([*asked(None), long]))
    ranked = Request("r9", "long", "", GREEDY, 0, candidates=("short", "word " * 300))
    with pytest.raises(EngineError, match=r"long, request r9: a candidate of \d+ tokens"):
        list(engine.loglikelihood([ranked]))
    assert made[0].story == []


def test_errors_say_what_to_do(model_folder, tiny_adapters, made, tmp_path, monkeypatch):
    with pytest.raises(EngineError, match=r"its rank is 4, .* up to 2. Raise max_rank to 4"):
        list(VllmEngine(model_folder, max_rank=2).complete(asked(tiny_adapters[0])))
    with pytest.raises(EngineError, match=r"cannot be applied to .* tunes it again"):
        list(VllmEngine(model_folder).complete(asked(str(tmp_path / "none"))))
    assert made == []  # nothing was loaded for that
    odd = dataclasses.replace(asked(None)[0], schema="no schema")
    with pytest.raises(EngineError, match=r"base, request p0: vLLM refuses it .*not a schema"):
        list(VllmEngine(model_folder).complete([odd]))
    engine = VllmEngine(model_folder)
    list(engine.complete(asked(None)))
    made[-1].dies = True
    with pytest.raises(EngineError, match=r"vLLM died .* Run again: outputs are kept"):
        list(engine.complete(asked(None)))
    assert made[-1].story[-1] == "end"
    list(engine.complete(asked(None)))  # a new engine
    assert not made[-1].dies

    def too_small(*_: object, **__: object) -> None:
        raise ValueError("No available memory for the cache blocks.\nmore")

    monkeypatch.setattr(sys.modules["vllm"], "LLM", too_small)
    with pytest.raises(EngineError, match=r"cannot start \(No available memory .*\)\. .*gpu_memory: 0\.9.*tensor_par"):
        list(VllmEngine(model_folder).complete(asked(None)))


def test_without_vllm_it_is_said_how_to_have_it(model_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(EngineError, match=r"pip install 'babeltune\[vllm\]'.*engine: transformers"):
        list(VllmEngine(model_folder).complete(asked(None)))


def test_an_engine_that_nobody_holds_ends_its_processes(model_folder, made):
    engine = VllmEngine(model_folder)
    list(engine.complete(asked(None)))
    engine.close()
    assert made[0].story[-1] == "end"
    list(engine.complete(asked(None)))
    del engine
    assert made[1].story[-1] == "end"


# vLLM itself, with adapters tuned on the bundled model. Its processes run beside this one.

WAYS = ("on-the-fly", "merged")
LANGUAGES = ("en", "es", "de", "fr", "ru")
EACH = {"merged": 10, "on-the-fly": 2}
"""Prompts of each language. On a CPU, vLLM copies an adapter's matrices for each token that it applies them to."""
TIE = 1e-3
"""Nats by which the most likely token may lead the one that vLLM took: rounding of sums in another order."""
RECIPE = LoraRecipe(
    rank=64, alpha=128, dropout=0.0, learning_rate=1.5e-3, steps=6, batch=4, max_tokens=72, unanswered="leave-out",
    loss_on="answers", order="length-grouped",
)  # fmt: skip
# vLLM and what it imports warn of what they themselves use.
needs_vllm = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore")]


class Recording(VllmEngine):
    """Keeps the tokens of its answers too."""

    def __init__(self, *given, **settings):
        super().__init__(*given, **settings)
        self.ids: dict[tuple[str, str], list[int]] = {}

    def _written(self, request, results):
        self.ids[request.cell, request.id] = list(results[0].outputs[0].token_ids)
        return super()._written(request, results)


@pytest.fixture(scope="module")
def base() -> Path:
    return prepare(locate(ModelSpec(id=BUNDLED)))


@pytest.fixture(scope="module")
def tuned(base, tmp_path_factory) -> list[str]:
    """Adapters of rank 64: one tuned on English and Spanish chats, and one of random weights, small enough to speak."""
    from babeltune.finetune.hardware import Hardware
    from babeltune.finetune.train import Tuner

    folder = tmp_path_factory.mktemp("tuned")
    chats = read_chats(Source("pocket")).chats
    mix = [chat for code in ("en", "es") for chat in [c for c in chats if c.language == code][:12]]
    Tuner(base, Hardware(packing="off")).tune(mix, RECIPE, 0, folder / "en-es", lambda *_: None)
    torch.manual_seed(1)
    lora = LoraConfig(r=64, lora_alpha=32, target_modules="all-linear")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), lora)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.02)
    model.save_pretrained(folder / "random")
    return [str(folder / "en-es"), str(folder / "random")]


def dialogue(adapters: list[str | None], sampling: Sampling, seed: int = 0, way: str = "merged") -> list[Request]:
    """Prompts of five languages to each adapter."""
    prompts = {
        f"{code} {row['id']}": row["prompt"]
        for code in LANGUAGES
        for row in map(json.loads, (POCKET / "dialogue" / f"{code}.jsonl").read_text().splitlines()[: EACH[way]])
    }
    return [
        Request(key, Path(adapter).name if adapter else "base", chat_prompt(prompt), sampling, seed, adapter)
        for adapter in adapters
        for key, prompt in prompts.items()
    ]


NLI = [
    Request(f"r{at}", "nli", "", GREEDY, 0, candidates=tuple(f"{premise}, right? {word}, {rest}" for word in WORDS))
    for WORDS in [("Yes", "Also", "No")]
    for at, (premise, rest) in enumerate(
        [
            ("The train was late", "we waited for an hour"),
            ("El tren llegó tarde", "esperamos una hora"),
            ("Der Zug kam zu spät", "wir haben eine Stunde gewartet"),
            ("Поезд опоздал", "мы ждали целый час"),
        ]
    )
]


@pytest.fixture(scope="module")
def theirs(base) -> TransformersEngine:
    return TransformersEngine(base)


@pytest.fixture(scope="module")
def greedy(theirs, tuned) -> Outputs:
    return by_key(theirs.complete(dialogue([None, *tuned], GREEDY)))


@pytest.fixture(scope="module", params=WAYS)
def ours(request, base, tuned) -> Recording:
    """An engine for each way, one after the other: they would not fit beside each other everywhere."""
    engine = Recording(base, adapters=request.param)
    yield engine
    engine.close()


class TestVllm:
    pytestmark = needs_vllm

    seen: dict[str, Outputs] = {}  # noqa: RUF012  # way -> its greedy answers

    def test_greedy_answers_are_those_of_transformers_token_by_token(self, base, tuned, greedy, ours, capsys):
        requests = dialogue([None, *tuned], GREEDY, way=ours.adapters)
        found = by_key(ours.complete(requests))
        self.seen[ours.adapters] = found
        assert found.keys() <= greedy.keys()
        assert len(found) == 3 * len(LANGUAGES) * EACH[ours.adapters]
        # Along each of vLLM's answers: how far is the likeliest token ahead of the one that vLLM took?
        tokenizer = AutoTokenizer.from_pretrained(base)
        ahead: dict[tuple[str, str], float] = {}
        for adapter in (None, *tuned):
            model = AutoModelForCausalLM.from_pretrained(base).eval()
            if adapter:
                model = PeftModel.from_pretrained(model, adapter).merge_and_unload()
            for one in (one for one in requests if one.adapter == adapter):
                prompt, answer = tokenizer(one.prompt)["input_ids"], ours.ids[one.cell, one.id]
                with torch.inference_mode():
                    logits = model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
                chosen = logits.gather(1, torch.tensor(answer)[:, None])[:, 0]
                ahead[one.cell, one.id] = float((logits.max(dim=1).values - chosen).max())
        others = {key for key, output in found.items() if output != greedy[key]}
        with capsys.disabled():
            print(f"\n{ours.adapters}: {len(found) - len(others)} of {len(found)} greedy answers equal,", end=" ")
            print(f"at most {max(ahead.values()):.1e} nats behind; other: {sorted(others)}")
        assert max(ahead.values()) < TIE
        # Where an answer is another one, it is because two tokens were as likely as each other.
        assert len(others) <= 0.04 * len(found)
        assert (
            len({output.text for output in found.values()}) > len(found) * 2 / 3
        )  # the adapters do change the answers

    def test_adapters_together_answer_as_each_alone(self, tuned, ours):
        together = by_key(ours.complete(dialogue([None, *tuned], GREEDY, way=ours.adapters)))
        alone: Outputs = {}
        for adapter in (None, *tuned):
            alone |= by_key(ours.complete(dialogue([adapter], GREEDY, way=ours.adapters)))
        assert sum(together[key] != alone[key] for key in together) <= 0.02 * len(together)

    def test_merged_answers_are_those_on_the_fly(self, ours):
        if len(self.seen) < len(WAYS):
            pytest.skip("this is seen once both ways have answered")
        on_the_fly, merged = (self.seen[way] for way in WAYS)
        assert sum(merged[key] != output for key, output in on_the_fly.items()) <= 0.04 * len(on_the_fly)

    def test_sampled_answers_are_in_the_language_of_the_prompt_as_often(self, tuned, theirs, ours, capsys):
        requests = dialogue([None, *tuned], SAMPLED, way=ours.adapters)
        found, expected = (by_key(engine.complete(requests)) for engine in (ours, theirs))
        with capsys.disabled():
            apart = difference({"": in_kind(found)}, {"": in_kind(expected)})
            print(f"\n{ours.adapters}: {apart.value:+.3f} [{apart.low:+.3f}, {apart.high:+.3f}], {apart.n} prompts")
        assert apart.low <= 0 <= apart.high
        assert found != expected  # each draws with random numbers of its own

    def test_a_sample_belongs_to_its_item(self, tuned, ours, capsys):
        requests = dialogue([None, *tuned], SAMPLED, way=ours.adapters)
        first = by_key(ours.complete(requests))
        backwards = by_key(ours.complete(requests[::-1]))
        other = sum(first[key] != backwards[key] for key in first)
        few = by_key(ours.complete(requests[::10]))
        other_few = sum(first[key] != few[key] for key in few)
        with capsys.disabled():
            print(f"\n{ours.adapters}: {other} of {len(first)} backwards, {other_few} of {len(few)} among few differ")
        assert other <= 0.04 * len(first)
        assert other_few <= 1
        seeded = by_key(ours.complete(dialogue([None], SAMPLED, seed=1, way=ours.adapters)))
        assert sum(seeded[key] == first[key] for key in seeded) < 0.3 * len(seeded)

    def test_a_prompt_that_is_read_in_parts_draws_as_one_that_is_read_at_once(self, tuned, ours, capsys):
        """vLLM reads so many tokens at a time; a CPU cannot undo the draws of the parts."""
        long = (
            "Say in one sentence what this is about: " + "the river runs past the old mill and the boats wait. " * 110
        )
        each = [Request(f"l{at}", "long", chat_prompt(f"{at}. {long}"), SAMPLED, at, tuned[0]) for at in range(3)]
        together = by_key(ours.complete(each))
        alone = by_key([output for one in each for output in ours.complete([one])])
        assert len(to_continue(each[0], ours._tokenizer)) > 1024
        with capsys.disabled():
            print(
                f"\n{ours.adapters}: {sum(together[key] != alone[key] for key in alone)} of {len(each)} long ones differ"
            )
        assert sum(together[key] != alone[key] for key in alone) <= 1

    def test_log_likelihoods_are_those_of_transformers(self, tuned, theirs, ours):
        ranked = [dataclasses.replace(one, cell=f"nli {a}", adapter=a) for a in (None, *tuned) for one in NLI]
        found, expected = (by_key(engine.loglikelihood(ranked)) for engine in (ours, theirs))
        assert found.keys() == expected.keys()
        for key, output in found.items():
            assert output.loglikelihoods == pytest.approx(expected[key].loglikelihoods, abs=1e-2)
            assert dataclasses.replace(output, loglikelihoods=()) == dataclasses.replace(
                expected[key], loglikelihoods=()
            )
        # Every second one is done, and the others come out the same.
        done = {(one.cell, one.id) for one in ranked[::2]}
        rest = by_key(ours.loglikelihood(ranked, done))
        assert rest.keys() == found.keys() - done

    def test_resumed_it_yields_what_is_missing(self, tuned, ours):
        requests = dialogue([tuned[0]], SAMPLED, way=ours.adapters)
        outputs = ours.complete(requests)
        kept = by_key([next(outputs) for _ in range(4)])
        outputs.close()  # as if it were killed
        rest = by_key(ours.complete(requests, kept.keys()))
        assert len(kept) + len(rest) == len(requests)
        assert not kept.keys() & rest.keys()

    def test_stop_prefix_and_length_mean_what_they_mean_in_transformers(self, ours, theirs):
        request = dialogue([None], GREEDY)[1]
        (whole,) = theirs.complete([request])
        text = whole.text
        stop = text[9:12]
        cases = [
            dataclasses.replace(request, sampling=dataclasses.replace(GREEDY, stop=(stop,))),
            dataclasses.replace(request, prefix=text[:8]),
            dataclasses.replace(request, sampling=Sampling(0, 1, 1)),
            # The pocket model ends its own chat format by an end token.
            dataclasses.replace(request, prompt="<|im_start|>user\nSay yes.<|im_end|>\n<|im_start|>assistant\n"),
        ]
        cases = [dataclasses.replace(one, id=str(at)) for at, one in enumerate(cases)]
        found = by_key(ours.complete(cases))
        expected = by_key(theirs.complete(cases))
        assert found == expected
        assert {output.finish for output in found.values()} == {"stop", "length", "eos"}

    def test_an_answer_satisfies_its_schema(self, ours):
        schema = {
            "type": "object",
            "properties": {
                "verdict": {"enum": ["yes", "no"]},
                "score": {"type": "integer", "minimum": 1, "maximum": 5},
            },
            "required": ["verdict", "score"],
            "additionalProperties": False,
        }
        requests = [
            dataclasses.replace(one, schema=json.dumps(schema), sampling=Sampling(0.8, 0.9, 60))
            for one in dialogue([None], SAMPLED)[:8]
        ]
        for output in ours.complete(requests):
            answer = json.loads(output.text)
            assert set(answer) == {"verdict", "score"}
            assert answer["verdict"] in ("yes", "no")
            assert answer["score"] in range(1, 6)

    def test_the_base_is_the_base_again_after_adapters(self, tuned, ours):
        requests = dialogue([None], GREEDY, way=ours.adapters)
        before = by_key(ours.complete(requests))
        list(ours.complete(dialogue([tuned[1]], GREEDY)[:5]))
        ranked = [dataclasses.replace(one, cell="a") for one in NLI]
        assert by_key(ours.complete(requests)) == before
        first = by_key(ours.loglikelihood(ranked))
        list(ours.loglikelihood([dataclasses.replace(one, adapter=tuned[0]) for one in ranked]))
        assert by_key(ours.loglikelihood(ranked)) == first

    def test_a_cache_that_holds_no_prompt_is_an_error_that_says_what_to_change(self, base, ours, monkeypatch):
        monkeypatch.setattr(module, "_CPU_CACHE", 1 << 20)
        with pytest.raises(EngineError, match=r"vLLM cannot start .*dtype: bfloat16"):
            list(VllmEngine(base).complete(dialogue([None], GREEDY)[:1]))


def in_kind(outputs: Outputs) -> dict[str, list[float]]:
    """Item -> for each adapter, 1 where the answer is in the language of its prompt."""
    found = identifier("lid176").identify([output.text for output in outputs.values()])
    values: dict[str, list[float]] = {}
    for (_, item), one in zip(outputs, found, strict=True):
        values.setdefault(item, []).append(float(one.label == item.split()[0]))
    return values
