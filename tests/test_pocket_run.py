"""The real model, shortened: the bundled study's path end to end, and the effect that it is there to show."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import yaml

from babeltune.study.check import open_study
from babeltune.study.executors.local import run
from babeltune.study.steps.reporting import load_results

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_a_second_language_brings_the_unseen_ones_back(tmp_path):
    study = yaml.safe_load((ROOT / "studies" / "pocket.yaml").read_text())
    study["base"] = False
    study["mixes"] = {name: study["mixes"][name] for name in ("mono", "multi-2")}
    study["tasks"]["dialogue"] |= {"languages": ["en", "de", "fr", "it"], "split": "dev"}
    path = tmp_path / "short.yaml"
    path.write_text(yaml.safe_dump(study))
    opened = open_study(path, tmp_path / "runs")
    run(opened, lambda event: None)
    results = load_results(opened)
    (verdict,) = results.headlines
    gain = verdict["contrasts"][0]["interval"]
    assert gain["value"] > 0.15
    assert gain["low"] > 0
    table = pl.read_csv(tmp_path / "runs" / "pocket" / "report" / "results.csv")
    english = table.filter((pl.col("language") == "en") & (pl.col("metric") == "agreement"))
    assert english["value"].min() >= 0.8
