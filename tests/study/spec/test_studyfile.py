from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from babeltune.data.sources import Columns, Source
from babeltune.errors import Problem, StudyError
from babeltune.finetune.recipe import PRESETS, LoraRecipe
from babeltune.measure.statistics.intervals import Resampling
from babeltune.study.spec.study import ModelSpec, Study
from babeltune.study.spec.studyfile import Parsed, parse
from opening import only

GOOD = """\
study: small
models: [smollm2-135m]
chats: pocket
mixes:
  mono: {en: 12}
  multi-2:
    en: 8
    es: 4
tasks:
  dialogue:
    languages:
      - en
      - es
"""


def read(folder: Path, text: str) -> Parsed:
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return parse(path)


def good(folder: Path, text: str) -> Study:
    study = read(folder, text).study
    assert study is not None
    return study


def problems(folder: Path, text: str) -> list[Problem]:
    parsed = read(folder, text)
    assert (parsed.study is None) == bool(parsed.problems)
    return list(parsed.problems)


def refusal(folder: Path, content: str | bytes) -> Problem:
    """The one problem of a file that gives nothing to go on with."""
    path = folder / "study.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(StudyError) as caught:
        parse(path)
    assert caught.value.exit_code == 2
    (problem,) = caught.value.problems
    return problem


def test_a_good_file_becomes_a_study_with_the_papers_defaults(tmp_path: Path) -> None:
    study = good(tmp_path, GOOD)
    assert dict(study.mixes["multi-2"]) == {"en": 8, "es": 4}
    assert study.tasks.asked["dialogue"].languages == ("en", "es")
    # Paper, section 4.1 (nucleus p 0.9, temperature 0.8), Limitations (confidence 0.8) and section 3.3 (rank 64, alpha 16).
    assert (study.sampling.top_p, study.sampling.temperature, study.label.threshold) == (0.9, 0.8, 0.8)
    assert (study.recipe.rank, study.recipe.alpha) == (64, 16)
    # Section 3.2: 3,200 chats, 200 of each other language, in the order of their number in Guanaco.
    assert (study.mixing.main, study.mixing.size, study.mixing.each, study.mixing.seed) == ("en", 3200, 200, 42)
    assert study.mixing.order == ("es", "ru", "de", "zh", "fr")
    # As the paper says, not as its code does, and no test prompt in training, unless it is asked for.
    assert (study.mixing.protocol, study.label.protocol, study.mixing.overlap) == ("as-paper", "as-paper", "refuse")


def test_a_study_cannot_be_changed_after_reading(tmp_path: Path) -> None:
    study = good(tmp_path, GOOD)
    with pytest.raises(ValueError, match="frozen"):
        study.study = "other"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        study.recipe.rank = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("study",), 1),
        (("models", 0), 2),
        (("mixes",), 4),
        (("mixes", "mono", "en"), 5),
        (("mixes", "multi-2", "es"), 8),
        (("tasks", "dialogue", "languages", 1), 13),
        (("tasks", "dialogue", "split"), 10),  # not in the file: the field around it
        (("recipe", "rank"), None),
    ],
)
def test_lines_are_those_of_the_file(tmp_path: Path, place: tuple[str | int, ...], line: int | None) -> None:
    assert read(tmp_path, GOOD).line(*place) == line


@pytest.mark.parametrize(
    ("extra", "where", "fix"),
    [
        ("executoin: {}", "executoin", "Did you mean 'execution'?"),
        ("recipe: {ranks: 8}", "recipe.ranks", "Did you mean 'rank'?"),
        ("sampling: {temprature: 1}", "sampling.temprature", "Did you mean 'temperature'?"),
        ("label: {treshold: 0.5}", "label.treshold", "Did you mean 'threshold'?"),
        ("label: {protcol: as-run}", "label.protcol", "Did you mean 'protocol'?"),
        ("mixing: {overlaps: allow}", "mixing.overlaps", "Did you mean 'overlap'?"),
        ("verdict: {margn: 0.5}", "verdict.margn", "Did you mean 'margin'?"),
        ("statistics: {methods: bca}", "statistics.methods", "Did you mean 'method'?"),
        ("execution: {batchsize: 5}", "execution.batchsize", "Did you mean 'batch_size'?"),
    ],
)
def test_a_mistyped_field_is_named_with_what_was_meant(tmp_path: Path, extra: str, where: str, fix: str) -> None:
    assert only(problems(tmp_path, GOOD + extra + "\n")) == Problem(where, "unknown field", fix, 14)


