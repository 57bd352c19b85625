"""A data set of the Hugging Face hub -> rows, one at a time, at constant memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babeltune.errors import Problem, RowsError
from babeltune.rows import Row

_BATCH = 1000
"""Rows that are in memory at once."""


@dataclass(frozen=True, slots=True)
class HubSet:
    """A data set of the Hugging Face hub."""

    id: str
    """Such as ``org/name``."""
    revision: str | None = None
    """Commit, branch or tag; the newest where it is left out."""
    config: str | None = None
    splits: tuple[str, ...] = ()
    """In this order; where none is named, all: train, validation, test, then others as the set lists them."""


def hub_rows(
    hub: HubSet, *, folder: Path | None = None, skip: int = 0, columns: Sequence[str] | None = None
) -> Iterator[Row]:
    """The rows of a hub set, split after split, streamed; from ``folder``, a snapshot of the set, without the network.

    ``skip`` counts over all splits; rows passed over are read, but not turned into objects. A field that a row lacks
    and others have is None.

    Raises:
        RowsError: the set, its config or a split is not there, or cannot be read (offline, gated, damaged).
    """
    for split, number, table in _tables(hub, folder):
        if skip >= len(table):
            skip -= len(table)
            continue
        rows = table if columns is None else table.select([name for name in table.column_names if name in columns])
        for index, fields in enumerate(_objects(rows.slice(skip)), number + skip):
            yield Row(f"{split}[{index}]", fields)
        skip = 0


def snapshot(id_: str, revision: str | None, *, download: bool, files: Sequence[str] = ()) -> Path:
    """The local folder of a hub set, fetched only where ``download``.

    ``files``: glob patterns of what is needed; nothing else is fetched, and each must be there. All files where empty.

    Raises:
        RowsError: it is not in the local cache, or cannot be fetched.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    def refused(what: str, fix: str) -> RowsError:
        return RowsError(f"hub set '{id_}'", [Problem(id_, what, fix)])

    absent = "is no file or folder here, and as a hub set it is not in the local cache"
    try:
        found = Path(
            snapshot_download(
                id_,
                repo_type="dataset",
                revision=revision,
                local_files_only=not download,
                allow_patterns=list(files) or None,
            )
        )
    except LocalEntryNotFoundError as error:
        if download:
            raise refused("cannot be fetched, and is not in the local cache", "Check the network.") from error
        raise refused(absent, "Run once with --download.") from error
    except (HFValidationError, OSError) as error:  # of the hub's, all HTTP errors are OSErrors
        what = f"cannot be fetched ({' '.join(str(error).split())})"
        raise refused(what, "Check the id, the revision and your access.") from error
    for pattern in files:
        if not any(found.glob(pattern)):
            if download:
                raise refused(f"holds no '{pattern}'", "Check the id and the revision.")
            raise refused(absent, "Run once with --download.")
    return found


def _tables(hub: HubSet, folder: Path | None) -> Iterator[tuple[str, int, Any]]:
    """Split, number of its rows that came before, and the next rows as an Arrow table."""
    import datasets
    import pyarrow
    from datasets.exceptions import DatasetsError

    place = hub.id
    try:
        found = datasets.load_dataset(
            str(folder or hub.id), hub.config, revision=None if folder else hub.revision, streaming=True
        )
        known = [split for split in ("train", "validation", "test") if split in found]
        known += [split for split in found if split not in known]
        for split in hub.splits or known:
            if split not in found:
                fix = f"Splits of this set: {', '.join(known)}."
                raise RowsError(f"hub set '{hub.id}'", [Problem(hub.id, f"has no split '{split}'", fix)])
        for split in hub.splits or known:
            number = 0
            for table in found[split].with_format("arrow").iter(batch_size=_BATCH):
                place = f"{hub.id}, {split}[{number}]"
                yield split, number, table
                number += len(table)
    # What datasets raises has no common base: RuntimeError for a set of code, ValueError for an unknown config.
    except (DatasetsError, pyarrow.ArrowException, OSError, ValueError, RuntimeError) as error:
        what = f"cannot be read ({' '.join(str(error).split())})"
        fix = "Check its id, revision and config, your access to it, and the network."
        if folder:
            fix = "Check its config; where files of it are missing, run once with --download."
        raise RowsError(f"hub set '{hub.id}'", [Problem(place, what, fix)]) from error


def _objects(table: Any) -> Iterator[dict[str, Any]]:
    """Rows of an Arrow table. Objects of many shapes come as JSON text, which datasets turns back; images stay bytes."""
    from datasets import Features

    features = Features.from_arrow_schema(table.schema)
    encoded = Features({name: kind for name, kind in features.items() if "Json(" in repr(kind)})
    for fields in table.to_pylist():
        yield {**fields, **encoded.decode_example({name: fields[name] for name in encoded})}
