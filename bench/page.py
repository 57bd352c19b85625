"""The page with 50,000 outputs in headless Chromium: first paint, filters, words; the goals are 2 s and 200 ms.

The outputs are made up: nineteen languages, seven mixes, prompts of about 150 characters and responses of about 600, as
compressible as words that follow a skewed distribution are; beside them stand 10,000 numbers of four models on five
tasks. No peer shows them; the ratios are the goals over our times: that of the first paint, and that of the slowest filter
once the texts have been read, which the page does by itself.
"""

from __future__ import annotations

import dataclasses
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests")]

from babeltune.report.page.study import page  # noqa: E402
from browser import Browser, browser, chromium  # noqa: E402
from parts.row import Row, nothing, parser, tell  # noqa: E402
from worlds import METRICS, study  # noqa: E402

PAINT, FILTER = 2.0, 0.2
"""Goals [s]."""
REPEATS = 5
_FIRST = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
_TIMED = """(async () => {{
  const began = performance.now();
  {act};
  const done = () => !document.getElementById('count').textContent.includes('so far') && document.getElementById('count').textContent !== {before!r};
  while (!done()) await new Promise((resolve) => setTimeout(resolve));
  document.getElementById('list').getBoundingClientRect();
  await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  return performance.now() - began;
}})()"""


def main() -> int:
    """Make the page, then time it."""
    parser(__doc__).parse_args()
    if chromium() is None:
        return nothing("needs Chromium")
    numbers = study(models=("llama-2-7b", "b", "c", "d"), tasks=tuple(METRICS), judge=True, items=0)
    results = dataclasses.replace(numbers, items=study(items=376, words=(24, 96), name="large").items)
    responses = [len(one["response"]) for one in results.items]
    prompts = [len(one["prompt"]) for one in results.items]
    print(f"{len(results.items):,} outputs, prompts {statistics.mean(prompts):.0f} characters, responses {statistics.mean(responses):.0f}")  # fmt: skip
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, busy = time.perf_counter(), time.process_time()
    html = page(results)
    took, busy = time.perf_counter() - began, time.process_time() - busy
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(
        f"page made in {took:.1f} s ({busy:.1f} s of one core), {len(html) / 1e6:.1f} MB; peak memory {more:.0f} MiB above what the results take"
    )
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "index.html"
        path.write_text(html, encoding="utf-8")
        paints, slowest = [], 0.0
        with browser(Path(folder) / "browser") as view:
            for _ in range(REPEATS):
                view.open("about:blank")
                view.open(path.as_uri())
                view.until(f"{_FIRST} > 0")
                paints.append(view.run(_FIRST) / 1000)
                view.until("document.querySelector('#list [role=option]') !== null")
                ready = view.run("performance.now()") / 1000
            print(f"first paint {statistics.median(paints):.2f} s (of {REPEATS}: {min(paints):.2f} to {max(paints):.2f}); answers listed after {ready:.2f} s")  # fmt: skip
            cold = timed(view, "words", "vuper")
            print(f"words while the texts are still being read: all found after {1000 * cold:.0f} ms")
            view.until("document.documentElement.dataset.read === 'all'")
            print(f"all texts read {view.run('performance.now()') / 1000:.1f} s after the page was opened")
            for name, value, words in (
                ("words", "", "words taken away"), ("off", "-multi-2", "wrong under a mix"), ("off", "", "all answers"),
                ("language", "hi", "one language"), ("language", "", "all languages"), ("words", "schelin", "words, often"),
                ("words", "zzqqx", "words, nowhere"), ("words", "нера", "words, another script"), ("words", "", "words taken away"),
            ):  # fmt: skip
                if view.run(f"(document.querySelector({chooser(name)!r}) ?? {{}}).value") == value:
                    continue
                found = timed(view, name, value)
                slowest = max(slowest, found)
                print(f"filter: {words}: {1000 * found:.0f} ms, {view.text('count')}")
            view.run("location.hash = '#cells'")
            rows = view.run(_CELLS)
            print(f"table of {len(results.rows):,} numbers: sorted in {rows[0]:.0f} ms, filtered in {rows[1]:.0f} ms")
            slowest = max(slowest, *(one / 1000 for one in rows))
            errors = view.errors
    many = f"page of {len(results.items):,} outputs"
    rows = [
        Row(f"{many}, slowest filter", "goal", FILTER, slowest, "s", 1.0),
        Row(f"{many}, first paint", "goal", PAINT, statistics.median(paints), "s", 1.0),
    ]
    return tell(rows, same=not errors, answers=f"{len(errors)} errors on the page")


_CELLS = """(() => {
  const times = [], box = document.querySelector('.grid-of-cells');
  let began = performance.now();
  box.querySelectorAll('thead button')[5].click();
  box.getBoundingClientRect();
  times.push(performance.now() - began);
  began = performance.now();
  const input = box.querySelector('input');
  input.value = 'german';
  input.dispatchEvent(new Event('input'));
  box.getBoundingClientRect();
  times.push(performance.now() - began);
  return times;
})()"""
_LABELS = {"off": "Answers", "language": "Language"}


def chooser(name: str) -> str:
    """Selector of a filter."""
    return "#words" if name == "words" else f"#filters [data-of={name}]"


def timed(view: Browser, name: str, value: str) -> float:
    """Seconds from a filter's change until what it finds is told and drawn."""
    event = "input" if name == "words" else "change"
    act = f"const one = document.querySelector({chooser(name)!r}); one.value = {value!r}; one.dispatchEvent(new Event({event!r}))"
    return float(view.run(_TIMED.format(act=act, before=view.text("count")))) / 1000


if __name__ == "__main__":
    sys.exit(main())
