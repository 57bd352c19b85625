"""Lint: a prompt of a task -> everything that is wrong with how it is written, at once.

Looks at form, not at wording: placeholders, script, quotation marks, colons, white space, role markers. Telling
Simplified Chinese from Traditional, or one language of a script from another, is for a reader who knows them.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import yaml

from babeltune.errors import ItemsError, Problem
from babeltune.languages import LANGUAGES
from babeltune.measure.metrics.letters import LETTERS
from babeltune.measure.tasks import prompt
from babeltune.measure.tasks.orthography import HOLE, PAIRS, STRAIGHT, named, quote_problems, spelling_problems
from babeltune.measure.tasks.prompt import PLACEHOLDERS, RELATIONS, XNLI_PLACEHOLDERS, Template, Variant, Words

TASKS = (*PLACEHOLDERS, "xnli")
"""Tasks that have prompt files."""
VARIANTS: tuple[Variant, ...] = get_args(Variant)
"""XNLI's sets of words."""
_MARKER = re.compile(r"[#＃]+\s*(?:human|assistant)\b\s*[:：]?", re.IGNORECASE)
_JOINERS = ("Deva", "Arab")
"""Scripts in which the zero-width joiner and non-joiner shape letters."""


def lint(task: str, language: str) -> list[Problem]:
    """All that is wrong with one prompt file. The variant ``harness`` of XNLI is another's text, quoted with its faults."""
    where = f"prompts/{task}/{language}.yaml"
    try:
        text = (prompt.FOLDER / task / f"{language}.yaml").read_text(encoding="utf-8")
        fields = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        what = " ".join(str(error).split())
        return [Problem(where, f"cannot be read ({what})", "It is to be YAML, saved as UTF-8.")]
    if language not in LANGUAGES:
        fix = f"Name the file by one of: {', '.join(LANGUAGES)}."
        return [Problem(where, "the name is no code of a known language, so nothing reads it", fix)]
    found: list[Problem] = []
    if not text.startswith("# "):
        fix = "Say in the first line, after '# ', what it is and where the wording comes from."
        found.append(Problem(where, "the first line is no comment", fix))
    found += _content_problems(task, language, fields if isinstance(fields, dict) else {})
    seen = {problem.where for problem in found}
    return found + [problem for problem in _refused(task, language) if problem.where not in seen]


def files(tasks: Sequence[str] = TASKS) -> list[tuple[str, str]]:
    """(task, language) of every prompt file: in the order of the tasks, then of the language table."""
    order = {code: at for at, code in enumerate(LANGUAGES)}
    return [
        (task, code)
        for task in tasks
        for code in sorted(
            (path.stem for path in (prompt.FOLDER / task).glob("*.yaml")),
            key=lambda code: (order.get(code, len(order)), code),
        )
    ]


def template_problems(task: str, template: Template) -> list[Problem]:
    """All that is wrong with an instruction, and with the beginning of the response that is forced, where there is one."""
    language = template.language
    where = f"prompts/{task}/{language}.yaml"
    wanted = PLACEHOLDERS[task]
    found = _plain_problems(f"{where}, prompt", template.prompt, wanted, language)
    found += spelling_problems(f"{where}, prompt", template.prompt, language)
    if set(LETTERS) <= set(wanted):
        found += _choice_problems(f"{where}, prompt", template.prompt)
    prefix = template.prefix
    if prefix:
        found += _plain_problems(f"{where}, prefix", prefix, (), language)
        found += spelling_problems(f"{where}, prefix", prefix, language)
        if "\n" in prefix:
            found.append(Problem(f"{where}, prefix", "holds a line break", "Write it in one line."))
        found += _question_problems(f"{where}, prefix", template)
    parts = {f"{where}, prompt": template.prompt, f"{where}, prefix": prefix}
    found += quote_problems(parts, language, forced=f"{where}, prefix" if prefix else "")
    return found


def words_problems(words: Words, variant: Variant) -> list[Problem]:
    """All that is wrong with what XNLI's candidates say.

    ``harness`` is quoted letter by letter from elsewhere, so its script, Unicode form, quotation marks and colons are
    left alone; its placeholders, spaces and three words are not.
    """
    where = f"prompts/xnli/{words.language}.yaml, {variant}"
    parts = {"template": words.template, **{name: getattr(words, name) for name in RELATIONS}}
    found: list[Problem] = []
    for name, text in parts.items():
        wanted = XNLI_PLACEHOLDERS if name == "template" else ()
        found += _plain_problems(f"{where}.{name}", text, wanted, words.language)
        if variant != "harness":
            found += spelling_problems(f"{where}.{name}", text, words.language)
    if variant != "harness":
        found += quote_problems({f"{where}.{name}": text for name, text in parts.items()}, words.language)
    names = [hole[1:-1] for hole in HOLE.findall(words.template)]
    if sorted(names) == sorted(XNLI_PLACEHOLDERS) and tuple(names) != XNLI_PLACEHOLDERS:
        fix = f"The order is {', '.join(XNLI_PLACEHOLDERS)} (paper, Table 7)."
        found.append(Problem(f"{where}.template", f"has the order {', '.join(names)}", fix))
    for text, times in Counter(parts[name].strip().casefold() for name in RELATIONS).items():
        if times > 1:
            same = " and ".join(name for name in RELATIONS if parts[name].strip().casefold() == text)
            found.append(Problem(where, f"{same} have the same word, '{text}'", "Three words tell them apart."))
    return found


