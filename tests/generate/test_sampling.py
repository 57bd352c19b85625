from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import TemperatureLogitsWarper, TopPLogitsWarper

from babeltune.generate.sampling import draw, uniforms


def test_uniforms_depend_on_item_and_seed_and_nothing_else():
    assert np.array_equal(uniforms("p01", 0, 8), uniforms("p01", 0, 64)[:8])
    assert not np.array_equal(uniforms("p01", 0, 8), uniforms("p01", 1, 8))
    assert not np.array_equal(uniforms("p01", 0, 8), uniforms("p02", 0, 8))
    values = uniforms("p01", 0, 20_000)
    assert values.min() >= 0
    assert values.max() < 1
    assert values.mean() == pytest.approx(0.5, abs=0.01)


def test_draw_is_a_function_of_the_row_alone():
    torch.manual_seed(0)
    logits, uniform = torch.randn(6, 1000), torch.rand(6, dtype=torch.float64)
    together = draw(logits, uniform, temperature=0.8, top_p=0.9)
    alone = torch.cat([draw(logits[i : i + 1], uniform[i : i + 1], temperature=0.8, top_p=0.9) for i in range(6)])
    assert torch.equal(together, alone)


def test_temperature_zero_takes_the_most_likely():
    logits = torch.tensor([[0.0, 3.0, 1.0]])
    assert draw(logits, torch.tensor([0.99]), temperature=0, top_p=0.5).tolist() == [1]


@pytest.mark.parametrize(("vocabulary", "spread"), [(50, 2.0), (4000, 0.5)])
def test_frequencies_are_those_of_transformers_nucleus(vocabulary, spread):
    """Independent oracle: the temperature and top-p warpers of transformers; flat logits need more than the head."""
    torch.manual_seed(1)
    logits = torch.randn(1, vocabulary) * spread
    warped = TopPLogitsWarper(0.9)(torch.empty(1, 0), TemperatureLogitsWarper(0.8)(torch.empty(1, 0), logits))
    expected = warped.softmax(-1)[0]
    # Equally spaced numbers instead of random ones: frequencies are then exact to one part in `count`.
    count = 40_000
    uniform = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    drawn = torch.cat(
        [draw(logits.expand(len(part), -1), part, temperature=0.8, top_p=0.9) for part in uniform.split(4000)]
    )
    found = torch.bincount(drawn, minlength=vocabulary) / count
    assert float((found - expected).abs().max()) < 2e-4
    assert set(drawn.tolist()) <= set(torch.nonzero(expected).flatten().tolist())
