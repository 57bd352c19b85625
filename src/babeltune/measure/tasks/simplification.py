"""Sentence simplification on MultiSim and sets of its kind (paper, section 4.2 and appendix D).

Draws of MultiSim: test and validation of all corpora pooled, and train too for Portuguese, German and Slovenian, in
the order of the file names; shuffled; the first 1,371 kept (Slovenian has 939). The paper's text gives each language
its own draw. The authors' code (``as_run``) seeds once and shuffles language after language, so that a language's
draw hangs on how many rows those before it have.
"""

from __future__ import annotations

import itertools
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from babeltune.errors import ItemsError, Problem, RowsError
from babeltune.hub import HubSet
from babeltune.languages import LANGUAGES
from babeltune.measure.metrics import sari
from babeltune.measure.metrics.agreement import AGREEMENT, agreement
from babeltune.measure.tasks import items, prompt
from babeltune.measure.tasks.items import Place
from babeltune.records import Identifier, Item, Metric, Output, Prompting, Request, Sampling, Score, chat_prompt
from babeltune.rows import Row, file_rows

SAMPLE = 1371
"""Items of a language (paper, section 4.2)."""
FOLDERS = {
    "en": "English",
    "de": "German",
    "fr": "French",
    "it": "Italian",
    "ru": "Russian",
    "pt": "Brazilian Portuguese",
    "sl": "Slovene",
    "ja": "Japanese",
}
"""MultiSim's folder of each language, in the order in which the authors' code draws."""
WITH_TRAIN = ("de", "pt", "sl")
"""Languages whose train splits are drawn from too (paper, appendix D)."""
SARI, WEIGHTED = "sari", "sari-weighted"
"""Mean of the sentences' SARI, in [0, 100], as the authors' library has it; and times language agreement, Figure 3."""
CORPUS, CORPUS_WEIGHTED = "sari-corpus", "sari-corpus-weighted"
"""The same with the corpus SARI that the paper's text names."""
METRICS: tuple[Metric, ...] = (
    Metric(WEIGHTED, 100, factors=(SARI, AGREEMENT)),
    Metric(SARI, 100),
    Metric(CORPUS_WEIGHTED, 100, factors=(AGREEMENT,), corpus=sari.corpus_scores),
    Metric(CORPUS, 100, corpus=sari.corpus_scores),
    Metric(AGREEMENT),
)
_BLANK_LINE, _SPACE = "\n\n", " "


@dataclass(frozen=True, slots=True)
class Source:
    """A corpus that items of a language come from."""

    language: str
    corpus: str
    available: int
    """Sentences of the splits that are drawn from."""
    sampled: int
    """Of these, the items."""


@dataclass(eq=False)
class Simplification:
    """A ``Task``. Items come from a folder of MultiSim, or of files shaped as TurkCorpus and ASSET are."""

    name = "simplification"
    metrics = METRICS
    promptings = items.BOTH
    ranks = False

    place: Place
    identifier: Identifier
    sampling: Sampling
    _: KW_ONLY
    sample: int | None = SAMPLE
    seed: int = items.SEED
    as_run: bool = False
    """Draw as the authors' code does, with its white space around the marker of the model's turn."""

    def items(self, language: str, prompting: Prompting) -> list[Item]:
        """The sentences of one language, with the instruction in theirs or in English.

        Raises:
            ItemsError: no prompt or no files in the language, or a file that is not as it must be.
        """
        template = prompt.template(self.name, prompt.prompt_language(language, prompting))
        return [
            Item(one.id, language, template.filled({"sentence": one.source}), one.references, one.source)
            for one in self._drawn(language)
        ]

    def request(self, item: Item) -> Request:
        """The instruction and the sentence as a person's turn."""
        if not self.as_run:
            return Request(item.id, "", chat_prompt(item.prompt), self.sampling, 0)
        prefix = "" if item.language == "sl" else _SPACE
        return Request(item.id, "", chat_prompt(item.prompt + _BLANK_LINE), self.sampling, 0, prefix=prefix)

    def score(self, items: Sequence[Item], outputs: Sequence[Output]) -> list[Score]:
        """SARI of each output's first line, and whether the whole output is in the language of the sentence.

        Raises:
            ValueError: not as many outputs as items.
        """
        if len(items) != len(outputs):
            raise ValueError(f"{len(items)} items, {len(outputs)} outputs")
        subjects = self.identifier.identify([item.source for item in items])
        responses = self.identifier.identify([output.text for output in outputs])
        scores: dict[int, Score] = {}
        for language in {item.language for item in items}:
            at = [index for index, item in enumerate(items) if item.language == language and item.references]
            if not at:
                continue
            found = sari.statistics(
                [items[index].source for index in at],
                [first_line(outputs[index].text) for index in at],
                [items[index].references for index in at],
                tokenizer(language),
            )
            for row, index in enumerate(at):
                agreed = agreement(items[index].id, language, subjects[index], responses[index])
                scores[index] = Score(
                    agreed.item,
                    {SARI: float(found.sentences[row]), **agreed.values},
                    agreed.notes,
                    agreed.unscored,
                    tuple(int(n) for n in found.counts[row].reshape(-1)),
                )
        bare = {SARI: "the item has no reference", AGREEMENT: "the item has no reference"}
        return [scores.get(index, Score(item.id, unscored=bare)) for index, item in enumerate(items)]

    def corpora(self, language: str) -> list[Source]:
        """What one language's items were drawn from (paper, Table 2), in the order of the files.

        Raises:
            ItemsError: as ``items``.
        """
        available = Counter(_corpus(item.id) for item in self._available(language))
        drawn = Counter(_corpus(item.id) for item in self._drawn(language))
        return [Source(language, corpus, count, drawn[corpus]) for corpus, count in available.items()]

    def _drawn(self, language: str) -> list[Item]:
        found = self._available(language)
        rng = random.Random(self.seed)
        if self.as_run and language in FOLDERS:
            for before in itertools.takewhile(lambda code: code != language, FOLDERS):
                rng.shuffle(list(self._multisim(before, f"items of {self.name}, {language}")))
        if self.sample is None:
            return found
        rng.shuffle(found)
        return found[: self.sample]

    def _available(self, language: str) -> list[Item]:
        """All sentences that are drawn from, file after file."""
        subject = f"items of {self.name}, {language}"
        if isinstance(self.place, HubSet):
            raise ItemsError(
                subject, [Problem(self.place.id, "is a hub set", "Give a folder: a clone of MultiSim's repository.")]
            )
        found = self._multisim(language, subject) or _parallel(self.place, language, subject)
        if not found:
            wanted = f"{FOLDERS[language]}/*_test.csv (MultiSim)" if language in FOLDERS else f"{language}/"
            fix = f"It should hold {wanted} or {language}/*.orig with *.ref.0, *.ref.1 (TurkCorpus, ASSET)."
            raise ItemsError(subject, [Problem(str(self.place), f"holds no items in '{language}'", fix)])
        return found

    def _multisim(self, language: str, subject: str) -> list[Item]:
        """All rows of MultiSim in a language that are drawn from, corpus after corpus."""
        assert isinstance(self.place, Path)
        name = FOLDERS.get(language)
        folder = next((one for one in (self.place / "data", self.place) if name and (one / name).is_dir()), None)
        if folder is None or name is None:
            return []
        splits = "test|val|train" if language in WITH_TRAIN else "test|val"
        wanted = [path for path in sorted((folder / name).glob("*.csv")) if re.fullmatch(rf".+_({splits})", path.stem)]
        read: list[Row | Problem] = []
        ids: list[str] = []
        for path in wanted:
            try:
                for number, row in enumerate(file_rows(path), 1):
                    read.append(row)
                    ids += [f"{path.stem}:{number}"] if isinstance(row, Row) else []
            except RowsError as error:
                read += error.problems
        at = iter(ids)

        def make(row: Row) -> Item:
            id_ = next(at)
            source = items.text(row.fields, "original")
            others = [str(value).strip() for name, value in row.fields.items() if name != "original" and value]
            references = tuple(dict.fromkeys(one for one in others if one))
            if not references:
                raise items.WrongRowError("no simple sentence beside 'original'", "Add one, or take the row out.")
            return Item(id_, language, source, references, source)

        return items.parsed(read, make, subject) if read else []


