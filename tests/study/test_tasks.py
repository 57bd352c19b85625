"""Studies of all five tasks: where items come from, what is asked, and whole runs with a tiny random model."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from babeltune.data import identify
from babeltune.data.sources import POCKET
from babeltune.errors import ItemsError, StoreError
from babeltune.generate.journal import read_outputs
from babeltune.hub import HubSet
from babeltune.measure import summary
from babeltune.measure.pools import Scored, pools
from babeltune.measure.statistics.intervals import Resampling, mean
from babeltune.measure.tasks import xcsqa, xnli, xquad
from babeltune.records import STOP, Cell, Metric, Sampling, Score, Task
from babeltune.report.results import TITLES
from babeltune.study import tasks
from babeltune.study.artefacts import JOURNAL, OUTPUTS, SCORES, read_lines
from babeltune.study.check import Opened, open_study
from babeltune.study.executors import local
from babeltune.study.session import Event
from babeltune.study.spec.findings import StatisticsSpec
from babeltune.study.spec.tasks import TASK_SPECS, AnyTaskSpec, SamplingSpec
from babeltune.study.steps.reporting import load_results
from doubles import bare_model, study_file
from opening import silent

STUDY = SamplingSpec(temperature=0.8, top_p=0.9, max_tokens=50)
OWN = {"xquad": xquad.HUB, "xcsqa": xcsqa.HUB, "xnli": xnli.HUB}
COMMIT = "c" * 40


def spec(name: str, **fields: Any) -> AnyTaskSpec:
    return TASK_SPECS[name].model_validate({"languages": ["en", "de"], **fields})


def made(name: str, **fields: Any) -> Task:
    given = spec(name, **fields)
    return tasks.make(name, given, identify.identifier("lid176"), tasks.sampling(given, STUDY))


# Where items come from


@pytest.mark.parametrize("name", TASK_SPECS)
def test_pocket_is_the_default_and_a_path_is_a_path(name: str, tmp_path: Path) -> None:
    assert tasks.place(name, spec(name)) == POCKET / name
    assert tasks.place(name, spec(name, items=str(tmp_path))) == tmp_path
    assert tasks.place(name, spec(name, items="./nowhere")) == Path("nowhere")
    assert tasks.place(name, spec(name, items="~/nowhere")) == Path.home() / "nowhere"
    assert tasks.place(name, spec(name, items="mine/items.jsonl")) == Path("mine/items.jsonl")


@pytest.mark.parametrize("name", OWN)
def test_the_hub_is_the_tasks_own_set_at_its_commit_unless_another_is_named(name: str) -> None:
    own = OWN[name]
    assert tasks.place(name, spec(name, items="hub")) == HubSet(own.id, own.revision)
    assert tasks.place(name, spec(name, items=own.id)) == HubSet(own.id, own.revision)
    assert tasks.place(name, spec(name, items="hub", revision="dev")) == HubSet(own.id, "dev")
    assert tasks.place(name, spec(name, items=own.id, revision="dev")) == HubSet(own.id, "dev")
    # The commit is that of the own set; another set has none of it.
    assert tasks.place(name, spec(name, items="some-org/some-set")) == HubSet("some-org/some-set")
    assert tasks.place(name, spec(name, items="some-org/some-set", revision="dev")) == HubSet(
        "some-org/some-set", "dev"
    )


@pytest.mark.parametrize("name", TASK_SPECS)
def test_what_is_not_on_the_hub_is_never_fetched(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def looked(*args: object, **named: object) -> None:
        pytest.fail("looked for a hub set")

    monkeypatch.setattr("babeltune.hub.snapshot", looked)
    assert tasks.fetched(name, spec(name), "en", download=True) is None
    assert tasks.fetched(name, spec(name, items="./nowhere"), "en", download=False) is None


def hub_rows(name: str, count: int) -> list[dict[str, Any]]:
    """Rows in the columns of the sets on the hub."""
    if name == "xquad":
        answers = {"text": ["nine"], "answer_start": [8]}
        row: dict[str, Any] = {"context": "Tea for nine guests.", "question": "For how many?", "answers": answers}
        return [{"id": f"q{at}", **row} for at in range(count)]
    if name == "xcsqa":
        choices = {"label": list("ABCDE"), "text": ["tea", "milk", "water", "wine", "juice"]}
        return [
            {
                "id": f"c{at}",
                "lang": "en",
                "question": {"stem": "What do cows give?", "choices": choices},
                "answerKey": "B",
            }
            for at in range(count)
        ]
    return [{"premise": "It rains.", "hypothesis": f"Day {at} is wet.", "label": at % 3} for at in range(count)]


def cached(hub: Path, id_: str, commit: str, branch: str | None = None, **files: list[dict[str, Any]]) -> Path:
    """A set as the hub's cache holds it; ``files`` are named by their path without the suffix."""
    home = hub / f"datasets--{id_.replace('/', '--')}"
    folder = home / "snapshots" / commit
    for name, rows in files.items():
        path = folder / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pl.DataFrame(rows).write_parquet(path)
    if branch:
        (home / "refs").mkdir(exist_ok=True)
        (home / "refs" / branch).write_text(commit)
    return folder


