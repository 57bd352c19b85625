"""What a provider says of a batch, and of each request in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from babeltune.generate.asking import reply as replies
from babeltune.generate.asking.reply import Fault, Reply

if TYPE_CHECKING:
    from openai.types import Batch as Remote

_ENDED = frozenset(("completed", "failed", "expired", "cancelled"))


@dataclass(frozen=True, slots=True)
class Standing:
    """What a provider says of a batch."""

    id: str
    status: str
    done: int
    total: int
    files: tuple[str, ...]
    """Ids of what came: of replies, of errors."""
    problems: tuple[str, ...]
    """Why it was not begun."""
    crowded: bool
    """Whether it was not begun because the account has too much waiting already."""
    seconds: float
    """From its making to its end; 0 where the provider does not say."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.status in _ENDED


@dataclass(frozen=True, slots=True)
class Line:
    """What came for one request of a batch."""

    key: str
    """``custom_id``: ours."""
    status: int
    """Of HTTP; 0 where the provider never asked."""
    body: Any
    """Of the reply, or the error."""

    @property
    def raw(self) -> str:
        """The body as text."""
        return json.dumps(self.body, ensure_ascii=False)

    def read(self, stop: tuple[str, ...]) -> Reply | Fault:
        """What it says."""
        if self.status == 0:
            return Fault("failed", replies.fault(0, self.raw).reason.removeprefix("HTTP 0: "))
        if self.status != 200:
            return replies.fault(self.status, self.raw)
        try:
            return replies.read(self.raw.encode("utf-8", "surrogatepass"), stop)
        except replies.UnreadableError as error:
            return Fault("again", str(error), status=200, maybe_paid=True)


@dataclass(frozen=True, slots=True)
class Came:
    """A file of what came of a batch."""

    lines: list[Line]
    whole: bool
    """False where a line cannot be read, or the provider has deleted the file."""


class NonsenseError(ValueError):
    """A body that is none of the protocol's."""


def standing_of(remote: Remote) -> Standing:
    """What the client read.

    Raises:
        NonsenseError: it is no batch.
    """
    from openai.types import Batch

    if not isinstance(remote, Batch) or not remote.id or not isinstance(remote.status, str):
        raise NonsenseError("it is no batch")
    counts = remote.request_counts
    problems = remote.errors.data or [] if remote.errors else []
    ends = (remote.completed_at, remote.failed_at, remote.expired_at, remote.cancelled_at)
    ended = next((at for at in ends if at), None)
    return Standing(
        id=remote.id,
        status=remote.status,
        done=(counts.completed or 0) + (counts.failed or 0) if counts else 0,
        total=counts.total or 0 if counts else 0,
        files=tuple(file for file in (remote.output_file_id, remote.error_file_id) if file),
        problems=tuple(
            f"{f'line {one.line}: ' if one.line is not None else ''}{one.message or one.code or 'no reason given'}"
            for one in problems
        ),
        crowded=remote.status == "failed" and any("limit_exceeded" in (one.code or "") for one in problems),
        seconds=float(max(0, ended - remote.created_at)) if ended and remote.created_at else 0.0,
    )


def line_of(text: str) -> Line | None:
    """A line of a file of replies or errors; None where it cannot be read."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or not isinstance(said.get("custom_id"), str):
        return None
    response = said.get("response")
    if isinstance(response, dict) and isinstance(status := response.get("status_code"), int):
        return Line(said["custom_id"], status, response.get("body"))
    return Line(said["custom_id"], 0, {"error": said.get("error") or "the provider says nothing of it"})