@pytest.mark.parametrize(
    ("was", "now", "where", "fix", "line"),
    [
        ("    languages:", "    langauges:", "tasks.dialogue.langauges", "languages", 11),
        ("  dialogue:", "  dialog:", "tasks.dialog", "dialogue", 10),
        ("[smollm2-135m]", "[{id: x, revison: y}]", "models[0].revison", "revision", 2),
        ("[smollm2-135m]", "[{id: x, pretrainig: y}]", "models[0].pretrainig", "pretraining", 2),
        ("chats: pocket", "chats: {at: pocket, splitz: []}", "chats.splitz", "splits", 3),
        ("chats: pocket", "chats: {at: x, columns: {prompt: a, anwser: b}}", "chats.columns.anwser", "answer", 3),
        ("{en: 12}", "{multi: 2, ordr: [es]}", "mixes.mono.ordr", "order", 5),
    ],
)
def test_fields_that_nest_are_suggested_from_their_own_place(
    tmp_path: Path, was: str, now: str, where: str, fix: str, line: int
) -> None:
    expected = Problem(where, "unknown field", f"Did you mean '{fix}'?", line)
    assert expected in problems(tmp_path, GOOD.replace(was, now))


@pytest.mark.parametrize(
    ("extra", "known"),
    [
        ("verdict: {zzz: 1}", "margin, margins, in_kind."),
        ("mixing: {zzz: 1}", "main, size, each, order, seed, protocol, overlap."),
        ("prices: {any: {input: 1, output: 1, zzz: 1}}", "input, output, cached_input, batch."),
    ],
)
def test_a_field_unlike_any_other_is_met_with_all_that_may_stand_there(tmp_path: Path, extra: str, known: str) -> None:
    assert only(problems(tmp_path, GOOD + extra + "\n")).fix == f"Known here: {known}"


@pytest.mark.parametrize(
    ("margins", "where", "what", "fix"),
    [
        (
            "{helpfulnes: 0.5}",
            "verdict.margins.helpfulnes",
            "no verdict is on 'helpfulnes'",
            "Did you mean 'helpfulness'?",
        ),
        ("{helpfulness: 5}", "verdict.margins", "5 for 'helpfulness'", "It should be above 0 and below 5."),
        ("{accuracy: 0}", "verdict.margins", "0 for 'accuracy'", "It should be above 0 and below 1."),
    ],
)
def test_a_margin_is_of_a_metric_with_a_verdict_and_within_its_span(
    tmp_path: Path, margins: str, where: str, what: str, fix: str
) -> None:
    expected = Problem(where, what, fix, 14)
    assert only(problems(tmp_path, GOOD + f"verdict: {{margins: {margins}}}\n")) == expected


def test_margins_are_shares_of_a_metrics_span_but_where_they_are_given(tmp_path: Path) -> None:
    found = good(tmp_path, GOOD + "verdict: {margin: 0.2, margins: {accuracy: 0.03}}\n")
    names = ("agreement", "helpfulness", "sari-weighted", "accuracy")
    assert [found.verdict.margin_of(name) for name in names] == pytest.approx([0.2, 1.0, 8.0, 0.03])


def test_as_run_statistics_take_outputs_for_independent(tmp_path: Path) -> None:
    found = good(tmp_path, GOOD + "statistics: {protocol: as-run, method: bca, resamples: 1000, seed: 1}\n")
    assert found.statistics.how == Resampling("bca", "rows", 1000, 1)


def test_missing_fields_are_all_named(tmp_path: Path) -> None:
    found = problems(tmp_path, "study: small\n")
    assert {(one.where, one.what) for one in found} == {
        (where, "is missing") for where in ("models", "chats", "mixes", "tasks")
    }


@pytest.mark.parametrize(
    ("was", "now", "where", "line"),
    [
        ("en: 12", "en: 12, no: 3", "mixes.mono.no", 5),
        ("en: 12", "en: 12, No: 3", "mixes.mono.No", 5),
        ("      - es", "      - no", "tasks.dialogue.languages[1]", 13),
        ("  mono:", "  yes:", "mixes.yes", 5),
        ("{en: 12}", "{without: no}", "mixes.mono.without", 5),
        ("{en: 12}", "{multi: 2, order: [no]}", "mixes.mono.order[0]", 5),
        ("mixes:", "mixing: {order: [no]}\nmixes:", "mixing.order[0]", 4),
        ("mixes:", "mixing: {main: no}\nmixes:", "mixing.main", 4),
        (GOOD[GOOD.index("mixes:") : GOOD.index("tasks:")], "mixes: [no]\n", "mixes", 4),
    ],
)
def test_a_bare_no_is_said_once_to_need_quotes(tmp_path: Path, was: str, now: str, where: str, line: int) -> None:
    problem = only(problems(tmp_path, GOOD.replace(was, now)))
    assert (problem.where, problem.line) == (where, line)
    assert "YAML reads a bare" in problem.what
    assert "in quotes" in problem.fix