FILES = {
    "xquad": "xquad.{}/validation-00000-of-00001",
    "xcsqa": "X-CSQA-{}/validation-00000-of-00001",
    "xnli": "{}/test-00000-of-00001",
}


@pytest.mark.parametrize("name", OWN)
def test_hub_items_are_read_from_the_cache_and_what_it_lacks_is_named(name: str, hub: Path) -> None:
    own = OWN[name]
    asked = spec(name, items="hub")
    revision = f"at {own.revision[:12]}" if own.revision else "at its newest revision"
    need = tasks.fetched(name, asked, "en", download=False)
    assert need is not None
    assert need.startswith(f"{own.id} {revision}")
    assert not hub.exists()
    files = {FILES[name].format("en"): hub_rows(name, 4), FILES[name].format("ru"): hub_rows(name, 2)}
    cached(hub, own.id, own.revision or COMMIT, "main", **files)
    assert tasks.fetched(name, asked, "en", download=False) is None
    assert tasks.fetched(name, asked, "ru", download=False) is None
    assert tasks.fetched(name, asked, "de", download=False) is not None  # its file is not there
    task = made(name, items="hub")
    assert [len(task.items(code, "xx:xx")) for code in ("en", "ru")] == [4, 2]
    rows = task.items("en", "xx:xx")
    drawn = sorted(np.random.RandomState(42).permutation(4)[:3])
    assert made(name, items="hub", sample=3).items("en", "xx:xx") == [rows[at] for at in drawn]
    # Another revision is another snapshot.
    other = spec(name, items="hub", revision="dev")
    assert "at dev" in (tasks.fetched(name, other, "en", download=False) or "")
    cached(hub, own.id, "d" * 40, "dev", **{FILES[name].format("en"): hub_rows(name, 1)})
    assert tasks.fetched(name, other, "en", download=False) is None
    assert len(made(name, items="hub", revision="dev").items("en", "xx:xx")) == 1


