from __future__ import annotations

from pathlib import Path

from calls import Call


def test_the_published_values_are_drawn_without_a_study(babeltune: Call, tmp_path: Path) -> None:
    said = babeltune("figures", "--published", "--figure", "1", "--format", "svg", "--out", str(tmp_path / "f"))
    assert said.code == 0, said.err
    assert [path.name for path in (tmp_path / "f").iterdir()] == ["figure-1.svg"]
    assert "a second language is necessary (+0.46, 95 % +0.41 to +0.50), three are sufficient" in said.words
    assert said.words.count("how far another tuning run would fall is not in the intervals") == 1
    assert "(From published" not in said.words


def test_published_values_and_a_study_are_not_drawn_together(babeltune: Call, tmp_path: Path) -> None:
    said = babeltune("figures", "kew", "--published", "--out", str(tmp_path / "f"))
    assert said.code == 2
    assert "babeltune scorecard STUDY" in said.words
    assert not (tmp_path / "f").exists()
