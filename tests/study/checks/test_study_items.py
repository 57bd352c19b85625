"""Items of a study's tasks: every mistake in them, and what a change to them redoes."""

from __future__ import annotations

import functools
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from babeltune.measure.tasks import prompt
from babeltune.study.check import open_study
from doubles import bare_model, study_file
from opening import chats_file, few, moved, only, opened, problems, refused
from opening import prints as prints_of

FIVE: dict[str, Any] = {
    "dialogue": {"split": "dev", "languages": ["en", "de"]},
    "simplification": {"languages": ["en", "de"], "sample": 4},
    "xquad": {"languages": ["en", "de"]},
    "xcsqa": {"languages": ["en", "de"]},
    "xnli": {"languages": ["en", "de"]},
}


def written(folder: Path, model: Path, tasks_: str) -> Path:
    """A study file with its tasks as they are written, from line 5 on."""
    head = f"study: tiny\nmodels: [{model}]\nchats: {chats_file(folder)}\nmixes: {{mono: {{en: 5}}}}\n"
    path = folder / "tiny.yaml"
    path.write_text(head + tasks_, encoding="utf-8")
    return path


def told(path: Path, **how: object) -> list[tuple[int | None, str, str]]:
    return [(one.line, one.where, one.what) for one in refused(path, **how)]


@pytest.mark.parametrize("value", [None, {}, {"xquad": None}])
def test_a_study_without_a_task_is_told_which_there_are(tmp_path: Path, model: Path, value: object) -> None:
    problem = only(problems(tmp_path, model, **few(tmp_path), tasks=value))
    assert (problem.where, problem.line) == ("tasks", 5)
    if value is not None:
        assert problem.fix == "Name at least one of dialogue, simplification, xquad, xcsqa, xnli."


