"""The study files: each opens offline, is what its header says, and takes what its header expects."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from babeltune.finetune.recipe import PRESETS
from babeltune.languages import PAPER_LANGUAGES
from babeltune.study.spec.mixes import makeup_of
from babeltune.study.spec.study import Study
from calls import Call

FOLDER = Path(__file__).parents[2] / "studies"
STUDIES = sorted(FOLDER.glob("*.yaml"))
ASKING = ("native-vs-translated", "direct-vs-translated-judge", "fixed-budget", "fixed-languages")
"""Those that ask a judge and a translator."""
pytestmark = pytest.mark.usefixtures("hub")
PAPER = ("llama2-7b", "llama2-70b", "llama3-8b", "falcon-7b", *ASKING)
LADDER = ("mono", "multi-2", "multi-3", "multi-4", "multi-5", "multi-6")


def study(name: str) -> Study:
    return Study.model_validate(yaml.safe_load((FOLDER / f"{name}.yaml").read_text()))


def header(path: Path) -> str:
    return path.read_text().partition("\nstudy:")[0]


def makeups(name: str) -> dict[str, dict[str, int]]:
    found = study(name)
    return {mix: dict(makeup_of(mix, form, found.mixing).counts) for mix, form in found.mixes.items()}


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_is_planned_offline(babeltune: Call, path: Path, tmp_path: Path, hub: Path) -> None:
    said = babeltune("plan", path, "--runs", tmp_path / "runs", "--gpu", "h100")
    assert (said.code, said.err) == (0, "")
    assert f"study {path.stem}: " in said.out
    assert "h100: tuning takes " in said.out
    assert " GiB (it has" not in said.out
    assert not (tmp_path / "runs").exists()
    assert not hub.exists()
    assert max(map(len, path.read_text().splitlines())) <= 120


@pytest.mark.parametrize("name", PAPER)
def test_a_header_expects_what_the_plan_estimates(babeltune: Call, name: str, tmp_path: Path) -> None:
    said = header(FOLDER / f"{name}.yaml")
    expected = re.search(
        r"# Expected, in hours of one ([\w-]+): tuning (.+), generation (.+) if every answer ran to its", said
    )
    assert expected is not None
    gpu, tuning, generation = expected.groups()
    printed = babeltune("plan", FOLDER / f"{name}.yaml", "--runs", tmp_path / "runs", "--gpu", gpu).out
    assert f" GiB and {tuning}; generation " in printed
    assert f" GiB and {generation} if every answer ran to its limit" in printed
    disk = re.search(r"# On disk: (.+?) \(", said.replace("\n# outputs", " outputs"), re.DOTALL)
    assert disk is not None
    assert f"on disk: {disk[1]}\n" in printed


@pytest.mark.parametrize("name", PAPER)
def test_a_study_of_the_paper_is_tuned_as_the_authors_did_but_for_the_type(name: str) -> None:
    found = study(name)
    assert found.study == name
    assert found.dtype == "bfloat16"
    assert found.recipe.autocast == "none"
    assert found.seeds == (0, 42, 723)
    as_run = PRESETS["as-run"]
    assert {
        field: getattr(found.recipe, field) for field in ("steps", "batch", "teach_eos", "rank", "learning_rate")
    } == {field: getattr(as_run, field) for field in ("steps", "batch", "teach_eos", "rank", "learning_rate")}
    assert (found.label.identifier, found.mixing.protocol, found.engine) == ("openlid", "as-run", "vllm")
    assert found.chats.revision is not None


@pytest.mark.parametrize(
    ("name", "model", "mixes", "tasks"),
    [
        ("llama2-7b", "meta-llama/Llama-2-7b-hf", (*LADDER, "guanaco"), {"dialogue", "xquad", "xcsqa", "xnli"}),
        ("falcon-7b", "tiiuae/falcon-7b", (*LADDER, "guanaco"), {"dialogue", "xquad", "xcsqa", "xnli"}),
        ("llama2-70b", "meta-llama/Llama-2-70b-hf", LADDER, {"dialogue"}),
        ("llama3-8b", "meta-llama/Meta-Llama-3-8B", LADDER, {"dialogue"}),
    ],
)
def test_the_four_models_are_asked_what_the_paper_asks(
    name: str, model: str, mixes: tuple[str, ...], tasks: set[str]
) -> None:
    found = study(name)
    assert [one.id for one in found.models] == [model]
    assert tuple(found.mixes) == mixes
    assert set(found.tasks.asked) == tasks
    assert set(found.tasks.asked["dialogue"].languages) == set(PAPER_LANGUAGES)
    assert makeups(name)["multi-6"] == {"en": 2200, **dict.fromkeys(("es", "ru", "de", "zh", "fr"), 200)}


def test_a_budget_is_shared_among_ever_more_languages() -> None:
    """Appendix H: 400 other chats; in the authors' code 133 each over three."""
    found = makeups("fixed-budget")
    others = {mix: {code: n for code, n in counts.items() if code != "en"} for mix, counts in found.items()}
    assert others == {
        "mono": {},
        "multi-2-of-400": {"es": 400},
        "multi-3-of-400": {"es": 200, "ru": 200},
        "multi-4-of-400": dict.fromkeys(("es", "ru", "de"), 133),
        "multi-5-of-400": dict.fromkeys(("es", "ru", "de", "zh"), 100),
        "multi-6-of-400": dict.fromkeys(("es", "ru", "de", "zh", "fr"), 80),
    }
    assert {sum(counts.values()) for counts in found.values()} == {3200}


