"""Margins: how large a gain must be to count, metric by metric. They are choices, not findings (docs/verdict.md)."""

from __future__ import annotations

SPANS: dict[str, float] = {
    "agreement": 1.0,
    "helpfulness": 5.0,
    "helpfulness-prompt-lid": 5.0,
    "helpfulness-translated": 5.0,
    "helpfulness-prompt-lid-translated": 5.0,
    "sari-weighted": 40.0,
    "xquad-paper": 1.0,
    "xcsqa-first": 1.0,
    "accuracy": 1.0,
}
"""Metric that verdicts are on -> how far answers lie apart in it, in its own units: the whole of its range, but for SARI,
where 100 is out of reach of any system and 40 is a good one."""
