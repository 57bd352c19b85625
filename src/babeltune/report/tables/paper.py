"""The paper's tables: what the base models were pretrained on (1), what simplification was asked about (2), the mixes (3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from babeltune.errors import NotDrawnError
from babeltune.languages import LANGUAGES, Corpus, published
from babeltune.report.results import Results
from babeltune.report.tables.table import Table

_CORPORA: dict[str, Corpus] = {"Llama 2": "llama2", "Falcon (RefinedWeb)": "falcon", "GPT-3": "gpt3"}


def table_1(results: Results) -> Table:
    """Language distribution of pretraining data: the paper's three models, and those of the study with shares of their own.

    The study's languages stand out. A share that is missing is listed by no source; the paper's "unknown" and languages that
    babeltune has no code for are left out.
    """
    shares: dict[str, Mapping[str, float]] = {name: published(corpus) for name, corpus in _CORPORA.items()}
    for model, seen in results.exposure.items():
        own = {code: one.share for code, one in seen.items() if one.share is not None}
        if own and own not in shares.values():
            shares[model] = own
    first = next(reversed(shares)) if len(shares) > len(_CORPORA) else "Llama 2"
    asked = {row["language"] for row in results.rows}
    there = [code for code in LANGUAGES if code in asked or any(code in one for one in shares.values())]
    codes = sorted(there, key=lambda code: (-(shares[first].get(code) or 0.0), list(LANGUAGES).index(code)))
    lines = tuple((LANGUAGES[code].name, code, *(_percent(one.get(code)) for one in shares.values())) for code in codes)
    columns = {"language": codes, "name": [LANGUAGES[code].name for code in codes]}
    frame = pl.DataFrame(columns).with_columns(
        *(pl.Series(name, [one.get(code) for code in codes], dtype=pl.Float64) for name, one in shares.items())
    )
    return Table(
        "table-1",
        "Distribution of document languages in pretraining data, in per cent. Llama 2, Falcon and GPT-3: the paper's Table 1. "
        "Languages of the study are in bold.",
        ("language", "code", *(f"{name} (%)" for name in shares)),
        lines,
        frame,
        frozenset(at for at, code in enumerate(codes) if code in asked),
        words=2,
    )


def table_2(results: Results) -> Table:
    """What simplification was asked about: each corpus with the sentences that it has and those that were sampled.

    Raises:
        NotDrawnError: the study did not ask simplification, or it is not known of what.
    """
    if not results.corpora:
        raise NotDrawnError("needs sentence simplification (`tasks: {simplification: …}`), and its items' corpora")
    rows = sorted(results.corpora, key=lambda row: list(LANGUAGES).index(row["language"]))
    return Table(
        "table-2",
        "Corpora of sentence simplification: sentences that are available, and those that were sampled for evaluation.",
        ("language", "corpus", "available", "sampled"),
        tuple((row["language"], str(row["corpus"]), _count(row["available"]), _count(row["sampled"])) for row in rows),
        pl.DataFrame(
            [{name: row[name] for name in ("language", "corpus", "available", "sampled")} for row in rows],
            schema={"language": pl.String, "corpus": pl.String, "available": pl.Int64, "sampled": pl.Int64},
        ),
        words=2,
    )


def table_3(results: Results) -> Table:
    """Makeup of the mixes: languages, share of chats in others than the largest one, chats in all.

    Raises:
        NotDrawnError: the mixes' makeups are not known.
    """
    mixes = {name: held for name, held in results.mixes.items() if held}
    if not mixes:
        raise NotDrawnError("needs mixes whose chats are known by language; these results have none")
    lines, rows = [], []
    for name, held in mixes.items():
        total, largest = sum(held.values()), max(held.values())
        share = 100 * (total - largest) / total if total else 0.0
        twin = " (translated)" if name in results.twins else ""
        lines.append((f"{name}{twin}", ", ".join(held), f"{share:.2f}", f"{total:,}"))
        rows += [
            {
                "mix": name,
                "translated": bool(twin),
                "language": code,
                "chats": count,
                "other_share": share,
                "total": total,
            }
            for code, count in held.items()
        ]
    return Table(
        "table-3",
        "Makeup of the mixes: languages, share of chats in other languages than the largest, chats in all.",
        ("mix", "languages", "% others", "chats"),
        tuple(lines),
        pl.DataFrame(rows, schema_overrides={"other_share": pl.Float64}),
        words=2,
    )


TABLES: dict[str, Callable[[Results], Table]] = {"1": table_1, "2": table_2, "3": table_3}
"""Number -> table."""


def _percent(share: float | None) -> str:
    return "n/a" if share is None else f"{share:g}"


def _count(number: int | None) -> str:
    return "n/a" if number is None else f"{number:,}"
