"""The signature names all that made the number."""

from __future__ import annotations

import pytest

from babeltune import __version__
from babeltune.measure.signature import signature

RECIPE = {"identifier": "lid176", "items": "0a1b2c3d", "adapter": "none", "seeds": 2, "tuning_seeds": 3}


def test_a_signature_is_one_line_of_keys_and_values() -> None:
    line = signature(**RECIPE)
    assert dict(part.split(":") for part in line.split("|")) == {
        "lid": "lid176",
        "items": "0a1b2c3d",
        "adapter": "none",
        "seeds": "2x3",
        "ci": "95%-percentile-by-item-r10000-s12345",
        "version": __version__,
    }
    assert len(line.split()) == 1


@pytest.mark.parametrize(
    ("field", "other"),
    [*((name, "else") for name in ("identifier", "items", "adapter")), ("seeds", 9), ("tuning_seeds", 9)],
)
def test_another_recipe_has_another_signature(field: str, other: object) -> None:
    assert signature(**{**RECIPE, field: other}) != signature(**RECIPE)