def test_hub_items_ask_what_the_same_items_in_a_file_ask(hub: Path, tmp_path: Path) -> None:
    rows = hub_rows("xcsqa", 3)
    cached(hub, xcsqa.HUB.id, COMMIT, "main", **{FILES["xcsqa"].format("en"): rows})
    (tmp_path / "en.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sets = []
    for place in ("hub", str(tmp_path), str(tmp_path / "en.jsonl")):
        task = made("xcsqa", items=place)
        sets.append(tasks.item_set(task, task.items("en", "xx:xx")))
    assert sets[0] == sets[1] == sets[2]
    assert sets[0].count == 3


def test_japanese_of_xcsqa_is_found_under_the_name_that_the_set_gives_it(hub: Path) -> None:
    cached(hub, xcsqa.HUB.id, COMMIT, "main", **{FILES["xcsqa"].format("jap"): hub_rows("xcsqa", 2)})
    assert tasks.fetched("xcsqa", spec("xcsqa", items="hub"), "ja", download=False) is None
    assert len(made("xcsqa", items="hub").items("ja", "xx:xx")) == 2


def test_dialogue_is_read_from_any_hub_set_by_language_and_split(hub: Path) -> None:
    rows = [{"id": str(at), "prompt": f"How far is it to town number {at}?"} for at in range(3)]
    cached(hub, "some-org/prompts", COMMIT, "main", **{"en/dev-00000-of-00001": rows})
    fields = {"items": "some-org/prompts", "split": "dev"}
    assert tasks.fetched("dialogue", spec("dialogue", **fields), "en", download=False) is None
    assert [item.id for item in made("dialogue", **fields).items("en", "xx:xx")] == ["0", "1", "2"]
    assert tasks.fetched("dialogue", spec("dialogue", items="some-org/prompts"), "en", download=False) is not None


def test_a_download_without_the_network_is_an_error_and_not_a_need(hub: Path) -> None:
    with pytest.raises(ItemsError, match="cannot be fetched"):
        tasks.fetched("xquad", spec("xquad", items="hub"), "en", download=True)


# What is asked


@pytest.mark.parametrize("name", TASK_SPECS)
def test_english_has_one_prompting(name: str) -> None:
    both = name in ("simplification", "xquad")
    assert tasks.promptings(spec(name), "de") == (("xx:xx", "en:xx") if both else ("xx:xx",))
    assert tasks.promptings(spec(name), "en") == ("xx:xx",)
    if both:
        assert tasks.promptings(spec(name, promptings=["en:xx"]), "de") == ("en:xx",)
        assert tasks.promptings(spec(name, promptings=["en:xx"]), "en") == ("xx:xx",)
        task = made(name)
        en, own = (task.items("de", prompting) for prompting in ("en:xx", "xx:xx"))
        assert [item.id for item in en] == [item.id for item in own]
        assert [item.references for item in en] == [item.references for item in own]
        assert all(one.prompt != other.prompt for one, other in zip(en, own, strict=True))


def test_questions_are_all_but_greedy_and_the_rest_samples_as_the_study_does() -> None:
    warm = {name: tasks.sampling(spec(name), STUDY).temperature for name in TASK_SPECS if name != "xnli"}
    assert warm == {"dialogue": 0.8, "simplification": 0.8, "xquad": 0.001, "xcsqa": 0.001}
    for name in warm:
        found = tasks.sampling(spec(name), STUDY)
        assert (found.top_p, found.max_tokens) == (0.9, 50)


@pytest.mark.parametrize("name", ["dialogue", "simplification", "xquad", "xcsqa"])
def test_a_tasks_own_sampling_goes_over_the_studys_up_to_the_request(name: str) -> None:
    own = {"temperature": 0.3, "max_tokens": 7}
    assert tasks.sampling(spec(name, sampling=own), STUDY) == SamplingSpec(temperature=0.3, top_p=0.9, max_tokens=7)
    task = made(name, sampling=own)
    drawn = task.request(task.items("en", "xx:xx")[0]).sampling
    assert (drawn.temperature, drawn.top_p, drawn.max_tokens, drawn.stop) == (0.3, 0.9, 7, STOP)


@pytest.mark.parametrize("name", ["xquad", "xcsqa"])
def test_questions_stay_all_but_greedy_where_only_another_field_is_given(name: str) -> None:
    assert tasks.sampling(spec(name, sampling={"max_tokens": 7}), STUDY).temperature == 0.001


def test_inference_is_ranked_with_the_words_that_the_study_names() -> None:
    harness, corrected = (made("xnli", words=words) for words in ("harness", "corrected"))
    assert harness.ranks
    sets = {}
    for code in ("en", "de", "fr", "es", "ru", "zh"):
        pairs = [task.items(code, "xx:xx") for task in (harness, corrected)]
        assert [item.references for item in pairs[0]] == [item.references for item in pairs[1]]
        sets[code] = [tasks.item_set(harness, some) for some in pairs]
        assert sets[code][0].scored == sets[code][1].scored
        same = [item.candidates for item in pairs[0]] == [item.candidates for item in pairs[1]]
        assert (sets[code][0].asked == sets[code][1].asked) == same
    assert any(one.asked != two.asked for one, two in sets.values())
    request = harness.request(harness.items("de", "xx:xx")[0])
    assert (len(request.candidates), request.prompt, request.sampling) == (3, "", Sampling())


@pytest.mark.parametrize("name", TASK_SPECS)
def test_an_item_set_sees_what_is_asked_and_what_is_scored_apart(name: str) -> None:
    task = made(name, sample=3)
    items = task.items("de", "xx:xx")
    before = tasks.item_set(task, items)
    assert before == tasks.item_set(task, list(items))
    other = dataclasses.replace(items[0], references=("something else",))
    after = tasks.item_set(task, [other, *items[1:]])
    assert (after.asked == before.asked, after.scored == before.scored) == (True, False)
    fields: Mapping[str, Any] = (
        {"candidates": ("a", "b", "c")} if task.ranks else {"prompt": "x", "source": items[0].subject}
    )
    after = tasks.item_set(task, [dataclasses.replace(items[0], **fields), *items[1:]])
    assert (after.asked == before.asked, after.scored == before.scored) == (False, True)
    turned = tasks.item_set(task, items[::-1])
    assert turned.asked != before.asked
    assert turned.scored != before.scored
    assert tasks.item_set(task, items[:2]).count == 2


# Seeds are pooled by item in products and corpora as they are in means


def product(rows: Mapping[str, list[tuple[float, float]]]) -> summary.Row:
    """One cell a seed, of a product of two values."""
    metric = Metric("product", 100, factors=("a", "b"))
    seeds = max(map(len, rows.values()))
    scored = [
        Scored(
            Cell("m", "mono", 0, "simplification", "de", "xx:xx", seed),
            tuple(Score(item, dict(zip("ab", values[seed], strict=True))) for item, values in rows.items()),
            "adapter",
            "items",
        )
        for seed in range(seeds)
    ]
    (row,) = summary.rows(pools(scored), {"simplification": [metric]}, "lid176")
    return row


def test_more_seeds_that_say_the_same_narrow_no_product() -> None:
    one = product({str(at): [(10.0 * at, float(at % 2))] for at in range(9)})
    three = product({str(at): [(10.0 * at, float(at % 2))] * 3 for at in range(9)})
    assert (three.value, three.low, three.high) == pytest.approx((one.value, one.low, one.high), abs=1e-9)
    assert one.value == pytest.approx(40 * 4 / 9)
    assert one.n == three.n == 9


def test_a_product_with_a_constant_factor_is_the_mean_of_the_other() -> None:
    values = {str(at): [(at / 8, 1.0)] for at in range(9)}
    row = product({item: [(100 * a, b) for a, b in pairs] for item, pairs in values.items()})
    plain = mean({item: [a for a, _ in pairs] for item, pairs in values.items()})
    assert (row.value, row.low, row.high) == pytest.approx((100 * plain.value, 100 * plain.low, 100 * plain.high))


# Whole runs

FIVE: dict[str, Any] = {
    "dialogue": {"split": "dev", "languages": ["en", "de"], "sample": 3},
    "simplification": {"languages": ["en", "de"], "sample": 2},
    "xquad": {"languages": ["en", "de"], "sample": 2, "sampling": {"temperature": 0.001, "max_tokens": 4}},
    "xcsqa": {"languages": ["en", "de"], "sample": 2, "sampling": {"temperature": 0.001, "max_tokens": 3}},
    "xnli": {"languages": ["en", "de"], "sample": 3},
}
OUTPUTS_OF = {"dialogue": 2 * 3, "simplification": 3 * 2, "xquad": 3 * 2, "xcsqa": 2 * 2, "xnli": 2 * 3}
TOTAL = 3 * sum(OUTPUTS_OF.values())  # under the base and two mixes
KEPT = (OUTPUTS, SCORES, "rows.jsonl", "verdicts.jsonl", "results.csv", "tables.md", "index.html", "figure-1.svg")
GENERATED = ("label", "mix", "proof", "card", "tune", "generate")


class StoppedError(Exception):
    """Raised in the middle of a run."""


@pytest.fixture(scope="module")
def quick() -> Iterator[None]:
    """Few resamples, in each of which a corpus is scored anew, and one thread: nothing that is tested here."""
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StatisticsSpec, "how", Resampling(resamples=100))
        yield
    torch.set_num_threads(threads)


