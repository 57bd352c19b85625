"""The verb ``lint-prompts``: a table, the problems, and whether a test begins as training does."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from babeltune.cli.verbs import lint_prompts
from babeltune.measure.tasks import lint, prompt, simplification, xcsqa, xquad
from babeltune.records import chat_prompt
from calls import Call


@pytest.fixture
def prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the bundled prompts, to break."""

    def forget() -> None:
        prompt.template.cache_clear()
        prompt.words.cache_clear()

    forget()
    copy = shutil.copytree(prompt.FOLDER, tmp_path / "prompts")
    monkeypatch.setattr(prompt, "FOLDER", copy)
    yield copy
    forget()


class Splitter:
    """A tokenizer that cuts at a character; an id is a piece."""

    def __init__(self, at: str, end: str | None = None) -> None:
        self.at, self.eos_token_id = at, end

    def __call__(self, text: str) -> dict[str, list[str]]:
        return {"input_ids": text.split(self.at) + ([self.eos_token_id] if self.eos_token_id else [])}


Use = Callable[[Splitter], None]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    return lambda tokenizer: monkeypatch.setattr(lint_prompts, "_tokenizer", lambda model, download: tokenizer)


def row(out: str, code: str) -> list[str]:
    (line,) = (line for line in out.splitlines() if line.split()[:1] == [code])
    return line.split()[2:]


def test_the_bundled_prompts_have_no_problem(babeltune: Call) -> None:
    said = babeltune("lint-prompts")
    assert said.code == 0, said.err
    assert f"{len(lint.files())} prompt files, no problem." in said.out
    assert row(said.out, "de") == ["ok", "ok", "ok", "ok"]
    assert row(said.out, "ja") == ["-", "-", "ok", "-"]
    assert said.err == ""


def test_tasks_and_languages_can_be_chosen(babeltune: Call) -> None:
    said = babeltune("lint-prompts", "--task", "xquad", "--task", "xnli", "--language", "de", "--language", "fr")
    assert said.code == 0
    assert row(said.out, "de") == ["ok", "ok"]
    assert row(said.out, "fr") == ["-", "ok"]
    assert "3 prompt files" in said.out
    assert "1 prompt file, no problem" in babeltune("lint-prompts", "--task", "xquad", "--language", "de").out


def test_unknown_tasks_and_languages_are_told_together_with_those_there_are(babeltune: Call) -> None:
    said = babeltune("lint-prompts", "--task", "xcqa", "--task", "simplification", "--language", "ger")
    assert said.code == 2
    assert said.out == ""
    assert "there are no prompts of 'xcqa'. There are prompts of: simplification, xquad, xcsqa, xnli" in said.words
    assert "no prompt in 'ger'. There are prompts in: en, de, fr, ru, it, pt, sl. Did you mean 'de'" in said.words


def test_a_language_that_a_task_does_not_have_is_told(babeltune: Call) -> None:
    said = babeltune("lint-prompts", "--task", "simplification", "--language", "zh")
    assert said.code == 2
    assert "there is no prompt in 'zh'" in said.words
    assert "Did you mean" not in said.words


def test_problems_of_all_files_are_counted_and_listed_with_what_to_do(babeltune: Call, prompts: Path) -> None:
    german, chinese = prompts / "xquad" / "de.yaml", prompts / "xcsqa" / "zh.yaml"
    german.write_text(german.read_text().replace("„", "‹ ").replace("Hinweis:", "Hinweis :"), encoding="utf-8")
    chinese.write_text(chinese.read_text().replace("{E}", "{F}"), encoding="utf-8")
    said = babeltune("lint-prompts")
    assert said.code == 2
    assert row(said.out, "de") == ["ok", "3", "ok", "ok"]
    assert row(said.out, "zh") == ["-", "ok", "1", "ok"]
    assert "prompts: 4 problems" in said.err
    assert "prompts/xquad/de.yaml, prefix: holds '‹'" in said.err
    assert "German has »…« or „…“; straight ones will do; one kind in a file." in said.err
    assert "prompts/xcsqa/zh.yaml, prompt: has '{F}', which it does not know; lacks {E}" in said.err
    assert "no problem" not in said.out


