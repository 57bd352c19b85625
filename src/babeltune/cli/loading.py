"""Results of whatever a STUDY argument names: a study file, an import, or a folder with a report in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from babeltune.report.results import Results


def load(study: Path, runs: Path, *, skip_bad_rows: bool = False, download: bool = False) -> Results:
    """The results that a report of it shows. Loads no model.

    ``study``: a study file; the folder of an import, or its name in ``runs``; a folder with ``results.json``, or one
    with such a ``report`` in it.

    Raises:
        InputError: it is an import that has not ended, the folder of a study's runs, or no study file.
        StoreError: a folder has no report, or what it names cannot be read.
    """
    from babeltune.report import stored
    from babeltune.study.importing.folder import of_study, refuse

    imported = of_study(study, runs)
    if imported is not None:
        return stored.read(imported / "report")
    if study.is_dir():
        for folder in (study, study / "report"):
            if (folder / stored.RESULTS).is_file():
                return stored.read(folder)
        refuse(study, runs)
        return stored.read(study)  # which says what it lacks
    from babeltune.cli.study import needs_all
    from babeltune.cli.terminal import open_
    from babeltune.study.reporting import load_results

    opened = open_(study, runs, skip_bad_rows=skip_bad_rows, download=download, may_lack="models")
    needs_all(opened, study, but=("report",))
    return load_results(opened)
