"""Exported folders: they load without us, answer as the engine does, speak the tuning's format, and name no place here."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from huggingface_hub import constants
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from babeltune.errors import InputError, ModelError, PushError, StoreError
from babeltune.finetune import merge, template
from babeltune.records import STOP, Chat, Request, Sampling, Turn, chat_prompt
from babeltune.study.artefacts import ROWS
from babeltune.study.check import Opened, open_study
from babeltune.study.executors.local import run
from babeltune.study.exporting.export import MARK, check_push, export, find, push
from babeltune.study.session import Session
from doubles import study_file

PROMPTS = ("Was ist Brot?", "What is bread?", "¿Qué es el pan?")


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Opened:
    """A tiny study that has been tuned on both mixes, and neither answered nor scored."""
    folder = tmp_path_factory.mktemp("exported")
    found = open_study(study_file(folder, model_folder, recipe=RECIPE), folder / "runs")
    run(found, lambda event: None, ("label", "mix", "proof", "card", "tune"))
    return found


# A large rate: the adapter must change what the model says, or no test of it says anything.
RECIPE = {"rank": 4, "alpha": 64, "learning_rate": 0.05, "epochs": 2, "batch": 4, "max_tokens": 200}


@pytest.fixture(scope="module")
def alone(opened: Opened, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(opened, find(opened, "multi-2"), tmp_path_factory.mktemp("out") / "alone")


@pytest.fixture(scope="module")
def merged(opened: Opened, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(opened, find(opened, "multi-2"), tmp_path_factory.mktemp("out") / "merged", merged=True)


def engine_says(opened: Opened, mix: str) -> list[str]:
    how = Sampling(temperature=0, max_tokens=12, stop=STOP)
    adapter = str(opened.store.open(find(opened, mix)))
    requests = [Request(text, "c", chat_prompt(text), how, 0, adapter) for text in PROMPTS]
    (model,) = opened.plan.study.models
    found = {one.id: one.text for one in Session(opened, lambda event: None).engine(model.id).complete(requests)}
    return [found[text] for text in PROMPTS]


def plain_says(model: Any, folder: Path) -> list[str]:
    """What transformers alone makes of the folder, asked as a server asks."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    said = []
    for text in PROMPTS:
        chat = [{"role": "user", "content": text}]
        inputs = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
        row = model.generate(**inputs, max_new_tokens=12, do_sample=False, temperature=None, top_p=None, top_k=None)[0]
        said.append(tokenizer.decode(row[inputs["input_ids"].shape[1] :], skip_special_tokens=True))
    return said


def test_a_merged_folder_says_in_plain_transformers_what_the_engine_says(opened: Opened, merged: Path) -> None:
    said = plain_says(AutoModelForCausalLM.from_pretrained(merged), merged)
    assert said == engine_says(opened, "multi-2")
    assert said != engine_says(opened, "mono")


