"""The verdict in worlds where the truth is known: right at its stated error rates (docs/verdict.md has them at length).

Every world is drawn anew, so that a rate is a share of worlds. A rate that should be at most 2.5 % may come out higher by
chance: the limit is what at most one in a thousand such tests would exceed.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import binom
from truths import UNSEEN, judged, world

from babeltune.measure.statistics.intervals import Resampling

FAST = Resampling(resamples=1000)
TAIL = 0.025
"""Of one side of a 95 % interval."""


@dataclass(frozen=True)
class Seen:
    """How many worlds of so many ended in what."""

    worlds: int
    necessary: Counter[str]
    sufficient: Counter[int | None]
    some_language: int
    """Worlds in which a second language was shown to be necessary in at least one language."""
    languages: int
    """Languages in which it was, over all worlds."""


def ran(
    curve: Sequence[float], items: int, seeds: int, worlds: int, how: Resampling = FAST, margin: float = 0.1
) -> Seen:
    rng = np.random.default_rng(zlib.crc32(repr((curve, items, seeds)).encode()))
    found = [judged(world(rng, curve, items, seeds), how, margin) for _ in range(worlds)]
    shown = [sum(one.necessary == "shown" for one in verdict.by_language) for verdict in found]
    return Seen(
        worlds,
        Counter(one.necessary for one in found),
        Counter(one.sufficient for one in found),
        sum(count > 0 for count in shown),
        sum(shown),
    )


def most(rate: float, worlds: int) -> int:
    """What a rate exceeds in one of a thousand tests."""
    return int(binom.isf(0.001, worlds, rate))


FLAT, BOUNDARY, SMALL = (0.6, 0.6, 0.6), (0.5, 0.5, 0.6), (0.6, 0.7, 0.7)
STEP, SLOW, FALLING = (0.3, 0.9, 0.9), (0.3, 0.5, 0.7), (0.9, 0.7, 0.5)
QUICK = [(100, 1, 120), (200, 3, 120)]
GRID = [(items, seeds, 400) for items in (100, 300, 1000) for seeds in (1, 2, 3)]


def sizes(*, slow: bool) -> list[object]:
    return [pytest.param(*size, marks=[pytest.mark.slow] if slow else []) for size in (GRID if slow else QUICK)]


@pytest.mark.parametrize(("items", "seeds", "worlds"), [*sizes(slow=False), *sizes(slow=True)])
def test_in_a_flat_world_a_second_language_is_seldom_found_necessary(items: int, seeds: int, worlds: int) -> None:
    found = ran(FLAT, items, seeds, worlds)
    assert found.necessary["shown"] <= most(TAIL, worlds)
    # Holm: of all languages together in at most as many worlds.
    assert found.some_language <= most(TAIL, worlds)


@pytest.mark.parametrize(("items", "seeds", "worlds"), [*sizes(slow=False), *sizes(slow=True)])
def test_a_gain_of_the_very_margin_is_seldom_ruled_out(items: int, seeds: int, worlds: int) -> None:
    # Three languages are truly better by the margin than two and than one, so that neither is sufficient.
    found = ran(BOUNDARY, items, seeds, worlds)
    wrong = found.sufficient[1] + found.sufficient[2]
    assert wrong <= most(2 * TAIL, worlds)  # two chances to be wrong, which are not independent


@pytest.mark.parametrize(("items", "seeds", "worlds"), [*sizes(slow=False), *sizes(slow=True)])
def test_a_real_step_is_found_and_two_languages_are_enough(items: int, seeds: int, worlds: int) -> None:
    found = ran(STEP, items, seeds, worlds // 4)
    assert found.necessary == {"shown": worlds // 4}
    assert found.languages == worlds // 4 * len(UNSEEN)
    assert found.sufficient[1] == 0
    assert found.sufficient[2] >= 0.8 * (worlds // 4)


@pytest.mark.parametrize(("items", "seeds", "worlds"), [*sizes(slow=False), *sizes(slow=True)])
def test_a_step_of_the_margin_is_mostly_found(items: int, seeds: int, worlds: int) -> None:
    found = ran(SMALL, items, seeds, worlds // 2)
    assert found.necessary["shown"] >= 0.85 * (worlds // 2)
    assert found.sufficient[1] <= most(TAIL, worlds // 2)  # a second language adds the very margin


@pytest.mark.parametrize(("items", "seeds", "worlds"), [*sizes(slow=False), *sizes(slow=True)])
def test_on_a_slow_rise_no_number_of_languages_is_enough(items: int, seeds: int, worlds: int) -> None:
    found = ran(SLOW, items, seeds, worlds // 4)
    assert found.sufficient == {None: worlds // 4}
    assert found.necessary["shown"] >= 0.95 * (worlds // 4)


@pytest.mark.parametrize(("items", "seeds", "worlds"), [*sizes(slow=False), *sizes(slow=True)])
def test_on_a_falling_curve_one_language_is_enough(items: int, seeds: int, worlds: int) -> None:
    found = ran(FALLING, items, seeds, worlds // 4)
    assert found.necessary == {"refuted": worlds // 4}
    assert found.sufficient == {1: worlds // 4}


def test_taking_seeds_for_items_claims_too_much() -> None:
    # The authors' pooled rows: three seeds of an item are nearly the same, and count as three.
    items = ran(FLAT, 100, 3, 200)
    rows = ran(FLAT, 100, 3, 200, Resampling(unit="rows", resamples=1000))
    assert items.some_language <= most(TAIL, 200)
    assert rows.some_language > most(TAIL, 200)


def main(worlds: int = 400) -> None:
    """The table of docs/verdict.md: ``python tests/measure/verdict/test_simulation.py``."""
    print(
        "| curve | items | seeds | shown | in some language | refuted | 1 enough | 2 enough |\n|---|---|---|---|---|---|---|---|"
    )
    curves = {
        "flat": FLAT,
        "margin at three": BOUNDARY,
        "small step": SMALL,
        "step": STEP,
        "slow": SLOW,
        "falling": FALLING,
    }
    for name, curve in curves.items():
        for items, seeds in ((100, 1), (100, 3), (300, 1), (300, 3), (1000, 1), (1000, 3)):
            one = ran(curve, items, seeds, worlds)
            counts = (
                one.necessary["shown"],
                one.some_language,
                one.necessary["refuted"],
                one.sufficient[1],
                one.sufficient[2],
            )
            shares = " | ".join(f"{100 * count / worlds:.1f}" for count in counts)
            print(f"| {name} | {items} | {seeds} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