def test_mistakes_in_several_tasks_are_all_told_in_one_go_each_with_its_line(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(*args: object, **named: object) -> None:
        pytest.fail("a model was loaded")

    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", loaded)
    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", loaded)
    study = written(
        tmp_path,
        model,
        "tasks:\n"
        "  dialogue:\n"
        "    languages: [en]\n"
        "    items: pocket\n"
        "    promptings: [xx:xx]\n"  # 9: not of this task
        "  simplification:\n"
        "    languages:\n"
        "      - en\n"
        "      - sl\n"  # 13: a prompt, but no items
        "      - es\n"  # 14: no prompt
        "  xquad:\n"
        "    languages: [en]\n"
        "    promptings: [en:en]\n"  # 17
        "  xcsqa:\n"
        "    languages: [en]\n"
        "    sampling: {temprature: 0}\n"  # 20
        "  xnli:\n"
        "    languages: [en]\n"
        "    words: right\n"  # 23
        "  xnil:\n"  # 24
        "    languages: [en]\n",
    )
    lines = {line: (where, what) for line, where, what in told(study)}
    assert list(lines) == [9, 13, 14, 17, 20, 23, 24]
    assert lines[9] == ("tasks.dialogue.promptings", "unknown field")
    assert "holds no items in 'sl'" in lines[13][1]
    assert lines[14][1] == "simplification has no prompt in 'es'"
    assert lines[17][0].startswith("tasks.xquad.promptings")
    assert lines[20] == ("tasks.xcsqa.sampling.temprature", "unknown field")
    assert lines[23][0] == "tasks.xnli.words"
    assert lines[24] == ("tasks.xnil", "unknown field")
    assert len(told(study)) == len(lines)


def test_a_wrong_field_of_a_task_hides_nothing_about_its_languages(tmp_path: Path, model: Path) -> None:
    asked = {"xquad": {"languages": ["en", "fr"], "smaple": 3}, "xnli": {"languages": ["sv"], "words": "right"}}
    found = problems(tmp_path, model, **few(tmp_path), tasks=asked)
    assert {one.what.split(" prompt")[0] for one in found} >= {"xquad has no", "xnli has no"}


@pytest.mark.parametrize(
    ("name", "codes", "what"),
    [
        ("simplification", ["en", "es"], "simplification has no prompt in 'es'"),
        ("xquad", ["en", "fr"], "xquad has no prompt in 'fr'"),
        ("xcsqa", ["en", "sv"], "xcsqa has no prompt in 'sv'"),
        ("xnli", ["en", "sv"], "xnli has no prompt in 'sv'"),
    ],
)
def test_a_language_that_a_task_has_no_prompt_for_is_told_once_with_those_it_has(
    tmp_path: Path, model: Path, name: str, codes: list[str], what: str
) -> None:
    problem = only(problems(tmp_path, model, **few(tmp_path), tasks={name: {"languages": codes}}))
    assert (problem.what, problem.line) == (what, 5)
    assert problem.fix.startswith("It has: en, de,")


@pytest.mark.parametrize(
    ("name", "code", "file"),
    [
        ("dialogue", "ca", "ca.jsonl"),
        ("xquad", "th", "xquad.th.json"),
        ("xcsqa", "pl", "dev.jsonl"),
        ("xnli", "th", "xnli.th.test.tsv"),
    ],
)
def test_a_language_without_items_is_told_once_with_the_file(
    tmp_path: Path, model: Path, name: str, code: str, file: str
) -> None:
    problem = only(problems(tmp_path, model, **few(tmp_path), tasks={name: {"languages": ["en", code]}}))
    assert problem.where.endswith(file)
    assert (problem.what, problem.line) == ("there is no such file", 5)


def test_broken_items_are_told_once_though_both_promptings_read_them(tmp_path: Path, model: Path) -> None:
    tree = {"data": [{"paragraphs": [{"context": "Tee.", "qas": [{"id": "1", "question": "Was?"}, {"id": 2}]}]}]}
    (tmp_path / "xquad.de.json").write_text(json.dumps(tree))
    found = problems(tmp_path, model, **few(tmp_path), tasks={"xquad": {"languages": ["de"], "items": str(tmp_path)}})
    assert [one.where for one in found] == [f"xquad.de.json:1 data[0].paragraphs[0].qas[{at}]" for at in (0, 1)]
    assert {one.line for one in found} == {5}


@pytest.mark.parametrize("name", FIVE)
def test_norwegian_without_quotes_is_told_in_every_task(tmp_path: Path, model: Path, name: str) -> None:
    study = written(tmp_path, model, f"tasks:\n  {name}:\n    languages:\n      - en\n      - no\n")
    assert told(study) == [(9, f"tasks.{name}.languages[1]", "YAML reads a bare `no` as false")]
    assert only(refused(study)).fix == 'Write "no" in quotes.'
    flow = written(tmp_path, model, f"tasks: {{{name}: {{languages: [no]}}}}\n")
    assert told(flow) == [(5, f"tasks.{name}.languages[0]", "YAML reads a bare `no` as false")]


def test_languages_after_one_that_is_no_text_keep_their_lines(tmp_path: Path, model: Path) -> None:
    listed = "".join(f"      - {code}\n" for code in ("no", "en", "fr", "en"))
    study = written(tmp_path, model, f"tasks:\n  xquad:\n    languages:\n{listed}")
    assert [line for line, _, _ in told(study)] == [8, 10, 11]


@pytest.mark.parametrize("name", ["dialogue", "simplification"])
def test_a_task_without_a_set_on_the_hub_is_told_once_for_all_languages(tmp_path: Path, model: Path, name: str) -> None:
    asked = {name: {"languages": ["en", "de"], "items": "hub"}}
    problem = only(problems(tmp_path, model, **few(tmp_path), tasks=asked))
    assert (problem.what, problem.fix) == (f"{name} has no set on the hub", "Give a folder or a hub id.")


@pytest.mark.parametrize("name", FIVE)
@pytest.mark.parametrize(
    "more",
    [
        3,
        "en",
        {"languages": 3},
        {"languages": []},
        {"languages": [None, 3]},
        {"languages": ["en"], "items": 3},
        {"languages": ["en"], "items": ""},
        {"languages": ["en"], "sample": 0},
        {"languages": ["en"], "sample": "many"},
        {"languages": ["en"], "sample_seed": -1},
        {"languages": ["en"], "sampling": 3},
        {"languages": ["en"], "sampling": {"temperature": "hot"}},
        {"languages": ["en"], "revision": 3},
    ],
    ids=str,
)
def test_a_task_of_the_wrong_shape_is_a_problem_of_that_task(
    tmp_path: Path, model: Path, name: str, more: object
) -> None:
    found = problems(tmp_path, model, **few(tmp_path), tasks={name: more})
    assert {one.where.split(".")[1].split("[")[0] for one in found} == {name}
    assert {one.line for one in found} == {5}


OWN_SETS = {
    "xquad": "google/xquad at 51adfef1c128",
    "xcsqa": "INK-USC/xcsr at its newest revision (pin one with `revision:`)",
    "xnli": "facebook/xnli at b8dd5d7af511",
}


@pytest.mark.parametrize("name", OWN_SETS)
def test_hub_items_that_are_not_in_the_cache_are_a_download_in_a_plan_and_an_error_in_a_run(
    tmp_path: Path, model: Path, hub: Path, name: str
) -> None:
    asked = {name: {"languages": ["en", "de"], "items": "hub"}, "dialogue": {"split": "dev", "languages": ["en"]}}
    study = study_file(tmp_path, model, **few(tmp_path), tasks=asked)
    plan = open_study(study, tmp_path / "runs", may_lack="anything").plan
    assert plan.inputs.downloads
    assert all(need.startswith(f"items {OWN_SETS[name]}") for need in plan.inputs.downloads)
    assert {step.cell.task for step in plan.of("generate") if step.cell} == {name, "dialogue"}
    assert len(plan.by_key) == len(plan.steps)
    for may_lack in ("nothing", "models"):
        found = told(study, may_lack=may_lack)
        # A set is one thing to fetch, whatever the languages.
        assert [where for _, where, _ in found] == [f"tasks.{name}.items"]
        assert all(what.startswith(f"not in the local cache: items {OWN_SETS[name]}") for _, _, what in found)
    assert len(told(study, download=True)) == 1  # without the network it cannot be fetched, which is told once
    assert not list(hub.rglob("*.parquet"))


def test_a_plan_that_lacks_items_still_tells_the_mistakes_of_other_tasks(
    tmp_path: Path, model: Path, hub: Path
) -> None:
    asked = {"xquad": {"languages": ["en", "fr"], "items": "hub"}, "xnli": {"languages": ["en", "sv"]}}
    study = study_file(tmp_path, model, **few(tmp_path), tasks=asked)
    assert "xnli has no prompt in 'sv'" in [what for _, _, what in told(study, may_lack="anything")]


def test_simplification_from_a_hub_id_is_refused_before_anything_is_fetched(
    tmp_path: Path, model: Path, hub: Path
) -> None:
    asked = {"simplification": {"languages": ["en"], "items": "some-org/some-set"}}
    assert told(study_file(tmp_path, model, **few(tmp_path), tasks=asked), may_lack="anything")


@pytest.mark.parametrize("items", ["pocket", "./nowhere"])
def test_a_revision_of_what_is_no_hub_set_is_refused(tmp_path: Path, model: Path, items: str) -> None:
    asked = {"xquad": {"languages": ["en", "de"], "items": items, "revision": "main"}}
    problem = only(problems(tmp_path, model, **few(tmp_path), tasks=asked))
    assert (problem.where, problem.fix, problem.line) == ("tasks.xquad.revision", "Leave it out.", 5)


def test_a_mistyped_folder_of_items_is_said_not_to_be_there(tmp_path: Path, model: Path, hub: Path) -> None:
    asked = {"xquad": {"languages": ["en"], "items": "mine/items"}}
    assert "No file or folder" in only(problems(tmp_path, model, **few(tmp_path), tasks=asked)).fix


@pytest.fixture(scope="module")
def prints(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, str]]:
    """Key of each step -> fingerprint, of the five tasks with changes to one."""
    folder = tmp_path_factory.mktemp("five")
    model = bare_model(folder / "model")

    @functools.cache
    def found(name: str = "xnli", changes: str = "{}") -> dict[str, str]:
        asked = {**FIVE, name: {**FIVE[name], **json.loads(changes)}}
        made = prints_of(opened(folder, model, **few(folder), tasks=asked))
        assert len(set(made.values())) == len(made)
        return made

    return lambda name="xnli", **changes: found(name, json.dumps(changes))


