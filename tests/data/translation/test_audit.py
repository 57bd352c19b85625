"""What the audit counts, and the table of it."""

from __future__ import annotations

import pytest

from babeltune.data.translation.audit import TABLE, Audit, Row, table
from babeltune.data.translation.check import Checked, Flag


def test_the_table_counts_what_became_of_the_rows() -> None:
    kept = Audit("de")
    numbers = (Flag("numbers", "gone: 3"), Flag("numbers", "gone: 4"))
    kept.add(Row("1", "de", "good", 1, Checked(ratio=1.0)))
    kept.add(Row("2", "de", "good", 2, Checked(warnings=numbers, ratio=1.2), ("length",)))
    kept.add(Row("3", "de", "bad", 3, Checked((Flag("length", "long"), Flag("language", "nl"))), ("length", "turns")))
    kept.add(Row("4", "de", "bad", 3, Checked((Flag("length", "short"),))))
    kept.add(Row("5", "de", "refused", 1, reason="the server's filter"))
    kept.add(Row("6", "de", "unsent", 1, reason="the cap"))
    assert kept.states == {"good": 2, "bad": 2, "refused": 1, "failed": 0, "unsent": 1}
    assert (kept.flags, kept.warnings, kept.mended) == ({"length": 2, "language": 1}, {"numbers": 1}, 1)
    assert kept.ratio == pytest.approx(1.1)
    assert table([kept, Audit("fr")]) == [
        ["de", "6", "2", "1", "2", "1", "0", "1", "1.10", "length 2, language 1", "numbers 1"],
        ["fr", "0", "0", "0", "0", "0", "0", "0", "-", "-", "-"],
    ]
    assert len(TABLE) == 11
    assert [row.why for row in kept.rows] == [
        "", "", "length: long; language: nl", "length: short", "the server's filter", "the cap",
    ]  # fmt: skip