def five(folder: Path, model: Path, asked: Mapping[str, Any] = FIVE, **changes: Any) -> Opened:
    recipe = {"rank": 2, "alpha": 8, "learning_rate": 0.1, "epochs": 1, "batch": 4, "max_tokens": 200}
    content: dict[str, Any] = {
        "tasks": dict(asked),
        "recipe": recipe,
        "mixes": {"mono": {"en": 8}, "multi-2": {"en": 4, "es": 4}},
        "sampling": {"max_tokens": 5},
        "execution": {"device": "cpu", "batch_size": 2, "threads": 1},
    }
    return open_study(study_file(folder, model, **{**content, **changes}), folder / "runs")


def kept(runs: Path) -> dict[str, bytes]:
    """What a run makes of its cells, by place; records differ in their times only."""
    return {str(path.relative_to(runs)): path.read_bytes() for path in runs.rglob("*") if path.name in KEPT}


def outputs(runs: Path) -> dict[str, bytes]:
    return {place: content for place, content in kept(runs).items() if place.endswith(OUTPUTS)}


@pytest.fixture(scope="module")
def whole(model_folder: Path, tmp_path_factory: pytest.TempPathFactory, quick: None) -> tuple[Opened, list[Event]]:
    """An undisturbed run of all five tasks, and what it told."""
    opened = five(tmp_path_factory.mktemp("whole"), model_folder)
    events: list[Event] = []
    local.run(opened, events.append)
    return opened, events