def _corpus(item: str) -> str:
    """Name of the corpus in an item's id: the file's, without its split."""
    return re.sub(r"[_.](test|val|valid|train)$", "", item.rpartition(":")[0])


def tokenizer(language: str) -> sari.TokenizerName:
    """SARI's tokenizer for a language: 13a, the authors' for all, but where words are not spaced."""
    if LANGUAGES[language].spaced:
        return "13a"
    return "zh" if language == "zh" else "ja-char"


def first_line(response: str) -> str:
    """A response up to its first line break (authors' code)."""
    return response.strip().split("\n", 1)[0].strip()


def _parallel(folder: Path, language: str, subject: str) -> list[Item]:
    """Sentences of ``X.orig`` with the references ``X.ref.0`` … line by line; English may lie in the folder itself."""
    inside = folder / language if (folder / language).is_dir() else folder if language == "en" else None
    if inside is None:
        return []
    found = [path for suffix in ("orig", "norm") for path in sorted(inside.glob(f"*.{suffix}"))]
    # Of several splits the test split is meant.
    sources = [path for path in found if re.search(r"(?<![A-Za-z])test(?![A-Za-z])", path.name)] or found
    read: list[Item] = []
    problems: list[Problem] = []
    for path in sources:
        stem = path.name.removesuffix(path.suffix)
        references = sorted(
            other for other in inside.iterdir() if re.fullmatch(re.escape(stem) + r"\.(ref|simp|turk)\.\d+", other.name)
        )
        if not references:
            fix = f"Add {stem}.ref.0, one line for each line of it."
            problems.append(Problem(str(path), "has no references beside it", fix))
        if any(item.id.startswith(f"{stem}:") for item in read):
            problems.append(Problem(str(path), f"there is a second file of the name {stem}", "Take one away."))
        columns = [lines for one in (path, *references) if (lines := _lines(one, problems)) is not None]
        if len(columns) <= len(references):
            continue
        problems += [
            Problem(str(one), f"has {len(lines)} lines, {path.name} has {len(columns[0])}", "Mend it.")
            for one, lines in zip(references, columns[1:], strict=True)
            if len(lines) != len(columns[0])
        ]
        problems += [
            Problem(f"{path.name}:{number}", "the sentence is empty", "Give it a text, or take the line out of all.")
            for number, line in enumerate(columns[0], 1)
            if not line.strip()
        ]
        for number, (source, *simple) in enumerate(zip(*columns, strict=False), 1):
            kept = tuple(one.strip() for one in simple if one.strip())
            read.append(Item(f"{stem}:{number}", language, source.strip(), kept, source.strip()))
    if problems:
        raise ItemsError(subject, problems)
    return read


def _lines(path: Path, problems: list[Problem]) -> list[str] | None:
    """The lines of a file; None where it cannot be read, which is a problem then."""
    try:
        return path.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        problems.append(Problem(str(path), f"cannot be read ({why})", "Check the file."))
        return None
