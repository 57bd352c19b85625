import dataclasses
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES
from transformers.models.whisper.tokenization_whisper import LANGUAGES as WHISPER_NAMES

from babeltune.data.identify import FastText, lid176_path
from babeltune.languages import HIGH as AT_LEAST_HIGH
from babeltune.languages import (
    LANGUAGES,
    PAPER_LANGUAGES,
    Exposure,
    code_of,
    exposure,
    known,
    published,
    suggest,
    tier_of,
)

# Paper, section 3.1, in the order of its sentences.
HIGH = ("de", "fr", "sv", "zh", "es", "ru", "it")
MEDIUM = ("pt", "vi", "ko", "fi", "hu", "no", "bg", "sl")
LOW = ("el", "hi", "is")
OTHERS = ("ca", "da", "ar", "ja", "nl", "pl", "tr", "th", "ro", "id", "uk", "cs")
OF_XNLI = ("sw", "ur")  # languages of XNLI that neither the paper's text nor its Table 1 names

# Paper, Table 1, each column copied by hand from the print, in its order: percent of documents.
LLAMA_2 = """English 89.70 German 0.17 French 0.16 Swedish 0.15 Chinese 0.13 Spanish 0.13 Russian 0.13 Dutch 0.12
Italian 0.11 Japanese 0.10 Polish 0.09 Portuguese 0.09 Vietnamese 0.08 Ukrainian 0.07 Korean 0.06 Catalan 0.04
Indonesian 0.03 Czech 0.03 Finnish 0.03 Hungarian 0.03 Norwegian 0.03 Romanian 0.03 Bulgarian 0.02 Danish 0.02
Slovenian 0.01"""
FALCON = """English 95.751 French 0.019 Portuguese 0.014 Dutch 0.01 Spanish 0.010 Italian 0.010 German 0.009 Danish 0.008
Indonesian 0.007 Swedish 0.006 Russian 0.006 Vietnamese 0.005 Chinese 0.005 Norwegian 0.003 Finnish 0.003 Greek 0.002
Hungarian 0.002 Slovenian 0.001 Bulgarian 0.001 Icelandic 0.001 Korean 0.0003 Hindi 0.0001"""
GPT_3 = """English 93.69 German 1.20 French 1.02 Portuguese 0.64 Italian 0.58 Spanish 0.51 Dutch 0.37 Polish 0.25
Japanese 0.25 Danish 0.16 Norwegian 0.15 Romanian 0.13 Finnish 0.13 Chinese 0.12 Russian 0.11 Czech 0.10 Swedish 0.06
Hungarian 0.06 Indonesian 0.04 Turkish 0.04 Catalan 0.03 Vietnamese 0.03 Slovenian 0.03 Korean 0.02 Greek 0.017
Hindi 0.004 Icelandic 0.004 Bulgarian 0.003"""

# Universal Declaration of Human Rights, first article or its first sentence, in the languages that have no bundled prompts,
# and in Norwegian, whose prompts are too short for lid.176.
ARTICLE_1 = {
    "no": "Alle mennesker er født frie og med samme menneskeverd og menneskerettigheter. De er utstyrt med fornuft og "
    "samvittighet og bør handle mot hverandre i brorskapets ånd.",
    "ca": "Tots els éssers humans neixen lliures i iguals en dignitat i en drets.",
    "da": "Alle mennesker er født frie og lige i værdighed og rettigheder. De er udstyret med fornuft og samvittighed.",
    "ar": "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق.",
    "ja": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "nl": "Alle mensen worden vrij en gelijk in waardigheid en rechten geboren.",
    "pl": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw.",
    "tr": "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar.",
    "th": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
    "ro": "Toate ființele umane se nasc libere și egale în demnitate și în drepturi.",
    "id": "Semua orang dilahirkan merdeka dan mempunyai martabat dan hak-hak yang sama.",
    "uk": "Всі люди народжуються вільними і рівними у своїй гідності та правах.",
    "cs": "Všichni lidé rodí se svobodní a sobě rovní co do důstojnosti a práv.",
}
# ISO 15924 -> how Unicode names the characters of that script.
SCRIPT_NAMES = {
    "Latn": {"LATIN"},
    "Arab": {"ARABIC"},
    "Jpan": {"CJK", "HIRAGANA", "KATAKANA"},
    "Thai": {"THAI"},
    "Cyrl": {"CYRILLIC"},
}


def column(text):
    words = text.split()
    return {name: float(share) for name, share in zip(words[::2], words[1::2], strict=True)}


def test_the_papers_languages_stand_first_in_its_order():
    assert ("en", *HIGH, *MEDIUM, *LOW) == PAPER_LANGUAGES
    assert tuple(LANGUAGES) == PAPER_LANGUAGES + OTHERS + OF_XNLI


def test_tiers_are_the_papers():
    tiers = {
        tier: tuple(row.code for row in LANGUAGES.values() if row.tier == tier) for tier in ("high", "medium", "low")
    }
    assert tiers == {"high": HIGH, "medium": MEDIUM, "low": LOW}


def test_names_inside_prompts():
    # Paper, Figure 9 (Chinese, Greek) and footnote 6 (Norwegian); every other target goes by its English name.
    special = {"zh": "Mandarin Chinese", "el": "standard modern Greek", "no": "Norwegian Bokmål"}
    assert {code: LANGUAGES[code].in_prompts for code in PAPER_LANGUAGES} == {
        code: special.get(code, LANGUAGES[code].name) for code in PAPER_LANGUAGES
    }


