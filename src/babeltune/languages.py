"""The languages: one row each, every code conversion, and how much of them the base models saw.

The nineteen target languages of the paper (section 3.1) and fourteen more that its data sets, its appendices or its
authors' later runs use. Chinese is Simplified and Norwegian is Bokmål (paper, footnotes 5 and 6).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Tier = Literal["high", "medium", "low"]
Corpus = Literal["llama2", "falcon", "gpt3"]
"""Pretraining data whose shares the paper's Table 1 gives."""


@dataclass(frozen=True, slots=True)
class Language:
    """One language. Shares are percentages of pretraining documents, in [0, 100]; None where the paper lists none."""

    code: str
    """ISO 639-1 code; the name of the language everywhere in babeltune."""
    openlid: str
    """Label of OpenLID (https://github.com/laurievb/OpenLID): ISO 639-3 and script."""
    lid176: str
    """Label of fastText's lid.176 (https://fasttext.cc/docs/en/language-identification.html)."""
    name: str
    """English name."""
    script: str
    """ISO 15924 code of the script."""
    spaced: bool = True
    """Whether words are written with spaces between them."""
    prompt_name: str | None = None
    """Name used inside prompts where it differs from ``name`` (paper, appendix B)."""
    tier: Tier | None = None
    """Resource tier by Llama 2's pretraining data (paper, section 3.1); None outside the paper's non-English targets."""
    llama2: float | None = None
    """Share in Llama 2's pretraining data [%] (paper, Table 1)."""
    falcon: float | None = None
    """Share in a RefinedWeb sample, which stands for Falcon [%] (paper, Table 1)."""
    gpt3: float | None = None
    """Share in GPT-3's pretraining data [%] (paper, Table 1)."""

    @property
    def in_prompts(self) -> str:
        """The name to use for this language inside a prompt."""
        return self.prompt_name or self.name


# Columns of shares: paper, Table 1. Falcon's Dutch is printed there with two digits only.
_ROWS = (
    Language("en", "eng_Latn", "en", "English", "Latn", llama2=89.70, falcon=95.751, gpt3=93.69),
    Language("de", "deu_Latn", "de", "German", "Latn", tier="high", llama2=0.17, falcon=0.009, gpt3=1.20),
    Language("fr", "fra_Latn", "fr", "French", "Latn", tier="high", llama2=0.16, falcon=0.019, gpt3=1.02),
    Language("sv", "swe_Latn", "sv", "Swedish", "Latn", tier="high", llama2=0.15, falcon=0.006, gpt3=0.06),
    Language(
        "zh", "zho_Hans", "zh", "Chinese", "Hans", spaced=False, prompt_name="Mandarin Chinese", tier="high",
        llama2=0.13, falcon=0.005, gpt3=0.12,
    ),
    Language("es", "spa_Latn", "es", "Spanish", "Latn", tier="high", llama2=0.13, falcon=0.010, gpt3=0.51),
    Language("ru", "rus_Cyrl", "ru", "Russian", "Cyrl", tier="high", llama2=0.13, falcon=0.006, gpt3=0.11),
    Language("it", "ita_Latn", "it", "Italian", "Latn", tier="high", llama2=0.11, falcon=0.010, gpt3=0.58),
    Language("pt", "por_Latn", "pt", "Portuguese", "Latn", tier="medium", llama2=0.09, falcon=0.014, gpt3=0.64),
    Language("vi", "vie_Latn", "vi", "Vietnamese", "Latn", tier="medium", llama2=0.08, falcon=0.005, gpt3=0.03),
    Language("ko", "kor_Hang", "ko", "Korean", "Hang", tier="medium", llama2=0.06, falcon=0.0003, gpt3=0.02),
    Language("fi", "fin_Latn", "fi", "Finnish", "Latn", tier="medium", llama2=0.03, falcon=0.003, gpt3=0.13),
    Language("hu", "hun_Latn", "hu", "Hungarian", "Latn", tier="medium", llama2=0.03, falcon=0.002, gpt3=0.06),
    Language(
        "no", "nob_Latn", "no", "Norwegian", "Latn", prompt_name="Norwegian Bokmål", tier="medium",
        llama2=0.03, falcon=0.003, gpt3=0.15,
    ),
    Language("bg", "bul_Cyrl", "bg", "Bulgarian", "Cyrl", tier="medium", llama2=0.02, falcon=0.001, gpt3=0.003),
    Language("sl", "slv_Latn", "sl", "Slovenian", "Latn", tier="medium", llama2=0.01, falcon=0.001, gpt3=0.03),
    Language(
        "el", "ell_Grek", "el", "Greek", "Grek", prompt_name="standard modern Greek", tier="low",
        falcon=0.002, gpt3=0.017,
    ),
    Language("hi", "hin_Deva", "hi", "Hindi", "Deva", tier="low", falcon=0.0001, gpt3=0.004),
    Language("is", "isl_Latn", "is", "Icelandic", "Latn", tier="low", falcon=0.001, gpt3=0.004),
    # Not among the paper's targets: languages of its data sets, appendices and neighbours.
    Language("ca", "cat_Latn", "ca", "Catalan", "Latn", llama2=0.04, gpt3=0.03),
    Language("da", "dan_Latn", "da", "Danish", "Latn", llama2=0.02, falcon=0.008, gpt3=0.16),
    Language("ar", "arb_Arab", "ar", "Arabic", "Arab", prompt_name="Modern Standard Arabic"),
    Language("ja", "jpn_Jpan", "ja", "Japanese", "Jpan", spaced=False, llama2=0.10, gpt3=0.25),
    Language("nl", "nld_Latn", "nl", "Dutch", "Latn", llama2=0.12, falcon=0.01, gpt3=0.37),
    Language("pl", "pol_Latn", "pl", "Polish", "Latn", llama2=0.09, gpt3=0.25),
    Language("tr", "tur_Latn", "tr", "Turkish", "Latn", gpt3=0.04),
    Language("th", "tha_Thai", "th", "Thai", "Thai", spaced=False),
    Language("ro", "ron_Latn", "ro", "Romanian", "Latn", llama2=0.03, gpt3=0.13),
    Language("id", "ind_Latn", "id", "Indonesian", "Latn", llama2=0.03, falcon=0.007, gpt3=0.04),
    Language("uk", "ukr_Cyrl", "uk", "Ukrainian", "Cyrl", llama2=0.07),
    Language("cs", "ces_Latn", "cs", "Czech", "Latn", llama2=0.03, gpt3=0.10),
    Language("sw", "swh_Latn", "sw", "Swahili", "Latn"),
    Language("ur", "urd_Arab", "ur", "Urdu", "Arab"),
)  # fmt: skip

