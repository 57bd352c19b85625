"""No code of others is run: not a model's, not an adapter's, not a data set's, not a study file's, not a checkpoint's."""

from __future__ import annotations

import ast
import json
import pickle
import shutil
from collections.abc import Iterator
from importlib import resources, util
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from babeltune.errors import BabeltuneError, EngineError, RowsError
from babeltune.finetune import merge
from babeltune.generate.transformers import TransformersEngine
from babeltune.hub import HubSet, _tables
from babeltune.measure.tasks import prompt
from babeltune.records import Request, Sampling
from calls import Call
from doubles import study_file

SRC = Path(str(resources.files("babeltune")))
FORBIDDEN = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "os.execv", "os.spawnl", "pickle.load", "pickle.loads", "marshal.loads",
    "shelve.open", "torch.load", "joblib.load", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all", "dill.loads", "cloudpickle.loads",
    "runpy.run_path", "importlib.import_module", "import_module", "subprocess.run", "subprocess.Popen", "subprocess.check_output",
    "np.load", "numpy.load",
}  # fmt: skip
ALLOWED = {
    ("cli/__init__.py", "import_module"): "of the verbs, whose names are a literal dict",
    ("finetune/launch.py", "subprocess.Popen"): "accelerate, by a list of words",
    ("data/census/on_ray.py", "pickle.loads"): "what this very program gave to Ray's workers",
    ("study/doctor/trial.py", "import_module"): "of libraries by names that stand there, to see whether they work",
    ("study/doctor/trials.py", "subprocess.Popen"): "this very program, by a list of words",
}


def calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func)


def said(call: ast.Call) -> dict[str | None, str]:
    return {one.arg: ast.unparse(one.value) for one in call.keywords}


def modules() -> list[tuple[Path, str]]:
    return [(path, path.relative_to(SRC).as_posix()) for path in sorted(SRC.rglob("*.py"))]


def test_nothing_evaluates_unpickles_or_starts_a_shell() -> None:
    used = set()
    for path, place in modules():
        for call, name in calls(path):
            assert said(call).get("shell", "False") == "False", place
            if name in FORBIDDEN:
                used.add((place, name))
    left = {(place, name) for place, name in used if (place, name) not in ALLOWED}
    assert left == set()


def test_every_model_tokenizer_and_config_is_loaded_without_its_code_and_weights_from_safetensors_alone() -> None:
    loads = 0
    for path, place in modules():
        for call, name in calls(path):
            if name.startswith("Auto") and name.endswith(".from_pretrained"):
                loads += 1
                assert said(call).get("trust_remote_code") == "False", (place, name)
                if "Model" in name and "gguf_file" not in said(call):
                    assert said(call).get("use_safetensors") == "True", (place, name)
    assert loads > 8
    assert not any("trust_remote_code=True" in path.read_text() for path, _ in modules())


def test_yaml_is_read_by_a_safe_loader() -> None:
    assert issubclass(prompt._Strict, yaml.SafeLoader)
    for path, place in modules():
        for call, name in calls(path):
            if name in ("yaml.load", "yaml.compose", "yaml.Loader", "yaml.FullLoader", "yaml.UnsafeLoader"):
                assert said(call).get("Loader") in ("_Strict", "yaml.SafeLoader"), place


@pytest.mark.parametrize("module", ["transformers.trainer", "transformers.modeling_utils", "peft.utils.save_and_load"])
def test_what_resumes_a_tuning_unpacks_tensors_and_nothing_else(module: str) -> None:
    """Optimizer, scheduler and random states of a checkpoint are pickles: torch's restricted reader alone may read them."""
    found = util.find_spec(module)
    assert found is not None
    assert found.origin is not None
    loads = [call for call, name in calls(Path(found.origin)) if name in ("torch.load", "torch_load")]
    assert loads
    assert {said(call).get("weights_only", "the default") for call in loads} <= {"True", "weights_only", "the default"}
    if module == "transformers.trainer":
        assert {said(call).get("weights_only") for call in loads} == {"True"}


