"""The docs hold: links lead somewhere, every page is in the site's navigation, what they name exists, as the code is."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
import yaml

from babeltune.cli import application

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
VERBS: dict[str, Any] = typer.main.get_command(application()).commands
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def prose(text: str) -> str:
    """Without code, in which brackets are no links."""
    text = re.sub(r"^( *)(```+).*?^\1\2", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`]*`", "`code`", re.sub(r"^    .*$", "", text, flags=re.MULTILINE))


def links(text: str) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", prose(text))


def anchors(text: str) -> set[str]:
    """As GitHub and GitLab make them of headings."""
    text = re.sub(r"^( *)(```+).*?^\1\2", "", text, flags=re.DOTALL | re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", line.lower()) for line in re.findall(r"^#+ +(.*)$", text, flags=re.MULTILINE))
    return {line.strip().replace(" ", "-") for line in plain}


def commands(text: str) -> Iterator[str]:
    """The command lines of babeltune in blocks of code and between backticks, without their comments."""
    joined = re.sub(r"\\\n\s*", " ", text)
    blocks = re.findall(r"^ *```.*?\n(.*?)^ *```", joined, flags=re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()] + re.findall(r"^    (.*)$", joined, re.MULTILINE)
    spans = re.findall(r"`([^`]+)`", re.sub(r"^ *```.*?^ *```", "", joined, flags=re.DOTALL | re.MULTILINE))
    for line in lines + [" ".join(span.split()) for span in spans]:
        found = re.match(r"(?:\$ )?(?:\.venv[\w-]*/bin/)?babeltune (.*)", line.split(" #")[0].strip())
        if found:
            yield found[1]


def entries(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    for one in nav if isinstance(nav, list) else nav.values() if isinstance(nav, dict) else ():
        yield from entries(one)


def script(name: str) -> ModuleType:
    """One of those that write a part of the docs from the code."""
    found = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(name: str):
    page, broken = ROOT / name, []
    for link in links(page.read_text()):
        if re.match(r"https?://|mailto:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.is_file() or (anchor and anchor not in anchors(target.read_text())):
            broken.append(link)
    assert not broken


def test_every_page_is_in_the_navigation_once_and_every_page_there_exists():
    named = list(entries(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    assert sorted(named) == sorted(str(page.relative_to(DOCS)) for page in PAGES[1:])


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_one_that_there_is_with_options_that_it_has(name: str):
    wrong = []
    for line in commands((ROOT / name).read_text()):
        verb, *rest = line.split()
        if not re.fullmatch(r"[a-z][a-z-]*", verb):
            continue  # VERB, and the like
        known = {option for one in VERBS[verb].params for option in one.opts} if verb in VERBS else set()
        options = [re.split("[=…]", word)[0] for word in rest if word.startswith("--")]
        wrong += [line for option in options if option not in {*known, "--help"}]
        if verb not in VERBS:
            wrong.append(line)
    assert not wrong


@pytest.mark.parametrize("name", NAMES)
def test_every_file_of_the_project_that_is_named_exists(name: str):
    text = (ROOT / name).read_text()
    named = set(re.findall(r"(?<![\w./-])((?:src|tests|bench|studies|docs)/[\w./-]+\.(?:py|yaml|md))\b", text))
    targets = re.findall(r"(?:^|`)make ([a-z][a-z-]*)", text, re.MULTILINE)
    rules = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert not [path for path in sorted(named) if not (ROOT / path).exists()]
    assert not [target for target in targets if target not in rules]


def test_the_house_has_every_file_and_no_other():
    house = (DOCS / "architecture.md").read_text().split("## The tree")[1].split("```")[1]
    named = {
        name
        for line in house.splitlines()
        for name in re.findall(r"[\w-]+(?:\.py|/)", re.split(r"  +", line.strip())[0])
    }
    src = ROOT / "src" / "babeltune"
    files = [path.relative_to(src) for path in src.rglob("*.py") if path.name != "__init__.py"]
    rooms = ("data", "finetune", "generate", "measure", "report", "study")
    missing = [
        str(path)
        for path in files
        if path.name not in named and not any(f"{part}/" in named for part in path.parts[:-1] if part not in rooms)
    ]
    there = {path.name for path in files} | {f"{part}/" for path in files for part in path.parts[:-1]}
    assert not missing
    assert {name for name in named if name.endswith(".py")} <= there


def test_the_readme_names_every_verb():
    said = {line.split()[0] for line in commands((ROOT / "README.md").read_text())}
    assert said >= set(VERBS)


@pytest.mark.parametrize("page", ["commands.md", "study-file.md"])
def test_what_is_written_from_the_code_is_as_the_code_is(page: str):
    assert (DOCS / page).read_text() == script("reference").PAGES[page](), "`make reference` writes it again"


def test_the_picture_of_the_arrows_is_as_the_imports_are():
    assert (DOCS / "arrows.svg").read_text() == script("arrows").picture(), "`make reference` draws it again"


def test_the_reference_has_every_verb_and_option_and_every_field_of_a_study():
    written = script("reference")
    for name, verb in VERBS.items():
        section = written.commands().split(f"\n## {name}\n")[1].split("\n## ")[0]
        assert all(
            one.opts[-1] in section for one in verb.params if one.opts[0].startswith("--") and one.name != "help"
        )
    page = written.study_file()
    assert "| `tuning_seeds` |" in page
    assert "| `learning_rate` | number above 0; `1e-05` |" in page
    assert "| `base_url` |" in page


def test_the_links_of_a_page_are_found_and_code_is_no_link():
    text = "See [a](b.md#c) and `[x](y)`.\n\n```\n[x](y)\n```\n\n    [x](y)\n\n![p](q.png)\n"
    assert links(text) == ["b.md#c", "q.png"]
    assert anchors("# A `b` c\n\n```\n# no\n```\n\n## Past one machine: `--executor ray`\n") == {
        "a-b-c",
        "past-one-machine---executor-ray",
    }
    found = list(
        commands("`babeltune run\nx --y`\n\n    babeltune lid a   # c\n\n```\n$ babeltune mix z \\\n   --q\n```\n")
    )
    assert sorted(found) == ["lid a", "mix z  --q", "run x --y"]