def copied(whole: Opened, folder: Path, *, but: tuple[str, ...] = ()) -> Path:
    """The runs of the undisturbed run, without some rooms."""
    target = folder / "runs" / whole.store.root.name
    target.parent.mkdir()
    shutil.copytree(whole.store.root, target, ignore=lambda at, names: but if Path(at) == whole.store.root else ())
    return folder / "runs"


def interrupt(after: int) -> Callable[[Event], None]:
    """Raises at so many events of the generation."""
    seen = 0

    def tell(event: Event) -> None:
        nonlocal seen
        seen += event.kind == "generate"
        if seen == after:
            raise StoppedError

    return tell


def test_every_step_is_done_and_a_second_run_does_nothing(
    whole: tuple[Opened, list[Event]], model_folder: Path
) -> None:
    opened, _ = whole
    again = five(opened.store.root.parents[1], model_folder)
    assert again.store.done(again.plan.steps) == set(again.plan.by_key)
    before = {path: path.stat().st_mtime_ns for path in opened.store.root.rglob("*") if path.is_file()}
    assert local.run(again, lambda event: pytest.fail("something was run")).steps == 0
    assert {path: path.stat().st_mtime_ns for path in opened.store.root.rglob("*") if path.is_file()} == before
    assert not list(opened.store.root.rglob("*.partial"))
    assert not list(opened.store.root.rglob(JOURNAL))


def test_work_is_what_was_generated_and_progress_counts_to_it(whole: tuple[Opened, list[Event]]) -> None:
    opened, events = whole
    steps = opened.plan.of("generate")
    for name, count in OUTPUTS_OF.items():
        assert sum(step.work for step in steps if step.cell and step.cell.task == name) == 3 * count
    assert sum(step.work for step in steps) == TOTAL
    told = [event for event in events if event.kind == "generate"]
    assert [(event.done, event.total) for event in told] == [(at, TOTAL) for at in range(TOTAL + 1)]
    for step in steps:
        found = read_outputs(opened.store.open(step) / OUTPUTS)
        assert len(found) == step.work
        assert {output.finish == "ranked" for output in found} == {step.cell is not None and step.cell.task == "xnli"}