class Bomb:
    """Unpickled, it leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Path.touch, (self.path,)  # type: ignore[return-value]


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "it-ran"
    pickle.loads(pickle.dumps(Bomb(path)))
    assert path.exists()  # so the bomb works
    path.unlink()
    yield path
    assert not path.exists()


def coded(folder: Path, canary: Path, model: Path) -> Path:
    """A model that only its own code can load."""
    shutil.copytree(model, folder)
    about = json.loads((folder / "config.json").read_text())
    names = {
        "AutoConfig": "modeling_x.XConfig",
        "AutoModelForCausalLM": "modeling_x.XModel",
        "AutoTokenizer": ["modeling_x.XTokenizer", None],
    }
    about |= {"model_type": "x-unknown", "architectures": ["XModel"], "auto_map": names}
    (folder / "config.json").write_text(json.dumps(about))
    (folder / "modeling_x.py").write_text(f"open({str(canary)!r}, 'w')\n")
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
    tokenizer |= {"tokenizer_class": "XTokenizer", "auto_map": {"AutoTokenizer": ["modeling_x.XTokenizer", None]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    return folder


def pickled(folder: Path, canary: Path, model: Path) -> Path:
    """A model whose weights are a pickle."""
    shutil.copytree(model, folder)
    (folder / "model.safetensors").unlink()
    torch.save({"x": Bomb(canary)}, folder / "pytorch_model.bin")
    return folder


@pytest.mark.parametrize("made", [coded, pickled])
def test_a_model_of_code_or_pickles_is_refused_and_does_not_run(
    babeltune: Call, canary: Path, tmp_path: Path, model_folder: Path, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(question: str = "") -> str:
        raise AssertionError("the user is asked whether to run it, and may say yes")

    monkeypatch.setattr("builtins.input", asked)
    folder = made(tmp_path / "model", canary, model_folder)
    told = babeltune("run", study_file(tmp_path, folder), "--runs", tmp_path / "runs")
    assert told.code in (1, 2)
    assert "Traceback" not in told.err
    assert str(folder) in told.err.replace("\n", "")
    engine = TransformersEngine(folder)
    with pytest.raises(BabeltuneError):
        list(engine.complete([Request("a", "c", "x", Sampling(0.0, 1.0, 2), 0)]))


def test_an_adapter_of_pickles_is_refused_and_does_not_run(canary: Path, tmp_path: Path, model_folder: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "r": 2, "target_modules": ["q_proj"], "task_type": "CAUSAL_LM"})
    )
    torch.save({"x": Bomb(canary)}, adapter / "adapter_model.bin")
    engine = TransformersEngine(model_folder)
    with pytest.raises(EngineError, match=r"holds no adapter_model\.safetensors"):
        list(engine.complete([Request("a", "c", "x", Sampling(0.0, 1.0, 2), 0, adapter=str(adapter))]))
    with pytest.raises(BabeltuneError, match=r"holds no adapter_model\.safetensors"):
        merge.merge(
            model_folder, adapter, "float32", tmp_path / "out", stored="float32", sampling=Sampling(0.0, 1.0, 2)
        )


def test_a_data_set_of_code_is_refused_and_does_not_run(canary: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "set.py").write_text(f"open({str(canary)!r}, 'w')\n")
    with pytest.raises(RowsError):
        list(_tables(HubSet("org/set"), folder))
    (folder / "set.py").unlink()
    (folder / "data.pkl").write_bytes(pickle.dumps(Bomb(canary)))
    with pytest.raises(RowsError):
        list(_tables(HubSet("org/set"), folder))


@pytest.mark.parametrize(
    "text",
    [
        "study: !!python/object/apply:os.system ['touch {}']", "!!python/object/new:os.system ['touch {}']",
        "models: !!python/name:os.system", "mixes: !!python/module:os", "? !!python/tuple [a]\n: 1", "a: !<tag:yaml.org,2002:python/object:os.X> 1",
    ],
)  # fmt: skip
def test_a_study_file_makes_no_objects(babeltune: Call, canary: Path, tmp_path: Path, text: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(text.replace("{}", str(canary)))
    told = babeltune("plan", path, "--runs", tmp_path / "runs")
    assert told.code == 2
    assert "Traceback" not in told.err
