"""One of several processes that tune together: ``python -m babeltune.finetune.worker SETUP``, under accelerate.

``launch.py`` is the other end. Process 0 reads paths of jobs, a line each, and tells the others; it alone writes files.
Every process says what went wrong with it; and ends when the launcher is gone, or the one that asked.
"""

from __future__ import annotations

import dataclasses
import json
import os
import queue
import sys
import threading
import time
from pathlib import Path
from typing import Any

from babeltune.errors import BabeltuneError
from babeltune.finetune.hardware import Hardware
from babeltune.finetune.job import read
from babeltune.finetune.launch import MARK, NoMemoryError
from babeltune.finetune.train import Tuner

_LONGEST = 3000
"""Characters of an error; a line of a pipe is whole up to 4,096 bytes."""


def say(**what: Any) -> None:
    """One line to whoever asked, whole."""
    os.write(1, f"\n{MARK}{json.dumps(what)}\n".encode())


class _Jobs:
    """Paths of jobs as they come in, to process 0; ends this process in the midst of one when no more can come."""

    def __init__(self, rank: int) -> None:
        self.busy = False
        self._paths: queue.Queue[str | None] = queue.Queue()
        self._launcher = os.getppid()
        threading.Thread(target=self._watch, daemon=True).start()
        if rank == 0:
            threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in sys.stdin:
            self._paths.put(line.strip())
        self._paths.put(None)
        if self.busy:
            os._exit(1)

    def _watch(self) -> None:
        while os.getppid() == self._launcher:
            time.sleep(1)
        os._exit(1)

    def next(self) -> str | None:
        """The next path; None where there will be none. Asked by every process, answered to all."""
        import torch.distributed

        told = [self._paths.get() if torch.distributed.get_rank() == 0 else None]
        torch.distributed.broadcast_object_list(told, src=0)
        self.busy = told[0] is not None
        return told[0]


def main(setup: str) -> int:
    """Tune whatever is asked for; gives the exit code."""
    from accelerate import PartialState
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    about = json.loads(Path(setup).read_text(encoding="utf-8"))
    hardware = Hardware(**about["hardware"])
    state = PartialState(cpu=hardware.device == "cpu")
    tuner = Tuner(Path(about["base"]), hardware)
    jobs = _Jobs(state.process_index)

    def progress(done: int, total: int, tokens: int) -> None:
        say(progress=[done, total, tokens])

    try:
        while (path := jobs.next()) is not None:
            tuned = tuner.tune_here(read(Path(path)), progress)
            if state.is_main_process:
                say(tuned=dataclasses.asdict(tuned))
    except NoMemoryError:
        say(memory=True)
    except OSError as error:
        say(errno=[error.errno or 0, error.strerror or str(error)[:_LONGEST], error.filename and str(error.filename)])
    except BabeltuneError as error:
        say(error=str(error)[:_LONGEST])
    except Exception as error:  # noqa: BLE001  # whatever it is, it must be told where it can be read
        say(error=f"tuning, process {state.process_index}: {type(error).__name__}: {error}"[:_LONGEST])
    else:
        state.destroy_process_group()
        return 0
    # The others may wait for this one in a collective: no orderly end.
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
