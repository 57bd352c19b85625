"""What every test runs under: no network, no window, the same examples each time."""

from __future__ import annotations

import os
import signal
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["MPLBACKEND"] = "Agg"
os.environ.pop("COLUMNS", None)  # a console that is made under it keeps that width, whatever a test says
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the workers share the cores: more threads only wait for each other

import pytest
from hypothesis import HealthCheck, settings

# The first example of a run may pay for the loading of a model or a module: that is not slowness of the example.
settings.register_profile(
    "babeltune", derandomize=True, max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("babeltune")


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Llama with its tokenizer, saved as any model folder."""
    from doubles import tiny_model

    return tiny_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(autouse=True)
def ctrl_c() -> None:
    """As in a terminal, also where the tests run behind something that ignores it (``nohup``, a background job)."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