def test_results_have_rows_of_each_task_metric_language_and_prompting(whole: tuple[Opened, list[Event]]) -> None:
    opened, _ = whole
    table = pl.read_csv(opened.store.path(opened.plan.of("report")[0]) / "results.csv")
    found = set(table.select("mix", "task", "language", "prompting", "metric").iter_rows())
    assert len(found) == len(table)
    for name in FIVE:
        metrics = {one.name for one in made(name).metrics} - {"word-pass"}  # of scripts other than Latin
        cells = [("en", "xx:xx"), ("de", "xx:xx")]
        cells += [("de", "en:xx")] if name in ("simplification", "xquad") else []
        expected = {(mix, name, *cell, one) for mix in ("base", "mono", "multi-2") for cell in cells for one in metrics}
        there = {row for row in found if row[1] == name}
        # A random model writes no line of five words, so that of lines and words nothing is known.
        assert expected - there <= {row for row in expected if row[-1] == "line-pass"}
        assert there - expected <= {row for row in there if row[-1] == "word-pass"}
    sizes = dict(table.filter(metric="accuracy").group_by("metric").agg(pl.col("n").unique()).iter_rows())
    assert sizes == {"accuracy": [3]}
    scored = table.filter(pl.col("value").is_not_null())
    assert scored.filter(
        (pl.col("low") > pl.col("value") + 1e-9) | (pl.col("high") < pl.col("value") - 1e-9)
    ).is_empty()


def test_the_report_has_a_table_of_each_task_and_prompting(whole: tuple[Opened, list[Event]]) -> None:
    opened, _ = whole
    folder = opened.store.path(opened.plan.of("report")[0])
    assert (folder / "figure-1.svg").exists()
    tables, page = ((folder / name).read_text() for name in ("tables.md", "index.html"))
    for board in load_results(opened).boards("tiny"):
        assert f"### {board.heading}\n" in tables
    for name in FIVE:
        assert TITLES[name] in page
    assert "English instructions (en:xx)" in page


def test_tuned_cells_differ_from_base_ones(whole: tuple[Opened, list[Event]]) -> None:
    opened, _ = whole
    texts: dict[tuple[str, str], list[object]] = {}
    for step in opened.plan.of("generate"):
        assert step.cell is not None
        found = read_outputs(opened.store.open(step) / OUTPUTS)
        texts.setdefault((step.cell.task, step.cell.mix), []).extend((one.text, one.loglikelihoods) for one in found)
    for name in FIVE:
        assert len({repr(texts[name, mix]) for mix in ("base", "mono", "multi-2")}) == 3


def test_the_verdict_is_about_dialogue_where_it_is_asked(whole: tuple[Opened, list[Event]]) -> None:
    opened, _ = whole
    results = load_results(opened)
    (verdict,) = results.headlines
    assert verdict["unseen"] == ["de"]
    judged = results.judged("tiny")
    assert judged is not None
    assert (judged.task, judged.metric, judged.prompting) == ("dialogue", "agreement", "xx:xx")
    cells = results.of("tiny", judged)
    for mix, average in verdict["averages"].items():
        assert average["value"] == pytest.approx(cells[mix, "de"]["value"])
        assert average["n"] == cells[mix, "de"]["n"] == 3


@pytest.mark.parametrize(
    ("names", "judged"),
    [
        (("xnli", "simplification"), "simplification"),
        (("xquad", "xcsqa", "xnli"), None),
        (("xnli",), None),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, tuple) else str(value),
)
def test_with_fewer_tasks_the_cells_are_kept_and_the_verdict_is_of_what_is_left(
    whole: tuple[Opened, list[Event]], model_folder: Path, tmp_path: Path, names: tuple[str, ...], judged: str | None
) -> None:
    copied(whole[0], tmp_path, but=("report",))
    opened = five(tmp_path, model_folder, {name: FIVE[name] for name in names})
    pending = opened.plan.pending(opened.store.done(opened.plan.steps))
    assert {step.kind for step in pending} == {"proof", "card", "summary", "report"}
    local.run(opened, silent)
    results = load_results(opened)
    assert {board.task for board in results.boards("tiny")} == set(names)
    board = results.judged("tiny")
    assert (board.task if board else None) == judged
    assert [verdict["model"] for verdict in results.headlines] == (["tiny"] if judged else [])
    assert {verdict["task"] for verdict in results.verdicts} == set(names)
    if board is not None:
        cells = results.of("tiny", board)
        (verdict,) = results.headlines
        for mix, average in verdict["averages"].items():
            assert average["value"] == pytest.approx(cells[mix, "de"]["value"])
    folder = opened.store.path(opened.plan.of("report")[0])
    assert (folder / "figure-1.svg").exists() == (folder / "figure-1.png").exists() == (judged is not None)
    page = (folder / "index.html").read_text()
    for name in names:
        assert TITLES[name] in page
    assert len(pl.read_csv(folder / "results.csv")) == len(results.rows) > 0


