"""A browser without a window for tests that need one: Chromium, spoken to over its own pipe."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 60.0
"""Seconds until an answer is given up on."""


def chromium() -> str | None:
    """Where it is; None where it is not installed."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One page. Dialogs are answered with OK and kept in ``dialogs``; downloads land in ``downloads``."""

    def __init__(self, out: int, back: int, downloads: Path) -> None:
        self.out, self.back, self.downloads = out, back, downloads
        self.dialogs: list[str] = []
        self.requests: list[str] = []
        self.errors: list[str] = []
        self._rest = b""
        self._number = 0
        self._session: str | None = None
        self._document = ""
        self._loaded: set[str] = set()
        behaviour = {"behavior": "allow", "downloadPath": str(downloads)}
        self.call("Browser.setDownloadBehavior", behaviour)
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        self._session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", {"enabled": True})

    def call(self, method: str, parameters: dict[str, Any] | None = None) -> Any:
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters or {}}
        if self._session:
            message["sessionId"] = self._session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            found = self._read()
            if found.get("id") == number:
                assert "error" not in found, found
                return found["result"]
            self._note(found)

    def open(self, address: str) -> None:
        document = self.call("Page.navigate", {"url": address}).get("loaderId")  # none within one document
        while document and document not in self._loaded:
            self._note(self._read())

    def reload(self) -> None:
        before = self._document
        self.call("Page.reload")
        while self._document == before or self._document not in self._loaded:
            self._note(self._read())

    def run(self, expression: str) -> Any:
        """The value of an expression in the page."""
        found = self.call("Runtime.evaluate", {"expression": expression, "returnByValue": True, "awaitPromise": True})
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def text(self, name: str) -> str:
        return str(self.run(f"document.getElementById('{name}').innerText"))

    def until(self, expression: str) -> None:
        end = time.monotonic() + PATIENCE
        while not self.run(expression):
            assert time.monotonic() < end, f"never: {expression}"
            time.sleep(0.02)

    def press(self, *keys: str) -> None:
        for key in keys:
            code = f"Digit{key}" if key.isdigit() else f"Key{key.upper()}" if len(key) == 1 else key
            typed = {"text": key} if len(key) == 1 else {}
            for kind in ("keyDown", "keyUp"):
                self.call("Input.dispatchKeyEvent", {"type": kind, "key": key, "code": code, **typed})

    def choose(self, name: str, file: Path) -> None:
        """Give a file to an input of the page."""
        found = self.call("Runtime.evaluate", {"expression": f"document.getElementById('{name}')"})
        self.call("DOM.setFileInputFiles", {"files": [str(file)], "objectId": found["result"]["objectId"]})

    def downloaded(self) -> Path:
        """The file that has come, when it is whole."""
        end = time.monotonic() + PATIENCE
        while True:
            files = [path for path in self.downloads.iterdir() if path.suffix == ".csv"]
            if files:
                return files[0]
            assert time.monotonic() < end, "no file came"
            time.sleep(0.02)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self.back], [], [], PATIENCE)
            assert ready, "the browser does not answer"
            more = os.read(self.back, 1 << 16)
            assert more, "the browser has ended"
            self._rest += more
        first, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(first)
        return found

    def _note(self, found: dict[str, Any]) -> None:
        parameters = found.get("params", {})
        match found.get("method"):
            case "Page.javascriptDialogOpening":
                self.dialogs.append(parameters["message"])
                self._number += 1
                answer = {"id": self._number, "method": "Page.handleJavaScriptDialog", "params": {"accept": True}}
                os.write(self.out, json.dumps({**answer, "sessionId": self._session}).encode() + b"\0")
            case "Page.frameNavigated":
                self._document = parameters["frame"]["loaderId"]
            case "Page.lifecycleEvent" if parameters["name"] == "load":
                self._loaded.add(parameters["loaderId"])
            case "Network.requestWillBeSent":
                self.requests.append(parameters["request"]["url"])
            case "Runtime.exceptionThrown":
                self.errors.append(json.dumps(parameters["exceptionDetails"]))
            case "Log.entryAdded":
                self.errors.append(parameters["entry"]["text"])


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Started with a profile of its own, and ended."""
    found = chromium()
    assert found is not None
    downloads = folder / "downloads"
    downloads.mkdir(parents=True)
    pipes = [*os.pipe(), *os.pipe()]
    # Beyond those that the browser looks for its pipe under, 3 and 4.
    theirs, out, back, theirs_out = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 10) for one in pipes]
    for one in pipes:
        os.close(one)

    def wire() -> None:
        os.dup2(theirs, 3)
        os.dup2(theirs_out, 4)

    flags = ["--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage"]
    flags += ["--no-sandbox"] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        [found, *flags, f"--user-data-dir={folder / 'profile'}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        close_fds=False, preexec_fn=wire,
    )  # fmt: skip
    os.close(theirs)
    os.close(theirs_out)
    try:
        page = Browser(out, back, downloads)
        yield page
        page._session = None
        page.call("Browser.close")
    finally:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(out)
        os.close(back)
