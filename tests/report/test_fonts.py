"""Fonts: letters of every script that the paper has, and one warning where a machine lacks them."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from artists import draw, faults, legend

from babeltune.report import figures
from babeltune.report.figures import fonts
from worlds import study

WORDS = {"CJK": "中文混合", "HANGUL": "한국어", "DEVANAGARI": "हिन्दी क्षत्रिय"}


def has(script: str) -> bool:
    fonts._installed.cache_clear()
    return fonts._SCRIPTS[script][0] in fonts._installed()


def needs(*scripts: str) -> pytest.MarkDecorator:
    lacking = [script for script in scripts if not has(script)]
    return pytest.mark.skipif(
        bool(lacking), reason=f"apt install fonts-noto-core fonts-noto-cjk ({', '.join(lacking)})"
    )


def test_latin_greek_and_cyrillic_need_no_font_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_installed", dict)
    assert fonts.families(["Ελληνικά", "Български", "Tiếng Việt", "íslenska", "العربية"]) == ["DejaVu Sans"]


@needs("CJK", "HANGUL", "DEVANAGARI")
def test_each_script_has_a_family_that_has_its_letters() -> None:
    assert fonts.families(["a", WORDS["CJK"]]) == ["DejaVu Sans", "Noto Sans CJK SC"]
    assert fonts.families([WORDS["HANGUL"]]) == ["DejaVu Sans", "Noto Sans CJK SC"]
    assert fonts.families([WORDS["DEVANAGARI"]]) == ["DejaVu Sans", "Noto Sans Devanagari"]


@needs("CJK", "HANGUL", "DEVANAGARI")
def test_names_in_any_script_are_drawn_with_their_letters(tmp_path: Path) -> None:
    mixes = {name: {"en": 2 + at} for at, name in enumerate([*WORDS.values(), "Ελληνικά"])}
    results = study(["en", "hi"], mixes, models=("模型",))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of a letter without a glyph
        figure = draw("1", results, "模型")
        assert faults(figure) == []
        figures.save(figure, tmp_path, "once")
        figures.save(draw("1", results, "模型"), tmp_path, "again")
    assert set(mixes) <= set(legend(figure))
    for ending in ("svg", "png", "pdf"):
        assert (tmp_path / f"once.{ending}").read_bytes() == (tmp_path / f"again.{ending}").read_bytes()
    pdf = (tmp_path / "once.pdf").read_bytes()
    assert len(pdf) < 200_000  # of a font of 19 MB the letters alone
    # A font with outlines that TrueType has not would be embedded wrongly as Type 42.
    assert b"NotoSansCJKsc" in pdf
    assert b"/CIDFontType2" not in pdf


@needs("DEVANAGARI")
def test_hindi_is_joined_not_spelled() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    def width(text: str) -> float:
        with figures.files.style([text]):
            canvas = FigureCanvasAgg(Figure(dpi=200))
            shown = canvas.figure.text(0.1, 0.5, text, fontsize=40)
            return float(shown.get_window_extent(canvas.get_renderer()).width)

    # Of ka, virama and ssa one letter is made, narrower than its parts.
    assert width("क्ष") < 0.75 * (width("क") + width("ष"))


def test_a_machine_without_a_font_warns_once_and_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_installed", dict)
    fonts._warn.cache_clear()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        fonts.families(["中文 हिन्दी"])
        fonts.families(["中文 हिन्दी"])
    assert "apt install fonts-noto-cjk fonts-noto-core" in str(told[0].message)
    assert told[0].category is fonts.FontsMissing
    assert len(told) == 1
    fonts._warn.cache_clear()


def test_a_figure_is_drawn_without_its_font_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fonts, "_installed", dict)
    fonts._warn.cache_clear()
    results = study(["en"], {"中文": {"en": 1}})
    with pytest.warns(fonts.FontsMissing):
        figures.save(draw("1", results, "llama-2-7b"), tmp_path, "x", ("svg", "png"))
    assert (tmp_path / "x.png").exists()
    fonts._warn.cache_clear()
