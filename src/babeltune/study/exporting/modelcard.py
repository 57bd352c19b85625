"""The model card of an exported adapter: what it is, how to ask it, what is known of it and what is not. Text alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from babeltune.languages import LANGUAGES
from babeltune.records import HUMAN, Sampling, chat_prompt
from babeltune.report.tables import number

_PAPER = "https://arxiv.org/abs/2312.12683"
_MOST = 12
"""Languages of a mix that are listed one by one."""


@dataclass(frozen=True, slots=True)
class Base:
    """The base model as somebody else finds it."""

    name: str
    hub: str | None
    """Its id on the hub; None for a folder of one's own."""
    revision: str | None
    fingerprint: str
    note: str = ""
    """Where what was tuned is not quite what is on the hub."""
    license: str | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """All that a card tells."""

    name: str
    """What the folder, or the repository, is called."""
    step: str
    """Name of the adapter in its study."""
    study: str
    base: Base
    merged: bool
    dtype: str
    """Of the weights of the base, or of a merged folder."""
    mix: str
    languages: Mapping[str, int]
    """Language -> chats."""
    content: str | None
    """SHA-256 of the chats, where the mix has a card."""
    chats: str
    """Where the chats come from, in words."""
    dataset: str | None
    """Their id on the hub."""
    recipe: Mapping[str, Any]
    seed: int
    facts: Mapping[str, Any]
    """What the tuning came to: ``steps``, ``tokens``, ``final_loss``, ``left_out``."""
    sampling: Sampling
    rows: Sequence[Mapping[str, Any]]
    """Of the study's summary, this mix and the base model; empty where the study is not scored."""
    seeds: tuple[int, ...]
    """Tuning seeds that the rows pool."""
    unasked: Sequence[str]
    """Tasks that the study does not ask."""
    versions: Mapping[str, str]
    fingerprint: str


def card(about: Exported) -> str:
    """The ``README.md``."""
    base = f"[{about.base.hub}](https://huggingface.co/{about.base.hub})" if about.base.hub else f"`{about.base.name}`"
    at = f", revision `{about.base.revision}`" if about.base.revision else ""
    what = "with a LoRA adapter merged into it" if about.merged else "(this folder holds the LoRA adapter alone)"
    lines = [
        _header(about),
        f"# {about.name}",
        "",
        f"{base}{at}, tuned on chats in {_named(about.languages)} {what}. Made by `babeltune` as `{about.step}` "
        f"of the study `{about.study}`, which asks in how many languages a model must be tuned before it answers people "
        f"in theirs ([Kew, Schottmann and Sennrich, 2024]({_PAPER})).",
        *(["", about.base.note] if about.base.note else []),
        "",
        "## How to ask it",
        "",
        "It was tuned on one format, without system messages and without a newline between the turns:",
        "",
        "```",
        chat_prompt("Was ist Brot?"),
        "```",
        "",
        f"The tokenizer's chat template writes it. An answer ends {_end(about)}, so stop there too.",
        "",
        "```python",
        _code(about),
        "```",
        "",
        *_served(about),
        "## What it was tuned on",
        "",
        *_mix(about),
        "",
        "## How it was tuned",
        "",
        *_recipe(about),
        "",
        "## What was measured",
        "",
        *(_scores(about) if about.rows else ["Nothing: the study was not scored when this was exported.", ""]),
        "## What was not measured",
        "",
        *_unmeasured(about),
        "",
        "## Versions and hashes",
        "",
        *(f"- {name} {version}" for name, version in about.versions.items()),
        f"- the tuning: `{about.fingerprint}`",
        f"- the base model: `{about.base.fingerprint}`",
        *([f"- the chats: `{about.content}`"] if about.content else []),
        "- every file: `babeltune.json`",
        "",
    ]
    return "\n".join(lines)


def _header(about: Exported) -> str:
    """What the hub reads."""
    fields: dict[str, Any] = {}
    if about.base.hub:
        fields |= {"base_model": about.base.hub, "base_model_relation": "finetune" if about.merged else "adapter"}
    fields["library_name"] = "transformers" if about.merged else "peft"
    fields["pipeline_tag"] = "text-generation"
    fields["language"] = [code for code in about.languages if code in LANGUAGES]
    if about.base.license:
        fields["license"] = about.base.license
    if about.dataset:
        fields["datasets"] = [about.dataset]
    fields["tags"] = ["babeltune", "lora", "instruction-tuning", "multilingual"]
    return f"---\n{yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)}---\n"


def _named(languages: Iterable[str]) -> str:
    """The languages in words, or how many they are."""
    names = [LANGUAGES[code].name if code in LANGUAGES else code for code in languages]
    if len(names) > _MOST:
        return f"{len(names)} languages"
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _end(about: Exported) -> str:
    marker = f"where the model begins another turn (`{HUMAN}`)"
    if about.recipe["teach_eos"]:
        return f"with the end token, or {marker}"
    return f"only {marker}: this tuning does not teach the end token"