DRAWN_ANEW = {"proof:proof", "card:mono-card"}
SEEN_BY_ALL = {"summary:summary", "report:report"}


@pytest.mark.parametrize(
    ("name", "changes", "also"),
    [
        ("dialogue", {"sampling": {"max_tokens": 3}}, set()),
        ("simplification", {"sampling": {"temperature": 0.1}}, set()),
        ("xquad", {"sampling": {"temperature": 0.3}}, set()),
        ("xcsqa", {"sampling": {"top_p": 0.3, "temperature": 0.001}}, set()),
        # Their questions are the same; only the white space around is another.
        ("xcsqa", {"protocol": "as-run"}, set()),
        # Other items are other subjects, which the mixes are held against.
        ("dialogue", {"sample": 3}, DRAWN_ANEW),
        ("dialogue", {"split": "test"}, DRAWN_ANEW),
        ("simplification", {"sample_seed": 1}, DRAWN_ANEW),
        ("xquad", {"sample": 3}, DRAWN_ANEW),
        ("xcsqa", {"sample": 3, "sample_seed": 9}, DRAWN_ANEW),
        ("xnli", {"sample": 3}, DRAWN_ANEW),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "" if isinstance(value, set) else value,
)
def test_a_change_to_one_task_redoes_all_of_its_cells_and_none_of_the_others(
    prints: Callable[..., dict[str, str]], name: str, changes: dict[str, Any], also: set[str]
) -> None:
    before, after = prints(), prints(name, **changes)
    assert before.keys() == after.keys()
    assert moved(before, after) == {key for key in before if f"-{name}-" in key} | also | SEEN_BY_ALL


def test_other_words_redo_the_languages_that_they_differ_in(prints: Callable[..., dict[str, str]]) -> None:
    # English too, whose words are the same: the harness puts a space before its texts.
    before, after = prints(), prints("xnli", words="corrected")
    assert candidates("de", "harness") != candidates("de", "corrected")
    cells = {key for key in before for code in ("en", "de") if f"-xnli-{code}-" in key}
    assert moved(before, after) == cells | SEEN_BY_ALL


def candidates(code: str, variant: Literal["harness", "corrected"]) -> tuple[str, str, str]:
    return prompt.words(code, variant).candidates("p", "h")


@pytest.mark.parametrize("name", ["simplification", "xquad"])
def test_a_prompting_less_takes_its_cells_away_and_redoes_none(
    prints: Callable[..., dict[str, str]], name: str
) -> None:
    before, after = prints(), prints(name, promptings=["xx:xx"])
    gone = before.keys() - after.keys()
    assert gone == {key for key in before if f"-{name}-de-en-xx-" in key}
    assert len(gone) == 2 * 2  # generated and scored, of the base and one mix
    assert moved(before, after) == SEEN_BY_ALL
    assert not [key for key in before if "-en-en-xx-" in key]


@pytest.mark.parametrize(
    ("name", "file", "right", "wrong"),
    [
        ("xcsqa", "en.jsonl", '"answerKey": "A"', '"answerKey": "B"'),
        ("xquad", "xquad.en.json", '"text": "nine"', '"text": "tea"'),
        ("xnli", "xnli.en.test.tsv", "neutral", "entailment"),
    ],
)
def test_another_reference_redoes_the_scores_and_no_answer(
    tmp_path: Path, model: Path, name: str, file: str, right: str, wrong: str
) -> None:
    choices = [{"label": label, "text": f"{label.lower()}-word"} for label in "ABCDE"]
    question = {"stem": "Which of these?", "choices": choices}
    asked = {"id": "1", "question": "For how many?", "answers": [{"text": "nine", "answer_start": 8}]}
    content = {
        "xcsqa": json.dumps({"id": "1", "question": question, "answerKey": "A"}),
        "xquad": json.dumps({"data": [{"paragraphs": [{"context": "Tea for nine.", "qas": [asked]}]}]}),
        "xnli": "premise\thypothesis\tlabel\nIt rains.\tIt is wet.\tneutral",
    }[name]

    def found(text: str) -> dict[str, str]:
        assert text == content or right not in text
        (tmp_path / file).write_text(text + "\n")
        task = {name: {"languages": ["en"], "items": str(tmp_path)}}
        return prints_of(opened(tmp_path, model, **few(tmp_path), tasks=task))

    before, after = found(content), found(content.replace(right, wrong))
    assert moved(before, after) == {key for key in before if key.startswith("score:")} | DRAWN_ANEW | SEEN_BY_ALL


@pytest.mark.parametrize(
    ("changes", "where", "package"),
    [
        ({"engine": "vllm"}, "engine", "vllm"),
        ({"recipe": {"base_bits": 4}}, "recipe.base_bits", "bitsandbytes"),
        ({"recipe": {"base_bits": 8}}, "recipe.base_bits", "bitsandbytes"),
    ],
)
def test_a_package_that_is_not_here_is_missed_before_anything_runs(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, changes: Any, where: str, package: str
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == package else real(name, *rest))
    (problem,) = problems(tmp_path, model, **changes)
    assert (problem.where, problem.line is not None) == (where, True)
    assert f"needs the package {package}" in problem.what
    assert problem.fix.startswith('Run: pip install "babeltune[')
    # A plan, and a run on other machines, do without.
    path = study_file(tmp_path, model, **changes)
    for without in ("packages", "anything"):
        assert open_study(path, tmp_path / "runs", may_lack=without).plan.steps  # type: ignore[arg-type]
