"""Mixes of a study file: every form of a mix, every mistake in it, and hints that are true: whoever follows one has a study that opens."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babeltune.data.makeup import Makeup
from babeltune.errors import Problem, StudyError
from babeltune.study.check import Opened, open_study
from babeltune.study.executors.local import run
from babeltune.study.plan import Plan
from doubles import study_file
from opening import only

SMALL = {"size": 60, "each": 8}


def opened(folder: Path, model: Path, mixes: object, **changes: Any) -> Opened:
    path = study_file(folder, model, **{"mixes": mixes, "mixing": SMALL, **changes})
    return open_study(path, folder / "runs")


def made(folder: Path, model: Path, mixes: object, **changes: Any) -> dict[str, Makeup]:
    return dict(opened(folder, model, mixes, **changes).plan.inputs.makeups)


def problems(folder: Path, model: Path, mixes: object, **changes: Any) -> list[Problem]:
    with pytest.raises(StudyError) as caught:
        opened(folder, model, mixes, **changes)
    return list(caught.value.problems)


def written(folder: Path, model: Path, mixes: str, mixing: str = "{size: 60, each: 8}") -> list[Problem]:
    """Problems of a study whose ``mixes:`` stands in line 3 as it is written here."""
    path = folder / "written.yaml"
    path.write_text(
        f"study: written\nmodels: ['{model}']\n{mixes}\nchats: pocket\nmixing: {mixing}\n"
        "tasks: {dialogue: {split: dev, languages: [en]}}\n"
    )
    with pytest.raises(StudyError) as caught:
        open_study(path, folder / "runs")
    return list(caught.value.problems)


# What each form holds, by hand: 60 chats, 8 of each other language, in the order es ru de zh fr.
FORMS: list[tuple[str, object, dict[str, int]]] = [
    ("mono", None, {"en": 60}),
    ("multi-2", None, {"en": 52, "es": 8}),
    ("multi-6", None, {"en": 20, "es": 8, "ru": 8, "de": 8, "zh": 8, "fr": 8}),
    ("counts", {"es": 4, "en": 9}, {"en": 9, "es": 4}),
    ("shares", {"en": 0.5, "de": 0.25, "es": 0.25}, {"en": 30, "de": 15, "es": 15}),
    ("thirds", {"en": 0.33, "de": 0.33, "es": 0.34}, {"en": 20, "de": 20, "es": 20}),
    ("ladder", {"multi": 3}, {"en": 44, "es": 8, "ru": 8}),
    ("each", {"multi": 3, "each": 5}, {"en": 50, "es": 5, "ru": 5}),
    ("budget", {"multi": 4, "budget": 20}, {"en": 40, "es": 7, "ru": 7, "de": 6}),
    ("order", {"multi": 3, "order": ["fr", "de"]}, {"en": 44, "fr": 8, "de": 8}),
    ("one", {"multi": 1}, {"en": 60}),
    # Leave-one-out: the main language keeps what it has beside all five less one, 60 - 4 x 8.
    ("without", {"without": "ru"}, {"en": 28, "es": 8, "de": 8, "zh": 8, "fr": 8}),
    ("pool", {"without": "ru", "pool": ["ru", "es"], "each": 9}, {"en": 51, "es": 9}),
]


@pytest.mark.parametrize(("name", "form", "counts"), FORMS, ids=[form[0] for form in FORMS])
def test_every_form_of_a_mix_holds_what_it_says(
    tmp_path: Path, model: Path, name: str, form: object, counts: dict[str, int]
) -> None:
    found = made(tmp_path, model, {name: form})
    assert dict(found[name].counts) == counts
    assert not found[name].everything
    assert sum(counts.values()) == (13 if name == "counts" else 60)


@pytest.mark.parametrize(("name", "form"), [("guanaco", None), ("whole", {"all": True})])
def test_a_mix_of_every_chat_counts_nothing_beforehand(tmp_path: Path, model: Path, name: str, form: object) -> None:
    plan = opened(tmp_path, model, {name: form}).plan
    assert plan.inputs.makeups[name] == Makeup(everything=True)
    assert plan.of("mix")[0].work == plan.inputs.chat_count == 572  # all bundled chats


def test_all_forms_stand_side_by_side_in_the_order_of_the_file(tmp_path: Path, model: Path) -> None:
    assert list(made(tmp_path, model, {name: form for name, form, _ in reversed(FORMS)})) == [
        name for name, *_ in reversed(FORMS)
    ]


def same(one: Plan, other: Plan) -> bool:
    return [(step.key, step.fingerprint) for step in one.steps] == [
        (step.key, step.fingerprint) for step in other.steps
    ]


def test_the_same_makeup_in_other_words_is_the_same_plan(tmp_path: Path, model: Path) -> None:
    forms: list[object] = [None, {"multi": 2}, {"multi": 2, "each": 8}, {"multi": 2, "budget": 8}]
    forms += [{"multi": 2, "order": ["es"]}, {"en": 52, "es": 8}, {"es": 8, "en": 52}]
    first, *others = (opened(tmp_path, model, {"multi-2": form}).plan for form in forms)
    assert all(same(first, other) for other in others)


XQ = "Known languages: en, de, fr"
MISTAKES = [
    # form, what is wrong: field, what, remedy
    ("{xq: 4}", "mixes.a.xq", "unknown language 'xq'", XQ),
    ("{eng: 4}", "mixes.a.eng", "unknown language 'eng'", "Did you mean 'en' (English)?"),
    ("{en: 0}", "mixes.a.en", "0 is not allowed", "greater than or equal to 1"),
    ("{en: many}", "mixes.a.en", "'many' is not allowed", "integer"),
    ("{}", "mixes.a", "{} is not allowed", "at least 1 item"),
    ("3", "mixes.a", "3 is not allowed", "dictionary"),
    ("{en: 0.5, xq: 0.5}", "mixes.a.xq", "unknown language 'xq'", XQ),
    ("{en: 0.5, es: 0.4}", "mixes.a", "the shares add up to 0.9", "They should add up to 1."),
    ("{en: 0.5, es: 0.6}", "mixes.a", "the shares add up to 1.1", "They should add up to 1."),
    ("{en: 0.5, es: 1}", "mixes.a", "the shares add up to 1.5", "They should add up to 1."),
    ("{en: 0.999, es: 0.001}", "mixes.a", "of 60 chats, es would get none", "Raise the share or mixing.size."),
    ("{en: 1.0, es: 40}", "mixes.a.es", "40 is not allowed", "less than or equal to 1"),
    ("{multi: 3, each: 4, budget: 8}", "mixes.a", "both `each` and `budget` are given", "Keep one of them."),
    ("{multi: 3, ech: 4}", "mixes.a.ech", "unknown field", "Did you mean 'each'?"),
    ("{multi: 3, bugdet: 4}", "mixes.a.bugdet", "unknown field", "Did you mean 'budget'?"),
    ("{multi: 0}", "mixes.a.multi", "0 is not allowed", "greater than or equal to 1"),
    ("{multi: 100}", "mixes.a.multi", "100 is not allowed", "less than or equal to 99"),
    ("{multi: 7}", "mixes.a", "it takes 7 languages, and mixing.main and mixing.order have 6", "Add languages"),
    ("{multi: 3, order: [de]}", "mixes.a", "it takes 3 languages", "Add languages"),
    ("{multi: 3, order: [en, de]}", "mixes.a", "it takes 3 languages", "Add languages"),
    ("{multi: 3, order: [de, de]}", "mixes.a", "a language stands twice in `order`", "Remove one."),
    ("{multi: 3, order: [de, xq]}", "mixes.a.order[1]", "unknown language 'xq'", XQ),
    ("{multi: 3, each: 30}", "mixes.a", "the other languages take 60 of 60 chats", "Raise mixing.size, or ask"),
    ("{multi: 3, budget: 1}", "mixes.a", "1 chats over 2 languages leave some without", "Raise the budget."),
    ("{multi: 1, budget: 9}", "mixes.a", "a budget for other languages, and no other", "`multi` of at least 2."),
    ("{without: xq}", "mixes.a.without", "unknown language 'xq'", XQ),
    ("{without: it}", "mixes.a", "'it' is not among en, es, ru, de, zh, fr", "Name one of them, or set `pool`."),
    ("{without: fr, pool: [es, ru]}", "mixes.a", "'fr' is not among en, es, ru", "Name one of them, or set `pool`."),
    ("{without: es, pool: [es, xq]}", "mixes.a.pool[1]", "unknown language 'xq'", XQ),
    ("{without: es, pols: [es]}", "mixes.a.pols", "unknown field", "Did you mean 'pool'?"),
    ("{without: es, each: 15}", "mixes.a", "the other languages take 60 of 60 chats", "Raise mixing.size, or ask"),
    ("{all: false}", "mixes.a.all", "False is not allowed", "It should be True."),
    ("{all: true, each: 3}", "mixes.a.each", "unknown field", "Known here: all."),
    ("{without: es, budget: 3}", "mixes.a.budget", "unknown field", "Known here: without, pool, each."),
    ("{mutli: 3}", "mixes.a.mutli", "unknown field", "Did you mean 'multi'?"),
    ("{witout: es}", "mixes.a.witout", "unknown field", "Did you mean 'without'?"),
    ("", "mixes.a", "no mix is known by the name 'a'", "Known are mono, multi-2, multi-3"),
]


@pytest.mark.parametrize(("form", "where", "what", "fix"), MISTAKES, ids=[row[0] or "name" for row in MISTAKES])
def test_a_mistake_in_a_mix_is_told_with_field_line_and_remedy(
    tmp_path: Path, model: Path, form: str, where: str, what: str, fix: str
) -> None:
    problem = only(written(tmp_path, model, f"mixes:\n  good: {{en: 4}}\n  a: {form}"))
    assert (problem.where, problem.line) == (where, 5)
    assert problem.what.startswith(what)
    assert fix in problem.fix
    assert str(problem).endswith((".", "?"))


def test_mistakes_in_all_forms_are_told_at_once_each_with_its_line(tmp_path: Path, model: Path) -> None:
    forms = [row for row in MISTAKES if row[0]]
    mixes = "".join(f"\n  m{at}: {form}" for at, (form, *_) in enumerate(forms))
    found = written(tmp_path, model, f"mixes:{mixes}")
    assert [(one.line, one.where) for one in found] == [
        (4 + at, where.replace("mixes.a", f"mixes.m{at}")) for at, (_, where, *_) in enumerate(forms)
    ]


@pytest.mark.parametrize(
    ("name", "meant"),
    [("mulit-2", "multi-2"), ("multi2", "multi-2"), ("Mono", "mono"), ("guanco", "guanaco"), ("multi_3", "multi-3")],
)
@pytest.mark.parametrize("form", ["mixes: [mono, {}]", "mixes: {{mono: , {}: }}"], ids=["list", "mapping"])
def test_an_unknown_name_is_met_with_a_near_one(tmp_path: Path, model: Path, name: str, meant: str, form: str) -> None:
    problem = only(written(tmp_path, model, form.format(name)))
    assert (problem.where, problem.line) == (f"mixes.{name}", 3)
    assert problem.what == f"no mix is known by the name '{name}'"
    assert problem.fix.startswith(f"Did you mean '{meant}'? Known are mono, ")


def test_a_ladder_longer_than_its_order_is_told_what_there_is(tmp_path: Path, model: Path) -> None:
    found = written(tmp_path, model, "mixes: [multi-6, multi-7, multi-8]")
    assert [(one.where, one.fix) for one in found] == [
        (f"mixes.multi-{n}", "Add languages to mixing.order.") for n in (7, 8)
    ]
    assert found[0].what.endswith("have 6 (en, es, ru, de, zh, fr)")


def test_a_name_that_stands_twice_is_told_once(tmp_path: Path, model: Path) -> None:
    problem = only(written(tmp_path, model, "mixes: [mono, multi-2, mono]"))
    assert problem == Problem("mixes", "the mix 'mono' stands twice", "Remove one.", 3)


@pytest.mark.parametrize(
    ("mixing", "where", "what", "fix"),
    [
        ("{main: xq}", "mixing.main", "unknown language 'xq'", XQ),
        ("{sise: 60}", "mixing.sise", "unknown field", "Did you mean 'size'?"),
        ("{size: 0}", "mixing.size", "0 is not allowed", "greater than or equal to 1"),
        ("{each: 0}", "mixing.each", "0 is not allowed", "greater than or equal to 1"),
        ("{order: [es, xq]}", "mixing.order[1]", "unknown language 'xq'", XQ),
        ("{seed: -1}", "mixing.seed", "-1 is not allowed", "greater than or equal to 0"),
        ("{protocol: as-ran}", "mixing.protocol", "'as-ran' is not allowed", "'as-paper' or 'as-run'"),
        ("{overlap: drop}", "mixing.overlap", "'drop' is not allowed", "'refuse', 'leave-out' or 'allow'"),
    ],
)
def test_a_mistake_in_how_mixes_are_made_is_told(
    tmp_path: Path, model: Path, mixing: str, where: str, what: str, fix: str
) -> None:
    problem = only(written(tmp_path, model, "mixes: {a: {en: 4}}", mixing))
    assert (problem.where, problem.what, problem.line) == (where, what, 5)
    assert fix in problem.fix


def test_a_mistake_in_mixing_hides_no_mistyped_name(tmp_path: Path, model: Path) -> None:
    found = written(tmp_path, model, "mixes: [mulit-2]", "{size: 0}")
    assert [one.where for one in found] == ["mixes.mulit-2", "mixing.size"]


@pytest.mark.parametrize("name", ["base", "../x"])
def test_a_name_that_cannot_be_is_told_once(tmp_path: Path, model: Path, name: str) -> None:
    only(written(tmp_path, model, f"mixes: [{name}]"))


def test_a_mistake_in_a_long_list_is_told_with_its_own_line(tmp_path: Path, model: Path) -> None:
    assert only(written(tmp_path, model, "mixes:\n  - mono\n  - mulit-2")).line == 5


# Too few chats: of the bundled ones 251 are usable in English, 64 in es, ru, de and fr, and 61 in Chinese.

USABLE = {"en": 251, "es": 64, "ru": 64, "de": 64, "fr": 64, "zh": 61}
SHORT: list[tuple[str, dict[str, Any], str, str]] = [
    # name, mixes and mixing, field, the setting that is told
    ("counts", {"mixes": {"a": {"en": 10, "es": 80}}}, "mixes.a.es", "ask for at most 64"),
    ("counts main", {"mixes": {"a": {"en": 300}}}, "mixes.a.en", "ask for at most 251"),
    ("mono", {"mixes": ["mono"], "mixing": {"size": 300}}, "mixes.mono.en", "set mixing.size: 251"),
    ("name main", {"mixes": ["multi-2"], "mixing": {"size": 320, "each": 20}}, "mixes.multi-2.en", "set mixing.size: 271"),
    ("name", {"mixes": ["multi-2"], "mixing": {"size": 200, "each": 70}}, "mixes.multi-2.es", "set mixing.each: 64"),
    ("each", {"mixes": {"a": {"multi": 2, "each": 70}}, "mixing": {"size": 200}}, "mixes.a.es", "set each: 64"),
    ("ladder", {"mixes": {"a": {"multi": 2}}, "mixing": {"size": 200, "each": 70}}, "mixes.a.es", "set mixing.each: 64"),
    ("budget", {"mixes": {"a": {"multi": 2, "budget": 70}}, "mixing": {"size": 200}}, "mixes.a.es", "set budget: 64"),
    ("uneven", {"mixes": {"a": {"multi": 3, "budget": 129}}, "mixing": {"size": 200}}, "mixes.a.es", "set budget: 128"),
    ("shares", {"mixes": {"a": {"en": 0.5, "es": 0.5}}, "mixing": {"size": 200}}, "mixes.a.es", "set mixing.size: 129"),
    (
        "leave-one-out",
        {"mixes": {"a": {"without": "ru", "pool": ["ru", "es"]}}, "mixing": {"size": 200, "each": 70}},
        "mixes.a.es",
        "set mixing.each: 64",
    ),
    (
        "leave-one-out, each",
        {"mixes": {"a": {"without": "ru", "pool": ["ru", "es"], "each": 70}}, "mixing": {"size": 200}},
        "mixes.a.es",
        "set each: 64",
    ),
    (
        "leave-one-out, main",
        {"mixes": {"a": {"without": "ru"}}, "mixing": {"size": 300, "each": 10}},
        "mixes.a.en",
        "set mixing.size: 291",
    ),
]  # fmt: skip
FALSE = [
    (
        "shares main",
        {"mixes": {"a": {"en": 0.9, "es": 0.1}}, "mixing": {"size": 300}},
        "mixes.a.en",
        "set mixing.size",
    ),
    (
        # 57 % of 113 are 64.4, and rounding makes them 65.
        "shares rounded",
        {"mixes": {"a": {"en": 0.26, "es": 0.57, "de": 0.17}}, "mixing": {"size": 115}},
        "mixes.a.es",
        "set mixing.size",
    ),
    (
        # 250 English chats and 70 Spanish ones: with 64 Spanish ones it takes 256 English ones, and there are 251.
        "what the main language then lacks",
        {"mixes": ["multi-2"], "mixing": {"size": 320, "each": 70}},
        "mixes.multi-2.es",
        "set mixing.each",
    ),
]


def followed(short: dict[str, Any], mix: str, code: str, hint: str, more: int = 0) -> dict[str, Any]:
    """The study with a hint followed, or by so much more than it says."""
    changed: dict[str, Any] = json.loads(json.dumps(short))
    found = re.fullmatch(r"(?:set ([a-z.]+):|ask for at most) ([\d.]+)", hint)
    assert found, hint
    setting, value = found[1], float(found[2]) + more
    if setting is None:
        changed["mixes"][mix][code] = int(value)
    elif setting == "label.threshold":
        changed["label"] = {"threshold": value}
    elif setting.startswith("mixing."):
        changed["mixing"][setting.removeprefix("mixing.")] = int(value)
    else:
        changed["mixes"][mix][setting] = int(value)
    return changed


def hints(problem: Problem) -> list[str]:
    """The remedies between which the problem lets choose."""
    first, *others = problem.fix.rstrip(".").split(", or ")
    return [f"{first[0].lower()}{first[1:]}", *others]


def test_the_bundled_chats_are_as_many_as_these_tests_say(tmp_path: Path, model: Path) -> None:
    assert dict(opened(tmp_path, model, {"a": {"en": 1}}).plan.inputs.available) == USABLE


@pytest.mark.parametrize(("short", "where", "hint"), [row[1:] for row in SHORT], ids=[row[0] for row in SHORT])
def test_whoever_follows_the_hint_has_a_study_that_opens_and_not_a_chat_more_would(
    tmp_path: Path, model: Path, short: dict[str, Any], where: str, hint: str
) -> None:
    _, mix, code = where.split(".")
    problem = only(problems(tmp_path, model, **short))
    assert (problem.where, problem.line) == (where, 4)
    assert f", {USABLE[code]} usable at the confidence of 0.8" in problem.what
    assert hints(problem) == [hint, "add chats"]  # no threshold is told: none would do
    opened(tmp_path, model, **followed(short, mix, code, hint))
    assert problems(tmp_path, model, **followed(short, mix, code, hint, more=1))[0].where == where


@pytest.mark.parametrize(("short", "where", "setting"), [row[1:] for row in FALSE], ids=[row[0] for row in FALSE])
def test_a_hint_does_not_lead_into_the_next_shortage(
    tmp_path: Path, model: Path, short: dict[str, Any], where: str, setting: str
) -> None:
    _, mix, code = where.split(".")
    problem = only(problems(tmp_path, model, **short))
    assert problem.where == where
    for hint in hints(problem):
        if hint.startswith(setting):
            opened(tmp_path, model, **followed(short, mix, code, hint))


@pytest.mark.parametrize(
    "short",
    [
        {"mixes": {"a": {"en": 200}}},
        {"mixes": ["mono"], "mixing": {"size": 200}},
        {"mixes": {"a": {"multi": 2, "each": 4}}, "mixing": {"size": 200}},
        {"mixes": {"a": {"en": 0.9, "es": 0.1}}, "mixing": {"size": 200}},
    ],
    ids=["counts", "name", "each", "shares"],
)
def test_a_threshold_that_is_told_makes_the_study_open_and_the_next_higher_does_not(
    tmp_path: Path, model: Path, short: dict[str, Any]
) -> None:
    strict = {**short, "label": {"threshold": 0.985}}
    found = problems(tmp_path, model, **strict)
    thresholds = []
    for problem in found:
        (hint,) = [hint for hint in hints(problem) if "threshold" in hint]
        assert " usable at the confidence of 0.985" in problem.what
        thresholds.append(float(hint.rpartition(" ")[2]))
        others = {one.where for one in found} - {problem.where}
        after = followed(strict, "a", "en", hint)
        if not others:
            opened(tmp_path, model, **after)
        above = followed(strict, "a", "en", hint, more=0.01)  # type: ignore[arg-type]
        assert problem.where in {one.where for one in problems(tmp_path, model, **above)}
    opened(tmp_path, model, **{**short, "label": {"threshold": min(thresholds)}})


def test_one_problem_a_language_and_number_whatever_the_number_of_mixes(tmp_path: Path, model: Path) -> None:
    mixes = {"a": {"es": 80}, "b": {"en": 4, "es": 80}, "c": {"es": 81}, "d": {"es": 64, "zh": 62}}
    found = problems(tmp_path, model, mixes)
    assert [(one.where, one.what.partition(" at ")[0]) for one in found] == [
        ("mixes.a.es", "80 Spanish chats asked (also in b), 64 usable"),
        ("mixes.c.es", "81 Spanish chats asked, 64 usable"),
        ("mixes.d.zh", "62 Chinese chats asked, 61 usable"),
    ]


def test_a_shortage_is_told_with_the_line_of_the_mix(tmp_path: Path, model: Path) -> None:
    found = written(
        tmp_path, model, "mixes:\n  a:\n    en: 3\n    es: 65\n  b: {multi: 2, each: 65}\n  c: {zh: 62}", "{size: 80}"
    )
    assert [(one.where, one.line) for one in found] == [("mixes.a.es", 6), ("mixes.c.zh", 8)]
    assert "(also in b)" in found[0].what


def test_a_mix_of_every_chat_is_never_short(tmp_path: Path, model: Path) -> None:
    opened(tmp_path, model, ["guanaco"], label={"threshold": 1})


def test_the_second_opening_counts_what_the_first_run_has_labelled(tmp_path: Path, model: Path) -> None:
    """Hints from an earlier run's files are those from labelling now."""
    threshold = {"label": {"threshold": 0.985}}
    run(opened(tmp_path, model, {"a": {"en": 5}}, **threshold), lambda event: None, ("label",))
    again = problems(tmp_path, model, {"a": {"en": 200}}, **threshold)
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    assert again == problems(fresh, model, {"a": {"en": 200}}, **threshold)
    assert "set label.threshold" in again[0].fix