def test_a_quoted_no_is_norwegian(tmp_path: Path) -> None:
    study = good(tmp_path, GOOD.replace("en: 12", '"no": 12').replace("- es", "- 'no'"))
    assert dict(study.mixes["mono"]) == {"no": 12}
    assert study.tasks.asked["dialogue"].languages == ("en", "no")


@pytest.mark.parametrize(
    ("text", "where", "first", "line"),
    [
        (GOOD + "chats: other\n", "chats", 3, 14),
        (GOOD.replace("    es: 4", "    en: 4"), "mixes.multi-2.en", 7, 8),
        (GOOD.replace("multi-2:", "mono:"), "mixes.mono", 5, 6),
    ],
)
def test_a_key_that_stands_twice_is_named_with_both_lines(
    tmp_path: Path, text: str, where: str, first: int, line: int
) -> None:
    assert only(problems(tmp_path, text)) == Problem(
        where, f"stands twice (first in line {first})", "Remove one.", line
    )


@pytest.mark.parametrize(
    "name", ["../up", "a/b", "/abs", "..", ".hidden", "", "a b", "a\\nb", "x" * 65, "naïve", "-rf", "a\\n"]
)
def test_names_that_are_no_plain_folder_names_are_refused(tmp_path: Path, name: str) -> None:
    study = only(problems(tmp_path, GOOD.replace("small", f'"{name}"')))
    assert (study.where, study.line) == ("study", 1)
    mix = only(problems(tmp_path, GOOD.replace("mono", f'"{name}"')))
    assert mix.where.startswith("mixes")
    assert mix.line == 5
    assert "at most 64" in study.fix
    assert study.fix == mix.fix


@pytest.mark.parametrize("name", ["a", "multi-6", "v1.0_b", "x" * 64, "9"])
def test_plain_names_are_taken(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, GOOD.replace("small", f'"{name}"').replace("mono", f'"{name}"')).study is not None


def test_base_is_no_name_for_a_mix(tmp_path: Path) -> None:
    problem = only(problems(tmp_path, GOOD.replace("mono", "base")))
    assert (problem.where, problem.line) == ("mixes.base", 5)
    assert "names the untuned model" in problem.what


@pytest.mark.parametrize("wrong", ["German", "deu_Latn", "Germann"])
def test_an_unknown_language_is_met_with_the_nearest(tmp_path: Path, wrong: str) -> None:
    told = f"unknown language '{wrong}'", "Did you mean 'de' (German)?"
    assert problems(tmp_path, GOOD.replace("en: 12", f"{wrong}: 12").replace("- es", f"- {wrong}")) == [
        Problem(f"mixes.mono.{wrong}", *told, 5),
        Problem("tasks.dialogue.languages[1]", *told, 13),
    ]


def test_an_unknown_language_of_a_task_is_met_with_those_that_it_has(tmp_path: Path) -> None:
    for task, known in (("simplification", "en, de, fr, ru, it, pt, sl"), ("xcsqa", "en, de, fr, zh, es")):
        problem = only(problems(tmp_path, GOOD.replace("dialogue:", f"{task}:").replace("- es", "- xq")))
        assert (problem.where, problem.what) == (f"tasks.{task}.languages[1]", "unknown language 'xq'")
        assert problem.fix.startswith(f"{task} has prompts in {known}")
    problem = only(problems(tmp_path, GOOD.replace("- es", "- xq")))  # prompts of dialogue are in any language
    assert problem.fix.startswith("Known languages: en, de, fr")


