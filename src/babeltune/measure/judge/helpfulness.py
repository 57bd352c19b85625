"""Helpfulness: what becomes of a judge's grade where the answer is in another language (paper, section 4.1, appendix E)."""

from __future__ import annotations

from dataclasses import dataclass

from babeltune.languages import code_of
from babeltune.measure.judge.grade import HIGHEST, LOWEST, Grade, State
from babeltune.records import Identified, Metric, Score

HELPFULNESS = "helpfulness"
"""The judge's score, and 1 where the response is not in the language of the item (paper, section 4.1), in [1, 6]."""
HELPFULNESS_PROMPT_LID = "helpfulness-prompt-lid"
"""The same, but 1 where the response is not in the language identified in the prompt (authors' code), in [1, 6]."""
HELPFULNESS_RAW = "helpfulness-raw"
"""The judge's score as it is, in [1, 6]."""
METRICS = tuple(
    Metric(name, float(HIGHEST), float(LOWEST)) for name in (HELPFULNESS, HELPFULNESS_PROMPT_LID, HELPFULNESS_RAW)
)

_WHY: dict[State, str] = {
    "unparsable": "the judge's reply could not be read",
    "refused": "the judge refused",
    "out-of-range": "the judge's score is not on the scale",
    "failed": "the judge did not reply",
    "unsent": "the judge was not asked",
}


@dataclass(frozen=True, slots=True)
class Off:
    """Whether an answer is in another language, by either rule; no where the identifier abstains."""

    target: bool
    """Than the item's."""
    prompt: bool
    """Than the one identified in the prompt."""


def off_language(language: str, prompt: Identified, response: Identified) -> Off:
    """``language``: the item's ISO code; ``prompt``, ``response``: what was identified in each."""
    if response.label is None:
        return Off(False, False)
    return Off(code_of(response.label) != language, prompt.label is not None and response.label != prompt.label)


def forced(item: str) -> Score:
    """Of an answer that is off under both rules, and of which the judge was not asked: whatever it said, it is a 1."""
    values = {HELPFULNESS: float(LOWEST), HELPFULNESS_PROMPT_LID: float(LOWEST)}
    notes = {"judge": "not asked", "forced": "target, prompt-lid"}
    return Score(item, values, notes, {HELPFULNESS_RAW: "the judge was not asked, as both rules force a 1"})


def helpfulness(item: str, verdict: Grade, language: str, prompt: Identified, response: Identified) -> Score:
    """The three values of one answer; ``language`` is the item's ISO code.

    Paper: an answer in another language than the item's is a 1, whatever the judge says of it, so also where the reply
    could not be used. Authors' code: replies that cannot be used are dropped first, and only then an answer in another
    language than the identifier found in the prompt becomes a 1. An answer that was not judged at all (``failed``,
    ``unsent``) has no value under any rule: else those in another language would be all that is left of a run that
    stopped at its spending cap.

    Where the identifier abstains, nothing is known to be in another language, and the judge's score stands. (Language
    agreement is unscored there; here that would leave out empty answers, which the judge is right to give a 1.)
    """
    off = off_language(language, prompt, response)
    values: dict[str, float] = {}
    if verdict.score is not None:
        values = {
            HELPFULNESS: float(LOWEST if off.target else verdict.score),
            HELPFULNESS_PROMPT_LID: float(LOWEST if off.prompt else verdict.score),
            HELPFULNESS_RAW: float(verdict.score),
        }
    elif off.target and verdict.state not in ("failed", "unsent"):
        values = {HELPFULNESS: float(LOWEST)}
    names = (HELPFULNESS, HELPFULNESS_PROMPT_LID, HELPFULNESS_RAW)
    unscored = {name: _WHY[verdict.state] for name in names if name not in values}
    rules = [rule for rule, held in (("target", off.target), ("prompt-lid", off.prompt)) if held]
    notes = {
        "judge": verdict.state,
        "forced": ", ".join(rules) or "no",
        "judge score": verdict.raw_score,
        "judge detail": verdict.detail,
        "reasoning": verdict.reasoning,
    }
    return Score(item, values, {name: text for name, text in notes.items() if text}, unscored)
