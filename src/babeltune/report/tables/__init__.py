"""Tables: the paper's three, and the results; for a terminal, as Markdown, LaTeX, CSV and Parquet."""

from babeltune.report.tables.grids import grid, grids, markdown, number, parquet, terminal
from babeltune.report.tables.paper import TABLES, table_1, table_2, table_3
from babeltune.report.tables.table import Table, joined, latex, write

__all__ = (
    "TABLES", "Table", "grid", "grids", "joined", "latex", "markdown", "number", "parquet", "table_1", "table_2", "table_3",
    "terminal", "write",
)  # fmt: skip
