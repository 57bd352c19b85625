"""Refusals in the languages in which a judge may refuse, and sentences that sound like one."""

from __future__ import annotations

import pytest

from babeltune.languages import PAPER_LANGUAGES
from babeltune.measure.judge.refusal import refuses

REFUSALS = {
    "en": "I apologize, but I won't evaluate this response.",
    "de": "Leider kann ich diese Antwort nicht bewerten.",
    "fr": "Je suis désolé, mais je ne peux pas évaluer cette réponse.",
    "sv": "Tyvärr kan jag inte bedöma det här svaret.",
    "zh": "对不起，我不能评价这个内容。",
    "es": "Lo siento, pero no puedo evaluar esta respuesta.",
    "ru": "К сожалению, я не могу оценить этот ответ.",
    "it": "Mi dispiace, ma non posso valutare questa risposta.",
    "pt": "Desculpe, mas não posso avaliar esta resposta.",
    "vi": "Xin lỗi, tôi không thể đánh giá câu trả lời này.",
    "ko": "죄송하지만 이 답변은 평가해 드릴 수 없습니다.",
    "fi": "Olen pahoillani, mutta en voi arvioida tätä vastausta.",
    "hu": "Sajnálom, de ezt a választ nem tudom értékelni.",
    "no": "Beklager, men jeg kan ikke vurdere dette svaret.",
    "bg": "Съжалявам, но не мога да оценя този отговор.",
    "sl": "Oprostite, tega odgovora ne morem oceniti.",
    "el": "Λυπάμαι, αλλά δεν μπορώ να αξιολογήσω αυτή την απάντηση.",
    "hi": "क्षमा करें, मैं इस उत्तर का मूल्यांकन नहीं कर सकता।",
    "is": "Fyrirgefðu, en ég get ekki metið þetta svar.",
}


def test_every_language_of_the_paper_has_a_refusal() -> None:
    assert set(REFUSALS) == set(PAPER_LANGUAGES)


@pytest.mark.parametrize("language", REFUSALS)
def test_refusals_are_known_in_the_papers_languages(language: str) -> None:
    assert refuses(REFUSALS[language])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The response says \"I'm sorry, but I can't help\" and nothing else.",
        "The assistant refuses: I cannot answer.",
        "The submission is in English. The person cannot use it.",
        "This is a helpful text with three tips. " * 3 + "I cannot give it a 6, since it lacks headings.",
        "Die Antwort kann nicht bewertet werden, da sie leer ist.",
        "Vastaus on lyhyt. Se ei voi auttaa.",
    ],
)
def test_what_is_said_of_the_answer_is_no_refusal(text: str) -> None:
    assert not refuses(text)