def test_languages_stay_while_their_chats_become_more() -> None:
    """Appendix H: Multi-3 with N = 5 to 500, Multi-2 with N = 50 to 1,000."""
    found = makeups("fixed-languages")
    assert {sum(counts.values()) for counts in found.values()} == {3200}
    three = [counts for counts in found.values() if set(counts) == {"en", "es", "ru"}]
    two = [counts for counts in found.values() if set(counts) == {"en", "es"}]
    assert [counts["es"] for counts in three] == [counts["ru"] for counts in three] == [5, 10, 25, 50, 100, 200, 500]
    assert [counts["es"] for counts in two] == [50, 100, 200, 300, 400, 1000]


@pytest.mark.parametrize("name", ASKING)
def test_who_is_asked_is_priced_and_estimated(babeltune: Call, name: str, tmp_path: Path) -> None:
    found = study(name)
    assert found.judge is not None
    assert found.translator is not None
    assert found.judge.model in found.prices
    said = babeltune("plan", FOLDER / f"{name}.yaml", "--runs", tmp_path / "runs").words
    dollars = {
        role: re.search(rf"{role} gpt-3.5-turbo-1106: ([\d,]+) calls.*?about \$([\d.,]+)", said)
        for role in ("judge", "translator")
    }
    assert all(dollars.values())


def test_twins_stand_beside_the_native_mixes_of_the_same_makeup() -> None:
    """Section 5.1: what is compared differs in where the chats come from, and in nothing else."""
    found = makeups("native-vs-translated")
    for n in range(2, 7):
        assert found[f"twin-{n}"] == found[f"multi-{n}"]
    assert {sum(counts.values()) for counts in found.values()} == {3200}


def test_a_call_of_the_judge_costs_what_it_cost_the_authors(babeltune: Call, tmp_path: Path) -> None:
    """Their notebook: 412.54 dollars for 362,881 calls, at 1 and 2 dollars a million tokens."""
    said = babeltune("plan", FOLDER / "native-vs-translated.yaml", "--runs", tmp_path / "runs").words
    found = re.search(r"judge gpt-3.5-turbo-1106: ([\d,]+) calls.*?about \$([\d.,]+)", said)
    assert found is not None
    calls, dollars = (float(figure.replace(",", "")) for figure in found.groups())
    assert dollars / calls == pytest.approx(412.54 / 362_881, rel=0.05)


def test_the_files_are_those_that_are_known_here() -> None:
    named = {path.stem for path in STUDIES}
    assert {*PAPER, "pocket", "pocket-tasks"} <= named
