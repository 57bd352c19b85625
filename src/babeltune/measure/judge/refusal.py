"""Refusals: whether a reply is that of a model that will not do what it was asked to."""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFUSALS: Mapping[str, str] = {
    "en": r"\bi['’]?m (?:really |very |so )?(?:sorry|unable|not able|not comfortable)|\bi am (?:sorry|unable|not able)"
    r"|^\W*sorry\b|\bi apologi[sz]e|\bi (?:can(?:no|['’])t|can not|won['’]t|will not|must decline)|\bas an ai\b"
    r"|against (?:my|the|our) (?:guidelines|polic)|\bunable to (?:assist|comply|evaluate|help|judge|rate)",
    "de": r"tut mir leid|\bich (?:kann|darf|werde) (?:\w+ )*?nicht|\b(?:kann|darf|werde) ich (?:\w+ )*?nicht",
    "fr": r"\bje suis (?:vraiment )?désolée?|^\W*désolée?\b|\bje ne (?:peux|puis)",
    "sv": r"\bjag kan (?:tyvärr )?inte|\btyvärr kan jag inte",
    "zh": r"抱歉|对不起|我(?:无法|不能)",
    "es": r"\blo (?:siento|lamento)|\bno puedo",
    "ru": r"извините|к сожалению,? я|\bя не могу|простите",
    "it": r"mi dispiace|\bnon posso",
    "pt": r"\b(?:me desculpe|desculpe|lamento|sinto muito)|\bnão posso",
    "vi": r"xin lỗi|tôi không thể",
    "ko": r"죄송|할 수 없습니다",
    "fi": r"olen pahoillani|\ben (?:valitettavasti )?(?:voi|pysty)\b",
    "hu": r"sajnálom|\bnem tudo[km]",
    "no": r"beklager|\bjeg kan (?:dessverre |desværre )?ikke",
    "bg": r"съжалявам|\bне мога",
    "sl": r"oprostite|\bne morem",
    "el": r"λυπάμαι|δεν μπορώ",
    "hi": r"क्षमा कर|माफ़ कर|मुझे खेद",
    "is": r"fyrirgefðu|\bég get (?:því miður )?ekki",
    "others": r"przepraszam|nie mogę|het spijt me|\bik kan (?:\w+ )*?niet|üzgünüm|عذر|آسف|لا (?:أستطيع|يمكنني)|ho sento"
    r"|no puc\b|申し訳|すみません|вибач",
}
"""How a refusal begins. The question is in English, but it is about an answer that is not."""
_REFUSAL = re.compile("|".join(_REFUSALS.values()), re.IGNORECASE)
_ABOUT = re.compile(r"submission|respon[sd]|answer|assistant|model|text", re.IGNORECASE)
"""A reply that speaks of what it judges before it says so tells of the answer's refusal, not of its own."""
_START = 60
"""Characters in which a refusal begins."""


def refuses(text: str) -> bool:
    """Whether a text begins with the judge's own refusal."""
    found = _REFUSAL.search(" ".join(text.split())[: 2 * _START])
    return found is not None and found.start() < _START and not _ABOUT.search(found.string[: found.start()])
