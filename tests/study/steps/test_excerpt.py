"""What a report shows of the outputs: whole items, the same for all mixes and seeds, and no more than there is room for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from test_scores import row

from babeltune.records import Cell, Score
from babeltune.study.artefacts import write_lines
from babeltune.study.steps.excerpt import excerpt

Cells = list[tuple[Cell, Path]]


@pytest.fixture
def cells(tmp_path: Path) -> Cells:
    """Two mixes, two seeds, two languages and tasks of 40 and of 4 items."""
    found: Cells = []
    for task, items in (("dialogue", 40), ("xnli", 4)):
        for mix in ("mono", "multi-2"):
            for language in ("de", "fr"):
                for seed in (0, 1):
                    cell = Cell("m", mix, 0, task, language, "xx:xx", seed)
                    path = tmp_path / f"{cell.name}.jsonl"
                    write_lines(path, [row(Score(f"p{at}"), prompt=f"{language} {at}") for at in range(items)])
                    found.append((cell, path))
    return found


def shown(cells: Cells, most: int) -> tuple[Mapping[tuple[str, str, str], int], int, int]:
    """Outputs by task, language and item, how many there are, and how many are left out."""
    found = excerpt(cells, most)
    counts = Counter((one["task"], one["language"], one["item"]) for one in found.items)
    return counts, len(found.items), found.left_out


def test_with_room_for_all_all_are_shown_with_their_cells(cells: Cells) -> None:
    found = excerpt(cells)
    assert len(found.items) == 4 * 2 * (40 + 4)
    assert found.left_out == 0
    first = found.items[0]
    assert (first["model"], first["mix"], first["task"], first["seed"]) == ("m", "mono", "dialogue", 0)
    assert (first["item"], first["prompt"]) == ("p0", "de 0")


@pytest.mark.parametrize("most", [16, 50, 100, 351])
def test_items_are_shown_whole_or_not_at_all(cells: Cells, most: int) -> None:
    counts, there, left_out = shown(cells, most)
    assert set(counts.values()) == {4}  # two mixes with two seeds
    assert there <= most
    assert there + left_out == 352


def test_a_small_task_is_not_crowded_out(cells: Cells) -> None:
    counts, there, _ = shown(cells, 100)
    assert sum(task == "xnli" for task, _, _ in counts) == 2 * 4
    assert there > 100 - 4


def test_an_item_is_shown_in_its_translations_too(cells: Cells) -> None:
    counts, _, _ = shown(cells, 96)
    german, french = (
        {item for task, code, item in counts if (task, code) == ("dialogue", language)} for language in ("de", "fr")
    )
    assert len(german) > 4
    assert german == french


def test_with_more_room_the_same_items_and_others_are_shown(cells: Cells) -> None:
    few, many = shown(cells, 60)[0], shown(cells, 120)[0]
    assert few.keys() < many.keys()


def test_what_has_no_room_at_all_is_left_out(cells: Cells) -> None:
    assert shown(cells, 3)[1:] == (0, 352)
