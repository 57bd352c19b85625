"""Pages trust nothing in them: what the policy says, and that it holds in a browser even for markup that was planted."""

from __future__ import annotations

import dataclasses
import http.server
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from babeltune.report.page import sheet
from babeltune.report.render import render
from browser import PATIENCE, Browser, browser, chromium
from markup import Parsed
from worlds import study

NAMES = ("study", "comparison", "sheet")


@dataclass
class Listener:
    """A server that notes whoever calls: what a page that leaks would reach."""

    address: str = ""
    hits: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    found = Listener()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.hits.append(self.path)
            body = b"document.title = 'run'" if self.path.endswith("script") else b""
            self.send_response(200)
            self.send_header("Content-Type", "text/javascript" if body else "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, format: str, *words: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Each kind of page, as a user gets it."""
    folder = tmp_path_factory.mktemp("pages")
    for name in ("first", "second"):
        (folder / name).mkdir()
        render(study(["en", "de"], items=1, name=name), folder / name, ())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "sys.argv",
            [
                "babeltune",
                "compare",
                str(folder / "first"),
                str(folder / "second"),
                "--out",
                str(folder / "compare.html"),
            ],
        )
        from babeltune import cli

        with pytest.raises(SystemExit):
            cli.main()
    entries = (sheet.Entry("a1", "i1", "Was?", "Brot."),)
    return {
        "study": (folder / "first" / "index.html").read_text(),
        "comparison": (folder / "compare.html").read_text(),
        "sheet": sheet.page(sheet.Sheet("de", entries, {1: "Bad - not at all", 2: "Good - indeed"})),
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_policy_lets_run_nothing_but_our_script_and_style_and_the_markup_names_no_address(
    pages: dict[str, str], name: str
) -> None:
    page = Parsed(pages[name])
    page.assert_alone()
    assert pages[name].index("Content-Security-Policy") < pages[name].index("<style")
    assert [attrs for attrs in page.of("script") if attrs.get("type") is None] == [{}]
    assert {"name": "referrer", "content": "no-referrer"} in page.of("meta")
    assert [one["http-equiv"] for one in page.of("meta") if "http-equiv" in one] == ["Content-Security-Policy"]


NOTED = "(window.ran = window.ran || []).push"
PLANTED = f"""
<script>{NOTED}('script')</script><script src='@/script'></script>
<img src=x onerror="{NOTED}('handler')"><svg onload="{NOTED}('svg')"></svg><img src='@/picture'>
<style>body {{ background: url('@/style') }} #planted {{ position: fixed }}</style>
<link rel=stylesheet href='@/sheet'><p id=planted style="background: url('@/inline')">x</p>
<iframe src='@/frame'></iframe><object data='@/object'></object><video src='@/video'></video>
<iframe srcdoc="<script>(parent.ran = parent.ran || []).push('frame')</script>"></iframe>
<a class=click href="javascript:{NOTED}('link')">x</a><a class=click href='#verdict' ping='@/ping'>x</a>
<iframe name=target></iframe><form action='@/form' target=target><button class=click>x</button></form>
"""
"""What would do harm if a fault of ours let it into a page as markup. ``@``: an address."""
RUNS = {"script", "handler", "svg", "frame", "link"}
CALLS = {"/script", "/picture", "/style", "/sheet", "/inline", "/frame", "/object", "/video", "/ping", "/form?"}


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if chromium() is None:
        pytest.skip("no Chromium")
    with browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


def opened(window: Browser, folder: Path, text: str) -> None:
    path = folder / "page.html"
    path.write_text(text)
    window.open(path.as_uri())
    window.run("document.querySelectorAll('.click').forEach((one) => one.click())")


def harm(window: Browser) -> tuple[set[str], str]:
    return set(window.run("window.ran || []")), window.run(
        "getComputedStyle(document.getElementById('planted')).position"
    )


def test_markup_that_gets_in_neither_runs_nor_calls_home(
    window: Browser, pages: dict[str, str], listener: Listener, tmp_path: Path
) -> None:
    markup = PLANTED.replace("@", listener.address)
    for name, text in pages.items():
        opened(window, tmp_path, text.replace("<body>", f"<body>{markup}", 1))
        assert window.run("document.querySelectorAll('.click').length") == 3, name
        assert (harm(window), listener.hits) == ((set(), "static"), []), name
    # Without a policy all of it does what it is made for, so that the above shows something.
    opened(window, tmp_path, f"<!doctype html><body>{markup}</body>")
    window.until(f"new Set(window.ran || []).size >= {len(RUNS)}")
    end = time.monotonic() + PATIENCE
    while {one.partition("/")[1] + one.partition("/")[2] for one in listener.hits} < CALLS and time.monotonic() < end:
        time.sleep(0.02)
    assert (harm(window), set(listener.hits)) == ((RUNS, "fixed"), CALLS)


def test_a_refresh_which_no_policy_stops_does_not_get_in(window: Browser, listener: Listener, tmp_path: Path) -> None:
    answer = f"</p></script><meta http-equiv=refresh content='0;url={listener.address}/refresh'>"
    found = study(["en", "de"], items=1, name=answer, models=(answer,))
    items = tuple(
        {**item, "response": answer, "prompt": answer, "subject": answer, "item": answer} for item in found.items
    )
    render(dataclasses.replace(found, items=items), tmp_path, ())
    text = (tmp_path / "index.html").read_text()
    listener.hits.clear()
    opened(window, tmp_path, text)
    assert "refresh" in window.run("document.body.textContent")
    assert listener.hits == []
    assert not [one for one in Parsed(text).of("meta") if one.get("http-equiv") == "refresh"]
