"""The estimate: memory, time and disk that a study's tuning and generation need, before any of it runs.

Costs (``costs.py``) of shapes (``shape.py``) on devices (``devices.py``); loads neither torch nor a model. What it
assumes, and how near it came to what was measured: docs/scale.md.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from babeltune.errors import ModelError
from babeltune.finetune.packing import micro_batch
from babeltune.finetune.recipe import LoraRecipe
from babeltune.study import models, tasks
from babeltune.study.artefacts import CARD, read_card
from babeltune.study.check import Opened
from babeltune.study.estimates import shape
from babeltune.study.estimates.costs import (
    Answers,
    Memory,
    Way,
    generation_memory,
    generation_seconds,
    padded,
    tuning_flops,
    tuning_memory,
    vllm_batch,
)
from babeltune.study.estimates.devices import GIB, GPUS, Device, Span
from babeltune.study.estimates.shape import Shape
from babeltune.study.spec.study import ModelSpec, Study
from babeltune.study.spec.tasks import XnliSpec
from babeltune.study.step import Step

CHAT_TOKENS = 450
"""Average tokens of a chat, cut at 1,024, as long as no card has counted them. An assumption about Guanaco."""
PROMPT_TOKENS: Mapping[str, int] = {"dialogue": 34, "simplification": 256, "xquad": 599, "xcsqa": 173, "xnli": 179}
"""Average tokens of a task's prompts over languages, counted with SmolLM2's tokenizer: the bundled items, and XQuAD's own."""
_MARKER_TOKENS = 4
"""Of a role marker and its colon, which cards do not count."""
_TEXT_BYTES = 2.85
"""Of a token, in UTF-8: measured on the pocket study's 960 outputs, as is the next (docs/scale.md)."""
_ROW_BYTES = 114 + 207
"""Of an output and its score beside their texts."""
_MARGIN = 0.95
"""Share of a device's memory up to which something fits: an estimate can be wrong. An assumption."""
_ITEMS: Mapping[str, int] = {"xquad": 1190, "xcsqa": 1000, "xnli": 5010}
"""Items a language of the hub's sets (paper, sections 4.3 to 4.5), as long as they are not here."""


@dataclass(frozen=True, slots=True)
class OnDevice:
    """What it is on one device."""

    device: Device
    tuning: Memory | None
    """None where nothing is to be tuned."""
    tuning_hours: Span
    """Device hours of all tunings to come."""
    tuning_remedy: str
    """What to set where it does not fit; empty where it does."""
    generation: Memory | None
    generation_hours: Span
    """Device hours of all outputs to come, each as long as it may be; of no use where the model does not fit."""
    generation_remedy: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """Of one model and what is to come on it."""

    model: str
    parameters: int
    exact: bool
    """Whether the parameters were counted, rather than taken for a Llama of the size that the study file says."""
    adapter: int
    """Parameters of an adapter."""
    tunings: int
    unknown: int
    """Tunings among them of a length that is not known yet, and so in no hours."""
    outputs: int
    chat_tokens: float
    """Average of the tunings."""
    counted: bool
    """Whether every chat's tokens were counted by a card, rather than assumed."""
    fetched_bytes: float
    """On disk, of the model where it is not here yet: taken to be stored in 16 bits."""
    adapter_bytes: float
    """On disk, all to come."""
    checkpoint_bytes: float
    """On disk, while one is tuned."""
    output_bytes: float
    """On disk, outputs and scores, at most."""
    on: tuple[OnDevice, ...]


def estimates(opened: Opened, done: frozenset[str], devices: Sequence[Device]) -> Iterator[Estimate | str]:
    """Of each model that is to be tuned or to generate; or why there is none."""
    to_come: dict[str, tuple[list[Step], list[Step]]] = defaultdict(lambda: ([], []))
    for step in opened.plan.pending(done):
        if step.model:
            to_come[step.model][step.kind == "generate"].append(step)
    for model in opened.plan.study.models:
        tunings, cells = to_come[model.id]
        if not tunings and not cells:
            continue
        try:
            found, exact = shape_of(model, opened.located[model.id])
        except ModelError as error:
            yield f"{model.name}: no estimate: {error}."
            continue
        coming = _coming(opened, done, model.name, found, (tunings, cells))
        on = tuple(_on(opened.plan.study, coming, device) for device in devices)
        fetched = 2.0 * found.parameters if opened.located[model.id].download else 0.0
        yield _estimate(model.name, coming, opened.plan.study.recipe, on, exact=exact, fetched=fetched)