@pytest.mark.parametrize("task", [simplification, xquad, xcsqa])
def test_a_test_that_does_not_begin_as_training_is_a_problem(
    babeltune: Call, monkeypatch: pytest.MonkeyPatch, task: object
) -> None:
    monkeypatch.setattr(task, "chat_prompt", lambda asked: chat_prompt(f"{asked}\n"))
    name = task.__name__.rsplit(".", 1)[-1]  # type: ignore[attr-defined]
    said = babeltune("lint-prompts", "--language", "en")
    assert said.code == 2
    assert "prompts: 1 problem\n" in said.err
    assert f"prompts/{name}/en.yaml: a test sends" in said.err
    assert "\\n### Assistant:" in said.err


def test_a_tokenizer_that_splits_a_test_as_training_says_so(babeltune: Call, model_folder: Path) -> None:
    said = babeltune("lint-prompts", "--language", "en", "--language", "zh", "--model", model_folder)
    assert said.code == 0, said.err
    assert f"{model_folder}: 5 of 5 tests begin token by token as training does." in said.out
    assert "note:" not in said.out


def test_a_quotation_mark_that_merges_with_the_answer_is_noted(babeltune: Call, use: Use) -> None:
    use(Splitter(" "))
    said = babeltune("lint-prompts", "--task", "xquad", "--task", "xcsqa", "--language", "de", "--model", "spaces")
    assert said.code == 0
    for task in ("xquad", "xcsqa"):
        assert f"note: {task}, last token of a test not as in training by spaces" in said.out
    assert "merges with the answer: de" in said.out
    assert "spaces: 0 of 2 tests" in said.out


def test_a_tokenizer_that_merges_over_the_marker_is_a_problem(babeltune: Call, use: Use) -> None:
    use(Splitter("\n"))
    said = babeltune("lint-prompts", "--language", "de", "--model", "lines")
    assert said.code == 2
    for task in ("simplification", "xquad", "xcsqa"):
        assert f"prompts/{task}/de.yaml: the tokens of a test, 1 from its end on, are not those of training" in said.err
    assert row(said.out, "de") == ["1", "1", "1", "ok"]


def test_a_tokenizer_that_ends_every_text_is_a_problem(babeltune: Call, use: Use) -> None:
    use(Splitter(" ", end="</s>"))
    said = babeltune("lint-prompts", "--task", "xquad", "--language", "de", "--model", "ended")
    assert said.code == 2
    assert "ends a test with its end token" in said.err


@pytest.mark.parametrize(("model", "code", "why"), [("nothing", 1, "there is no model 'nothing'"), ("", 2, "--model")])
def test_a_model_that_is_not_there_is_told(babeltune: Call, model: str, code: int, why: str) -> None:
    said = babeltune("lint-prompts", "--model", model)
    assert said.code == code
    assert why in said.words


def test_a_folder_without_a_tokenizer_is_told(babeltune: Call, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    said = babeltune("lint-prompts", "--language", "de", "--model", tmp_path)
    assert said.code == 1
    assert "its tokenizer cannot be loaded" in said.words


def test_prompts_without_a_chat_format_are_not_compared(babeltune: Call, use: Use) -> None:
    use(Splitter("\n"))
    said = babeltune("lint-prompts", "--task", "xnli", "--model", "lines")
    assert said.code == 0
    assert "tests begin" not in said.out


@pytest.mark.slow
def test_the_bundled_model_reads_every_test_as_training(babeltune: Call) -> None:
    said = babeltune("lint-prompts", "--model", "smollm2-135m")
    assert said.code == 0, said.err
    compared = sum(task != "xnli" for task, _ in lint.files())
    assert f"{compared} of {compared} tests begin token by token" in said.out
