"""The verb ``mix``: build the training mixes of a study and show what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from babeltune.cli.loading import Download, Runs, SkipBadRows, StudyFile, open_
from babeltune.cli.terminal import Shown, console, listed, progress

if TYPE_CHECKING:
    from babeltune.data.card import Card

_MOST = 12
"""Languages of a mix that are shown; the card has all."""


def mix(
    study: StudyFile, runs: Runs = Path("runs"), skip_bad_rows: SkipBadRows = False, download: Download = False
) -> None:
    """Build the training mixes of a study, prove what they promise, and show what they hold.

    Prints the paper's Table 3, then chats, characters, tokens and tokenizer fertility of each language, the guarantees
    that were checked, and the content hashes. Beside each mix a data card is left. Tunes nothing; of the models it reads
    the tokenizers, where they are at hand.
    """
    from babeltune.data import card
    from babeltune.study.artefacts import CARD, PROOF, read_card, read_lines
    from babeltune.study.executors.local import DATA, run

    opened = open_(study, runs, skip_bad_rows=skip_bad_rows, download=download, may_lack="models")
    with progress() as bars:
        run(opened, Shown(bars), DATA)
    store, plan = opened.store, opened.plan
    folders = [store.open(step) for step in plan.of("card")]
    cards = [read_card(folder / CARD) for folder in folders]

    whole = listed(*card.TABLE_3, title="Table 3: makeup of the mixes", words=("Languages",))
    for row in card.table_3(cards):
        whole.add_row(*row)
    console.print(whole)
    for tokenizer in cards[0].parts[0].tokens or (None,):
        console.print(_by_language(cards, tokenizer))
    proof = listed("guarantee", "holds", "detail", title="what was checked", words=("holds", "detail"))
    for claim in read_lines(store.open(plan.of("proof")[0]) / PROOF):
        proof.add_row(claim["name"], "yes" if claim["holds"] else Text("NO", "red"), claim["detail"])
    console.print(proof)
    for name, one, folder in zip(plan.study.mixes, cards, folders, strict=True):
        said = f"{name}: content {one.content_hash[:16]}, card {folder / 'card.md'}"
        console.say(said)
    for need in plan.inputs.downloads:
        console.say(f"No token counts: not in the local cache: {need}.")


def _by_language(cards: Sequence[Card], tokenizer: str | None) -> Table:
    """Chats, characters and words of each language of each mix, and with a tokenizer tokens and fertility."""
    title = "by language" + (f", tokens of {tokenizer}" if tokenizer else "")
    numbers = ("tokens", "per char", "per word") if tokenizer else ()
    table = listed("mix", "language", "chats", "chars", "words", *numbers, title=title, words=("language",))
    for one in cards:
        shown = one.parts[:_MOST]
        for at, part in enumerate(shown):
            words = "-" if part.words is None else f"{part.words:,}"
            row = [one.mix if at == 0 else "", part.language, f"{part.chats:,}", f"{part.characters:,}", words]
            if tokenizer:
                per_word = part.per_word(tokenizer)
                row += [f"{part.tokens[tokenizer]:,}", f"{part.per_character(tokenizer):.3f}"]
                row.append("-" if per_word is None else f"{per_word:.2f}")
            table.add_row(*row, end_section=at == len(shown) - 1 and len(one.parts) <= _MOST)
        if len(one.parts) > _MOST:
            table.add_row("", f"{len(one.parts) - _MOST} more: see the card", end_section=True)
    return table