def shape_of(model: ModelSpec, located: models.Located) -> tuple[Shape, bool]:
    """The shape of a model, and whether it is exact: from its folder, or as published, or as the study file says.

    Raises:
        ModelError: none of them is there.
    """
    try:
        if located.folder is not None:
            return shape.of_folder(located.folder), True
        if model.id in shape.PUBLISHED:
            return shape.of_config(shape.PUBLISHED[model.id]), True
    except ModelError:
        if model.parameters is None:
            raise
    if model.parameters is None:
        raise ModelError("it comes once the model is here. Or say `parameters:` in the study file, such as 6.7e9")
    return shape.of_parameters(model.parameters), False


@dataclass(frozen=True, slots=True)
class _Coming:
    """What is to come on a model."""

    shape: Shape
    micro: int
    """Chats a forward pass in tuning."""
    means: tuple[float, ...]
    """Of each tuning, average tokens of its chats."""
    trained: float
    """Tokens that all tunings go through, padding among them."""
    counted: bool
    unknown: int
    answers: tuple[Answers, ...]


def _coming(
    opened: Opened, done: frozenset[str], model: str, found: Shape, steps: tuple[Sequence[Step], Sequence[Step]]
) -> _Coming:
    """``steps``: the tunings, and the cells."""
    study, (tunings, cells) = opened.plan.study, steps
    recipe, execution = study.recipe, study.execution
    micro = micro_batch(recipe.batch, execution.micro_batch, min(execution.processes, recipe.batch))
    whole = execution.packing != "off" or recipe.order == "length-grouped"
    trained, means, counted = 0.0, [], True
    for step in tunings:
        mean = _counted(opened, done, model, step)
        counted &= mean is not None
        means.append(min(recipe.max_tokens, mean or CHAT_TOKENS))
        length = means[-1] if whole else padded(means[-1], recipe.max_tokens, micro)
        trained += step.work * recipe.batch * length
    unknown = sum(not step.work for step in tunings)
    return _Coming(found, micro, tuple(means), trained, counted, unknown, tuple(_answers(study, cells)))


def _estimate(
    model: str, coming: _Coming, recipe: LoraRecipe, on: tuple[OnDevice, ...], *, exact: bool, fetched: float
) -> Estimate:
    tunings, lora = len(coming.means), coming.shape.lora_parameters(recipe)
    return Estimate(
        model=model,
        parameters=coming.shape.parameters,
        exact=exact,
        adapter=lora,
        tunings=tunings,
        unknown=coming.unknown,
        outputs=sum(one.outputs for one in coming.answers),
        chat_tokens=sum(coming.means) / max(1, tunings),
        counted=coming.counted,
        fetched_bytes=fetched,
        adapter_bytes=4.0 * lora * tunings,
        checkpoint_bytes=2 * 12.0 * lora if tunings else 0.0,  # two of them: weights and AdamW's two moments
        output_bytes=sum(
            # A score's row holds prompt and answer once more.
            one.outputs * ((2 * one.answer + one.prompt) * _TEXT_BYTES + _ROW_BYTES)
            for one in coming.answers
        ),
        on=on,
    )


def _counted(opened: Opened, done: frozenset[str], model: str, step: Step) -> float | None:
    """Average tokens of a mix's chats, if its card has counted them."""
    card = opened.plan.by_key[f"card:{step.mix}-card"]
    if card.key not in done:
        return None
    parts = [part for part in read_card(opened.store.path(card) / CARD).parts if model in part.tokens]
    chats = sum(part.chats for part in parts)
    return sum(part.tokens[model] + _MARKER_TOKENS * part.turns for part in parts) / chats if chats else None


def _answers(study: Study, cells: Sequence[Step]) -> list[Answers]:
    """The outputs of all cells, those of a task together."""
    outputs: Counter[str] = Counter()
    for step in cells:
        assert step.cell is not None
        task = step.cell.task
        items = _ITEMS.get(task, 0)
        outputs[task] += step.work or min(items, study.tasks.asked[task].sample or items)
    found = []
    for task, count in outputs.items():
        spec = study.tasks.asked[task]
        answer = 0 if isinstance(spec, XnliSpec) else tasks.sampling(spec, study.sampling).max_tokens
        found.append(Answers(count, PROMPT_TOKENS[task], answer))
    return found