def _code(about: Exported) -> str:
    """An example that runs."""
    dtype = json.dumps(about.dtype)
    here = json.dumps(about.name)
    load = [f"model = AutoModelForCausalLM.from_pretrained(here, dtype={dtype})"]
    imports = ["from transformers import AutoModelForCausalLM, AutoTokenizer"]
    if not about.merged:
        found = json.dumps(about.base.hub or f"PATH OF {about.base.name}")
        revision = f", revision={json.dumps(about.base.revision)}" if about.base.revision else ""
        imports.insert(0, "from peft import PeftModel")
        load = [
            f"model = AutoModelForCausalLM.from_pretrained({found}{revision}, dtype={dtype})",
            "model = PeftModel.from_pretrained(model, here)",
        ]
    how = about.sampling
    drawn = f"do_sample=True, temperature={how.temperature}, top_p={how.top_p}, top_k=0"
    return "\n".join(
        [
            *imports,
            "",
            f"here = {here}  # this folder, or its name on the hub",
            "tokenizer = AutoTokenizer.from_pretrained(here)",
            *load,
            'chat = [{"role": "user", "content": "Was ist Brot?"}]',
            'inputs = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", '
            "return_dict=True)",
            f'output = model.generate(**inputs, max_new_tokens=64, stop_strings=["{HUMAN[:-1]}"], tokenizer=tokenizer, '
            f"{drawn if how.temperature else 'do_sample=False'})",
            'answer = tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)',
            f'print(answer.split("{HUMAN[:-1]}")[0].strip())',
        ]
    )


def _served(about: Exported) -> list[str]:
    folder = about.name.rpartition("/")[2]
    fetch = [f"hf download {about.name} --local-dir {folder}"] if folder != about.name else []
    how = f"vllm serve {folder}"
    if not about.merged:
        revision = f" --revision {about.base.revision}" if about.base.revision else ""
        how = (
            f"vllm serve {about.base.hub or f'PATH-OF-{about.base.name}'}{revision} --enable-lora --max-lora-rank "
            f"{about.recipe['rank']} \\\n  --lora-modules {about.mix}={folder} "
            f"--chat-template {folder}/chat_template.jinja"
        )
    asked = f'{{"stop": ["{HUMAN[:-1]}"]}}'
    return [f"As a server; send `{asked}` with each request:", "", "```", *fetch, how, "```", ""]


def _mix(about: Exported) -> list[str]:
    counts = sorted(about.languages.items(), key=lambda one: -one[1])
    total = sum(about.languages.values())
    listed = [
        f"| {LANGUAGES[code].name if code in LANGUAGES else code} ({code}) | {n:,} |" for code, n in counts[:_MOST]
    ]
    more = counts[_MOST:]
    if more:
        listed.append(f"| {len(more)} more | {sum(n for _, n in more):,} |")
    return [
        f"The mix `{about.mix}`, {total:,} chats from {about.chats}:",
        "",
        "| language | chats |",
        "| --- | ---: |",
        *listed,
    ]


def _recipe(about: Exported) -> list[str]:
    unused = ("epochs",) if about.recipe.get("steps") else ()
    told = {name: value for name, value in about.recipe.items() if value is not None and name not in unused}
    given = ", ".join(f"{name.replace('_', ' ')} {_plain(value)}" for name, value in told.items())
    facts = about.facts
    left = f"; {facts['left_out']:,} chats were cut before their answer and left out" if facts.get("left_out") else ""
    return [
        f"LoRA: {given}; tuning seed {about.seed}.",
        f"{facts['steps']:,} updates over {facts['tokens']:,} tokens; mean training loss of the last ten updates "
        f"{facts['final_loss']:.3f} nats per token{left}.",
    ]


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _scores(about: Exported) -> list[str]:
    """A table a task and prompting: a line a language, this mix under each metric, the base model under the first."""
    how = about.sampling
    pooled = (
        f", adapters of the tuning seeds {', '.join(map(str, about.seeds))} together" if len(about.seeds) > 1 else ""
    )
    lines = [
        f"95 % intervals by bootstrap over the items{pooled}. Written answers were sampled with temperature "
        f"{how.temperature:g} and top-p {how.top_p:g} unless the task says otherwise; `babeltune` has the definitions.",
        "",
    ]
    ours = {_place(row): row for row in about.rows if row["mix"] == about.mix}
    base = {_place(row): row for row in about.rows if row["mix"] != about.mix}
    for task, prompting in dict.fromkeys(place[:2] for place in ours):
        metrics = list(dict.fromkeys(place[3] for place in ours if place[:2] == (task, prompting)))
        languages = list(dict.fromkeys(place[2] for place in ours if place[:2] == (task, prompting)))
        header = ["language", "n", metrics[0], *([f"{metrics[0]}, base model"] if base else []), *metrics[1:]]
        lines += [
            f"### {task}" + (", English instructions" if prompting == "en:xx" else ""),
            "",
            f"| {' | '.join(header)} |",
            f"| --- |{' ---: |' * (len(header) - 1)}",
        ]
        for code in languages:
            first, *others = ((task, prompting, code, metric) for metric in metrics)
            cells = [f"{LANGUAGES[code].name} ({code})", str(ours[first]["n"]) if first in ours else "-"]
            cells += [number(ours.get(first)), *([number(base.get(first))] if base else [])]
            lines.append(f"| {' | '.join([*cells, *(number(ours.get(one)) for one in others)])} |")
        lines.append("")
    return lines


def _place(row: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return row["task"], row["prompting"], row["language"], row["metric"]


def _unmeasured(about: Exported) -> list[str]:
    asked = sorted({row["language"] for row in about.rows})
    lines = [
        "- Whether its answers are helpful, true or safe. Read some before you rely on them.",
        "- Languages that it was not asked in" + (f"; it was asked in {', '.join(asked)} alone." if asked else "."),
        "- More than one turn: prompts were put one at a time.",
    ]
    if about.unasked:
        lines.append(f"- The tasks {', '.join(about.unasked)}.")
    return lines
