"""A model of this machine that is asked as a server is: chats in its own format, and every reply in the ledger."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from babeltune.errors import EngineError
from babeltune.generate.asking.outputs import entry_of, kept_output
from babeltune.generate.asking.reply import Reply
from babeltune.generate.ledger import Entry, Ledger, Waiting, key_of, messages_of
from babeltune.records import Engine, Output, Request

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class LocalChats:
    """An ``Engine`` over another. What the ledger has answered is not asked again; two of one key are asked once."""

    def __init__(self, engine: Engine, folder: Path, model: str, ledger: Ledger) -> None:
        """``folder``: of the model, for its tokenizer; ``model``: its name in the ledger."""
        self._engine = engine
        self._folder = folder
        self._model = model
        self._ledger = ledger
        self._tokenizer: PreTrainedTokenizerBase | None = None

    def complete(self, requests: Iterable[Request], done: Container[tuple[str, str]] = ()) -> Iterator[Output]:
        """Yield what is known at once, then the rest as it finishes.

        Raises:
            EngineError: the model was never taught to chat.
        """
        wanted = [request for request in requests if (request.cell, request.id) not in done]
        keys = {(one.cell, one.id): key_of(self._model, one) for one in wanted}
        kept = self._ledger.answers(keys.values())
        asking: dict[str, list[Request]] = {}
        for request in wanted:
            key = keys[request.cell, request.id]
            if key in kept:
                yield kept_output(kept[key], request)
            else:
                asking.setdefault(key, []).append(request)
        began = time.monotonic()
        firsts = {(same[0].cell, same[0].id): key for key, same in asking.items()}
        for output in self._engine.complete([self.written(same[0]) for same in asking.values()]) if asking else ():
            key = firsts[output.cell, output.id]
            self._ledger.write(self._entry(key, asking[key][0], output, time.monotonic() - began))
            began = time.monotonic()
            for request in asking[key]:
                yield dataclasses.replace(output, id=request.id, cell=request.cell)

    def loglikelihood(self, requests: Iterable[Request], done: Container[tuple[str, str]] = ()) -> Iterator[Output]:
        """As the engine has them; none are kept."""
        return self._engine.loglikelihood(requests, done)

    def written(self, request: Request) -> Request:
        """The request with its chat in the model's own format, up to where the answer begins.

        Raises:
            EngineError: the model's folder says no format.
        """
        if request.system is None:
            return request
        if self._tokenizer is None:
            from transformers import AutoTokenizer

            self._tokenizer = AutoTokenizer.from_pretrained(self._folder, trust_remote_code=False)
        if not self._tokenizer.chat_template:
            raise EngineError(
                f"{self._model}: has no chat format, so it was never taught to chat. Name a model that was, such as one "
                "whose name ends in -Instruct or -chat."
            )
        text = str(
            self._tokenizer.apply_chat_template(messages_of(request), tokenize=False, add_generation_prompt=True)
        )
        first = self._tokenizer.bos_token
        if first and text.startswith(first) and self._tokenizer("a")["input_ids"][0] == self._tokenizer.bos_token_id:
            text = text.removeprefix(first)  # the engine adds it again
        return dataclasses.replace(request, prompt=text, system=None)

    def _entry(self, key: str, request: Request, output: Output, seconds: float) -> Entry:
        sent = {"model": self._model, "messages": messages_of(request), "seed": request.seed, "schema": request.schema,
                "sampling": dataclasses.asdict(request.sampling)}  # fmt: skip
        waiting = Waiting(key, json.dumps(sent, ensure_ascii=False), request.cell, request.id)
        state: Literal["answered", "empty"] = "answered" if output.text.strip() else "empty"
        finish: Any = output.finish
        said = Reply(state, output.text, finish, self._model, 0, 0, output.tokens, metered=True)
        entry = entry_of(self._model, waiting, said, output.text)
        return dataclasses.replace(entry, seconds=round(seconds, 3), cost=0.0)
