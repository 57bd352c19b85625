"""Running steps: the single path for every executor. An executor decides where and in which order; this is what runs."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babeltune.data import identify, label, mixes, sources
from babeltune.errors import EngineError, MixError, StoreError
from babeltune.generate.journal import Journal, encode, read_outputs
from babeltune.measure import summary
from babeltune.records import Chat, Item, Output, Request, Score, Turn
from babeltune.report import render
from babeltune.report.results import Results
from babeltune.study import models
from babeltune.study.check import Opened, dialogue
from babeltune.study.plan import Step
from babeltune.study.store import write_atomically

if TYPE_CHECKING:
    from babeltune.finetune.train import Tuner
    from babeltune.records import Engine

JOURNAL = "journal.jsonl"
OUTPUTS = "outputs.jsonl"
SCORES = "scores.jsonl"
CHATS = "chats.jsonl"


@dataclass(frozen=True, slots=True)
class Event:
    """What a run has come to, for whoever shows it."""

    kind: str
    """Kind of the step."""
    name: str
    done: int
    total: int
    unit: str
    tokens: int = 0
    """Tokens since the last event of this kind, where there are any."""


Tell = Callable[[Event], None]


class Session:
    """One run's hold on models: a base is loaded once for all mixes to tune, and once for all cells to generate."""

    def __init__(self, opened: Opened, tell: Tell) -> None:
        """``tell`` hears of every piece of progress."""
        self.opened = opened
        self.tell = tell
        self._tuner: tuple[str, Tuner] | None = None
        self._engine: tuple[str, Engine] | None = None
        self._tokens = 0

    def tuner(self, model: str) -> Tuner:
        """The tuner of a model; lets go of any other model first."""
        if self._tuner is None or self._tuner[0] != model:
            from babeltune.finetune.train import Hardware, Tuner

            self._tuner = self._engine = None
            how = self.opened.plan.study.execution
            hardware = Hardware(
                _device(how.device), self.opened.plan.study.dtype, how.micro_batch, how.checkpoint_every
            )
            self._tuner = model, Tuner(self._folder(model), hardware)
        return self._tuner[1]

    def engine(self, model: str) -> Engine:
        """The engine of a model; lets go of any other model first."""
        if self._engine is None or self._engine[0] != model:
            from babeltune.generate.transformers import TransformersEngine

            self._tuner = self._engine = None
            study = self.opened.plan.study
            self._engine = (
                model,
                TransformersEngine(
                    self._folder(model),
                    dtype=study.dtype,
                    device=_device(study.execution.device),
                    batch_size=study.execution.batch_size,
                ),
            )
        return self._engine[1]

    def _folder(self, model: str) -> Path:
        import torch
        from transformers.utils import logging

        logging.disable_progress_bar()  # ours are shown instead
        logging.set_verbosity_error()
        threads = self.opened.plan.study.execution.threads
        if threads:
            torch.set_num_threads(threads)
        located = self.opened.located[model]
        if located.folder is None:
            self.tell(Event("model", f"converting {model} (once, about 40 s)", 0, 1, "model"))
        folder = models.prepare(located)
        if located.folder is None:
            self.tell(Event("model", model, 1, 1, "model"))
        return folder


def run_steps(steps: Sequence[Step], session: Session) -> None:
    """Run steps of one kind and model, whose needs are done. Each is published by itself, the moment it is finished."""
    store = session.opened.store
    todo = []
    for step in steps:
        store.begin(step)
        if store.recorded(step):
            (store.partial(step) / JOURNAL).unlink(missing_ok=True)
            store.publish(step)  # killed between the record and the rename
        else:
            todo.append(step)
    if not todo:
        return
    try:
        if todo[0].kind == "generate":
            _generate(todo, session)
            return
        for at, step in enumerate(todo):
            began = time.monotonic()
            facts = _WORK[step.kind](step, session)
            _finish(step, session, facts, began)
            if step.kind != "tune":
                shown = f"{step.cell.mix} {step.cell.language}" if step.cell else step.name
                session.tell(Event(step.kind, shown, at + 1, len(todo), "steps"))
    except OSError as error:
        raise StoreError(
            f"{error.filename or store.root}: {error.strerror}. Mend it and run again; nothing is lost."
        ) from error


def _finish(step: Step, session: Session, facts: Mapping[str, Any], began: float) -> None:
    store = session.opened.store
    store.record(step, {**facts, "seconds": round(time.monotonic() - began, 1)})
    store.publish(step)


def _needed(step: Step, session: Session) -> list[Path]:
    """Folders of the steps that a step needs, in order."""
    plan, store = session.opened.plan, session.opened.store
    return [store.open(plan.by_key[key]) for key in step.needs]


