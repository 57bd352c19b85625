"""What a server holds an answer to, found out by asking once, before anything is paid for in bulk."""

from __future__ import annotations

import json

from babeltune.generate.asking.dialect import Format
from babeltune.generate.asking.reply import Reply
from babeltune.records import Request, Sampling

CELL = "check"
"""Purpose of these requests in the ledger."""
_MOST_TOKENS = 256
"""Of an answer: a word takes a few, thought that comes before it more."""
_WORD = "tulip"
"""Nobody says it who is not made to."""
_SCHEMA = json.dumps({
    "type": "object",
    "properties": {"word": {"type": "string", "enum": [_WORD]}},
    "required": ["word"],
    "additionalProperties": False,
})  # fmt: skip
_COLD = Sampling(temperature=0.0, top_p=1.0, max_tokens=_MOST_TOKENS)
PLAIN = Request(id="plain", cell=CELL, prompt="Say a word.", sampling=_COLD, seed=0, system="")
HELD = Request(id="held", cell=CELL, prompt="Say a word, as JSON.", sampling=_COLD, seed=0, system="", schema=_SCHEMA)
TEXT = Request(id="text", cell=CELL, prompt="A word and", sampling=_COLD, seed=0)

IN_WORDS: dict[Format | None, str] = {
    "schema": "it holds answers to a JSON schema",
    "json": "it knows no JSON schema, but JSON mode",
    "text": "it knows neither JSON schema nor JSON mode: answers come as they come",
    None: "it was not asked for JSON",
}


def holds(form: Format, reply: Reply) -> bool:
    """Whether the answer to ``HELD``, asked for in this form, is in it. One without an end shows nothing against it."""
    if form == "text" or reply.state != "answered" or reply.finish == "length":
        return True
    try:
        said = json.loads(reply.text)
    except (ValueError, RecursionError):
        return False
    return said == {"word": _WORD} if form == "schema" else isinstance(said, dict)