def _content_problems(task: str, language: str, fields: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with a file as far as it can be read: more than the tasks' reader, which stops at the first fault."""
    if task != "xnli":
        text, prefix = fields.get("prompt"), fields.get("prefix")
        made = Template(language, str(text), prefix if isinstance(prefix, str) else "")
        return template_problems(task, made) if isinstance(text, str) else []
    found: list[Problem] = []
    for variant in VARIANTS:
        of = fields.get(variant)
        said: list[Any] = [of.get(name) for name in ("template", *RELATIONS)] if isinstance(of, dict) else []
        if said and all(isinstance(one, str) for one in said):
            found += words_problems(Words(language, *said), variant)
    return found


def _refused(task: str, language: str) -> list[Problem]:
    """What the tasks' own reader refuses: fields that are missing, unknown or no text."""
    found: list[Problem] = []
    for variant in VARIANTS if task == "xnli" else (None,):
        try:
            if variant is None:
                prompt.template(task, language)
            else:
                prompt.words(language, variant)
        except ItemsError as error:
            found += error.problems
    return found


def _plain_problems(where: str, text: str, wanted: Sequence[str], language: str) -> list[Problem]:
    """What is wrong whoever wrote it: braces, placeholders, role markers, white space, invisible characters."""
    found: list[Problem] = []

    def say(what: str, fix: str) -> None:
        found.append(Problem(where, what, fix))

    takes = f"It takes each of {', '.join('{' + name + '}' for name in wanted)} once." if wanted else "It takes none."
    rest = HOLE.sub("", text)
    if "{" in rest or "}" in rest:
        say(f"an unbalanced brace, '{'{' if '{' in rest else '}'}'", takes)
    else:
        times = Counter(hole[1:-1] for hole in HOLE.findall(text))
        wrong = [f"has '{{{name}}}', which it does not know" for name in times if name not in wanted]
        wrong += [f"has {{{name}}} {times[name]} times" for name in wanted if times[name] > 1]
        wrong += [f"lacks {{{name}}}" for name in wanted if not times[name]]
        if wrong:
            say("; ".join(wrong), takes)
    if marker := _MARKER.search(text):
        say(f"holds the role marker '{marker[0].strip()}'", "An answer ends at a marker; write it otherwise.")
    for number, line in enumerate(text.split("\n"), 1):
        if line != line.rstrip() or line != line.lstrip():
            say(f"line {number} begins or ends with a space", "Take it out: it would be a token of its own.")
        if pair := re.search(r"[^\S\t\n]{2,}", line.strip()):
            near = line.strip()[max(0, pair.start() - 15) : pair.end() + 15]
            say(f"line {number} has two spaces in a row ('…{near}…')", "One is enough.")
    if text.startswith("\n") or text.endswith("\n"):
        say("begins or ends with a line break", "Take it out; in YAML `|-` drops the last one.")
    joiners = "\u200c\u200d" if LANGUAGES[language].script in _JOINERS else ""
    for char in dict.fromkeys(text):
        if char != "\n" and char not in joiners and unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Co", "Cn"):
            name = "a tab" if char == "\t" else f"the invisible character {named(char)}"
            say(f"holds {name}", "Take it out.")
    return found


def _choice_problems(where: str, text: str) -> list[Problem]:
    """Choices that are not named in Latin letters: in quotation marks in the instruction, and before their own text."""
    marks = re.escape("".join(PAIRS) + STRAIGHT)
    labelled = dict(re.findall(r"^\s*(\S+?)\s*[:：﹕]\s*\{([A-E])\}", text, re.MULTILINE))
    wrong = [
        f"does not name {one} in quotation marks"
        for one in LETTERS
        if not re.search(rf"[{marks}]\s?{one}\s?[{marks}]", text)
    ]
    wrong += [f"has {label} before {{{one}}}" for label, one in labelled.items() if label != one]
    fix = "Name each choice so, and before its own text; А, В, С and Е of Cyrillic look like A, B, C and E of Latin."
    return [Problem(where, "; ".join(wrong), fix)] if wrong else []


def _question_problems(where: str, template: Template) -> list[Problem]:
    """A quotation that is opened right behind the word for question: a model goes on with the question, not the answer."""
    heading = re.search(r"^(.+?)\s?[:：﹕]\s*\{question\}", template.prompt, re.MULTILINE)
    before = template.prefix.rstrip(f"{''.join(PAIRS)}{STRAIGHT} \u00a0")
    if not heading or not before.casefold().endswith(heading[1].casefold()):
        return []
    what = f"opens the quotation behind '{heading[1]}', as if the question were quoted"
    return [Problem(where, what, "Put the verb between the two.")]
