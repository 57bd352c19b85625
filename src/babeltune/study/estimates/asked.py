"""What judge and translator will be asked: calls, tokens and money, before any of it is sent.

Of what is written already the texts are counted; of what is not, the authors' averages are assumed. Bytes stand for
tokens: four a token in English, three in any other language (``translation.prompts.Expected``).
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from babeltune.data.translation import prompts, twin
from babeltune.generate.ledger import Ledger, Spent, key_of
from babeltune.generate.prices import cost
from babeltune.measure.judge.rubric import Judge
from babeltune.records import Request
from babeltune.study import serving
from babeltune.study.artefacts import CHATS, LEDGER, read_chats
from babeltune.study.check import Opened
from babeltune.study.estimates.estimate import CHAT_TOKENS, PROMPT_TOKENS
from babeltune.study.session import Session
from babeltune.study.step import JUDGED_TASK, Step
from babeltune.study.steps import judging, readings

ANSWER_TOKENS = 210
"""Of an answer, as long as there is none. With ``REPLY_TOKENS``, the rubric and a prompt, the authors' 1,137 millionths
of a dollar a call at 1 and 2 dollars a million tokens (their notebook: 412.54 dollars for 362,881 calls)."""
REPLY_TOKENS = 120
"""Of a judge's reply: the reasoning is a few sentences."""
_TRANSLATING = 150
"""Of the instructions round a text to translate (Figures 9 and 10)."""
_LONGER = 1.5
"""Tokens of a chat in another language to those of the English one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Of one model in one role: the first try of everything; what has to be asked again comes on top."""

    role: str
    """``judge`` or ``translator``."""
    model: str
    calls: int
    """To come, less what the ledger has; answers that need no judge among them as long as they are not written."""
    sent: int
    """Tokens."""
    received: int
    dollars: float | None
    """None without a price, and of a model that runs here."""
    spent: float
    """Dollars that earlier runs came to."""
    assumed: bool
    """Whether some of the texts are not written yet, and their lengths assumed."""


@dataclass(frozen=True, slots=True)
class _Call:
    key: str | None
    """In the ledger; None as long as the text is not written."""
    sent: float
    received: float


def asked(opened: Opened, done: frozenset[str]) -> Iterator[Asked]:
    """What is to come of each role that is asked."""
    session = Session(opened, lambda event: None)
    path = opened.store.root / LEDGER
    steps = [step for step in opened.plan.pending(done) if step.role]
    seen = {row for step in opened.plan.of("translate") if step.key in done for row in _rows(step)}
    with contextlib.ExitStack() as stack:
        ledger = stack.enter_context(Ledger(path)) if path.exists() else None
        for role, spec in opened.plan.study.roles.items():
            calls: dict[object, _Call] = {}
            for step in (step for step in steps if step.role == role):
                for at, call in enumerate(_calls(step, session, done, seen)):
                    calls.setdefault(call.key or (step.key, at), call)
            if not calls:
                continue
            known = ledger.answers(key for key in calls if isinstance(key, str)) if ledger else {}
            left = [call for key, call in calls.items() if key not in known]
            sent, received = (round(sum(getattr(call, name) for call in left)) for name in ("sent", "received"))
            price = serving.prices(opened.plan.study).get(spec.model) if spec.engine == "endpoint" else None
            yield Asked(
                role, spec.model, len(left), sent, received,
                None if price is None else cost(price, sent, 0, received, batch=spec.batch_files),
                ledger.spent_by("model").get(spec.model, Spent()).dollars if ledger else 0.0,
                any(call.key is None for call in left),
            )  # fmt: skip


def _calls(
    step: Step, session: Session, done: frozenset[str], seen: set[tuple[str | None, str, int]]
) -> Iterator[_Call]:
    """First tries of a step. ``seen``: chats of blocks that were counted; several blocks may have the same one."""
    plan, store = session.plan, session.store
    there = all(key in done for key in step.needs)
    if step.kind == "translate":
        rows = _rows(step)
        new = [at for at, row in enumerate(rows) if row not in seen]
        seen.update(rows)
        if not there:
            yield from [_Call(None, CHAT_TOKENS + _TRANSLATING, _LONGER * CHAT_TOKENS)] * len(new)
            return
        block = twin.Block(**step.recipe["block"])
        chats = twin.of_block(
            read_chats(store.open(plan.by_key[step.needs[0]]) / CHATS), block, plan.study.mixing
        )  # fmt: skip
        for chat in (chats[at] for at in new):
            asked = prompts.request(prompts.original(chat), block.language, session.translator.how)
            found = prompts.expected(asked, len(chat.text), block.language, plan.study.mixing.main)
            yield _Call(_key(asked, step, session), found.prompt, found.reply)
    elif step.kind == "english":
        if not there:
            yield from [_Call(None, ANSWER_TOKENS + _TRANSLATING, ANSWER_TOKENS)] * step.work
            return
        for _, text, language in readings.to_translate(step, session):
            asked = prompts.request(prompts.Original("", (text,)), "en", session.translator.how)
            found = prompts.expected(asked, len(text), "en", language)
            yield _Call(_key(asked, step, session), found.prompt, found.reply)
    else:
        if not there:
            usual = _rubric() + PROMPT_TOKENS[JUDGED_TASK] + ANSWER_TOKENS
            yield from [_Call(None, usual, REPLY_TOKENS)] * step.work
            return
        asking = judging.asker(session.judge)
        for case in readings.cases(step, session):
            if not case.skipped:
                request = asking.request(case.item, case.prompt, case.response)
                said = f"{case.prompt}{case.response}".encode()
                yield _Call(_key(request, step, session), _rubric() + len(said) / _bytes(step), REPLY_TOKENS)


def _bytes(step: Step) -> int:
    """Of a token."""
    return 4 if readings.reading(step) == "translated" or (step.cell and step.cell.language == "en") else 3


def _key(request: Request, step: Step, session: Session) -> str:
    spec = session.study.roles[str(step.role)]
    model = spec.model if spec.engine == "endpoint" else session.local_name(spec)
    return key_of(model, request)


def _rows(step: Step) -> list[tuple[str | None, str, int]]:
    """Mix, language and place of each chat of a block."""
    block = twin.Block(**step.recipe["block"])
    return [(step.mix, block.language, at) for at in range(block.start, block.end)]


@functools.cache
def _rubric() -> int:
    """Tokens of the judge's prompt round the data."""
    request = Judge().request("", "", "")
    return len(f"{request.system}{request.prompt}".encode()) // 4


def told(found: Sequence[Asked]) -> Iterator[str]:
    """A line a role, and what it rests on."""
    for one in found:
        money = "no price is given" if one.dollars is None else f"about ${one.dollars:,.2f}"
        before = f"; ${one.spent:,.2f} spent before" if one.spent else ""
        yield (
            f"{one.role} {one.model}: {one.calls:,} calls, about {one.sent:,} tokens sent and {one.received:,} received: "
            f"{money}{before}"
        )
    if any(one.assumed for one in found):
        yield "  (lengths of what is not written yet are assumed; replies that have to be asked for again come on top)"
