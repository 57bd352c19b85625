"""The catalogue: which figures a study allows, whose number a model's figure has, and what is missing in words."""

from __future__ import annotations

import dataclasses

import pytest

from babeltune.errors import NotDrawnError
from babeltune.languages import PAPER_LANGUAGES
from babeltune.report.figures import catalogue
from babeltune.report.results import Results
from worlds import MIXES, study

TASKS = ("dialogue", "simplification", "xquad", "xcsqa", "xnli")


def numbers(results: Results) -> dict[str, list[str]]:
    """Model -> numbers of its figures."""
    found: dict[str, list[str]] = {}
    for one in catalogue.available(results)[0]:
        found.setdefault(one.model, []).append(one.entry.number)
    return found


def test_the_listing_has_every_figure_of_results_in_the_paper() -> None:
    # Paper, Figures 1-8 and 11-19; 9, 10 and 20 are prompts.
    wanted = [*map(str, [*range(1, 9), *range(11, 18)]), "18a", "18b", "19"]
    assert [number for number in catalogue.FIGURES if number[0].isdigit()] == wanted


def test_a_whole_study_has_all_that_its_data_allow() -> None:
    results = study((*PAPER_LANGUAGES[:4], "sv", "it", "pt"), tasks=TASKS, judge=True)
    assert numbers(results) == {"llama-2-7b": ["1", "2", "3", "4", "5", "6", "11", "exposure", "losses"]}
    drawn, lacking = catalogue.available(results)
    assert [one.file for one in drawn][:2] == ["figure-1", "figure-2"]
    assert {one.entry.number for one in lacking} == {"7", "8", "18a", "18b", "19"}
    assert all(one.why.startswith(("needs ", "has ")) for one in lacking)


def test_falcon_and_llama_3_have_the_numbers_that_the_paper_gives_them() -> None:
    results = study(["en", "de"], models=("Llama-2-7b-hf", "falcon-7b", "Meta-Llama-3-8B"), tasks=TASKS, judge=True)
    found = numbers(dataclasses.replace(results, curves=(), verdicts=(), histogram=()))
    assert found == {
        "Llama-2-7b-hf": ["1", "2", "3", "4", "5", "6"],
        "falcon-7b": ["1", "12", "13", "14", "15", "16"],
        "Meta-Llama-3-8B": ["1", "3", "4", "5", "6", "17"],
    }


@pytest.mark.parametrize(
    ("name", "number"),
    [("Llama-3.1-8B", "17"), ("llama_3_8b", "17"), ("open_llama_3b", "2"), ("llama-30b", "2"), ("Falcon-40B", "12")],
)
def test_a_models_name_says_which_it_is(name: str, number: str) -> None:
    found = numbers(study(["en"], models=(name,), judge=True))[name]
    assert {"2", "12", "17"} & set(found) == {number}


def test_figure_2_without_a_judge_is_figure_1_again_and_is_drawn_only_if_it_is_asked_for() -> None:
    results = study(["en", "de"])
    drawn, lacking = catalogue.available(results)
    assert "2" not in {one.entry.number for one in drawn}
    (why,) = [one.why for one in lacking if one.entry.number == "2"]
    assert why == "needs a judge (`judge:`); language agreement of dialogue is in Figure 1"
    assert "language agreement" in catalogue.wanted(results, "2").caption


def test_a_figure_is_of_the_first_model_that_has_it_or_of_the_one_named() -> None:
    results = study(["en"], models=("a", "b"), judge=True)
    assert catalogue.wanted(results, "2").model == "a"
    assert catalogue.wanted(results, "2", "b").model == "b"
    only_b = dataclasses.replace(
        results, rows=tuple(row for row in results.rows if row["model"] == "b" or row["metric"] == "x")
    )
    assert catalogue.wanted(only_b, "2").model == "b"
    assert catalogue.wanted(study(["en"], models=("falcon-7b",), judge=True), "2").model == "falcon-7b"


def test_a_figure_of_falcon_of_a_study_without_it_says_what_to_ask_for() -> None:
    results = study(["en"], judge=True)
    with pytest.raises(NotDrawnError, match="is the paper's Figure 2 of Falcon; no model of this study is named so"):
        catalogue.wanted(results, "12")
    assert catalogue.wanted(results, "12", "llama-2-7b").file == "figure-12"


def test_files_of_further_models_have_their_names_and_no_slash() -> None:
    results = study(["en"], MIXES, models=("a", "b/c d"))
    files = [one.file for one in catalogue.available(results)[0]]
    assert len(set(files)) == len(files)
    assert sum(file.startswith("losses") for file in files) == 1  # of all models
    assert [one.file for one in catalogue.available(results)[0] if one.entry.number == "1"] == [
        "figure-1",
        "figure-1-b-c-d",
    ]


def test_each_title_and_caption_is_of_its_figure() -> None:
    results = study(["en", "sv", "it", "pt"], judge=True, tasks=TASKS)
    for one in catalogue.available(results)[0]:
        assert one.title == (f"Figure {one.entry.number}" if one.entry.number[0].isdigit() else one.title)
        assert "llama-2-7b" in one.caption
        assert one.caption.endswith(".")
        if one.entry.number in "123456":
            assert "Striped: the mix has no chats in the language (0-shot)." in one.caption
            assert "95 % intervals" in one.caption
            assert "n = 300 items a bar." in one.caption


def test_results_without_a_row_or_without_a_mix_are_no_crash() -> None:
    empty = dataclasses.replace(study(["en"]), rows=())
    assert catalogue.available(empty) == ([], [])
    with pytest.raises(NotDrawnError, match="needs a model that was scored"):
        catalogue.wanted(empty, "2")
    assert numbers(study(["en"], {})) == {"llama-2-7b": ["1"]}


def test_a_study_of_which_nothing_was_scored_has_all_figures_of_its_tasks() -> None:
    results = study(["en", "de"], tasks=TASKS, judge=True, unscored=True)
    drawn, _ = catalogue.available(results)
    for one in drawn:
        one.draw(results)
    assert {one.entry.number for one in drawn} >= {"1", "2", "3", "4", "5", "6"}