def test_an_adapter_alone_has_in_peft_the_logits_of_the_merged_model(
    alone: Path, merged: Path, model_folder: Path
) -> None:
    from peft import PeftModel

    base = AutoModelForCausalLM.from_pretrained(model_folder)
    ids = AutoTokenizer.from_pretrained(alone)(chat_prompt(PROMPTS[0]), return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        untuned = base(ids).logits
        tuned = PeftModel.from_pretrained(base, alone)(ids).logits
        whole = AutoModelForCausalLM.from_pretrained(merged)(ids).logits
    torch.testing.assert_close(tuned, whole, rtol=0, atol=2e-4)
    assert (tuned - untuned).abs().max() > 0.1


def test_merged_weights_are_rounded_to_the_type_that_was_asked(opened: Opened, merged: Path, tmp_path: Path) -> None:
    half = export(opened, find(opened, "multi-2"), tmp_path / "half", merged=True, dtype="bfloat16")
    rounded = AutoModelForCausalLM.from_pretrained(half)
    assert rounded.dtype == torch.bfloat16
    whole = AutoModelForCausalLM.from_pretrained(merged)
    assert whole.dtype == torch.float32
    for name, weight in whole.named_parameters():
        assert torch.equal(rounded.get_parameter(name), weight.to(torch.bfloat16)), name


def test_what_is_written_of_generation_is_how_the_study_samples_and_ends(merged: Path) -> None:
    found = json.loads((merged / "generation_config.json").read_text())
    assert (found["do_sample"], found["temperature"], found["top_p"], found["top_k"]) == (True, 0.8, 0.9, 0)
    assert found["eos_token_id"] == AutoTokenizer.from_pretrained(merged).eos_token_id
    # A limit of a study's answers is none of those that others ask for, and stop strings break `pipeline`.
    assert "max_new_tokens" not in found
    assert "stop_strings" not in found


TURNS = (
    ("What is bread?",),
    ("Was ist Brot?\n\nKurz.", "Ein Gebäck aus Mehl.", "Und Käse?"),
    ("{{ 7 * 7 }} {% raw %}", " spaces  stay ", "'quotes' \"too\" \\n"),
    ("a", "b", "c", "d"),
)


@pytest.mark.parametrize("turns", TURNS)
def test_the_chat_template_writes_the_strings_of_the_tuning(alone: Path, turns: tuple[str, ...]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(alone)
    roles = ["user" if at % 2 == 0 else "assistant" for at in range(len(turns))]
    messages = [{"role": role, "content": text} for role, text in zip(roles, turns, strict=True)]
    trained, _ = template.render(Chat("c", tuple(Turn(*pair) for pair in zip(roles, turns, strict=True))))  # type: ignore[arg-type]
    assert tokenizer.apply_chat_template(messages, tokenize=False) == trained
    asked = tokenizer.apply_chat_template(messages[:1], tokenize=False, add_generation_prompt=True)
    assert asked == chat_prompt(turns[0])
    ids = tokenizer.apply_chat_template(messages[:1], add_generation_prompt=True)["input_ids"]
    assert ids == tokenizer(chat_prompt(turns[0]))["input_ids"]


def test_a_tokenizer_that_begins_every_text_begins_every_chat(alone: Path) -> None:
    from tokenizers.processors import TemplateProcessing

    plain = AutoTokenizer.from_pretrained(alone)
    raw = plain.backend_tokenizer
    raw.add_special_tokens(["<bos>"])
    raw.post_processor = TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", raw.token_to_id("<bos>"))])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<bos>", eos_token="<eos>")
    tokenizer.chat_template = merge.chat_template(tokenizer)
    chat = [{"role": "user", "content": "Was?"}]
    ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True)["input_ids"]
    assert ids == tokenizer(chat_prompt("Was?"))["input_ids"]
    assert ids.count(tokenizer.bos_token_id) == 1