def test_without_its_texts_a_result_is_read_from_the_summary_alone(
    whole: tuple[Opened, list[Event]], model_folder: Path, tmp_path: Path
) -> None:
    copied(whole[0], tmp_path)
    opened = five(tmp_path, model_folder)
    full = load_results(opened)
    for step in opened.plan.of("score"):
        (opened.store.path(step) / SCORES).unlink()
    bare = load_results(opened, texts=False)
    assert dataclasses.replace(full, items=(), curves=()) == bare
    assert len(full.items) == TOTAL
    assert full.items_left_out == 0


def test_the_main_metric_of_each_task_and_prompting_has_a_verdict_and_its_variance_split(
    whole: tuple[Opened, list[Event]],
) -> None:
    results = load_results(whole[0])
    boards = [(one["task"], one["prompting"], one["metric"]) for one in results.verdicts]
    assert boards == [
        ("dialogue", "xx:xx", "agreement"),
        ("simplification", "xx:xx", "sari-weighted"),
        ("simplification", "en:xx", "sari-weighted"),
        ("xquad", "xx:xx", "xquad-paper"),
        ("xquad", "en:xx", "xquad-paper"),
        ("xcsqa", "xx:xx", "xcsqa-first"),
        ("xnli", "xx:xx", "accuracy"),
    ]
    margins = {one["metric"]: one["margin"] for one in results.verdicts}
    assert margins["sari-weighted"] == pytest.approx(4)
    assert margins["agreement"] == margins["accuracy"] == 0.1
    assert {(one["task"], one["metric"]) for one in results.splits} == {
        (task, metric) for task, _, metric in boards if metric != "sari-weighted"
    }
    assert [(one["language"], one["corpus"], one["sampled"]) for one in results.corpora] == [
        ("en", "Pocket", 2), ("de", "Pocket", 2)
    ]  # fmt: skip


def test_simplification_under_english_instructions_alone_gives_no_headline(
    whole: tuple[Opened, list[Event]], model_folder: Path, tmp_path: Path
) -> None:
    copied(whole[0], tmp_path, but=("report",))
    asked = {"simplification": {**FIVE["simplification"], "promptings": ["en:xx"]}}
    opened = five(tmp_path, model_folder, asked)
    local.run(opened, silent)
    results = load_results(opened)
    assert results.headlines == ()  # English has its own instructions; of no other language is there a cell of its own
    assert {(row["language"], row["prompting"]) for row in results.rows} == {("en", "xx:xx"), ("de", "en:xx")}


