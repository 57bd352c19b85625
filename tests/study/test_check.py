from __future__ import annotations

import functools
import importlib.util
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
from huggingface_hub import constants

from babeltune.data import identify
from babeltune.data import label as label_module
from babeltune.data.sources import POCKET
from babeltune.errors import Problem, StudyError
from babeltune.measure.tasks import prompt
from babeltune.measure.tasks.dialogue import Dialogue
from babeltune.records import STOP
from babeltune.study import tasks
from babeltune.study.artefacts import CHATS, DROPPED, write_lines
from babeltune.study.check import MayLack, Opened, open_study
from babeltune.study.store import Store
from doubles import study_file

HUMAN_ROWS = (POCKET / "chats" / "en.jsonl").read_text(encoding="utf-8").splitlines()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """What the check looks at of a model folder; nothing here loads it."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


def chats_file(folder: Path, *rows: str, count: int = 5) -> Path:
    """Bundled English chats, then more rows."""
    path = folder / "mine.jsonl"
    path.write_text("\n".join([*HUMAN_ROWS[:count], *rows]) + "\n", encoding="utf-8")
    return path


def prompts_folder(folder: Path, **rows: str) -> Path:
    path = folder / "prompts"
    path.mkdir(exist_ok=True)
    for code, text in rows.items():
        (path / f"{code}.jsonl").write_text(text, encoding="utf-8")
    return path


def opened(folder: Path, model: Path | str, **changes: Any) -> Opened:
    return open_study(study_file(folder, model, **changes), folder / "runs")


def problems(folder: Path, model: Path | str, *, skip_bad_rows: bool = False, **changes: Any) -> list[Problem]:
    path = study_file(folder, model, **changes)
    with pytest.raises(StudyError) as caught:
        open_study(path, folder / "runs", skip_bad_rows=skip_bad_rows)
    assert caught.value.subject == str(path)
    return list(caught.value.problems)


def only(found: list[Problem]) -> Problem:
    (problem,) = found
    return problem


def dialogue_task(**changes: object) -> dict[str, object]:
    return {"dialogue": {"split": "dev", "languages": ["en", "es", "de"], **changes}}


def test_a_good_study_opens_with_its_plan_and_writes_nothing(tmp_path: Path, model: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    found = opened(tmp_path, model)
    assert found.store.root == tmp_path / "runs" / "tiny"
    assert found.located[str(model)].folder == model
    assert len(found.plan.of("generate")) == 3 * 3  # base and two mixes, three languages
    for step in found.plan.of("generate"):
        assert step.cell is not None
        assert step.work == (POCKET / "dialogue" / f"{step.cell.language}.jsonl").read_text().count('"dev"')
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "tiny.yaml"])


def test_five_mistakes_are_all_told_with_field_line_and_remedy(tmp_path: Path, model: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        "study: bad\n"
        "models: [./no-such-folder]\n"
        "chats: pocket\n"
        "mixes:\n"
        "  mono: {en: 9999}\n"
        "  multi-2: {en: 8, xq: 4}\n"
        "tasks: {dialogue: {languages: [en]}}\n"
        "recipe:\n"
        "  rank: -4\n"
        "sampler: {max_tokens: 8}\n"
    )
    with pytest.raises(StudyError) as caught:
        open_study(path, tmp_path / "runs")
    assert caught.value.exit_code == 2
    assert [(one.line, one.where) for one in caught.value.problems] == [
        (2, "models[0]"),
        (5, "mixes.mono.en"),
        (6, "mixes.multi-2.xq"),
        (9, "recipe.rank"),
        (10, "sampler"),
    ]
    head, *lines = str(caught.value).splitlines()
    assert head == f"{path}: 5 problems"
    for line, said in zip(
        lines,
        [
            "there is no model './no-such-folder'. Give 'smollm2-135m', a folder, or a hub id such as 'org/name'.",
            "9999 English chats asked, 2",  # of the more than 240 bundled; the exact number is tested below on a file of our own
            "unknown language 'xq'. Known languages: en, de,",
            "-4 is not allowed. It should be greater than or equal to 1.",
            "unknown field. Did you mean 'sampling'?",
        ],
        strict=True,
    ):
        assert said in line


def test_a_model_left_out_is_told_with_the_other_problems(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("study: bad\nchats: pocket\nmixes: {mono: {en: 9999}}\ntasks: {dialogue: {languages: [en]}}\n")
    with pytest.raises(StudyError) as caught:
        open_study(path, tmp_path / "runs")
    assert [one.where for one in caught.value.problems] == ["models", "mixes.mono.en"]


def test_a_mix_larger_than_the_usable_chats_is_told_how_many_there_are(tmp_path: Path, model: Path) -> None:
    # Five good English chats; one without a letter, which no identifier can name.
    dumb = json.dumps({"text": "### Human: 1 + 1?### Assistant: 2"})
    chats = chats_file(tmp_path, dumb)
    found = problems(tmp_path, model, chats=str(chats), mixes={"a": {"en": 5}, "b": {"en": 6}, "c": {"en": 5, "es": 1}})
    assert [(one.where, one.what) for one in found] == [
        ("mixes.b.en", "6 English chats asked, 5 usable at the confidence of 0.8"),
        ("mixes.c.es", "1 Spanish chats asked, 0 usable at the confidence of 0.8"),
    ]
    # No threshold is told: none would make the sixth chat usable.
    assert [one.fix for one in found] == ["Ask for at most 5, or add chats.", "Add chats in it, or take it out."]


def test_broken_chats_are_listed_together_with_all_else(tmp_path: Path, model: Path) -> None:
    chats = chats_file(tmp_path, "{broken", '{"text": "no marker"}')
    found = problems(tmp_path, model, chats=str(chats), recipe={"rank": -1}, zzz=1)
    assert [one.where for one in found] == [
        "mine.jsonl:6", "mine.jsonl:7", "to go on without them", "recipe.rank", "zzz",
    ]  # fmt: skip


def test_broken_rows_may_be_skipped_and_the_others_are_counted(tmp_path: Path, model: Path) -> None:
    chats = chats_file(tmp_path, "{broken")
    path = study_file(tmp_path, model, chats=str(chats), mixes={"mono": {"en": 5}})
    found = open_study(path, tmp_path / "runs", skip_bad_rows=True)
    assert found.skip_bad_rows
    problem = only(problems(tmp_path, model, chats=str(chats), mixes={"mono": {"en": 6}}, skip_bad_rows=True))
    assert problem.what.startswith("6 English chats asked, 5 usable")


@pytest.mark.parametrize("written", ["nowhere.jsonl", {"at": "nowhere.jsonl"}], ids=["bare", "long form"])
def test_chats_that_are_no_file_are_named(tmp_path: Path, model: Path, written: object) -> None:
    problem = only(problems(tmp_path, model, chats=written))
    assert problem == Problem("chats", "there is no such file or folder", "Check the path.", 3)


def test_a_mistyped_folder_is_said_not_to_be_there(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    assert "No file or folder" in only(problems(tmp_path, model, chats="mine/chats")).fix


@pytest.mark.parametrize("more", [{"revision": "main"}, {"config": "de"}, {"splits": ["train"]}])
def test_what_only_a_hub_set_has_is_refused_elsewhere(tmp_path: Path, model: Path, more: dict[str, object]) -> None:
    problem = only(problems(tmp_path, model, chats={"at": "pocket", **more}))
    assert (problem.where, problem.fix, problem.line) == ("chats", "Leave them out.", 3)


def test_a_folder_of_chats_is_a_source_and_one_without_any_is_told(tmp_path: Path, model: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    problem = only(problems(tmp_path, model, chats=str(folder)))
    assert (problem.where, problem.what, problem.line) == ("chats", "holds no data files", 3)
    chats_file(folder)
    assert opened(tmp_path, model, chats=str(folder), mixes={"mono": {"en": 5}}).plan.inputs.chat_count == 5


def test_chats_in_columns_of_their_own_are_read_as_the_study_says(tmp_path: Path, model: Path) -> None:
    path = tmp_path / "asked.csv"
    rows = [("Where does the tea in this shop come from?", "It comes from the hills in the north of the country.")] * 3
    path.write_text("asked,said\n" + "".join(f'"{asked}","{said}"\n' for asked, said in rows))
    mixes = {"mono": {"en": 3}}
    source = {"at": str(path), "columns": {"prompt": "asked", "answer": "said"}}
    found = opened(tmp_path, model, chats=source, mixes=mixes)
    assert dict(found.plan.inputs.available) == {"en": 3}
    # How it is read counts, and where it lies does not.
    shaped = problems(tmp_path, model, chats=str(path), mixes=mixes)
    assert "no known shape has the columns ['asked', 'said']" in shaped[0].what
    copied = path.rename(tmp_path / "moved.csv")
    again = opened(tmp_path, model, chats={**source, "at": str(copied)}, mixes=mixes)
    assert again.plan.inputs.chats == found.plan.inputs.chats


def test_an_identifier_that_is_no_file_is_named(tmp_path: Path, model: Path) -> None:
    problem = only(problems(tmp_path, model, label={"identifier": "nowhere.bin"}))
    assert (problem.where, problem.what) == ("label.identifier", "there is no file 'nowhere.bin'")


def test_an_identifier_that_is_no_fasttext_model_is_listed_with_all_else(tmp_path: Path, model: Path) -> None:
    odd = tmp_path / "odd.bin"
    odd.write_bytes(b"not a model")
    found = problems(tmp_path, model, label={"identifier": str(odd)}, zzz=1)
    assert [one.where for one in found] == ["label.identifier", "zzz"]
    assert "not a fastText model" in found[0].what


def test_a_model_folder_without_config_is_named(tmp_path: Path) -> None:
    problem = only(problems(tmp_path, tmp_path))
    assert (problem.where, problem.line) == ("models[0]", 2)
    assert problem.what == f"the folder {tmp_path} holds no config.json"


def test_a_hub_model_that_is_not_in_the_cache_is_named_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    problem = only(problems(tmp_path, "no-such-org-here/no-such-model"))
    need = "model no-such-org-here/no-such-model, newest revision (pin one with `revision:`)"
    assert problem.what == f"not in the local cache: {need}"
    assert problem.fix == "Run once with --download."


HUB_STUDY = {
    "models": [{"id": "some-org/some-model", "revision": "a" * 40}],
    "chats": {"at": "some-org/some-chats", "revision": "b" * 40, "splits": ["train"]},
    "label": {"identifier": "openlid-quantised"},
}
NEEDS = {
    "models[0]": f"model some-org/some-model at {'a' * 12}",
    "chats": f"chats some-org/some-chats at {'b' * 12}, train only",
    "label.identifier": f"identifier {identify.HUB['openlid-quantised']}",
}


@pytest.mark.parametrize(
    ("may_lack", "refused"),
    [("nothing", set(NEEDS)), ("models", {"chats", "label.identifier"}), ("anything", set())],
)
def test_what_is_not_in_the_cache_is_a_problem_where_the_command_cannot_do_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, may_lack: MayLack, refused: set[str]
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    path = study_file(tmp_path, "", **HUB_STUDY)
    if not refused:
        found = open_study(path, tmp_path / "runs", may_lack=may_lack).plan.inputs
        assert found.downloads == (NEEDS["models[0]"], NEEDS["label.identifier"], NEEDS["chats"])
        assert found.absent == {"some-org/some-model"}
        assert (dict(found.available), found.chat_count) == ({}, 0)
        return
    with pytest.raises(StudyError) as caught:
        open_study(path, tmp_path / "runs", may_lack=may_lack)
    assert {one.where: one.what for one in caught.value.problems} == {
        where: f"not in the local cache: {NEEDS[where]}" for where in refused
    }
    assert {one.fix for one in caught.value.problems} == {"Run once with --download."}
    assert not (tmp_path / "hub").exists()


def test_a_pinned_model_that_arrives_redoes_only_the_cards_which_count_its_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    path = study_file(tmp_path, "", models=HUB_STUDY["models"])

    def prints() -> dict[str, str]:
        return {
            step.key: step.fingerprint for step in open_study(path, tmp_path / "runs", may_lack="models").plan.steps
        }

    before = prints()
    folder = tmp_path / "hub" / "models--some-org--some-model" / "snapshots" / ("a" * 40)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    after = prints()
    assert {key for key, print_ in before.items() if after[key] != print_} == {"card:mono-card", "card:multi-2-card"}


def test_a_plan_without_the_chats_still_tells_every_other_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    path = study_file(tmp_path, "", **HUB_STUDY, mixes=["mono", "mulit-2"], zzz=1)
    with pytest.raises(StudyError) as caught:
        open_study(path, tmp_path / "runs", may_lack="anything")
    assert [one.where for one in caught.value.problems] == ["mixes.mulit-2", "zzz"]


def test_what_a_model_saw_is_the_papers_table_or_a_census(tmp_path: Path, model: Path) -> None:
    census = tmp_path / "census.csv"
    census.write_text("code,percent\nen,60\nde,30.5\n,9.5\n")

    def exposure(pretraining: str) -> Mapping[str, Mapping[str, float]]:
        return opened(tmp_path, "", models=[{"id": str(model), "pretraining": pretraining}]).plan.inputs.exposure

    assert exposure(str(census)) == {"model": {"en": 60.0, "de": 30.5}}
    assert exposure("llama2")["model"]["de"] == 0.17  # paper, Table 1
    assert exposure("falcon")["model"]["de"] == 0.009
    assert exposure("gpt3")["model"]["de"] == 1.20
    assert opened(tmp_path, model).plan.inputs.exposure == {}


def test_a_census_that_cannot_be_read_is_told_with_all_else(tmp_path: Path, model: Path) -> None:
    census = tmp_path / "census.csv"
    census.write_text("code,percent\nxq,60\nde,many\n")
    models = [{"id": str(model), "pretraining": str(census)}]
    found = problems(tmp_path, "", models=models, zzz=1)
    assert [(one.where, one.what) for one in found] == [
        ("models[0].pretraining", "census.csv:2: unknown language 'xq'"),
        ("models[0].pretraining", "census.csv:3: percent is 'many'"),
        ("zzz", "unknown field"),
    ]
    gone = only(problems(tmp_path, "", models=[{"id": str(model), "pretraining": "lama2"}]))
    assert (gone.where, gone.line) == ("models[0].pretraining", 2)
    assert "cannot be read" in gone.what


def test_a_census_moved_is_the_same_and_counted_anew_redoes_the_summary_and_the_report(
    tmp_path: Path, model: Path
) -> None:
    def prints(name: str, percent: int) -> dict[str, str]:
        (tmp_path / name).write_text(f"code,percent\nen,{percent}\n")
        plan = opened(tmp_path, "", models=[{"id": str(model), "pretraining": str(tmp_path / name)}]).plan
        return {step.key: step.fingerprint for step in plan.steps}

    before = prints("one.csv", 60)
    assert prints("two.csv", 60) == before
    after = prints("one.csv", 61)
    assert {key for key, print_ in before.items() if after[key] != print_} == {
        "summary:summary",
        "report:report",
    }


def test_two_models_of_one_name_are_told(tmp_path: Path, model: Path) -> None:
    other = tmp_path / "elsewhere" / "model"
    found = problems(tmp_path, model, models=[str(model), str(other), str(model)])
    assert [(one.where, one.fix) for one in found] == [
        ("models[1]", "Keep one of them."),
        ("models[2]", "Keep one of them."),
    ]


def test_names_that_read_the_same_when_joined_are_told(tmp_path: Path, model: Path) -> None:
    # "model" with the mix "b-c" and "model-b" with the mix "c" would both tune "model-b-c-t0".
    other = tmp_path / "model-b"
    other.mkdir()
    (other / "config.json").write_text("{}")
    mixes = {"b-c": {"en": 4}, "c": {"en": 5}}
    problem = only(problems(tmp_path, model, models=[str(model), str(other)], mixes=mixes))
    assert problem.where == "mixes.c"
    assert "'model-b-c'" in problem.what
    plan = opened(tmp_path, model, models=[str(model), str(other)], mixes={"b-c": {"en": 4}, "d": {"en": 5}}).plan
    assert len(plan.by_key) == len(plan.steps)


def test_a_language_without_prompts_is_named_with_the_file(tmp_path: Path, model: Path) -> None:
    problem = only(problems(tmp_path, model, tasks=dialogue_task(languages=["en", "ca"])))
    assert problem.where.endswith("ca.jsonl")
    assert (problem.what, problem.line) == ("there is no such file", 5)


def test_a_split_without_rows_is_told_for_every_language(tmp_path: Path, model: Path) -> None:
    found = problems(tmp_path, model, tasks=dialogue_task(split="valid"))
    assert [one.what for one in found] == ["no row of the split 'valid'"] * 3


def test_a_language_that_stands_twice_is_told(tmp_path: Path, model: Path) -> None:
    problem = only(problems(tmp_path, model, tasks=dialogue_task(languages=["en", "es", "en"])))
    assert (problem.where, problem.what) == ("tasks.dialogue.languages[2]", "'en' stands twice")


def test_one_mistyped_language_hides_nothing_about_the_others(tmp_path: Path, model: Path) -> None:
    found = problems(tmp_path, model, tasks=dialogue_task(languages=["xq", "ca"]))
    assert [one.what.split(" '")[0] for one in found] == ["unknown language", "there is no such file"]


def test_broken_prompts_are_named_by_file_and_line(tmp_path: Path, model: Path) -> None:
    prompts = prompts_folder(tmp_path, en='{"id": "1", "split": "dev", "prompt": "Hi?"}\n{"id": "2"}\n')
    task = dialogue_task(items=str(prompts), languages=["en"])
    assert only(problems(tmp_path, model, tasks=task)).where == "en.jsonl:2"


@pytest.mark.parametrize("study", ["../../escape", "a\0b", "/tmp", ".."])
def test_a_name_that_leads_elsewhere_is_refused_and_nothing_is_read_there(
    tmp_path: Path, model: Path, study: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looked(*args: object) -> None:
        pytest.fail("looked for an earlier run outside of the runs folder")

    monkeypatch.setattr(Store, "done", looked)
    assert only(problems(tmp_path, model, study=study)).where == "study"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("models", 3),
        ("models", [3, None, ["x"]]),
        ("chats", ["a"]),
        ("chats", ""),
        ("chats", {"at": 3}),
        ("chats", {"at": "pocket", "splits": 3}),
        ("mixes", ["mono", 3]),
        ("mixes", {"mono": 3}),
        ("mixes", {"mono": [3]}),
        ("mixes", "mono"),
        ("mixes", 3),
        ("mixing", 3),
        ("mixing", {"order": "es"}),
        ("mixing", {"order": [3, None], "size": "many", "main": []}),
        ("mixes", [{"mono": {"en": 5}}]),
        ("mixes", {"mono": {"en": "many"}}),
        ("mixes", {"mono": {"en": [1]}}),
        ("tasks", 3),
        ("tasks", {"dialogue": 3}),
        ("tasks", {"dialogue": {"languages": "en"}}),
        ("tasks", {"dialogue": {"languages": [3, None]}}),
        ("tasks", {"dialogue": {"languages": ["en"], "prompts": 3}}),
        ("label", 3),
        ("label", {"threshold": "high", "identifier": 3}),
        ("recipe", [1]),
        ("execution", None),
        ("study", None),
    ],
)
def test_a_field_of_the_wrong_shape_is_a_problem_of_that_field(
    tmp_path: Path, model: Path, field: str, value: object
) -> None:
    right = {"chats": str(chats_file(tmp_path)), "mixes": {"mono": {"en": 5}}}
    found = problems(tmp_path, model, **{**right, field: value})
    assert {one.where.split(".")[0].split("[")[0] for one in found} == {field}


def test_the_chats_of_an_earlier_run_are_not_labelled_again(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = opened(tmp_path, model)
    (step,) = first.plan.of("label")
    first.store.begin(step)
    write_lines(first.store.partial(step) / CHATS, [])
    write_lines(first.store.partial(step) / DROPPED, [])
    first.store.record(step, {"counts": {"en": 12, "es": 3}, "dropped": {"not identified: no letters": 2}})
    first.store.publish(step)

    def labelled(*args: object) -> None:
        pytest.fail("labelled again")

    monkeypatch.setattr(label_module, "label", labelled)
    # What the record says is believed: 4 Spanish chats are asked for.
    assert only(problems(tmp_path, model)).what.startswith("4 Spanish chats asked, 3 usable")
    inputs = opened(tmp_path, model, mixes={"mono": {"en": 12}}).plan.inputs
    assert (dict(inputs.available), inputs.chat_count) == ({"en": 12, "es": 3}, 17)


def test_the_same_bytes_elsewhere_are_the_same_study(tmp_path: Path, model: Path) -> None:
    rows = '{"id": "1", "split": "dev", "prompt": "Hi?"}\n'
    plans = []
    for place in ("one", "two"):
        folder = tmp_path / place
        folder.mkdir()
        task = dialogue_task(items=str(prompts_folder(folder, en=rows)), languages=["en"])
        chats = str(chats_file(folder))
        plans.append(opened(folder, model, chats=chats, tasks=task, mixes={"mono": {"en": 5}}).plan)
    assert [step.fingerprint for step in plans[0].steps] == [step.fingerprint for step in plans[1].steps]


def test_an_edited_chat_or_prompt_redoes_what_reads_it(tmp_path: Path, model: Path) -> None:
    rows = '{"id": "1", "split": "dev", "prompt": "Hi?"}\n'
    spare = '{"id": "2", "split": "test", "prompt": "Another split."}\n'

    def kinds(prompts: str, count: int) -> dict[str, str]:
        task = dialogue_task(items=str(prompts_folder(tmp_path, en=prompts)), languages=["en"])
        chats = str(chats_file(tmp_path, count=count))
        plan = opened(tmp_path, model, chats=chats, tasks=task, mixes={"mono": {"en": 5}}).plan
        return {step.kind: step.fingerprint for step in plan.steps}

    def moved(after: dict[str, str]) -> set[str]:
        return {kind for kind, print_ in kinds(rows, 5).items() if after[kind] != print_}

    assert moved(kinds(rows + spare, 5)) == set()
    assert moved(kinds(rows.replace("Hi", "Hello"), 5)) == {"proof", "card", "generate", "score", "summary", "report"}
    assert moved(kinds(rows, 6)) == {
        "label", "mix", "proof", "card", "tune", "generate", "score", "summary", "report",
    }  # fmt: skip


def test_the_task_is_set_as_the_study_says(tmp_path: Path, model: Path) -> None:
    study = opened(tmp_path, model, sampling={"max_tokens": 7, "top_p": 0.5, "temperature": 0}).plan.study
    spec = study.tasks.asked["dialogue"]
    task = tasks.make("dialogue", spec, identify.identifier("lid176"), tasks.sampling(spec, study.sampling))
    (first, *_) = task.items("es", "xx:xx")
    sampling = task.request(first).sampling
    assert (sampling.max_tokens, sampling.top_p, sampling.temperature, sampling.stop) == (7, 0.5, 0, STOP)
    assert isinstance(task, Dialogue)
    assert task.split == "dev"


# All five tasks

FIVE: dict[str, Any] = {
    "dialogue": {"split": "dev", "languages": ["en", "de"]},
    "simplification": {"languages": ["en", "de"], "sample": 4},
    "xquad": {"languages": ["en", "de"]},
    "xcsqa": {"languages": ["en", "de"]},
    "xnli": {"languages": ["en", "de"]},
}


def few(folder: Path) -> dict[str, Any]:
    """Chats so few that they are labelled at once."""
    return {"chats": str(chats_file(folder)), "mixes": {"mono": {"en": 5}}}


def written(folder: Path, model: Path, tasks_: str) -> Path:
    """A study file with its tasks as they are written, from line 5 on."""
    head = f"study: tiny\nmodels: [{model}]\nchats: {chats_file(folder)}\nmixes: {{mono: {{en: 5}}}}\n"
    path = folder / "tiny.yaml"
    path.write_text(head + tasks_, encoding="utf-8")
    return path


def told(path: Path, *, may_lack: MayLack = "nothing", download: bool = False) -> list[tuple[int | None, str, str]]:
    with pytest.raises(StudyError) as caught:
        open_study(path, path.parent / "runs", may_lack=may_lack, download=download)
    return [(one.line, one.where, one.what) for one in caught.value.problems]


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
    [("xquad", "th", "xquad.th.json"), ("xcsqa", "pl", "dev.jsonl"), ("xnli", "th", "xnli.th.test.tsv")],
)
def test_a_language_without_items_is_told_once_with_the_file(
    tmp_path: Path, model: Path, name: str, code: str, file: str
) -> None:
    problem = only(problems(tmp_path, model, **few(tmp_path), tasks={name: {"languages": ["en", code]}}))
    assert problem.where.endswith(file)
    assert problem.what == "there is no such file"


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
    with pytest.raises(StudyError, match='Write "no" in quotes'):
        open_study(study, tmp_path / "runs")
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
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    asked = {name: {"languages": ["en", "de"], "items": "hub"}, "dialogue": {"split": "dev", "languages": ["en"]}}
    study = study_file(tmp_path, model, **few(tmp_path), tasks=asked)
    plan = open_study(study, tmp_path / "runs", may_lack="anything").plan
    assert plan.inputs.downloads
    assert all(need.startswith(f"items {OWN_SETS[name]}") for need in plan.inputs.downloads)
    assert {step.cell.task for step in plan.of("generate") if step.cell} == {name, "dialogue"}
    assert len(plan.by_key) == len(plan.steps)
    for may_lack in ("nothing", "models"):
        found = told(study, may_lack=may_lack)  # type: ignore[arg-type]
        # A set is one thing to fetch, whatever the languages.
        assert [where for _, where, _ in found] == [f"tasks.{name}.items"]
        assert all(what.startswith(f"not in the local cache: items {OWN_SETS[name]}") for _, _, what in found)
    assert len(told(study, download=True)) == 1  # without the network it cannot be fetched, which is told once
    assert not list((tmp_path / "hub").rglob("*.parquet"))


def test_a_plan_that_lacks_items_still_tells_the_mistakes_of_other_tasks(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    asked = {"xquad": {"languages": ["en", "fr"], "items": "hub"}, "xnli": {"languages": ["en", "sv"]}}
    study = study_file(tmp_path, model, **few(tmp_path), tasks=asked)
    assert "xnli has no prompt in 'sv'" in [what for _, _, what in told(study, may_lack="anything")]


def test_simplification_from_a_hub_id_is_refused_before_anything_is_fetched(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    asked = {"simplification": {"languages": ["en"], "items": "some-org/some-set"}}
    assert told(study_file(tmp_path, model, **few(tmp_path), tasks=asked), may_lack="anything")


@pytest.mark.parametrize("items", ["pocket", "./nowhere"])
def test_a_revision_of_what_is_no_hub_set_is_refused(tmp_path: Path, model: Path, items: str) -> None:
    asked = {"xquad": {"languages": ["en", "de"], "items": items, "revision": "main"}}
    problem = only(problems(tmp_path, model, **few(tmp_path), tasks=asked))
    assert (problem.where, problem.fix, problem.line) == ("tasks.xquad.revision", "Leave it out.", 5)


def test_a_mistyped_folder_of_items_is_said_not_to_be_there(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    asked = {"xquad": {"languages": ["en"], "items": "mine/items"}}
    assert "No file or folder" in only(problems(tmp_path, model, **few(tmp_path), tasks=asked)).fix


@pytest.fixture(scope="module")
def prints(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, str]]:
    """Key of each step -> fingerprint, of the five tasks with changes to one."""
    folder = tmp_path_factory.mktemp("five")
    model = folder / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")

    @functools.cache
    def found(name: str = "xnli", changes: str = "{}") -> dict[str, str]:
        asked = {**FIVE, name: {**FIVE[name], **json.loads(changes)}}
        plan = opened(folder, model, **few(folder), tasks=asked).plan
        assert len({step.fingerprint for step in plan.steps}) == len(plan.steps)
        return {step.key: step.fingerprint for step in plan.steps}

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
    moved = {key for key in before if before[key] != after[key]}
    assert moved == {key for key in before if f"-{name}-" in key} | also | SEEN_BY_ALL


def test_other_words_redo_the_languages_that_they_differ_in(prints: Callable[..., dict[str, str]]) -> None:
    # English too, whose words are the same: the harness puts a space before its texts.
    before, after = prints(), prints("xnli", words="corrected")
    assert candidates("de", "harness") != candidates("de", "corrected")
    cells = {key for key in before for code in ("en", "de") if f"-xnli-{code}-" in key}
    assert {key for key in before if before[key] != after[key]} == cells | SEEN_BY_ALL


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
    assert {key for key in after if before[key] != after[key]} == SEEN_BY_ALL
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
        plan = opened(tmp_path, model, **few(tmp_path), tasks=task).plan
        return {step.key: step.fingerprint for step in plan.steps}

    before, after = found(content), found(content.replace(right, wrong))
    moved = {key for key in before if before[key] != after[key]}
    assert moved == {key for key in before if key.startswith("score:")} | DRAWN_ANEW | SEEN_BY_ALL


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