def _on(study: Study, coming: _Coming, device: Device) -> OnDevice:
    recipe, execution, model, work = study.recipe, study.execution, coming.shape, coming.answers
    gpu = device.name in GPUS
    recompute = gpu if execution.gradient_checkpointing is None else execution.gradient_checkpointing
    shards = execution.processes if execution.sharding == "fsdp" else 1
    way = Way(study.dtype, coming.micro, recompute, shards, execution.attention == "eager")
    tuning = tuning_memory(model, recipe, way) if coming.means else None
    flops = coming.trained * tuning_flops(model, recipe, recompute=recompute)
    peak = device.flops(recipe.autocast if recipe.autocast != "none" else study.dtype) * 3600
    least, most = device.utilisation
    longest = max((one.prompt + one.answer for one in work), default=0)
    spread = execution.tensor_parallel if study.engine == "vllm" else 1
    batch, share = execution.batch_size, min(execution.gpu_memory, _MARGIN)
    if study.engine == "vllm":
        batch = vllm_batch(model, study.dtype, longest, device.memory * GIB * share * spread)
    generation = generation_memory(model, study.dtype, batch, longest, spread) if work else None
    seconds = generation_seconds(model, study.dtype, batch, work, device)
    return OnDevice(
        device=device,
        tuning=tuning,
        tuning_hours=(flops / (peak * most), flops / (peak * least)),
        tuning_remedy=_tuning_remedy(model, recipe, way, device, gpu) if tuning and not _fits(tuning, device) else "",
        generation=generation,
        generation_hours=(seconds[0] / 3600, seconds[1] / 3600),
        generation_remedy=""
        if not generation or _fits(generation, device)
        else _spread(model, study.dtype, device, study.engine),
    )


def _fits(memory: Memory, device: Device) -> bool:
    return memory.total <= _MARGIN * device.memory * GIB


def _tuning_remedy(model: Shape, recipe: LoraRecipe, way: Way, device: Device, gpu: bool) -> str:
    """The settings, in words, that make a tuning fit; first those that change no result."""

    def fits(way: Way, recipe: LoraRecipe = recipe) -> bool:
        return _fits(tuning_memory(model, recipe, way), device)

    said = [] if way.recompute else ["execution.gradient_checkpointing: true"]
    way = dataclasses.replace(way, recompute=True)
    for micro in (size for size in range(way.micro, 0, -1) if way.micro % size == 0):
        smaller = dataclasses.replace(way, micro=micro)
        if fits(smaller):
            return " and ".join([*said, *([f"execution.micro_batch: {micro}"] if micro < way.micro else [])])
    said += ["execution.micro_batch: 1"] if way.micro > 1 else []
    way = dataclasses.replace(way, micro=1)
    found = []
    for shards in (2, 4, 8, 16, 32, 64) if gpu else ():
        if recipe.batch % shards == 0 and shards > way.shards and fits(dataclasses.replace(way, shards=shards)):
            found.append(" and ".join([*said, f"execution.sharding: fsdp and processes: {shards}"]))
            break
    alone = dataclasses.replace(way, shards=1)  # quantised weights cannot be shared
    for bits in (8, 4) if gpu else ():
        if bits < recipe.base_bits and fits(alone, dataclasses.replace(recipe, base_bits=bits)):
            whole = ["execution.sharding: none"] if way.shards > 1 else []
            found.append(" and ".join([*said, *whole, f"recipe.base_bits: {bits} (another result)"]))
            break
    return ", or ".join(found) or "a larger device: nothing makes it fit"


def _spread(model: Shape, dtype: str, device: Device, engine: str) -> str:
    """How generation fits: by smaller batches, or on several devices."""
    for shards in (1, 2, 4, 8, 16):
        if _fits(generation_memory(model, dtype, 1, 2048, shards), device):
            vllm = "" if engine == "vllm" else "engine: vllm and "
            return f"{vllm}execution.tensor_parallel: {shards}" if shards > 1 else "a smaller execution.batch_size"
    return "a larger device: nothing makes it fit"