@pytest.mark.parametrize("after", [1, 2, 34, 3 * (TOTAL // 3 - 6) + 3, TOTAL + 1])
def test_interrupted_in_the_middle_of_generation_it_ends_with_the_same_bytes(
    whole: tuple[Opened, list[Event]], model_folder: Path, tmp_path: Path, after: int
) -> None:
    runs = copied(whole[0], tmp_path, but=("generate", "measure", "report"))
    opened = five(tmp_path, model_folder)
    with pytest.raises(StoppedError):
        local.run(opened, interrupt(after), GENERATED)
    told: list[Event] = []
    local.run(opened, told.append, GENERATED)
    # It goes on at the outputs that are missing.
    assert len(told) - 1 == TOTAL - (after - 1)
    assert [event.done for event in told] == list(range(told[0].done, told[0].total + 1))
    assert outputs(runs) == outputs(whole[0].store.root.parent)


def test_interrupted_again_and_again_it_ends_with_the_same_bytes(
    whole: tuple[Opened, list[Event]], model_folder: Path, tmp_path: Path
) -> None:
    runs = copied(whole[0], tmp_path, but=("generate", "measure", "report"))
    opened = five(tmp_path, model_folder)
    stops = 0
    while True:
        try:
            local.run(opened, interrupt(20))
            break
        except StoppedError:
            stops += 1
    assert stops > 2
    assert kept(runs) == kept(whole[0].store.root.parent)


def test_rescoring_writes_the_same_bytes_and_mends_what_was_damaged(
    whole: tuple[Opened, list[Event]], model_folder: Path, tmp_path: Path
) -> None:
    runs = copied(whole[0], tmp_path)
    opened = five(tmp_path, model_folder)
    before = kept(runs)
    first, second, third, *_ = (opened.store.path(step) for step in opened.plan.of("score"))
    (first / SCORES).write_text("{damaged")
    rows = read_lines(second / SCORES)
    rows[0]["values"] = dict.fromkeys(rows[0]["values"], 0.123)
    (second / SCORES).write_text("".join(json.dumps(row) + "\n" for row in rows))
    shutil.rmtree(third)
    (opened.store.path(opened.plan.of("report")[0]) / "results.csv").unlink()
    assert kept(runs) != before
    events: list[Event] = []
    ran = local.rescore(opened, events.append)
    assert kept(runs) == before
    assert ran.steps == len(opened.plan.of("score")) + 2
    assert {event.kind for event in events} == {"score", "summary", "report"}
    assert not list(runs.rglob("*.partial"))
    assert local.run(opened, silent).steps == 0


def test_rescoring_takes_cells_that_are_answered_and_refuses_missing_ones(
    whole: tuple[Opened, list[Event]], model_folder: Path, tmp_path: Path
) -> None:
    runs = copied(whole[0], tmp_path)
    opened = five(tmp_path, model_folder)
    gone = [step for step in opened.plan.of("generate") if step.cell and step.cell.task == "xnli"][:2]
    for step in gone:
        shutil.rmtree(opened.store.path(step))
    before = kept(runs)
    with pytest.raises(StoreError, match="2 steps are to come"):
        local.rescore(opened, lambda event: pytest.fail("something was scored"))
    assert kept(runs) == before
    # They are answered again, as they were, and their scores are still there.
    assert local.run(opened, silent).steps == 2
    assert kept(runs) == kept(whole[0].store.root.parent)


def test_an_instruction_in_english_alone_needs_none_in_the_language(tmp_path: Path) -> None:
    """XQuAD's prompts have no French."""
    opened = french(tmp_path, "Où est la gare ?")
    assert {(step.cell.language, step.cell.prompting) for step in opened.plan.of("generate") if step.cell} == {
        ("fr", "en:xx")
    }


def french(folder: Path, question: str) -> Opened:
    """A study of French questions under English instructions."""
    model = folder / "model"
    if not model.exists():
        bare_model(model)
    asked = {"id": "1", "question": question, "answers": [{"text": "au sud", "answer_start": 17}]}
    tree = {"data": [{"paragraphs": [{"context": "La gare se trouve au sud.", "qas": [asked]}]}]}
    (folder / "xquad.fr.json").write_text(json.dumps(tree))
    asked_of = {"xquad": {"languages": ["fr"], "items": str(folder), "promptings": ["en:xx"]}}
    return five(folder, model, asked_of)


def test_the_proof_holds_chats_against_items_that_are_asked_under_english_instructions_alone(tmp_path: Path) -> None:
    local.run(french(tmp_path, "Où est la gare ?"), silent, ("label", "mix", "proof"))


def test_the_proof_is_redone_where_items_under_english_instructions_alone_change(tmp_path: Path) -> None:
    one, other = (french(tmp_path, question).plan.of("proof")[0] for question in ("Où est la gare ?", "Où est-elle ?"))
    assert one.fingerprint != other.fingerprint