@given(
    size=st.integers(20, 400),
    each=st.integers(1, 80),
    languages=st.integers(1, 6),
)
def test_a_ladder_that_fits_opens_and_one_that_does_not_is_told(
    tmp_path_factory: pytest.TempPathFactory, size: int, each: int, languages: int
) -> None:
    """Against the sum by hand, on the labels of one earlier run."""
    folder = tmp_path_factory.getbasetemp() / "ladder"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text("{}")
    others = ["es", "ru", "de", "zh", "fr"][: languages - 1]
    main = size - each * len(others)
    if not (folder / "runs").exists():
        first = study_file(folder, folder, mixes={"a": {"en": 1}})
        run(open_study(first, folder / "runs"), lambda event: None, ("label",))
    path = study_file(folder, folder, mixes=[f"multi-{languages}"], mixing={"size": size, "each": each})
    fits = 1 <= main <= USABLE["en"] and all(each <= USABLE[code] for code in others)
    if fits:
        counts = open_study(path, folder / "runs").plan.inputs.makeups[f"multi-{languages}"].counts
        assert dict(counts) == {"en": main, **dict.fromkeys(others, each)}
        return
    with pytest.raises(StudyError) as caught:
        open_study(path, folder / "runs")
    short = {code for code in others if each > USABLE[code]} | ({"en"} if main > USABLE["en"] else set())
    told = {one.where.rpartition(".")[2] for one in caught.value.problems}
    assert told == (short if main >= 1 else {f"multi-{languages}"})
