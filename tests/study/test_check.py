from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from babeltune.data import identify
from babeltune.data import label as label_module
from babeltune.data.sources import POCKET
from babeltune.errors import Problem
from babeltune.study.artefacts import CHATS, DROPPED, write_lines
from babeltune.study.check import MayLack, open_study
from babeltune.study.store import Store
from doubles import bare_model, study_file
from opening import chats_file, moved, only, opened, prints, problems, refused


def prompts_folder(folder: Path, **rows: str) -> Path:
    path = folder / "prompts"
    path.mkdir(exist_ok=True)
    for code, text in rows.items():
        (path / f"{code}.jsonl").write_text(text, encoding="utf-8")
    return path


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
    found = refused(path)
    assert [(one.line, one.where) for one in found] == [
        (2, "models[0]"),
        (5, "mixes.mono.en"),
        (6, "mixes.multi-2.xq"),
        (9, "recipe.rank"),
        (10, "sampler"),
    ]
    for problem, said in zip(
        found,
        [
            "there is no model './no-such-folder'. Give 'smollm2-135m', a folder, or a hub id such as 'org/name'.",
            "9999 English chats asked, 2",  # of the more than 240 bundled; the exact number is tested below on a file of our own
            "unknown language 'xq'. Known languages: en, de,",
            "-4 is not allowed. It should be greater than or equal to 1.",
            "unknown field. Did you mean 'sampling'?",
        ],
        strict=True,
    ):
        assert said in str(problem)


def test_a_model_left_out_is_told_with_the_other_problems(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("study: bad\nchats: pocket\nmixes: {mono: {en: 9999}}\ntasks: {dialogue: {languages: [en]}}\n")
    assert [one.where for one in refused(path)] == ["models", "mixes.mono.en"]


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


def test_a_mistyped_folder_is_said_not_to_be_there(tmp_path: Path, model: Path, hub: Path) -> None:
    assert "No file or folder" in only(problems(tmp_path, model, chats="mine/chats")).fix


@pytest.mark.parametrize("more", [{"revision": "main"}, {"config": "de"}, {"splits": ["train"]}])
def test_what_only_a_hub_set_has_is_refused_elsewhere(tmp_path: Path, model: Path, more: dict[str, object]) -> None:
    problem = only(problems(tmp_path, model, chats={"at": "pocket", **more}))
    assert problem.what == "a revision, config or splits are given, but this is no hub set"
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
    ("may_lack", "missed"),
    [("nothing", set(NEEDS)), ("models", {"chats", "label.identifier"}), ("anything", set())],
)
def test_what_is_not_in_the_cache_is_a_problem_where_the_command_cannot_do_without(
    tmp_path: Path, hub: Path, may_lack: MayLack, missed: set[str]
) -> None:
    path = study_file(tmp_path, "", **HUB_STUDY)
    if not missed:
        inputs = open_study(path, tmp_path / "runs", may_lack=may_lack).plan.inputs
        assert inputs.downloads == (NEEDS["models[0]"], NEEDS["label.identifier"], NEEDS["chats"])
        assert inputs.absent == {"some-org/some-model"}
        assert (dict(inputs.available), inputs.chat_count) == ({}, 0)
        return
    found = refused(path, may_lack=may_lack)
    assert {one.where: one.what for one in found} == {
        where: f"not in the local cache: {NEEDS[where]}" for where in missed
    }
    assert {one.fix for one in found} == {"Run once with --download."}
    assert not hub.exists()


def test_a_pinned_model_that_arrives_redoes_only_the_cards_which_count_its_tokens(tmp_path: Path, hub: Path) -> None:
    path = study_file(tmp_path, "", models=HUB_STUDY["models"])

    before = prints(open_study(path, tmp_path / "runs", may_lack="models"))
    folder = hub / "models--some-org--some-model" / "snapshots" / ("a" * 40)
    bare_model(folder)
    after = prints(open_study(path, tmp_path / "runs", may_lack="models"))
    assert moved(before, after) == {"card:mono-card", "card:multi-2-card"}


def test_a_plan_without_the_chats_still_tells_every_other_mistake(tmp_path: Path, hub: Path) -> None:
    path = study_file(tmp_path, "", **HUB_STUDY, mixes=["mono", "mulit-2"], zzz=1)
    assert [one.where for one in refused(path, may_lack="anything")] == ["mixes.mulit-2", "zzz"]


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
    def found(name: str, percent: int) -> dict[str, str]:
        (tmp_path / name).write_text(f"code,percent\nen,{percent}\n")
        return prints(opened(tmp_path, "", models=[{"id": str(model), "pretraining": str(tmp_path / name)}]))

    before = found("one.csv", 60)
    assert found("two.csv", 60) == before
    assert moved(before, found("one.csv", 61)) == {"summary:summary", "report:report"}


def test_two_models_of_one_name_are_told(tmp_path: Path, model: Path) -> None:
    other = tmp_path / "elsewhere" / "model"
    found = problems(tmp_path, model, models=[str(model), str(other), str(model)])
    assert [(one.where, one.fix) for one in found] == [
        ("models[1]", "Keep one of them."),
        ("models[2]", "Keep one of them."),
    ]


def test_names_that_read_the_same_when_joined_are_told(tmp_path: Path, model: Path) -> None:
    # "model" with the mix "b-c" and "model-b" with the mix "c" would both tune "model-b-c-t0".
    other = bare_model(tmp_path / "model-b")
    mixes = {"b-c": {"en": 4}, "c": {"en": 5}}
    problem = only(problems(tmp_path, model, models=[str(model), str(other)], mixes=mixes))
    assert problem.where == "mixes.c"
    assert "'model-b-c'" in problem.what
    plan = opened(tmp_path, model, models=[str(model), str(other)], mixes={"b-c": {"en": 4}, "d": {"en": 5}}).plan
    assert len(plan.by_key) == len(plan.steps)


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
    assert {one.where for one in problems(tmp_path, model, study=study)} == {"study"}


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
        plans.append(prints(opened(folder, model, chats=chats, tasks=task, mixes={"mono": {"en": 5}})))
    assert plans[0] == plans[1]


def test_an_edited_chat_or_prompt_redoes_what_reads_it(tmp_path: Path, model: Path) -> None:
    rows = '{"id": "1", "split": "dev", "prompt": "Hi?"}\n'
    spare = '{"id": "2", "split": "test", "prompt": "Another split."}\n'

    def kinds(prompts: str, count: int) -> dict[str, str]:
        task = dialogue_task(items=str(prompts_folder(tmp_path, en=prompts)), languages=["en"])
        chats = str(chats_file(tmp_path, count=count))
        plan = opened(tmp_path, model, chats=chats, tasks=task, mixes={"mono": {"en": 5}}).plan
        return {step.kind: step.fingerprint for step in plan.steps}

    before = kinds(rows, 5)
    assert moved(before, kinds(rows + spare, 5)) == set()
    assert moved(before, kinds(rows.replace("Hi", "Hello"), 5)) == {
        "proof",
        "card",
        "generate",
        "score",
        "summary",
        "report",
    }
    assert moved(before, kinds(rows, 6)) == {
        "label", "mix", "proof", "card", "tune", "generate", "score", "summary", "report",
    }  # fmt: skip