@pytest.mark.parametrize("role", ["system", "tool"])
def test_a_message_that_the_tuning_does_not_know_is_refused_not_dropped(alone: Path, role: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(alone)
    with pytest.raises(Exception, match="user and assistant messages alone"):
        tokenizer.apply_chat_template([{"role": role, "content": "Be brief."}], tokenize=False)


def test_no_file_names_a_place_on_this_machine(alone: Path, merged: Path, opened: Opened, model_folder: Path) -> None:
    places = {str(Path.home()), str(model_folder.parent), str(opened.store.root), str(Path.cwd()), str(alone.parent)}
    for folder in (alone, merged):
        for path in folder.rglob("*"):
            content = path.read_bytes()
            assert not [place for place in places if place.encode() in content], path.name
            assert b"local_files_only" not in content, path.name


def test_the_files_are_those_that_others_load_and_each_is_hashed(alone: Path, merged: Path) -> None:
    common = {"README.md", MARK, "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}
    assert {path.name for path in alone.iterdir()} == common | {"adapter_model.safetensors", "adapter_config.json"}
    model = {"model.safetensors", "config.json", "generation_config.json"}
    assert {path.name for path in merged.iterdir()} == common | model
    for folder in (alone, merged):
        assert set(json.loads((folder / MARK).read_text())["files"]) == {path.name for path in folder.iterdir()} - {
            MARK
        }


def test_two_exports_are_the_same_to_the_byte(opened: Opened, alone: Path, tmp_path: Path) -> None:
    again = export(opened, find(opened, "multi-2"), tmp_path / "alone")
    assert {path.name: path.read_bytes() for path in again.iterdir()} == {
        path.name: path.read_bytes() for path in alone.iterdir()
    }


def header(folder: Path) -> dict[str, Any]:
    _, found, _ = (folder / "README.md").read_text().split("---\n", 2)
    fields = yaml.safe_load(found)
    assert isinstance(fields, dict)
    return fields


def test_the_card_says_what_the_hub_reads(alone: Path, merged: Path) -> None:
    common = {"pipeline_tag": "text-generation", "language": ["en", "es"]}
    common |= {"tags": ["babeltune", "lora", "instruction-tuning", "multilingual"]}
    # A folder of one's own is nothing that the hub could link to.
    assert header(alone) == {"library_name": "peft", **common}
    assert header(merged) == {"library_name": "transformers", **common}


def test_the_card_says_mix_recipe_and_that_nothing_was_scored(alone: Path) -> None:
    text = (alone / "README.md").read_text()
    assert "| English (en) | 8 |\n| Spanish (es) | 4 |" in text
    assert "rank 4, alpha 64" in text
    assert "tuning seed 0" in text
    assert "Nothing: the study was not scored when this was exported." in text
    assert "The tasks simplification, xquad, xcsqa, xnli." in text
    assert chat_prompt("Was ist Brot?") in text


def scored(opened: Opened, *, unscored: int = 0) -> None:
    """Publish a summary by hand."""
    (step,) = opened.plan.of("summary")
    folder = opened.store.begin(step, again=True)
    common = {"model": "tiny", "task": "dialogue", "prompting": "xx:xx", "metric": "agreement", "n": 12, "top": 1.0}
    values = {("base", "de"): 0.25, ("mono", "de"): 0.5, ("multi-2", "de"): 0.75, ("multi-2", "es"): 1.0}
    rows = [
        {**common, "mix": mix, "language": code, "value": value, "low": 0.1, "high": 1.0, "unscored": unscored}
        for (mix, code), value in values.items()
    ]
    (folder / ROWS).write_text("".join(json.dumps(row) + "\n" for row in rows))
    opened.store.record(step, {})
    opened.store.publish(step, again=True)


def test_the_card_has_the_scores_of_its_own_mix_and_of_the_base(opened: Opened, tmp_path: Path) -> None:
    apart = dataclasses.replace(opened, store=type(opened.store)(tmp_path / "runs"))
    (tmp_path / "runs").mkdir()
    for room in ("data", "finetune"):
        (tmp_path / "runs" / room).symlink_to(opened.store.root / room)
    scored(apart, unscored=2)
    text = (export(apart, find(apart, "multi-2"), tmp_path / "out") / "README.md").read_text()
    assert "| language | n | agreement | agreement, base model |" in text
    assert "| German (de) | 12 | 0.75 [0.10, 1.00] (2 unscored) | 0.25 [0.10, 1.00] (2 unscored) |" in text
    assert "| Spanish (es) | 12 | 1.00 [0.10, 1.00] (2 unscored) | - |" in text
    assert "0.50" not in text
    assert "it was asked in de, es alone" in text


def test_the_code_of_the_card_runs_as_it_stands(
    alone: Path, merged: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in (alone, merged):
        code = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
        assert code
        monkeypatch.chdir(folder.parent)
        assert f'here = "{folder.name}"' in code[1]
        # The base of this study is on no hub, and the card says so.
        shown = code[1].replace("PATH OF tiny", str(model_folder)).replace("max_new_tokens=64", "max_new_tokens=4")
        exec(compile(shown, "card", "exec"), {})  # ours, of a moment ago
        capsys.readouterr()


def test_a_base_of_the_hub_is_named_by_id_and_commit(opened: Opened, model_folder: Path, tmp_path: Path) -> None:
    snapshot = tmp_path / "models--org--name" / "snapshots" / ("c" * 40)
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(model_folder)
    study = opened.plan.study
    spec = study.models[0].model_copy(update={"id": "org/name"})
    steps = tuple(
        dataclasses.replace(one, model="org/name") if one.model else one for one in opened.plan.steps
    )  # fmt: skip
    plan = dataclasses.replace(opened.plan, study=study.model_copy(update={"models": (spec,)}), steps=steps)
    located = {"org/name": dataclasses.replace(next(iter(opened.located.values())), folder=snapshot)}
    hub = dataclasses.replace(opened, plan=plan, located=located)
    folder = export(hub, find(hub, "mono"), tmp_path / "out")
    config = json.loads((folder / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == ("org/name", "c" * 40)
    assert header(folder)["base_model"] == "org/name"
    assert header(folder)["base_model_relation"] == "adapter"
    text = (folder / "README.md").read_text()
    assert f'from_pretrained("org/name", revision="{"c" * 40}"' in text


def test_an_adapter_is_found_by_its_mix_and_by_its_name(opened: Opened) -> None:
    assert find(opened, "mono") is find(opened, "tiny-mono-t0")
    for wrong, remedy in (("multi-3", "Did you mean 'multi-2'?"), ("base", "'base' is the untuned model")):
        with pytest.raises(InputError, match=re.escape(remedy)):
            find(opened, wrong)


def test_a_mix_that_several_adapters_were_tuned_on_lists_them(tmp_path: Path, model_folder: Path) -> None:
    several = open_study(study_file(tmp_path, model_folder, tuning_seeds=[0, 1]), tmp_path / "runs")
    with pytest.raises(InputError, match=r"names 2 adapters\. Take one: tiny-mono-t0, tiny-mono-t1") as caught:
        find(several, "mono")
    assert caught.value.exit_code == 2
    assert find(several, "tiny-mono-t1").recipe["seed"] == 1


def test_what_is_in_the_way_stays(opened: Opened, tmp_path: Path) -> None:
    step = find(opened, "mono")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("mine")
    for force in (False, True):
        with pytest.raises(InputError, match="holds something that is no export"):
            export(opened, step, foreign, force=force)
    assert [path.name for path in foreign.iterdir()] == ["thesis.tex"]
    out = export(opened, step, tmp_path / "out")
    (out / "note").write_text("old")
    with pytest.raises(InputError, match="Add --force"):
        export(opened, step, out)
    assert (out / "note").exists()
    export(opened, step, out, force=True)
    assert not (out / "note").exists()
    (tmp_path / "empty").mkdir()
    assert (export(opened, step, tmp_path / "empty") / "README.md").exists()


def test_an_export_that_fails_leaves_the_earlier_one_and_nothing_half(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = find(opened, "mono")
    out = export(opened, step, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def full(*paths: object) -> None:
        raise OSError(28, "No space left on device", "adapter")

    monkeypatch.setattr("babeltune.study.exporting.export.shutil.copyfile", full)
    with pytest.raises(StoreError, match="No space left on device"):
        export(opened, step, out, force=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_adapter_that_is_not_what_was_scored_is_not_given_away(opened: Opened, tmp_path: Path) -> None:
    step = find(opened, "mono")
    apart = dataclasses.replace(opened, store=type(opened.store)(tmp_path / "runs"))
    shutil.copytree(opened.store.root, tmp_path / "runs")
    weights = apart.store.path(step) / "adapter_model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(StoreError, match=r"adapter_model\.safetensors is not as the step left it"):
        export(apart, step, tmp_path / "out")


def test_an_adapter_of_another_base_is_an_error_that_says_so(opened: Opened, tmp_path: Path) -> None:
    from doubles import tiny_model

    other = tiny_model(tmp_path / "other", layers=1)
    adapter = opened.store.open(find(opened, "mono"))
    with pytest.raises(ModelError, match="cannot be loaded as an adapter"):
        merge.merge(other, adapter, "float32", tmp_path / "out", stored="float32", sampling=Sampling())


class Hub(BaseHTTPRequestHandler):
    """The part of the hub's HTTP protocol that an upload of small files takes."""

    private = True
    status = 200
    token = ""
    files: dict[str, bytes]
    made: list[dict[str, Any]]

    def log_message(self, format: str, *args: object) -> None:
        pass

    def answer(self, content: object, status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.answer({"id": "me/x", "private": type(self).private, "siblings": [], "sha": "a" * 40})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        hub = type(self)
        hub.token = self.headers.get("Authorization", "")
        if hub.status != 200:
            self.answer({"error": f"no right, {hub.token}"}, hub.status)
        elif self.path == "/api/repos/create":
            hub.made.append(json.loads(body))
            self.answer({"url": f"http://{self.headers['Host']}/me/x", "id": "me/x"})
        elif self.path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            asked = json.loads(body)["files"]
            self.answer(
                {"files": [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in asked]}
            )
        elif "/commit/" in self.path:
            for line in body.splitlines():
                row = json.loads(line)
                if row["key"] == "file":
                    hub.files[row["value"]["path"]] = base64.b64decode(row["value"]["content"])
            self.answer({"commitUrl": f"http://{self.headers['Host']}/me/x/commit/{'b' * 40}", "commitOid": "b" * 40})
        else:
            self.answer({"error": self.path}, 404)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    kind = type("Hub", (Hub,), {"files": {}, "made": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    yield kind
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_push_makes_a_private_repository_of_the_very_files(alone: Path, hub: type[Hub]) -> None:
    check_push("me/x")
    address = push(alone, "me/x", public=False)
    assert address.endswith("/me/x")
    assert hub.made[0]["visibility"] == "private"
    assert hub.files == {path.name: path.read_bytes() for path in alone.iterdir()}
    assert hub.token == "Bearer hf_secretsecret"


def test_a_repository_that_is_public_already_gets_nothing_unless_that_is_said(alone: Path, hub: type[Hub]) -> None:
    hub.private = False
    with pytest.raises(PushError, match=r"public\. Add --public"):
        push(alone, "me/x", public=False)
    assert not hub.files
    push(alone, "me/x", public=True)
    assert hub.made[-1]["visibility"] == "public"
    assert hub.files


def test_a_hub_that_refuses_is_told_without_the_token(alone: Path, hub: type[Hub]) -> None:
    hub.status = 403
    with pytest.raises(PushError, match="the hub did not take it") as caught:
        push(alone, "me/x", public=False)
    assert "secret" not in str(caught.value)
    assert str(alone) in str(caught.value)


def test_a_hub_that_is_not_there_is_told(alone: Path, hub: type[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(PushError, match="the connection"):
        push(alone, "me/x", public=False)


def test_what_the_hub_would_refuse_is_said_before_the_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for wrong in ("just-a-name", "a/b/c", "a b/c", ""):
        with pytest.raises(InputError, match="OWNER/NAME"):
            check_push(wrong)
    with pytest.raises(PushError, match="HF_HUB_OFFLINE is set"):
        check_push("me/x")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(PushError, match="hf auth login"):
        check_push("me/x")


def test_the_card_of_a_pushed_folder_says_how_to_serve_it(opened: Opened, tmp_path: Path) -> None:
    step = find(opened, "multi-2")
    text = (export(opened, step, tmp_path / "a", name="me/mine") / "README.md").read_text()
    assert "tuned on chats in English and Spanish (this folder holds the LoRA adapter alone)" in text
    assert "hf download me/mine --local-dir mine\nvllm serve PATH-OF-tiny --enable-lora --max-lora-rank 4" in text
    assert "--lora-modules multi-2=mine --chat-template mine/chat_template.jinja" in text
    text = (export(opened, step, tmp_path / "b", merged=True, name="me/mine") / "README.md").read_text()
    assert "hf download me/mine --local-dir mine\nvllm serve mine\n" in text