LANGUAGES: dict[str, Language] = {row.code: row for row in _ROWS}
"""Every language by its ISO code, in the order of the paper's Table 1, then the fourteen others."""

PAPER_LANGUAGES: tuple[str, ...] = tuple(row.code for row in _ROWS[:19])
"""Codes of the paper's nineteen target languages (section 3.1)."""

_BY_LABEL = {label: row.code for row in _ROWS for label in (row.openlid, row.lid176)}


def code_of(label: str) -> str | None:
    """ISO code of a detector's label (``deu_Latn`` or ``de`` -> ``de``), or None for a language not in the table."""
    return _BY_LABEL.get(label)


HIGH, MEDIUM = 0.1, 0.01
"""Least share [%] of a high- and a medium-resource language. These two give the paper's tiers from Llama 2's shares."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """How much of a language a model saw in pretraining."""

    share: float | None
    """Percent of documents, in [0, 100]; None where the source lists none."""
    tier: Tier
    """``low`` where no share is listed (paper, section 3.1: Greek, Hindi, Icelandic)."""


def tier_of(share: float | None) -> Tier:
    """The tier of a share [%], for any model: the paper's own tiers (section 3.1) for Llama 2."""
    if share is None or share < MEDIUM:
        return "low"
    return "high" if share >= HIGH else "medium"


def published(corpus: Corpus) -> dict[str, float]:
    """ISO code -> share [%] of the languages for which the paper's Table 1 gives one."""
    return {row.code: share for row in _ROWS if (share := getattr(row, corpus)) is not None}


def exposure(shares: Mapping[str, float]) -> dict[str, Exposure]:
    """ISO code -> exposure, of every language in the table; ``shares`` as ``published`` or a census gives them."""
    return {code: Exposure(shares.get(code), tier_of(shares.get(code))) for code in LANGUAGES}


def known(code: str) -> str:
    """The code itself.

    Raises:
        ValueError: it is not in the table; says the nearest.
    """
    if code not in LANGUAGES:
        raise ValueError(f"unknown language '{code}'. {suggest(code)}")
    return code


_OTHER_CODES = {
    # ISO 639-2/B, where it differs from the code in the OpenLID label.
    **{"ger": "de", "fre": "fr", "chi": "zh", "gre": "el", "ice": "is", "dut": "nl", "cze": "cs", "rum": "ro"},
    # The macrolanguage for its member, or the member for it.
    **{"nb": "no", "nor": "no", "ara": "ar", "cmn": "zh"},
    # The country for the language.
    **{"gr": "el", "cn": "zh", "jp": "ja", "kr": "ko", "se": "sv", "dk": "da", "cz": "cs", "ua": "uk"},
}


def suggest(code: str) -> str:
    """What to say to somebody who wrote a language that is not in the table: the nearest code, or all of them."""
    wanted = code.casefold().strip()
    # A tag such as pt-BR or zh_CN starts with the language.
    first = re.split("[-_]", wanted)[0]
    for row in _ROWS:
        names = (row.name.casefold(), row.in_prompts.casefold(), row.openlid.casefold())
        if wanted in names or first in (row.code, row.openlid[:3]) or _OTHER_CODES.get(first) == row.code:
            return f"Did you mean '{row.code}' ({row.name})?"
    near = difflib.get_close_matches(wanted, [row.name.casefold() for row in _ROWS], n=1, cutoff=0.75)
    if near:
        row = next(row for row in _ROWS if row.name.casefold() == near[0])
        return f"Did you mean '{row.code}' ({row.name})?"
    return f"Known languages: {', '.join(LANGUAGES)}."
