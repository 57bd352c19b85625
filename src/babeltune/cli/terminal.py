"""Where the command line prints: answers on standard output, progress and complaints on standard error."""

from __future__ import annotations

from rich.console import Console

console = Console()
errors = Console(stderr=True)
