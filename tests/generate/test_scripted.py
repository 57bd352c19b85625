from __future__ import annotations

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