def _write_lines(path: Path, rows: Iterable[object]) -> None:
    write_atomically(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _read_lines(path: Path) -> list[dict[str, Any]]:
    # Split at line feeds only: a text may hold other characters that `splitlines` takes for line ends.
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def _read_chats(path: Path) -> list[Chat]:
    return [
        Chat(row["id"], tuple(Turn(**turn) for turn in row["turns"]), row["language"], row["confidence"])
        for row in _read_lines(path)
    ]


def _label(step: Step, session: Session) -> dict[str, Any]:
    study, folder = session.opened.plan.study, session.opened.store.partial(step)
    read = sources.read_chats(study.chats, skip_bad_rows=session.opened.skip_bad_rows)
    found = label.label(read.chats, identify.identifier(study.label.identifier), study.label.threshold)
    _write_lines(folder / CHATS, map(dataclasses.asdict, found.chats))
    _write_lines(folder / "dropped.jsonl", map(dataclasses.asdict, found.dropped))
    return {"counts": found.counts(), "dropped": found.reasons(), "skipped rows": len(read.skipped)}


def _mix(step: Step, session: Session) -> dict[str, Any]:
    study = session.opened.plan.study
    assert step.mix is not None
    (labelled,) = _needed(step, session)
    mix = mixes.build(step.mix, study.mixes[step.mix], _read_chats(labelled / CHATS), study.mix_seed)
    _write_lines(session.opened.store.partial(step) / CHATS, map(dataclasses.asdict, mix.chats))
    return {"chats": len(mix.chats)}


def _proof(step: Step, session: Session) -> dict[str, Any]:
    study = session.opened.plan.study
    built = [
        mixes.Mix(name, tuple(_read_chats(folder / CHATS)))
        for name, folder in zip(study.mixes, _needed(step, session), strict=True)
    ]
    task = dialogue(study)
    prompts = [item.prompt for code in study.tasks.dialogue.languages for item in task.items(code, "xx:xx")]
    claims = mixes.prove(built, study.label.threshold, prompts)
    broken = [claim for claim in claims if not claim.holds and claim.name != "equal size"]
    if broken:
        words = "; ".join(f"{claim.name} ({claim.detail})" for claim in broken)
        raise MixError(
            f"the mixes do not hold what they promise: {words}. Mend the chats or the mixes in the study file."
        )
    _write_lines(session.opened.store.partial(step) / "proof.jsonl", map(dataclasses.asdict, claims))
    return {"claims": {claim.name: claim.holds for claim in claims}}


def _tune(step: Step, session: Session) -> dict[str, Any]:
    assert step.model is not None
    (mix,) = _needed(step, session)
    seen = 0

    def progress(done: int, total: int, tokens: int) -> None:
        nonlocal seen
        session.tell(Event("tune", step.name, done, total, "updates", tokens - seen))
        seen = tokens

    session.tell(Event("tune", step.name, 0, step.work, "updates"))
    tuned = session.tuner(step.model).tune(
        _read_chats(mix / CHATS),
        session.opened.plan.study.recipe,
        int(step.recipe["seed"]),
        session.opened.store.partial(step),
        progress,
    )
    return dataclasses.asdict(tuned)


def _generate(steps: Sequence[Step], session: Session) -> None:
    """All pending cells of a model in one call of the engine; each is published when its last output is in."""
    store, study = session.opened.store, session.opened.plan.study
    task = dialogue(study)
    assert steps[0].model is not None
    began = time.monotonic()
    total = sum(step.work for step in steps)
    by_name = {step.name: step for step in steps}
    journals = {step.name: Journal(store.partial(step) / JOURNAL) for step in steps}
    items: dict[str, list[Item]] = {}
    requests: list[Request] = []
    for step in steps:
        assert step.cell is not None
        adapters = _needed(step, session)
        items[step.name] = task.items(step.cell.language, step.cell.prompting)
        requests += [
            dataclasses.replace(
                task.request(item),
                cell=step.name,
                seed=step.cell.seed,
                adapter=str(adapters[0]) if adapters else None,
            )
            for item in items[step.name]
        ]

    def publish(name: str) -> None:
        """Outputs in the order of the items, then the record; the journal stays until both are there."""
        outputs = journals[name].outputs
        folder = store.partial(by_name[name])
        write_atomically(folder / OUTPUTS, "".join(encode(outputs[item.id]) + "\n" for item in items[name]))
        store.record(
            by_name[name], {"outputs": len(outputs), "seconds": round(time.monotonic() - began, 1)}, but=JOURNAL
        )
        journals[name].path.unlink()
        store.publish(by_name[name])

    kept = frozenset((name, output) for name, journal in journals.items() for output in journal.outputs)
    finished = len(kept)
    session.tell(Event("generate", "", finished, total, "outputs"))
    for name, journal in journals.items():
        if len(journal.outputs) == len(items[name]):
            publish(name)
    if finished == total:
        return
    for output in session.engine(steps[0].model).complete(requests, kept):
        journal = journals[output.cell]
        journal.append(output)
        finished += 1
        cell = by_name[output.cell].cell
        shown = f"{cell.mix} {cell.language}" if cell else output.cell
        session.tell(Event("generate", shown, finished, total, "outputs", output.tokens))
        if len(journal.outputs) == len(items[output.cell]):
            publish(output.cell)
    if finished < total:
        raise EngineError(f"the engine gave {finished} of {total} outputs. Run again; the others are kept.")


def _score(step: Step, session: Session) -> dict[str, Any]:
    assert step.cell is not None
    task = dialogue(session.opened.plan.study)
    (generated,) = _needed(step, session)
    outputs: dict[str, Output] = {output.id: output for output in read_outputs(generated / OUTPUTS)}
    items = task.items(step.cell.language, step.cell.prompting)
    scores = task.score(items, [outputs[item.id] for item in items])
    rows = [
        {
            **dataclasses.asdict(score),
            "prompt": item.prompt,
            "response": outputs[item.id].text,
            "finish": outputs[item.id].finish,
        }
        for item, score in zip(items, scores, strict=True)
    ]
    _write_lines(session.opened.store.partial(step) / SCORES, rows)
    return {"scores": len(rows), "unscored": sum(bool(score.unscored) for score in scores)}


def _summary(step: Step, session: Session) -> dict[str, Any]:
    plan, store = session.opened.plan, session.opened.store
    study = plan.study
    scored = []
    for one in (plan.by_key[key] for key in step.needs):
        generate = plan.by_key[one.needs[0]]
        tune = plan.by_key[generate.needs[0]] if generate.needs else None
        rows = _read_lines(store.open(one) / SCORES)
        scores = tuple(Score(row["item"], row["values"], row["notes"], row["unscored"]) for row in rows)
        assert one.cell is not None
        adapter = tune.fingerprint[:8] if tune else "none"
        scored.append(summary.Scored(one.cell, scores, adapter, str(generate.recipe["items"])[:8]))
    task = dialogue(study)
    rows_ = summary.rows(scored, task.metrics, study.label.identifier)
    found = summary.verdicts(
        scored,
        task.metrics[0],
        {name: tuple(counts) for name, counts in study.mixes.items()},
        margin=study.verdict.margin,
        in_kind=study.verdict.in_kind,
    )
    folder = store.partial(step)
    _write_lines(folder / "rows.jsonl", map(dataclasses.asdict, rows_))
    _write_lines(folder / "verdicts.jsonl", map(dataclasses.asdict, found))
    return {"rows": len(rows_), "verdicts": [one.sentence for one in found]}


def _report(step: Step, session: Session) -> dict[str, Any]:
    render.render(load_results(session.opened), session.opened.store.partial(step))
    return {}


def load_results(opened: Opened) -> Results:
    """All that the report shows, read from the score files of a finished study."""
    plan, store = opened.plan, opened.store
    folder = store.open(plan.of("summary")[0])
    return Results(
        study=plan.study.study,
        mixes={name: dict(counts) for name, counts in plan.study.mixes.items()},
        rows=tuple(_read_lines(folder / "rows.jsonl")),
        verdicts=tuple(_read_lines(folder / "verdicts.jsonl")),
        claims=tuple(_read_lines(store.open(plan.of("proof")[0]) / "proof.jsonl")),
        items=tuple(
            {**row, **dataclasses.asdict(step.cell)}
            for step in plan.of("score")
            if step.cell is not None
            for row in _read_lines(store.open(step) / SCORES)
        ),
        recipe=plan.study.model_dump(mode="json"),
        labelled=store.facts(plan.of("label")[0]),
        hashes={step.key: step.fingerprint for step in plan.steps if step.kind in ("label", "mix", "tune")},
    )


def _device(wanted: str) -> str:
    if wanted != "auto":
        return wanted
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


_WORK: dict[str, Callable[[Step, Session], dict[str, Any]]] = {
    "label": _label,
    "mix": _mix,
    "proof": _proof,
    "tune": _tune,
    "score": _score,
    "summary": _summary,
    "report": _report,
}
