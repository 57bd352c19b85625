"""Figures: a bar for each cell with a value, stripes where the mix lacks the language, whiskers, markers; nothing cut."""

from __future__ import annotations

import dataclasses
import itertools
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from artists import bars, draw, faults, labels, legend, shown, whiskers, words
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from babeltune.errors import NotDrawnError
from babeltune.languages import LANGUAGES, PAPER_LANGUAGES
from babeltune.report import figures
from babeltune.report.figures import palette
from babeltune.report.figures.ablations import fixed_budget
from babeltune.report.figures.ladder import dialogue
from babeltune.report.results import Results
from worlds import MIXES, study

MODEL = "llama-2-7b"
TWINS = {**MIXES, **{f"twin-{at}": MIXES[f"multi-{at}"] for at in range(2, 7)}}
ORDER = ("es", "ru", "de", "zh", "fr")
BUDGET = {
    "mono": {"en": 3200},
    **{f"multi-{at}-of-400": {"en": 2800, **dict.fromkeys(ORDER[: at - 1], 400 // (at - 1))} for at in range(2, 7)},
}
FIXED = {
    "mono": {"en": 3200},
    **{f"multi-3-n{n}": {"en": 3200 - 2 * n, "es": n, "ru": n} for n in (5, 50, 500)},
    **{f"multi-2-n{n}": {"en": 3200 - n, "es": n} for n in (50, 1000)},
}


def called(code: str) -> str:
    return f"{LANGUAGES[code].name} ({code})"


def cells(figure: Figure, mixes: list[str]) -> dict[tuple[str, str], Any]:
    """(mix, label of the language) -> bar, told by colour and place alone."""
    mix_of = {shade: mix for mix, shade in palette.colours(mixes).items()}
    found = {(mix_of[bar.colour], bar.group): bar for bar in bars(figure)}
    assert len(found) == len(bars(figure))
    return found


def expected(results: Results, metric: str, task: str = "dialogue") -> dict[tuple[str, str], float]:
    return {
        (row["mix"], called(row["language"])): row["value"]
        for row in results.rows
        if (row["task"], row["metric"]) == (task, metric) and row["value"] is not None
    }


def test_each_cell_with_a_value_has_one_bar_of_its_height(results: Results) -> None:
    found = cells(draw("1", results, "tiny"), results.mix_names("tiny"))
    assert {key: bar.top for key, bar in found.items()} == pytest.approx(expected(results, "agreement"))
    assert ("base", "German (de)") not in found


def test_stripes_stand_exactly_where_a_mix_lacks_the_language(results: Results) -> None:
    found = cells(draw("1", results, "tiny"), results.mix_names("tiny"))
    striped = {key for key, bar in found.items() if bar.hatch}
    assert striped == {("mono", "Spanish (es)"), ("mono", "German (de)"), ("multi-2", "German (de)")}


def test_whiskers_are_the_intervals(results: Results) -> None:
    (axes,) = draw("1", results, "tiny").axes
    ends = sorted((row["low"], row["high"]) for row in results.rows if row["metric"] == "agreement" and row["n"])
    found = sorted((low, high) for _, low, high in whiskers(axes))
    assert list(itertools.chain(*found)) == pytest.approx(list(itertools.chain(*ends)))
    centres = sorted((bar.get_x() + bar.get_width() / 2) for bar in axes.patches)  # type: ignore[attr-defined]
    assert [at for at, _, _ in whiskers(axes)] == pytest.approx(centres)


def test_an_interval_that_misses_its_value_by_rounding_is_drawn(results: Results) -> None:
    by_rounding = tuple({**row, "value": 0.3, "low": 0.1 + 0.2, "high": 0.3} for row in results.rows)
    (axes,) = draw("1", dataclasses.replace(results, rows=by_rounding), "tiny").axes
    assert {(low, high) for _, low, high in whiskers(axes)} == {(0.3, 0.3)}


def test_nineteen_languages_of_seven_mixes_are_broken_into_rows_that_can_be_read() -> None:
    figure = draw("1", study(), MODEL)
    rows = shown(figure)
    assert [len(axes.get_xticks()) for axes in rows] == [7, 7, 5]
    assert [label.split("\n")[0] for axes in rows for label in labels(axes).values()] == [
        LANGUAGES[code].name for code in PAPER_LANGUAGES
    ]
    assert figure.get_size_inches()[0] <= 7.01
    for axes in rows:
        assert axes.get_ylim() == rows[0].get_ylim()
        edges = sorted((bar.left, bar.right) for bar in bars(figure) if bar.group in _groups(axes))
        assert all(left[1] <= right[0] + 1e-9 for left, right in itertools.pairwise(edges))
        across = axes.get_window_extent().width / figure.dpi / (axes.get_xlim()[1] - axes.get_xlim()[0])
        assert min(right - left for left, right in edges) * across > 0.06


def _groups(axes: Any) -> set[str]:
    return {label.replace("\n", " ") for label in labels(axes).values()}


LONG = {
    "mono": {"en": 10},
    "a mix whose name is so long that no legend of any figure can have it whole, nor should it": {"en": 5, "es": 5},
    "cost $5_and_more$ {x}": {"en": 5, "de": 5},
    "_hidden": {"en": 5, "ru": 5},
}
SHAPES: dict[str, Callable[[], Results]] = {
    "one language, one mix": lambda: study(["de"], {"mono": {"en": 10}}, base=False),
    "one language": lambda: study(["de"], {"mono": {"en": 10}, "multi-2": {"en": 8, "es": 2}}),
    "three languages": lambda: study(["en", "es", "de"], {"mono": {"en": 10}, "multi-2": {"en": 8, "es": 2}}),
    "nineteen languages": study,
    "twelve mixes": lambda: study(PAPER_LANGUAGES[:4], {f"m{at}": {"en": 10 + at} for at in range(12)}),
    "long names": lambda: study(["en", "vi"], LONG, ["an-organisation/" + "a-very-long-name-" * 4]),
    "a missing mix": lambda: study(["en", "es"], lacking=["multi-3"]),
    "all unscored": lambda: study(["en", "es", "de"], unscored=True),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_study_of_any_shape_is_drawn_without_anything_cut_or_covered(shape: str) -> None:
    results = SHAPES[shape]()
    figure = draw("1", results, results.models()[0])
    assert faults(figure) == []
    present = results.mix_names(results.models()[0])
    assert len([name for name in legend(figure) if name not in ("language not in the mix", "all unscored")]) == len(
        present
    )


def test_names_are_text_whatever_they_hold() -> None:
    results = study(["en"], LONG, ["m$x_1$"])
    names = legend(draw("1", results, "m$x_1$"))
    assert {"cost $5_and_more$ {x}", "_hidden"} <= set(names)
    assert "m$x_1$" in words(draw("1", results, "m$x_1$"))
    drawn = draw("1", results, "m$x_1$").findobj(Text)
    formulas = [text for text in drawn if isinstance(text, Text) and "$" in text.get_text()]
    assert formulas
    assert not any(text.get_parse_math() for text in formulas)
    assert max(map(len, names)) <= 64


def test_a_study_without_any_score_says_so() -> None:
    results = study(["en", "es"], unscored=True)
    figure = draw("1", results, MODEL)
    lost = sum(row["unscored"] for row in results.rows if row["metric"] == "agreement")
    assert f"All {lost:,} outputs are unscored; the page says why." in words(figure)
    assert "all unscored" in legend(figure)
    assert bars(figure) == []


def test_a_cell_without_any_score_has_a_cross_and_one_not_asked_has_nothing(results: Results) -> None:
    asked = dataclasses.replace(
        results, rows=tuple(row for row in results.rows if (row["mix"], row["language"]) != ("mono", "es"))
    )
    figure = draw("1", asked, "tiny")
    (axes,) = figure.axes
    crosses = [line for line in axes.get_lines() if line.get_marker() == "x"]
    assert len(crosses) == 1  # base, German
    assert "all unscored" in legend(figure)
    assert len(bars(figure)) == 7
    assert "5 outputs are unscored and left out, at most 100.0 % of a cell; results.csv counts them." in words(
        figure
    ).replace("\n", " ")


def test_helpfulness_is_told_from_agreement_where_nothing_was_judged() -> None:
    judged, plain = study(["en", "de"], judge=True), study(["en", "de"])
    with_judge, without = draw("2", judged, MODEL), draw("2", plain, MODEL)
    assert "Helpfulness (1 to 6)" in words(with_judge)
    assert "Input/output language agreement" in words(without)
    assert "helpfulness" in dialogue(judged, MODEL).caption
    assert "judged by judge-1 from 1 to 6" in dialogue(judged, MODEL).caption
    assert "language agreement" in dialogue(plain, MODEL).caption
    heights = {(mix, called(code)): value for (mix, code), value in _values(judged, "helpfulness").items()}
    found = cells(with_judge, judged.mix_names(MODEL))
    assert {key: bar.top for key, bar in found.items()} == pytest.approx(heights)
    assert {bar.bottom for bar in found.values()} == {0.5}  # below the least score, so that a bar of 1 is one


def _values(results: Results, metric: str, **of: str) -> dict[tuple[str, str], float]:
    return {
        (row["mix"], row["language"]): row["value"]
        for row in results.rows
        if row["metric"] == metric and all(row[name] == value for name, value in of.items())
    }


@pytest.mark.parametrize(
    ("number", "task", "metric"), [("3", "simplification", "sari-weighted"), ("4", "xquad", "xquad-paper")]
)
def test_both_prompting_strategies_are_in_one_figure(number: str, task: str, metric: str) -> None:
    whole = study(["en", "de", "es"], tasks=(task,))
    # A study asks English once: under en:xx it would be the same prompt.
    results = dataclasses.replace(
        whole, rows=tuple(row for row in whole.rows if (row["language"], row["prompting"]) != ("en", "en:xx"))
    )
    figure = draw(number, results, MODEL)
    assert [axes.get_title(loc="left")[:5] for axes in shown(figure)] == ["en:xx", "xx:xx"]
    mix_of = {shade: mix for mix, shade in palette.colours(results.mix_names(MODEL)).items()}
    heights = {(bar.panel[:5], mix_of[bar.colour], bar.group): bar.top for bar in bars(figure)}
    for prompting in ("en:xx", "xx:xx"):
        wanted = {**_values(results, metric, language="en"), **_values(results, metric, prompting=prompting)}
        got = {(mix, group): top for (panel, mix, group), top in heights.items() if panel == prompting}
        assert got == pytest.approx({(mix, called(code)): value for (mix, code), value in wanted.items()})
    assert faults(figure) == []


@pytest.mark.parametrize(("number", "task", "level"), [("5", "xcsqa", 0.2), ("6", "xnli", 1 / 3)])
def test_what_guessing_gets_is_a_line(number: str, task: str, level: float) -> None:
    figure = draw(number, study(["en", "de"], tasks=(task,)), MODEL)
    lines = [line for line in figure.axes[0].get_lines() if line.get_linestyle() == ":"]
    assert [set(line.get_ydata()) for line in lines] == [{level}]
    assert f"chance ({level:.2f})" in legend(figure)


def test_a_large_model_is_triangles_over_the_pale_bars_of_a_small_one() -> None:
    results = study(["en", "de", "es"], models=("Llama-2-7b-hf", "Llama-2-70b-hf"), judge=True)
    figure = draw("8", results, "Llama-2-70b-hf")
    (axes,) = figure.axes
    small, large = (_values(results, "helpfulness", model=f"Llama-2-{size}-hf") for size in ("7b", "70b"))
    assert sorted(bar.top for bar in bars(figure)) == pytest.approx(sorted(small.values()))
    assert {bar.alpha for bar in bars(figure)} == {0.45}
    points = [line for line in axes.get_lines() if line.get_marker() == "^"]
    heights = [float(value) for line in points for value in line.get_ydata()]
    assert sorted(heights) == pytest.approx(sorted(large.values()))
    under = {round(bar.left + (bar.right - bar.left) / 2, 6) for bar in bars(figure)}
    assert {round(float(at), 6) for line in points for at in line.get_xdata()} == under
    assert set(legend(figure)) >= {"Llama-2-70b-hf", "Llama-2-7b-hf", "language not in the mix"}
    assert faults(figure) == []


def test_a_large_model_on_translated_mixes_stands_over_the_native_ones() -> None:
    # As the authors' 70b: their repository has its mixes translated (docs/figures/figure-8.md).
    both = study(["en", "de"], TWINS, models=("m-7b", "m-70b"))
    rows = tuple(
        row for row in both.rows if row["mix"].startswith("twin") == (row["model"] == "m-70b") or row["mix"] == "mono"
    )
    results = dataclasses.replace(both, rows=rows, twins=dict.fromkeys((mix for mix in TWINS if "twin" in mix), "mono"))
    figure = draw("8", results, "m-70b")
    points = [line for line in figure.axes[0].get_lines() if line.get_marker() == "^"]
    assert sum(len(line.get_xdata()) for line in points) == 12  # mono and five twins, two languages


@pytest.mark.parametrize("models", [("a-7b", "b-8b"), ("one", "two"), ("m-7b",)])
def test_no_model_is_large_without_one_of_half_its_size(models: tuple[str, ...]) -> None:
    with pytest.raises(NotDrawnError, match="needs two models whose names tell their sizes"):
        draw("8", study(["en"], models=models), models[-1])


def twins(languages: tuple[str, ...]) -> Results:
    results = study(languages, TWINS, judge=True)
    return dataclasses.replace(results, twins=dict.fromkeys((mix for mix in TWINS if mix.startswith("twin")), "mono"))


def test_translated_twins_stand_beside_their_native_mixes_dotted_and_pale() -> None:
    results = twins(("en", "de", "es"))
    figure = draw("7", results, MODEL)
    shades = palette.colours(["mono", *(f"multi-{at}" for at in range(2, 7))])
    english = sorted((bar for bar in bars(figure) if bar.group == "English (en)"), key=lambda bar: bar.left)
    values = _values(results, "helpfulness", language="en")
    names = ["mono", *itertools.chain.from_iterable((f"multi-{at}", f"twin-{at}") for at in range(2, 7))]
    assert [bar.top for bar in english] == pytest.approx([values[name, "en"] for name in names])
    for name, bar in zip(names, english, strict=True):
        native = name.replace("twin", "multi")
        assert bar.colour == (palette.pale(shades[native]) if name != native else shades[name])
        assert bool(bar.hatch) == (name != native)
    assert legend(figure) == [*shades, "its translated twin"]


def test_figures_7_and_19_share_out_the_languages() -> None:
    results = twins(PAPER_LANGUAGES)
    first, rest = ({bar.group for bar in bars(draw(number, results, MODEL))} for number in ("7", "19"))
    assert first == {called(code) for code in ("en", "de", "fr", "sv", "zh", "es", "ru", "it")}
    assert rest == {called(code) for code in PAPER_LANGUAGES} - first
    with pytest.raises(NotDrawnError, match="all of this study are in Figure 7"):
        draw("19", twins(("en", "de")), MODEL)
    with pytest.raises(NotDrawnError, match="needs mixes and their translated twins"):
        draw("7", study(["en"]), MODEL)


def test_a_ladder_leaves_twins_to_figure_7_but_shows_them_where_they_are_alone() -> None:
    results = twins(("en", "de"))
    assert len(legend(draw("2", results, MODEL))) == 8  # base, mono, five mixes, stripes
    alone = dataclasses.replace(results, rows=tuple(row for row in results.rows if "multi" not in row["mix"]))
    assert "twin-2" in legend(draw("2", alone, MODEL))


def test_the_judges_scores_are_shares_of_each_reading() -> None:
    results = study(["en", "de", "es"], judge=True)
    figure = draw("11", results, MODEL)
    titles = [axes.get_title(loc="left") for axes in shown(figure)]
    assert titles == ["3 languages together", "English", "German", "Spanish"]
    for panel in {bar.panel for bar in bars(figure)}:
        for dotted in (False, True):
            some = [bar.top for bar in bars(figure) if bar.panel == panel and bool(bar.hatch) == dotted]
            assert sum(some) == pytest.approx(100)
    direct = [row["count"] for row in results.histogram if row["reading"] == "direct"]
    sixes = [row["count"] for row in results.histogram if (row["reading"], row["score"]) == ("direct", 6)]
    (six,) = [bar.top for bar in bars(figure) if bar.panel.endswith("together") and bar.group == "6" and not bar.hatch]
    assert six == pytest.approx(100 * sum(sixes) / sum(direct))
    assert faults(figure) == []
    one = tuple(row for row in results.histogram if row["reading"] == "direct")
    with pytest.raises(NotDrawnError, match="directly and in translation"):
        draw("11", dataclasses.replace(results, histogram=one), MODEL)


def markers(figure: Figure) -> list[tuple[float, float, str]]:
    """Place, value and shape of every triangle that is a point."""
    return [
        (float(x), float(y), str(line.get_marker()))
        for axes in shown(figure)
        for line in axes.get_lines()
        if line.get_marker() in ("^", "v") and line.get_linestyle() == "None"
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    ]


def test_within_one_budget_triangles_turn_as_a_language_enters() -> None:
    results = study(["en", "es", "ru", "de", "it"], BUDGET, judge=True, base=False)
    figure = draw("18a", results, MODEL)
    (axes,) = figure.axes
    assert axes.get_xlabel() == "Number of languages in the mix"
    assert "400 chats in other languages than English" in axes.get_title(loc="left")
    assert list(labels(axes).values()) == ["1", "2", "3", "4", "5", "6"]
    found: dict[float, dict[int, str]] = {}
    for x, value, shape in markers(figure):
        found.setdefault(value, {})[round(x)] = shape
    for mix, held in BUDGET.items():
        for code in ("en", "es", "ru", "de", "it"):
            value = _values(results, "helpfulness")[mix, code]
            assert found[value][len(held)] == ("^" if code in held else "v")
    assert set(legend(figure)) >= {"language not in the mix (0-shot)", "in the mix (supervised)", "Italian (it)"}
    assert faults(figure) == []


def test_chats_that_grow_are_a_logarithmic_axis_a_frame_a_set_of_languages() -> None:
    results = study(["en", "es", "de"], FIXED, judge=True)
    figure = draw("18b", results, MODEL)
    assert [list(labels(axes).values()) for axes in shown(figure)] == [
        ["0", "10", "100", "1,000"],
        ["0", "50", "1,000"],
    ]
    assert [axes.get_title(loc="left") for axes in shown(figure)] == [
        "3 languages: English, Spanish, Russian", "2 languages: English, Spanish",
    ]  # fmt: skip
    assert {axes.get_xscale() for axes in shown(figure)} == {"symlog"}
    values = _values(results, "helpfulness")
    there = {value for _, value, _ in markers(figure)}
    assert there == {values[mix, code] for mix in FIXED for code in ("en", "es", "de")}
    assert faults(figure) == []


def test_native_and_translated_mixes_of_one_budget_are_not_mingled() -> None:
    half = dataclasses.replace(study(["en", "de"], BUDGET), twins={"multi-3-of-400": "mono", "multi-4-of-400": "mono"})
    groups = [[mark.at for mark in panel.lines[0].marks] for panel in fixed_budget(half, MODEL).lines]
    assert groups == [[1, 2, 5, 6], [1, 3, 4]]


@pytest.mark.parametrize(
    ("number", "needs"), [("18a", "share one number of chats"), ("18b", "same languages with several numbers")]
)
def test_the_main_ladder_is_no_ablation(number: str, needs: str) -> None:
    with pytest.raises(NotDrawnError, match=needs):
        draw(number, study(["en", "de"]), MODEL)


def test_gain_against_exposure_has_a_named_point_a_language_and_the_fit() -> None:
    results = study(judge=True)
    figure = draw("exposure", results, MODEL)
    (axes,) = figure.axes
    fit = results.headlines[0]["fit"]
    spots = {(round(x, 6), round(y, 6)) for x, y, _ in markers(figure)}
    assert spots == {(round(share, 6), round(gain, 6)) for _, share, gain in fit["points"]}
    assert {text.get_text() for text in axes.texts} == {code for code, _, _ in fit["points"]}
    assert axes.get_xscale() == "log"
    assert "fit: +0.120 [+0.020, +0.200] for ten times the share" in legend(figure)
    assert faults(figure) == []
    with pytest.raises(NotDrawnError, match="pretraining"):
        draw("exposure", dataclasses.replace(results, verdicts=()), MODEL)


def test_mixes_have_colours_of_their_own_that_grow_lighter() -> None:
    mixes = ["base", *(f"m{at}" for at in range(12))]
    shades = palette.colours(mixes)
    light = [palette.luminance(shades[mix]) for mix in mixes[1:]]
    assert light == sorted(set(light))  # told apart in print without colours too
    assert len(set(shades.values())) == 13
    assert palette.colours(mixes)["m0"] == palette.colours(mixes[1:])["m0"]
    assert palette.colours(mixes)["base"] == "#FFFFFF"
    for shade in shades.values():  # stripes are seen on every bar, lines on paper
        stripes, ground = sorted((palette.luminance(palette.over(shade)), palette.luminance(shade)))
        assert (ground + 0.05) / (stripes + 0.05) > 2.9
        assert 1.05 / (palette.luminance(palette.ink(shade)) + 0.05) > 2


def test_three_formats_are_written_and_repeat_byte_for_byte(tmp_path: Path) -> None:
    results = study(["en", "de"], judge=True)
    written: list[Mapping[str, bytes]] = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        paths = figures.save(draw("2", results, MODEL), folder, "figure-2")
        assert [path.suffix for path in paths] == [".svg", ".png", ".pdf"]
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert written[0] == written[1]
    svg, png, pdf = (written[0][f"figure-2.{ending}"] for ending in ("svg", "png", "pdf"))
    assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert pdf.startswith(b"%PDF-")
    assert pdf.rstrip().endswith(b"%%EOF")
    assert not re.search(rb"CreationDate|20\d\d-\d\d-\d\d", pdf + svg)
    assert b"/Type3" not in pdf.replace(b" ", b"")
    assert max(map(len, written[0].values())) < 250_000


def test_only_the_formats_that_are_asked_for_are_written(tmp_path: Path) -> None:
    figures.save(draw("1", study(["en"]), MODEL), tmp_path, "x", ("svg",))
    assert [path.name for path in tmp_path.iterdir()] == ["x.svg"]


def test_stripes_need_no_colour(results: Results) -> None:
    striped = next(bar for bar in bars(draw("1", results, "tiny")) if bar.hatch)
    assert "/" in striped.hatch
    assert to_hex(striped.colour).upper() in palette.colours(results.mix_names("tiny")).values()


def test_a_mix_has_one_colour_in_all_figures_of_a_study() -> None:
    results = twins(("en", "de"))
    whole = {bar.colour for bar in bars(draw("1", results, MODEL))}
    some = dataclasses.replace(results, rows=tuple(row for row in results.rows if row["mix"] in ("multi-3", "twin-3")))
    (native, dotted) = sorted(
        (bar for bar in bars(draw("7", some, MODEL)) if "English" in bar.group), key=lambda bar: bar.left
    )
    assert native.colour == palette.colours(MIXES)["multi-3"]
    assert dotted.colour == palette.pale(native.colour)
    assert native.colour in whole


def test_what_only_one_model_was_asked_is_not_set_over_the_other() -> None:
    results = study(["en", "de", "es"], models=("m-7b", "m-70b"))
    rows = tuple(row for row in results.rows if row["model"] == "m-7b" or row["language"] == "de")
    assert {bar.group for bar in bars(draw("8", dataclasses.replace(results, rows=rows), "m-70b"))} == {"German (de)"}
