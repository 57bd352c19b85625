"""Tuning on several processes, seen from the one that asks for it: starts them, hands them jobs, hears of progress.

They are ``accelerate launch`` of ``worker.py``, started at the first job and kept for the next, so that the base is
loaded once. The path of a job goes in on their standard input, a line each; lines of JSON come back on their standard
output. When this process ends, however it ends, their input ends too, and they with it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import weakref
from pathlib import Path
from typing import IO

from babeltune.errors import ModelError
from babeltune.finetune.hardware import Hardware
from babeltune.finetune.job import Job, Progress, Tuned

MARK = "babeltune:"
"""Begins the lines that are ours on the workers' output; libraries print there too."""
_PATIENCE = 20
"""Seconds that workers get to end by themselves."""
_NOISE = re.compile(r"^\s*$|^[EWI]\d{4} |^\[rank\d+\]:[EWI]\d{4}|warn", re.IGNORECASE)
"""Lines of the launcher's own log."""


class NoMemoryError(Exception):
    """Memory ran out in a forward or backward pass; a smaller micro-batch may fit."""


class Workers:
    """Processes that tune together."""

    def __init__(self, base: Path, hardware: Hardware) -> None:
        """Starts nothing yet."""
        self.base = base
        self.hardware = hardware
        self._running: subprocess.Popen[str] | None = None
        self._folder = Path()
        """Of the processes that run."""
        self._jobs = 0

    def tune(self, job: Job, progress: Progress) -> Tuned:
        """Have one adapter tuned.

        Raises:
            NoMemoryError: memory ran out in one of them; all have ended.
            ModelError: a worker failed; all have ended.
        """
        running = self._running
        if running is None or running.poll() is not None:
            running = self._start()
        self._jobs += 1
        path = self._folder / f"job-{self._jobs}.json"
        job.write(path)
        try:
            return self._hear(running, path, progress)
        except BaseException:
            self.close()
            raise

    def _hear(self, running: subprocess.Popen[str], path: Path, progress: Progress) -> Tuned:
        assert running.stdin is not None
        assert running.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended; what it said of the reason is read below
            running.stdin.write(f"{path}\n")
            running.stdin.flush()
        for line in running.stdout:
            if not line.startswith(MARK):
                continue
            said = json.loads(line.removeprefix(MARK))
            match said:
                case {"progress": [int(done), int(total), int(tokens)]}:
                    progress(done, total, tokens)
                case {"tuned": dict(tuned)}:
                    path.unlink()
                    return Tuned(**tuned)
                case {"memory": True}:
                    raise NoMemoryError
                case {"errno": [int(code), str(why), file]}:
                    raise OSError(code, why, file)
                case {"error": str(error)}:
                    raise ModelError(error)
        code = running.wait()
        raise ModelError(
            f"{self.base}: a process of the tuning ended with exit code {code}. {self._last_words()}"
            " Nothing is lost; run again to go on from the last checkpoint."
        )

    def _start(self) -> subprocess.Popen[str]:
        import torch

        self.close()
        folder = Path(tempfile.mkdtemp(prefix="babeltune-"))
        setup = folder / "setup.json"
        about = {"base": str(self.base), "hardware": dataclasses.asdict(self.hardware)}
        setup.write_text(json.dumps(about), encoding="utf-8")
        processes = self.hardware.processes
        sharded = self.hardware.sharding == "fsdp"
        command = [
            *(sys.executable, "-m", "accelerate.commands.launch"),
            *("--num_processes", str(processes), "--num_machines", "1", "--main_process_port", "0"),
            *("--num_cpu_threads_per_process", str(max(1, torch.get_num_threads() // processes))),
            *("--mixed_precision", "no", "--dynamo_backend", "no"),  # the trainer sets the precision
            *(_FSDP if sharded else ("--multi_gpu",)),
            *("-m", "babeltune.finetune.worker", str(setup)),
        ]
        environment = dict(os.environ)
        if self.hardware.device == "cpu":
            environment["ACCELERATE_USE_CPU"] = "true"
        with (folder / "stderr").open("w", encoding="utf-8") as errors:
            running = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=environment,
                start_new_session=True,  # Ctrl-C comes here, and the workers are ended in order
            )
        self._running, self._folder = running, folder
        self._end = weakref.finalize(self, _end, running, folder)
        return running

    def close(self) -> None:
        """End the processes, if there are any."""
        if self._running is not None:
            self._end()
            self._running = None

    def _last_words(self) -> str:
        lines = (self._folder / "stderr").read_text(encoding="utf-8", errors="replace").splitlines()
        told = [line.strip() for line in lines if not _NOISE.search(line)]
        signal = next((line.strip() for line in lines if "Signal" in line and "received" in line), "")
        last = signal or (told[-1] if told else "")
        return f"Its last words: {last}." if last else "It said nothing."


_FSDP = (
    *("--use_fsdp", "--fsdp_version", "2", "--fsdp_cpu_ram_efficient_loading", "true"),
    *("--fsdp_auto_wrap_policy", "TRANSFORMER_BASED_WRAP", "--fsdp_reshard_after_forward", "true"),
    *("--fsdp_state_dict_type", "SHARDED_STATE_DICT"),  # whole ones would gather the base at every checkpoint
)


def _end(running: subprocess.Popen[str], folder: Path) -> None:
    stream: IO[str] | None
    for stream in (running.stdin, running.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    try:
        running.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        running.terminate()  # the launcher ends its workers
        try:
            running.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
    shutil.rmtree(folder, ignore_errors=True)
