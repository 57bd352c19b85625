from __future__ import annotations

import pytest

from babeltune.errors import EngineError
from babeltune.generate.scripted import ScriptedEngine
from babeltune.records import Request, Sampling


def test_answers_are_cut_as_an_engine_cuts_them():
    sampling = Sampling(max_tokens=4, stop=("###",))
    requests = [
        Request(str(at), "c", text, sampling, 0, prefix="> ") for at, text in enumerate(["a b", "a ### b", "a b c d e"])
    ]
    outputs = list(ScriptedEngine(lambda request: request.prompt).complete(requests, {("c", "9")}))
    assert [(output.text, output.finish) for output in outputs] == [
        ("> a b", "eos"),
        ("> a ", "stop"),
        ("> a b c d", "length"),
    ]


def test_kept_outputs_are_not_given_again():
    requests = [Request(name, "c", "x", Sampling(), 0) for name in "abc"]
    assert [output.id for output in ScriptedEngine(lambda _: "y").complete(requests, {("c", "b")})] == ["a", "c"]


def test_candidates_are_ranked_by_the_script():
    requests = [Request(name, "c", "", Sampling(), 0, candidates=("a b", "", name)) for name in ("x", "y z", "w")]
    engine = ScriptedEngine(lambda _: "", lambda request: [-len(text) for text in request.candidates])
    outputs = list(engine.loglikelihood(requests, {("c", "w")}))
    assert [output.id for output in outputs] == ["x", "y z"]
    assert (outputs[1].text, outputs[1].finish, outputs[1].tokens) == ("", "ranked", 4)
    assert (outputs[1].loglikelihoods, outputs[1].lengths) == ((-3, 0, -3), (2, 0, 2))


def test_a_script_that_does_not_rank_or_ranks_too_few_says_so():
    requests = [Request("x", "c", "", Sampling(), 0, candidates=("a", "b"))]
    with pytest.raises(EngineError, match="Give it `rank`"):
        list(ScriptedEngine(lambda _: "").loglikelihood(requests))
    with pytest.raises(EngineError, match="c, request x: 1 log-likelihoods for 2 candidates"):
        list(ScriptedEngine(lambda _: "", lambda _: [0.0]).loglikelihood(requests))
