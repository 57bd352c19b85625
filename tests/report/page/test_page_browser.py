"""The page in a real browser: sort, filter, items, links, charts, and text that would do harm."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import worlds
from babeltune.report.page.study import page
from babeltune.report.results import Results
from browser import Browser, browser, chromium

pytestmark = pytest.mark.skipif(chromium() is None, reason="Chromium is not installed")

ATTACK = (
    "</script><script>document.title='run'</script><img src=x onerror=\"document.title='run'\"><b>bold</b>"
    "{{7*7}} \u202egnp.exe\u2066\x1b[31mred\x00 \u2028\ufeff half \ud83d 'q' \"q\" `q` javascript:alert(1) & &lt;"
)
SHOWN = (
    "</script><script>document.title='run'</script><img src=x onerror=\"document.title='run'\"><b>bold</b>"
    "{{7*7}} ⟨U+202E⟩gnp.exe⟨U+2066⟩⟨U+001B⟩[31mred⟨U+0000⟩ ⟨U+2028⟩\ufeff half ⟨U+D83D⟩ 'q' \"q\" `q` javascript:alert(1) & &lt;"
)

FIGURE = "document.querySelector('[data-figure]')"


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture
def see(window: Browser, tmp_path: Path) -> Iterator[Any]:
    """Opens results; at the end nothing was fetched but the page, and nothing failed."""
    opened: list[str] = []

    def show(results: Results, address: str = "", width: int = 1200) -> Browser:
        path = tmp_path / "index.html"
        path.write_text(page(results), encoding="utf-8")
        window.call(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
        )
        window.open("about:blank")
        window.requests.clear()
        window.errors.clear()
        window.open(path.as_uri() + address)
        opened.append(path.as_uri() + address)
        if results.items:
            window.until("document.querySelector('#list [role=option], #item p.note') !== null")
        return window

    yield show
    assert window.errors == []
    assert {one.partition("#")[0] for one in window.requests} <= {one.partition("#")[0] for one in opened}
    assert window.dialogs == []


@pytest.fixture(scope="module")
def small() -> Results:
    return worlds.study(
        languages=("en", "es", "de", "hi"),
        tasks=("dialogue", "xquad"),
        judge=True,
        models=("one", "two"),
        items=4,
        seeds=2,
    )


def texts(window: Browser, selector: str) -> list[str]:
    """Of all elements that a selector finds."""
    return list(window.run(f"[...document.querySelectorAll({json.dumps(selector)})].map((one) => one.textContent)"))


def cells(window: Browser, column: int) -> list[str]:
    return texts(window, f".grid-of-cells tbody tr > :nth-child({column + 1})")


def listed(window: Browser) -> list[str]:
    return texts(window, "#list [role=option] small")


def columns(window: Browser) -> list[str]:
    return texts(window, ".grid-of-cells thead tr > *")


def choose(window: Browser, selector: str, value: str, event: str = "change") -> None:
    window.run(
        f"(() => {{ const one = document.querySelector({json.dumps(selector)}); one.value = {json.dumps(value)}; one.dispatchEvent(new Event('{event}')); }})()"
    )


def scroll(window: Browser) -> None:
    """Through the whole page, so that all that is drawn when it is seen is drawn."""
    window.run(
        "(async () => { for (let y = 0; y < document.body.scrollHeight; y += 600) { scrollTo(0, y); await new Promise((resolve) => setTimeout(resolve, 30)); } })()"
    )


def test_cells_are_sorted_either_way_and_the_address_says_so(see: Any, small: Results) -> None:
    window = see(small)
    at = columns(window).index("value")
    head = f"document.querySelectorAll('.grid-of-cells thead tr > *')[{at}].querySelector('button').click()"
    window.run(head)
    found = [float(text) for text in cells(window, at)]
    assert found == sorted(found, reverse=True)
    assert window.run("location.hash") == "#cells?sort=-value"
    assert window.run("document.querySelector('th[aria-sort=descending]').textContent") == "value"
    window.run(head)
    found = [float(text) for text in cells(window, at)]
    assert found == sorted(found)
    window.run("history.back()")
    window.until("location.hash === '#cells?sort=-value'")
    window.until("document.querySelector('th[aria-sort=descending]') !== null")


def test_cells_are_filtered_by_words_and_choices(see: Any, small: Results) -> None:
    window = see(small, "#cells?mix=mono&language=hi")
    names = columns(window)
    assert set(cells(window, names.index("mix"))) == {"mono"}
    assert set(cells(window, names.index("language"))) == {"Hindi"}
    choose(window, ".grid-of-cells input", "token-f1 two", "input")
    assert set(cells(window, names.index("metric"))) == {"token-f1"}
    assert set(cells(window, names.index("model"))) == {"two"}
    assert "of" in window.run("document.querySelector('.grid-of-cells .count').textContent")
    lacking = {**small.rows[0], "unscored": 3, "reasons": {"empty": 3}}
    plain = tuple({**row, "unscored": 0, "reasons": {}} for row in small.rows[1:])
    window = see(dataclasses.replace(small, rows=(lacking, *plain)), "#cells?lacking=yes")
    assert len(cells(window, 0)) == 1


def test_a_cell_leads_to_its_answers(see: Any, small: Results) -> None:
    window = see(small, "#cells?model=two&task=xquad&language=de&prompting=en:xx")
    window.run("document.querySelector('.grid-of-cells tbody a').click()")
    window.until(
        "document.querySelector('#item header small')?.textContent === 'German · XQuAD · English instructions · two · item xq1'"
    )
    assert window.run("new URLSearchParams(location.hash.split('?')[1]).get('language')") == "de"


def test_an_item_is_opened_and_a_link_to_it_followed(see: Any, small: Results) -> None:
    window = see(small)
    assert len(listed(window)) > 4
    window.run("document.querySelectorAll('#list [role=option]')[2].click()")
    window.until("document.querySelector('#item header small')?.textContent.endsWith('item di3')")
    link = window.run("location.hash")
    assert "item=di3" in link
    answers = window.run(
        "[...document.querySelectorAll('#item .mix')].map((mix) => [mix.querySelector('h4').firstChild.nextSibling.textContent, mix.querySelectorAll('.answer').length])"
    )
    assert answers == [[mix, 2] for mix in ("base", *worlds.MIXES)]
    window = see(small, link)
    window.until("document.querySelector('#item header small')?.textContent.endsWith('item di3')")
    expected = next(one for one in small.items if one["item"] == "di3")
    assert window.run("document.querySelector('#item .asked').textContent") == expected["subject"]
    assert window.run("document.querySelector('#item .answer .text').innerText").replace("\n", "").startswith(
        "en"
    ) or expected["response"][:20] in window.run("document.querySelector('#item .answer .text').textContent")
    window.run("document.querySelector('#item [aria-label=\"next prompt\"]').click()")
    window.until("document.querySelector('#item header small')?.textContent.endsWith('item di4')")
    window.run("history.back()")
    window.until("document.querySelector('#item header small')?.textContent.endsWith('item di3')")


def test_the_list_of_prompts_obeys_the_keys(see: Any, small: Results) -> None:
    window = see(small)
    window.run("document.getElementById('list').focus()")
    window.press("ArrowDown", "ArrowDown")
    window.until("document.querySelector('#list [aria-selected=true]')?.id === 'line-2'")
    assert window.run("document.getElementById('list').getAttribute('aria-activedescendant')") == "line-2"


def test_answers_are_filtered_by_outcome_and_words(see: Any, small: Results) -> None:
    window = see(small)
    choose(window, "#filters [data-of=off]", "-mono")
    wrong = {
        (one["language"], one["item"]) for one in small.items
        if (one["model"], one["task"], one["mix"]) == ("one", "dialogue", "mono") and one["values"]["agreement"] == 0.0
    }  # fmt: skip
    window.until(f"document.getElementById('count').textContent === '{len(wrong)} prompts'")
    assert {tuple(text.split(" · ")[:2]) for text in listed(window)} == wrong
    choose(window, "#filters [data-of=off]", "")
    sought = next(
        one
        for one in small.items
        if one["language"] == "hi" and one["task"] == "dialogue" and one["values"]["agreement"]
    )
    word = max(sought["response"].split(), key=len)
    choose(window, "#words", word.upper(), "input")
    held = {
        (one["language"], one["item"]) for one in small.items
        if (one["model"], one["task"]) == ("one", "dialogue") and word.lower() in (one["prompt"] + one["response"]).lower()
    }  # fmt: skip
    window.until(f"document.getElementById('count').textContent === '{len(held)} prompt{'s' * (len(held) != 1)}'")
    assert {tuple(text.split(" · ")[:2]) for text in listed(window)} == held
    choose(window, "#words", "no such words", "input")
    window.until("document.getElementById('item').textContent === 'No prompt fits these filters.'")


def test_the_lines_of_an_answer_tell_their_languages_and_where_they_flip(see: Any, small: Results) -> None:
    first = {
        **small.items[0],
        "language": "de",
        "response": "Das ist gut.\n\nThis is good.\nIt is.\nC'est bien.",
        "lines": ["de", "", "en", "en", "fr"],
        "values": {},
        "unscored": {"agreement": "empty"},
        "notes": {},
    }
    window = see(dataclasses.replace(small, items=(first,)))
    window.until("document.querySelector('#item .text') !== null")
    assert window.run("[...document.querySelectorAll('#item .text .said')].map((line) => line.className)") == [
        "said asked", "said", "said english", "said english", "said other",
    ]  # fmt: skip
    assert texts(window, "#item .chip") == ["de", "→ en", "→ fr"]
    assert texts(window, "#item .mark") == ["unscored: empty"]


def test_the_judge_gives_its_reasons(see: Any, small: Results) -> None:
    window = see(small)
    window.until("document.querySelector('#item details.judge') !== null")
    assert texts(window, "#item details.judge p")[0] == small.items[0]["notes"]["reasoning"]


def test_marks_of_figures_say_what_they_are_to_pointer_and_keys(see: Any, small: Results) -> None:
    window = see(small)
    window.run(f"{FIGURE}.scrollIntoView()")
    window.until("document.querySelector('[data-figure] svg[role=img]') !== null")
    window.run("document.querySelector('[data-figure] svg[role=img]').focus()")
    window.press("ArrowRight", "ArrowRight")
    tip = "document.querySelector('[data-figure] .tip')"
    window.until(f"!{tip}.hidden")
    said = window.run(f"[...{tip}.children].map((one) => one.textContent)")
    assert said[0].startswith("English, ")
    assert "95 % interval" in said[1]
    assert "n = 300 items, 2 seeds" in said[2]
    assert said[-1] == small.rows[0]["signature"]
    window.press("Escape")
    assert window.run(f"{tip}.hidden")
    place = window.run(
        "(() => { const one = document.querySelector('[data-figure] .hit').getBoundingClientRect(); return [one.x + one.width / 2, one.y + one.height / 2]; })()"
    )
    window.call("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": place[0], "y": place[1]})
    window.until(f"!{tip}.hidden")


def test_a_mix_is_hidden_by_its_legend_and_lines_take_the_place_of_bars(see: Any, small: Results) -> None:
    window = see(small)
    window.run(f"{FIGURE}.scrollIntoView()")
    window.until("document.querySelector('[data-figure] .bar') !== null")
    before = window.run(f"{FIGURE}.querySelectorAll('.plot rect.bar').length")
    window.run(f"{FIGURE}.querySelectorAll('button.key')[1].click()")
    assert window.run(f"{FIGURE}.querySelectorAll('.plot rect.bar').length") == before - 4
    assert window.run("location.hash") == "#figures?hide=mono"
    choose(window, "[data-figure] [data-of=view] select", "lines")
    assert window.run(f"{FIGURE}.querySelectorAll('.plot path.line').length") == 4
    window.run("history.back()")
    window.until(f"{FIGURE}.querySelectorAll('.plot path.line').length === 0")


def test_sets_of_languages_with_different_budgets_are_lines_over_them(see: Any) -> None:
    mixes = {"mono": {"en": 3200}} | {
        f"multi-{k}-n{n}": {"en": 3200 - n, **dict.fromkeys(("es", "ru")[: k - 1], n // (k - 1))}
        for k in (2, 3)
        for n in (10, 100, 400)
    }
    window = see(worlds.study(languages=("en", "es", "de"), mixes=mixes, items=1))
    window.run(f"{FIGURE}.scrollIntoView()")
    window.until("document.querySelector('[data-figure] path.line') !== null")
    assert window.run(f"{FIGURE}.querySelectorAll('path.line').length") == 6  # two sets, three languages
    assert "a line" in texts(window, "[data-figure] figcaption")[0].lower()


def test_hostile_text_is_shown_as_text_wherever_it_stands(see: Any, small: Results) -> None:
    mixes = {ATTACK: {"en": 1}, **small.mixes}
    first = {
        **small.items[0], "model": ATTACK, "mix": ATTACK, "item": ATTACK, "response": ATTACK, "subject": ATTACK, "prompt": ATTACK + "2", "references": [ATTACK],
        "notes": {"judge": "ok", "reasoning": ATTACK, ATTACK: ATTACK, "response": ATTACK}, "unscored": {ATTACK: ATTACK}, "finish": ATTACK, "lines": [ATTACK],
    }  # fmt: skip
    row = {
        **small.rows[0],
        "model": ATTACK,
        "mix": ATTACK,
        "signature": ATTACK,
        "metric": ATTACK,
        "reasons": {ATTACK: 1},
        "unscored": 1,
    }
    found = dataclasses.replace(
        small, study=ATTACK, mixes=mixes, items=(first,), rows=(row, *small.rows), hashes={ATTACK: ATTACK},
        verdicts=({**small.verdicts[0], "model": ATTACK, "sentence": ATTACK}, *small.verdicts[1:]),
        histogram=({**small.histogram[0], "model": ATTACK, "mix": ATTACK}, *small.histogram),
    )  # fmt: skip
    window = see(found)
    scroll(window)
    window.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    window.until("document.querySelector('#item .text') !== null")
    assert window.run("document.title") != "run"
    assert (
        window.run("document.querySelectorAll('img, b:not(#item header b):not(#verdict details b), iframe').length")
        == 0
    )
    assert texts(window, "#item .text bdi, #item .asked") == [SHOWN, SHOWN]
    assert SHOWN in texts(window, "#item .judge")[0]
    shown = window.run("document.body.textContent")
    for steering in ("\u202e", "\u2066", "\x1b", "\x00", "\u2028"):
        assert steering not in shown
    assert shown.count("⟨U+202E⟩") > 15


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_nothing_is_wider_than_the_window(see: Any, small: Results, width: int) -> None:
    window = see(small, width=width)
    scroll(window)
    assert window.run("document.documentElement.scrollWidth") <= width
    out = window.run(
        "[...document.querySelectorAll('.plot svg text')].filter((one) => { const box = one.getBoundingClientRect(), svg = one.ownerSVGElement.getBoundingClientRect(); return box.left < svg.left - 1 || box.right > svg.right + 1; }).map((one) => one.textContent)"
    )
    assert out == []


@pytest.mark.parametrize(
    "shape",
    [
        {"languages": ("en",)},
        {},
        {"languages": ("en", "es", "de"), "lacking": ("multi-2",), "judge": True},
        {"languages": ("en", "es", "de"), "unscored": True, "judge": True},
        {"languages": ("en", "es"), "items": 0},
        {"languages": ("en", "es"), "mixes": {}},
    ],
    ids=["one language", "nineteen", "a mix missing", "nothing scored", "no answers", "no mixes"],
)  # fmt: skip
def test_studies_of_all_shapes_are_drawn(see: Any, shape: dict[str, Any]) -> None:
    window = see(worlds.study(**{"items": 1, **shape}))
    scroll(window)
    assert window.run("document.querySelectorAll('.board .plot svg').length") > 0