def test_english_names_agree_with_whispers_table():
    assert {code: row.name.casefold() for code, row in LANGUAGES.items()} == {
        code: WHISPER_NAMES[code] for code in LANGUAGES
    }


def test_openlid_labels_are_flores_codes_of_the_right_script():
    # OpenLID's labels are those of FLORES-200, which NLLB's tokenizer lists too.
    for row in LANGUAGES.values():
        assert row.openlid in FAIRSEQ_LANGUAGE_CODES
        assert row.openlid.partition("_")[2] == row.script


@pytest.mark.parametrize("code", ARTICLE_1)
def test_lid176_itself_gives_the_label_in_the_table(code):
    # For the paper's other eighteen, test_pocket.py asks the same of the bundled prompts.
    assert FastText(lid176_path()).identify([ARTICLE_1[code]])[0].label == LANGUAGES[code].lid176


@pytest.mark.parametrize("code", ARTICLE_1)
def test_script_and_spacing_are_those_of_the_written_language(code):
    text = ARTICLE_1[code]
    scripts = {unicodedata.name(char).split()[0] for char in text if char.isalpha()}
    assert scripts <= SCRIPT_NAMES[LANGUAGES[code].script]
    assert LANGUAGES[code].spaced == (" " in text)


@pytest.mark.parametrize("field", ["code", "openlid", "lid176", "name"])
def test_no_two_languages_share_a(field):
    assert len({getattr(row, field) for row in LANGUAGES.values()}) == len(LANGUAGES)


def test_labels_convert_back_to_the_code():
    for code, row in LANGUAGES.items():
        assert code_of(row.openlid) == code_of(row.lid176) == code


@pytest.mark.parametrize("label", ["zho_Hant", "nno_Latn", "nn", "", "DE", "deu", "__label__de", "xx"])
def test_a_label_outside_the_table_has_no_code(label):
    assert code_of(label) is None


def test_a_language_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        LANGUAGES["de"].name = "Dutch"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("german", "de"),
        ("GERMAN ", "de"),
        ("Germann", "de"),
        ("ger", "de"),
        ("de-AT", "de"),
        ("zh-CN", "zh"),
        ("zh_Hans", "zh"),
        ("cn", "zh"),
        ("pt-BR", "pt"),
        ("portugese", "pt"),
        ("gr", "el"),
        ("gre", "el"),
        ("nb", "no"),
        ("nor", "no"),
        ("jp", "ja"),
        ("cz", "cs"),
        ("ara", "ar"),
        ("Slovene", "sl"),
    ],
)
def test_typical_mistakes_are_understood(written, meant):
    assert suggest(written) == f"Did you mean '{meant}' ({LANGUAGES[meant].name})?"


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_name_and_every_three_letter_code_leads_to_its_language(code):
    row = LANGUAGES[code]
    for written in (row.name, row.name.upper(), row.in_prompts, row.openlid, row.openlid[:3], code.upper()):
        assert suggest(written) == f"Did you mean '{code}' ({row.name})?"


@pytest.mark.parametrize("written", ["", "tlh", "Klingon", "Zulu", "12"])
def test_what_resembles_nothing_gets_the_whole_list(written):
    assert suggest(written) == f"Known languages: {', '.join(LANGUAGES)}."


@given(st.text(max_size=40))
def test_a_suggestion_is_always_a_language_of_the_table(written):
    said = suggest(written)
    assert said.startswith("Known languages: ") or said.split("'")[1] in LANGUAGES


def test_a_known_code_is_itself_and_any_other_is_refused_with_the_nearest():
    assert [known(code) for code in LANGUAGES] == list(LANGUAGES)
    with pytest.raises(ValueError, match=r"^unknown language 'deu'\. Did you mean 'de' \(German\)\?$"):
        known("deu")


@pytest.mark.parametrize("code", [code for code in PAPER_LANGUAGES if code != "en"])
def test_the_tiers_follow_from_llama_2s_shares(code):
    assert tier_of(published("llama2").get(code)) == LANGUAGES[code].tier


def test_the_tiers_are_parted_where_the_papers_smallest_high_and_medium_languages_lie():
    # Paper, Table 1: Italian 0.11 is high, Portuguese 0.09 medium; Slovenian 0.01 medium, Greek, Hindi, Icelandic unlisted.
    assert (tier_of(0.11), tier_of(0.09), tier_of(0.01), tier_of(None)) == ("high", "medium", "medium", "low")
    assert 0.09 < AT_LEAST_HIGH <= 0.11
    assert (tier_of(0.0), tier_of(0.00999)) == ("low", "low")


@given(st.floats(0, 100), st.floats(0, 100))
def test_more_of_a_language_is_never_a_lower_tier(one, other):
    order = ("low", "medium", "high")
    first, second = sorted((one, other))
    assert order.index(tier_of(first)) <= order.index(tier_of(second))


@pytest.mark.parametrize(("corpus", "printed"), [("llama2", LLAMA_2), ("falcon", FALCON), ("gpt3", GPT_3)])
def test_shares_are_those_of_table_1(corpus, printed):
    assert {LANGUAGES[code].name: share for code, share in published(corpus).items()} == column(printed)


def test_exposure_has_every_language_of_the_table_also_where_no_share_is_listed():
    found = exposure({"de": 0.2, "fr": 0.05, "el": 0.0})
    assert list(found) == list(LANGUAGES)
    assert found["de"] == Exposure(0.2, "high")
    assert found["fr"] == Exposure(0.05, "medium")
    assert found["el"] == Exposure(0.0, "low")  # listed as none
    assert found["hi"] == Exposure(None, "low")  # not listed
