"""What a server takes of the chat-completions protocol: each speaks a dialect of it, which its refusals teach."""

from __future__ import annotations

import functools
import json
import logging
import re
from collections.abc import Mapping
from typing import Any, Literal

from babeltune.errors import EngineError
from babeltune.generate.ledger import messages_of
from babeltune.records import Request

log = logging.getLogger(__name__)

Format = Literal["schema", "json", "text"]
"""What an answer can be held to: a JSON schema, JSON of any shape, nothing."""
_FORMATS: Mapping[str, Format] = {"json_schema": "schema", "json_object": "json"}
_SPARE = ("seed", "stop", "top_p", "temperature")
"""Fields that an answer can be had without."""
_WILL_NOT = re.compile(
    r"unsupported|not supported|not support|not (?:be )?(?:permitted|allowed)|unexpected|unknown|unrecogni[sz]ed|instead"
)


class Dialect:
    """Learnt in the course of a session, from one that takes everything."""

    def __init__(self) -> None:
        self.limit = "max_tokens"
        """Name of the field for the most tokens: OpenAI's later models take ``max_completion_tokens`` alone."""
        self.left_out: set[str] = set()
        """Fields that the server refuses."""
        self.format: Format = "schema"
        """Best that the server takes."""

    def body(self, model: str, request: Request) -> dict[str, Any]:
        """What to send for a request.

        Raises:
            EngineError: its schema is no JSON.
        """
        sampling = request.sampling
        body: dict[str, Any] = {"model": model}
        body["prompt" if request.system is None else "messages"] = messages_of(request)
        body |= {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens" if request.system is None else self.limit: sampling.max_tokens,
            "seed": request.seed,
        }
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        if request.schema and request.system is not None:
            body |= self._response_format(request)
        for name in self.left_out:
            body.pop(name, None)
        return body

    def learn(self, sent: Mapping[str, Any], message: str, param: str | None) -> bool:
        """Read the refusal of what was sent; whether the same request may fare better now."""
        words = message.lower()

        def names(field: str) -> bool:
            return (
                param == field or re.search(rf"['\"`]{field}['\"`]|\b{field}\b(?= is | parameter)", words) is not None
            )

        form = _FORMATS.get(str((sent.get("response_format") or {}).get("type")))
        if form is not None and (
            param == "response_format" or re.search(r"response_format|json_schema|json_object|guided|grammar", words)
        ):
            if self.format == form:
                self.weaken()
                log.warning("The server refuses %s as the form of an answer (%s): %s from now on.",
                            _IN_WORDS[form], message[:200], _IN_WORDS[self.format])  # fmt: skip
            return True
        if not _WILL_NOT.search(words):
            return False
        if "max_tokens" in sent and "messages" in sent and "max_completion_tokens" in words:
            self.limit = "max_completion_tokens"
            return True
        for field in _SPARE:
            if field in sent and names(field):
                if field not in self.left_out:
                    self.left_out.add(field)
                    log.warning("The server refuses the field '%s' (%s): left out from now on. %s",
                                field, message[:200], _WITHOUT[field])  # fmt: skip
                return True
        return False

    def weaken(self) -> None:
        """Ask for the next form, which asks for less."""
        self.format = "json" if self.format == "schema" else "text"

    def _response_format(self, request: Request) -> dict[str, Any]:
        if self.format == "text":
            return {}
        if self.format == "json":
            return {"response_format": {"type": "json_object"}}
        try:
            schema = _parsed(request.schema)
        except ValueError as error:
            raise EngineError(
                f"{request.cell}, request {request.id}: its schema is no JSON ({error}). Correct the schema."
            ) from error
        held = {"name": "answer", "schema": schema, "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": held}}


@functools.lru_cache(maxsize=16)
def _parsed(schema: str) -> Any:
    return json.loads(schema)


_IN_WORDS: Mapping[Format, str] = {"schema": "a JSON schema", "json": "JSON mode", "text": "plain text"}
_WITHOUT: Mapping[str, str] = {
    "seed": "Answers may differ from run to run.",
    "stop": "Answers are cut here, after they are paid for.",
    "top_p": "The server draws from its own nucleus.",
    "temperature": "The server draws at its own temperature.",
}
