import inspect
import re

import pytest

from babeltune import errors
from babeltune.errors import ChatsError, InputError, Problem

CLASSES = {
    name: kind
    for name, kind in inspect.getmembers(errors, inspect.isclass)
    if kind.__module__ == errors.__name__ and issubclass(kind, Exception)
}


def drawn_parents(doc):
    """Child -> parent, as the tree in the docstring draws them: four columns a level."""
    parents, above = {}, {}
    for line in doc.splitlines():
        found = re.match(r"([│├└─ ]*)([A-Z]\w+Error)\b", line)
        if found:
            depth = len(found[1]) // 4
            above[depth] = found[2]
            parents[found[2]] = above.get(depth - 1)
    return parents


def test_the_tree_in_the_docstring_is_the_tree_in_the_code():
    real = {name: kind.__base__.__name__ for name, kind in CLASSES.items()}
    assert drawn_parents(errors.__doc__) == {**real, "BabeltuneError": None}


@pytest.mark.parametrize(
    # From the docstring: 0 done, 1 any other, 2 an InputError, 3 a LockedError.
    ("name", "code"),
    [
        ("BabeltuneError", 1),
        ("InputError", 2),
        ("StudyError", 2),
        ("ChatsError", 2),
        ("TemplateError", 2),
        ("MixError", 1),
        ("ModelError", 1),
        ("StoreError", 1),
        ("LockedError", 3),
        ("EngineError", 1),
    ],
)
def test_exit_codes(name, code):
    assert CLASSES[name].exit_code == code


def test_a_problem_with_a_line_says_line_place_fault_and_mend():
    problem = Problem("recipe.rank", "-1 is not allowed", "It should be greater than 0.", 7)
    assert str(problem) == "line 7, recipe.rank: -1 is not allowed. It should be greater than 0."


def test_a_problem_without_a_line_says_the_place_alone():
    assert str(Problem("chats.jsonl:3", "broken JSON", "Mend it.")) == "chats.jsonl:3: broken JSON. Mend it."


def test_an_input_error_shows_every_problem_in_the_order_given():
    problems = [Problem(f"field{n}", "is wrong", "Mend it.", n) for n in (3, 1, 2)]
    error = InputError("study.yaml", iter(problems))
    assert error.problems == tuple(problems)
    assert str(error).splitlines() == [
        "study.yaml: 3 problems",
        "  - line 3, field3: is wrong. Mend it.",
        "  - line 1, field1: is wrong. Mend it.",
        "  - line 2, field2: is wrong. Mend it.",
    ]


def test_one_problem_is_not_called_problems():
    assert str(ChatsError("chats", [Problem("a", "b", "c")])).splitlines()[0] == "chats: 1 problem"
