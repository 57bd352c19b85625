"""The journal: outputs by item, appended one line each, so that a killed run goes on at the missing ones."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from babeltune.errors import StoreError
from babeltune.records import Output

_FIELDS = tuple(field.name for field in dataclasses.fields(Output))


def encode(output: Output) -> str:
    """One line of JSON, keys in the order of the record, without the newline; half characters as escapes."""
    found = {name: getattr(output, name) for name in _FIELDS}  # `asdict` copies it all first, which takes longer
    return json.dumps(found, ensure_ascii=False).encode(errors="backslashreplace").decode()


def read_outputs(path: Path) -> list[Output]:
    """All outputs of a file. A last line that was torn by a crash is left out; any other broken line is an error."""
    return _parse(path, path.read_bytes())[0] if path.exists() else []


def _parse(path: Path, raw: bytes) -> tuple[list[Output], int]:
    """The outputs and the length in bytes of the lines that hold them."""
    outputs: list[Output] = []
    whole = raw[: raw.rfind(b"\n") + 1]
    for number, line in enumerate(whole.split(b"\n")[:-1], 1):
        try:
            fields = json.loads(line)
            arrays = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
            outputs.append(Output(**{**fields, **arrays}))
        except (ValueError, TypeError) as error:
            raise StoreError(
                f"{path}:{number}: not an output ({error}). Delete the file; its cell is generated again."
            ) from error
    return outputs, len(whole)


class Journal:
    """Append-only outputs of one cell. The lock of the study makes this the only writer.

    No file is held open between appends, so that ten thousand cells in flight need no ten thousand handles.
    """

    def __init__(self, path: Path) -> None:
        """Takes up the file at ``path`` if there is one; cuts off a last line that a crash tore."""
        self.path = path
        self.outputs: dict[str, Output] = {}
        if path.exists():
            raw = path.read_bytes()
            outputs, length = _parse(path, raw)
            self.outputs = {output.id: output for output in outputs}
            if length < len(raw):
                with path.open("r+b") as file:
                    file.truncate(length)

    def append(self, output: Output) -> None:
        """Hand one output to the operating system at once: a killed process loses nothing appended."""
        with self.path.open("ab") as file:
            file.write(f"{encode(output)}\n".encode())
        self.outputs[output.id] = output