@pytest.mark.parametrize(
    ("extra", "where"),
    [
        ("recipe: {rank: -4}", "recipe.rank"),
        ("recipe: {rank: 0}", "recipe.rank"),
        ("recipe: {rank: big}", "recipe.rank"),
        ("recipe: {dropout: 1.0}", "recipe.dropout"),
        ("recipe: {learning_rate: 0}", "recipe.learning_rate"),
        ("recipe: {order: sorted}", "recipe.order"),
        ("sampling: {top_p: 0}", "sampling.top_p"),
        ("sampling: {temperature: -0.1}", "sampling.temperature"),
        ("sampling: {max_tokens: 0}", "sampling.max_tokens"),
        ("label: {threshold: 1.5}", "label.threshold"),
        ("label: {threshold: .nan}", "label.threshold"),
        ("verdict: {margin: 0}", "verdict.margin"),
        ("dtype: float8", "dtype"),
        ("label: {protocol: as-written}", "label.protocol"),
        ("mixing: {seed: 4294967296}", "mixing.seed"),
        ("seeds: []", "seeds"),
        ("seeds: [0, -1]", "seeds[1]"),
        ("tuning_seeds: [4294967296]", "tuning_seeds[0]"),  # 2 ** 32: seeds of numpy end below it
        ("seeds: [3, 3]", "seeds"),
        ("tuning_seeds: [1, 2, 1]", "tuning_seeds"),
        ("execution: {batch_size: 0}", "execution.batch_size"),
        ("execution: {device: gpu}", "execution.device"),
        ("base: perhaps", "base"),
    ],
)
def test_a_value_out_of_range_is_named_with_line_and_what_would_be_right(
    tmp_path: Path, extra: str, where: str
) -> None:
    problem = only(problems(tmp_path, GOOD + extra + "\n"))
    assert (problem.where, problem.line) == (where, 14)
    assert problem.what
    assert len(problem.fix) > len("Mend it.")


def test_a_lone_text_in_place_of_a_list_is_told_so(tmp_path: Path) -> None:
    problem = only(problems(tmp_path, GOOD.replace("[smollm2-135m]", "smollm2-135m")))
    assert str(problem) == "line 2, models: 'smollm2-135m' is not allowed. It should be a list."


def test_a_wrong_entry_does_not_make_its_list_empty_too(tmp_path: Path) -> None:
    assert [one.where for one in problems(tmp_path, GOOD.replace("[smollm2-135m]", "[{id: 3}]"))] == ["models[0].id"]
    assert [one.where for one in problems(tmp_path, GOOD.replace("[smollm2-135m]", "[]"))] == ["models"]
    assert [one.where for one in problems(tmp_path, GOOD.replace("{en: 12}", "{xq: 12}"))] == ["mixes.mono.xq"]


def test_problems_of_all_kinds_are_listed_at_once(tmp_path: Path) -> None:
    text = (
        GOOD.replace("en: 12", "xq: 0").replace("  multi-2", "  ../m")
        + "zzz: 1\nrecipe: {rank: -4, ranks: 1}\nzzz: 2\n"
    )
    assert {one.where for one in problems(tmp_path, text)} == {
        "mixes.mono.xq", "mixes.../m", "zzz", "recipe.rank", "recipe.ranks",
    }  # fmt: skip
    assert len(problems(tmp_path, text)) == 7  # xq is unknown and 0 of it too few; zzz stands twice and is unknown


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("study: [a\nchats: pocket\n", 2),
        ("study: a\n\tchats: b\n", 2),
        ("study: a\n---\nchats: b\n", 2),
        ("study: !!python/object:os.system x\n", 1),
        ("study: *nowhere\n", 1),
        ("study: 2026-13-01\n", None),  # the thirteenth month: PyYAML raises a plain ValueError
        ("study: " + "[" * 5000, None),
    ],
)
def test_what_is_not_yaml_is_said_to_be_so(tmp_path: Path, text: str, line: int | None) -> None:
    problem = refusal(tmp_path, text)
    assert problem.where == "syntax"
    assert problem.what.startswith("not YAML (")
    assert problem.line == line


def test_an_anchor_that_holds_itself_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, "study: &x [*x]\n").what == "an anchor holds itself"


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n- b\n", "just words\n", "42\n", "null\n"])
def test_what_is_no_mapping_is_said_to_be_so(tmp_path: Path, text: str) -> None:
    assert refusal(tmp_path, text).what == "is not a mapping of fields"


def test_a_file_that_is_not_utf8_is_said_to_be_so(tmp_path: Path) -> None:
    assert refusal(tmp_path, "study: café\n".encode("latin-1")).what == "cannot be read (not UTF-8)"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(StudyError) as caught:
            parse(path)
        assert str(path) in str(caught.value)
        assert "babeltune studies pocket > pocket.yaml" in str(caught.value)


