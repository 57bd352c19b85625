"""Made-up studies of any shape, as a report reads them: plausible numbers, verdicts, judgements and answers."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from babeltune.languages import PAPER_LANGUAGES, exposure, published
from babeltune.report.results import Curve, Judging, Results

MIXES = {
    "mono": {"en": 3200},
    "multi-2": {"en": 3000, "es": 200},
    "multi-3": {"en": 2800, "es": 200, "ru": 200},
    "multi-4": {"en": 2600, "es": 200, "ru": 200, "de": 200},
    "multi-5": {"en": 2400, "es": 200, "ru": 200, "de": 200, "zh": 200},
    "multi-6": {"en": 2200, "es": 200, "ru": 200, "de": 200, "zh": 200, "fr": 200},
}
METRICS: dict[str, tuple[tuple[str, float, float], ...]] = {
    # task -> (metric, its worst, its best), the main one first
    "dialogue": (
        ("helpfulness", 1.0, 6.0), ("helpfulness-raw", 1.0, 6.0), ("agreement", 0.0, 1.0),
        ("agreement-nominal", 0.0, 1.0), ("line-pass", 0.0, 1.0),
    ),
    "simplification": (("sari-weighted", 0.0, 100.0), ("sari", 0.0, 100.0), ("agreement", 0.0, 1.0)),
    "xquad": (("xquad-paper", 0.0, 1.0), ("token-f1", 0.0, 1.0), ("agreement", 0.0, 1.0)),
    "xcsqa": (("xcsqa-first", 0.0, 1.0),),
    "xnli": (("accuracy", 0.0, 1.0),),
}  # fmt: skip
BOTH = ("simplification", "xquad")
"""Tasks that are asked under both promptings."""
_SYLLABLES = {
    "Latn": ["ba", "de", "ki", "lo", "mu", "ne", "ra", "so", "ti", "vu", "sche", "lin", "tor", "gan", "per"], "Cyrl": ["ба", "де", "ки", "ло", "му", "не", "ра", "со", "ти", "ву"],
    "Hans": list("的一是不了人我在有他这中大来上国"), "Hang": list("가나다라마바사아자차카타파하"),
    "Deva": ["क", "ख", "ग", "च", "ज", "ट", "ड", "त", "द", "न", "प", "ब", "म", "य", "र", "ल"], "Grek": ["βα", "δε", "κι", "λο", "μυ", "νε", "ρα", "σο", "τι"],
}  # fmt: skip
_SCRIPTS = {"zh": "Hans", "ko": "Hang", "hi": "Deva", "el": "Grek", "ru": "Cyrl", "bg": "Cyrl"}


def study(
    languages: Sequence[str] = PAPER_LANGUAGES,
    mixes: Mapping[str, Mapping[str, int]] = MIXES,
    models: Sequence[str] = ("llama-2-7b",),
    tasks: Sequence[str] = ("dialogue",),
    *,
    judge: bool = False,
    base: bool = True,
    lacking: Iterable[str] = (),
    unscored: bool = False,
    items: int = 3,
    seeds: int = 1,
    words: tuple[int, int] = (8, 20),
    name: str = "made-up",
    lift: float = 0.0,
) -> Results:
    """A study.

    Args:
        languages: those evaluated.
        mixes: mix -> language -> chats.
        models: names; each further one is a little better.
        tasks: of ``METRICS``.
        judge: whether helpfulness was judged, in both readings; without one dialogue has agreement first.
        base: whether the models were asked untuned too.
        lacking: mixes of the study file that no cell was evaluated under.
        unscored: whether nothing at all could be scored.
        items: prompts a language, of each task and prompting.
        seeds: of the sampling, of each answer.
        words: of a prompt and of an answer, about.
        name: of the study.
        lift: added to every share, as of a later version of the same study.
    """
    chance = random.Random(name)
    asked = [mix for mix in (*(("base",) if base else ()), *mixes) if mix not in set(lacking)]
    metrics = {task: _metrics(task, judge) for task in tasks}
    vocabulary = {code: _vocabulary(code) for code in {"en", *languages}}
    rows: list[dict[str, Any]] = []
    outputs: list[dict[str, Any]] = []
    for rank, model in enumerate(models):
        for task in tasks:
            for prompting in ("xx:xx", "en:xx") if task in BOTH else ("xx:xx",):
                for language in languages:
                    shares = {mix: _share(mix, mixes, language, lift + 0.02 * rank) for mix in asked}
                    for mix in asked:
                        for metric in metrics[task]:
                            rows.append(
                                _row(
                                    (model, mix, task, language, prompting),
                                    metric,
                                    shares[mix],
                                    seeds,
                                    chance,
                                    unscored,
                                )
                            )
                    outputs += _outputs(
                        (model, task, language, prompting),
                        shares,
                        metrics[task],
                        items,
                        seeds,
                        words,
                        vocabulary,
                        chance,
                        unscored,
                    )
    tested = len(asked) > 1 + base and not unscored
    contrasted = [(task, metric) for task in tasks for metric, *_ in metrics[task][:1]]
    if "dialogue" in tasks and judge:
        contrasted.append(("dialogue", "agreement"))
    ladder = [mix for mix in mixes if mix in asked]
    verdicts = [
        verdict(model, task, metric, languages, {mix: mixes[mix] for mix in ladder}, lift)
        for model in models for task, metric in contrasted
        if tested and len(ladder) > 1 and set(languages) - {code for mix in ladder for code in mixes[mix]}
    ]  # fmt: skip
    return Results(
        study=name,
        mixes=mixes,
        rows=tuple(rows),
        verdicts=tuple(verdicts),
        claims=(
            {"name": "equal size", "holds": True, "detail": "every mix has 3,200 chats"},
            {"name": "nested", "holds": True, "detail": "each mix holds the non-English chats of the one before"},
        ),
        items=tuple(outputs),
        recipe={
            "study": name, "models": [{"name": model, "revision": "01c7f73d"} for model in models], "chats": "pocket",
            "verdict": {"margin": 0.1, "in_kind": 0.8}, "seeds": list(range(seeds)), "judge": {"model": "judge-1"} if judge else None,
        },
        labelled={"counts": dict.fromkeys(("en", *languages), 200), "dropped": {"confidence below 0.8": 31}},
        left_out={f"{model}-{mix}-t0": 0 for model in models for mix in mixes},
        hashes={f"mix:{mix}": f"{chance.getrandbits(32):08x}" for mix in mixes},
        exposure={model: exposure(published("llama2")) for model in models},
        curves=tuple(
            Curve(model, mix, 0, tuple((at, 1.2 + 1.5 * math.exp(-at / 60) + chance.uniform(-0.1, 0.1)) for at in range(1, 201)), 400_000)
            for model in models for mix in ladder
        ),
        judging=Judging("judge-1", 9000, 120, 4, 0) if judge else None,
        shifts=tuple(
            {"model": model, "language": code, "direct": 3.1, "translated": 3.4, "difference": interval(0.3, 0.1, 300)}
            for model in models for code in languages if judge and code != "en"
        ),
        histogram=tuple(
            {"model": model, "mix": mix, "language": code, "reading": reading, "score": score, "count": max(0, round(chance.gauss(60 - 6 * score + (9 * score if mix != "base" else 0), 8)))}
            for model in models for mix in asked for code in languages for reading in ("direct", "translated") for score in range(1, 7)
            if judge
        ),
        splits=tuple(
            {
                "model": model, "task": task, "prompting": "xx:xx", "metric": metric, "n_items": 300, "n_sampling": seeds, "n_tuning": 1,
                "item": 0.08, "sampling": 0.004 if seeds > 1 else None, "tuning": None, "residual": 0.03, "width": 0.021,
                "advice": "Add a tuning seed: the study has one, and cannot tell how much another would differ.",
                "options": [{"add": "items", "n": 600, "width": 0.016}, {"add": "sampling seeds", "n": 3, "width": 0.02}],
            }
            for model in models for task, metric in contrasted
        ),
        corpora=tuple({"language": code, "corpus": "made-up", "available": 1000, "sampled": 359} for code in languages if "simplification" in tasks),
        items_left_out=0,
    )  # fmt: skip


def interval(value: float, half: float, n: int) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half, "n": n}


def verdict(
    model: str,
    task: str,
    metric: str,
    languages: Sequence[str],
    mixes: Mapping[str, Mapping[str, int]],
    lift: float = 0.0,
) -> dict[str, Any]:
    names = list(mixes)
    sizes = {mix: len(codes) for mix, codes in mixes.items()}
    held = {code for codes in mixes.values() for code in codes}
    unseen = [code for code in languages if code not in held]
    seen = exposure(published("llama2"))
    found = []
    for code in languages:
        entered = next((mix for mix in names if code in mixes[mix]), None)
        gain = _share(names[1], mixes, code, lift) - _share(names[0], mixes, code, lift)
        at = names.index(entered) if entered else 0
        found.append(
            {
                "language": code, "seen": code in held, "entered": entered,
                "tier": seen[code].tier if code in seen else None, "share": seen[code].share if code in seen else None,
                "necessary": "shown" if gain > 0.06 else "not shown",
                "step": {"first": names[1], "second": names[0], "interval": interval(gain, 0.06, 300), "p": 0.001, "p_holm": 0.019},
                "sufficient": 2 if code not in ("hi", "is") else None,
                "worst_case": {"first": names[-1], "second": names[1], "interval": interval(0.02, 0.05, 300)},
                "entering": {"first": entered, "second": names[at - 1], "interval": interval(0.1, 0.06, 300)} if at else None,
                "before": {"first": names[at - 1], "second": names[0], "interval": interval(0.3, 0.06, 300)} if at > 1 else None,
            }
        )  # fmt: skip
    points = [[one["language"], one["share"], one["step"]["interval"]["value"]] for one in found if one["share"]]
    return {
        "model": model, "task": task, "prompting": "xx:xx", "metric": metric, "margin": 0.1, "unseen": unseen,
        "languages": sizes, "in_kind": {mix: unseen[: 2 * at] for at, mix in enumerate(names)} if metric == "agreement" else {},
        "averages": {mix: interval(0.5 + 0.05 * at, 0.03, 300) for at, mix in enumerate(names)},
        "contrasts": [{"first": names[b], "second": names[a], "interval": interval(0.4 if a == 0 else 0.02, 0.03, 300)} for a in range(len(names)) for b in range(a + 1, len(names))],
        "necessary": "shown", "sufficient": 2, "english": {"first": names[-1], "second": names[0], "interval": interval(-0.004, 0.01, 300)},
        "sentence": f"{model} answers 0 of {len(unseen)} unseen languages in kind after English-only tuning, {len(unseen) // 2} after adding one language; two languages are necessary and sufficient, three to six add nothing measurable.",
        "by_language": found,
        "supervised": {"zero_shot": interval(0.41, 0.03, 300), "supervised": interval(0.52, 0.04, 300), "difference": interval(0.11, 0.05, 300)},
        "fit": {"n": len(points), "slope": 0.12, "low": 0.02, "high": 0.2, "intercept": 0.5, "r": 0.52, "points": points} if len(points) > 2 else None,
    }  # fmt: skip


def _metrics(task: str, judge: bool) -> tuple[tuple[str, float, float], ...]:
    return tuple(one for one in METRICS[task] if judge or not one[0].startswith("helpfulness"))


def _share(mix: str, mixes: Mapping[str, Mapping[str, int]], language: str, more: float) -> float:
    """How well a mix does in a language, in [0, 1]: English always, others from two languages on."""
    if language == "en":
        return min(0.99, 0.93 + more)
    known = 0.25 * (list(PAPER_LANGUAGES).index(language) % 7) / 7 if language in PAPER_LANGUAGES else 0.1
    if mix == "base":
        return min(0.99, 0.35 + known + more)
    several = min(1.0, (len(mixes[mix]) - 1) / 1.5)
    return min(0.99, 0.25 + known + 0.38 * several + (0.08 if language in mixes[mix] else 0.0) + more)


def _row(
    cell: tuple[str, str, str, str, str],
    metric: tuple[str, float, float],
    share: float,
    seeds: int,
    chance: random.Random,
    unscored: bool,
) -> dict[str, Any]:
    model, mix, task, language, prompting = cell
    name, least, top = metric
    span = top - least
    share = max(0.0, min(1.0, share + chance.uniform(-0.03, 0.03)))
    half = 1.96 * math.sqrt(share * (1 - share) / 300)
    value, low, high = (least + span * end for end in (share, max(0.0, share - half), min(1.0, share + half)))
    gone = 300 * seeds if unscored else chance.choice((0, 0, 0, 0, 2))
    return {
        "model": model, "mix": mix, "task": task, "language": language, "prompting": prompting, "metric": name,
        "value": None if unscored else value, "low": None if unscored else low, "high": None if unscored else high,
        "n": 0 if unscored else 300, "unscored": gone, "signature": f"lid:openlid|items:0a1b2c3d|seeds:{seeds}|version:0.1",
        "worst": least if unscored else value - 0.005 * span, "best": top if unscored else value,
        "reasons": {"response not identified: empty": gone} if gone else {}, "top": top, "least": least,
        "seeds": seeds, "tuning_seeds": 1, "std": 0.01 * span if seeds > 1 and not unscored else None,
    }  # fmt: skip


def _vocabulary(code: str) -> list[str]:
    script = _SCRIPTS.get(code, "Latn")
    chance = random.Random(code)
    return ["".join(chance.choices(_SYLLABLES[script], k=chance.randint(1, 4))) for _ in range(3000)]


def _text(vocabulary: Sequence[str], count: int, chance: random.Random) -> str:
    """Words as often as words are: the first far more often than the last."""
    return " ".join(vocabulary[int(len(vocabulary) * chance.random() ** 3)] for _ in range(count))


def _outputs(
    cell: tuple[str, str, str, str],
    shares: Mapping[str, float],
    metrics: Sequence[tuple[str, float, float]],
    items: int,
    seeds: int,
    words: tuple[int, int],
    vocabulary: Mapping[str, Sequence[str]],
    chance: random.Random,
    unscored: bool,
) -> list[dict[str, Any]]:
    model, task, language, prompting = cell
    found = []
    for number in range(items):
        prompt = _text(vocabulary[language], words[0], chance) + "?"
        for mix, share in shares.items():
            for seed in range(seeds):
                right = chance.random() < share
                spoken = language if right else "en"
                lines = [spoken, "", spoken if chance.random() < 0.7 else language]
                response = "\n".join(
                    _text(vocabulary[code], words[1] // 2, chance).capitalize() + "." if code else "" for code in lines
                )
                values = {
                    name: (top if right else least)
                    if top <= 1
                    else round(least + (top - least) * chance.random()) * 1.0
                    for name, least, top in metrics
                }
                notes = {"prompt": language, "response": spoken, "probability": "0.93"}
                if "helpfulness" in values:
                    values["helpfulness"] = values["helpfulness-raw"] if right else 1.0
                    notes |= {
                        "judge": "ok",
                        "reasoning": "The answer is to the point, but it leaves out half of what was asked.",
                    }
                found.append(
                    {
                        "model": model, "mix": mix, "tuning_seed": 0, "task": task, "language": language,
                        "prompting": prompting, "seed": seed, "item": f"{task[:2]}{number + 1}", "subject": prompt,
                        "prompt": prompt if prompting == "xx:xx" and task == "dialogue" else f"Simplify or answer this:\n{prompt}",
                        "references": [] if task == "dialogue" else [_text(vocabulary[language], 5, chance)],
                        "response": response, "values": {} if unscored else values, "notes": notes, "finish": "eos",
                        "unscored": {name: "response not identified: empty" for name, *_ in metrics} if unscored else {},
                        "lines": lines,
                    }
                )  # fmt: skip
    return found