def test_a_model_is_called_by_the_last_part_of_its_id() -> None:
    assert [ModelSpec(id=text).name for text in ("smollm2-135m", "org/name", "/some/where/mine", "./mine/")] == [
        "smollm2-135m", "name", "mine", "mine",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("was", "short", "long"),
    [("[smollm2-135m]", "[a/b]", "[{id: a/b}]"), ("chats: pocket", "chats: a/b", "chats: {at: a/b}")],
    ids=["model", "chats"],
)
def test_a_bare_id_stands_for_the_long_form(tmp_path: Path, was: str, short: str, long: str) -> None:
    assert good(tmp_path, GOOD.replace(was, short)) == good(tmp_path, GOOD.replace(was, long))


def test_chats_are_read_into_the_frozen_record_that_reading_takes(tmp_path: Path) -> None:
    text = "{at: a/b, revision: main, config: de, splits: [train, test], columns: {prompt: q, answer: a, context: c}}"
    study = good(tmp_path, GOOD.replace("chats: pocket", f"chats: {text}"))
    assert study.chats == Source("a/b", "main", "de", ("train", "test"), None, Columns("q", "a", "c"))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "chats"),
        ("3", "chats"),
        ("[a]", "chats"),
        ("''", "chats.at"),
        ("{}", "chats.at"),
        ("{revision: x}", "chats.at"),
        ("{at: 3}", "chats.at"),
        ("{at: a/b, revision: 3}", "chats.revision"),
        ("{at: a/b, splits: train}", "chats.splits"),
        ("{at: a/b, shape: alpacca}", "chats.shape"),
        ("{at: a/b, columns: {prompt: q}}", "chats.columns.answer"),
        ("{at: a/b, columns: [q, a]}", "chats.columns"),
        ("{at: a/b, shape: alpaca, columns: {prompt: q, answer: a}}", "chats"),
    ],
)
def test_chats_of_the_wrong_form_are_told_with_field_and_line(tmp_path: Path, text: str, where: str) -> None:
    problem = only(problems(tmp_path, GOOD.replace("chats: pocket", f"chats: {text}")))
    assert (problem.where, problem.line) == (where, 3)
    assert problem.fix


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("as-paper", LoraRecipe(steps=2000)),
        ("{preset: as-paper}", PRESETS["as-paper"]),
        ("as-run", LoraRecipe(steps=2000, batch=16, teach_eos=False, autocast="float16")),
        ("{preset: as-run, rank: 8, autocast: none}", LoraRecipe(8, steps=2000, batch=16, teach_eos=False)),
        ("{preset: as-paper, targets: [q_proj]}", LoraRecipe(steps=2000, targets=("q_proj",))),
    ],
)
def test_a_recipe_may_begin_from_a_preset(tmp_path: Path, text: str, expected: LoraRecipe) -> None:
    assert good(tmp_path, GOOD + f"recipe: {text}\n").recipe == expected


@pytest.mark.parametrize("text", ["as-papre", "{preset: as-papre, rank: 8}"])
def test_a_mistyped_preset_is_told_with_those_that_there_are(tmp_path: Path, text: str) -> None:
    problem = only(problems(tmp_path, GOOD + f"recipe: {text}\n"))
    assert problem.where == "recipe"
    assert "no preset 'as-papre'. There are as-paper and as-run" in f"{problem.what}. {problem.fix}"


def test_the_presets_are_the_paper_s_and_its_authors() -> None:
    """Paper, section 3.3 and appendix C; the authors' scripts."""
    for name, batch in (("as-paper", 64), ("as-run", 16)):
        recipe = PRESETS[name]
        assert (recipe.rank, recipe.alpha, recipe.dropout, recipe.targets) == (64, 16, 0.05, "all-linear")
        assert (recipe.learning_rate, recipe.warmup_ratio, recipe.weight_decay) == (1e-5, 0.03, 0.05)
        assert (recipe.max_grad_norm, recipe.max_tokens, recipe.loss_on) == (0.3, 1024, "all")
        assert (recipe.batch, recipe.updates(3200)) == (batch, 2000)


def test_the_recipe_is_read_into_the_frozen_record_that_tuning_takes(tmp_path: Path) -> None:
    text = GOOD + "recipe: {order: length-grouped, targets: [q_proj], teach_eos: false, learning_rate: 1}\n"
    study = good(tmp_path, text)
    assert study.recipe == LoraRecipe(order="length-grouped", targets=("q_proj",), teach_eos=False, learning_rate=1.0)
    assert isinstance(study.recipe.learning_rate, float)  # 1 and 1.0 are one recipe, so one fingerprint
