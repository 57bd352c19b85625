"""Packages: those that babeltune asks for, beside those that are installed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement

_OURS = "babeltune"
_FOR_DEVELOPERS = ("bench", "dev")
"""Extras that no command needs."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package that babeltune asks for."""

    name: str
    asked: str
    """Versions that will do, such as ``>=5.2``."""
    installed: str | None
    """Its version; None where it is not there."""
    extra: str | None
    """The extra of babeltune that brings it; None for what every command may need."""

    @property
    def fits(self) -> bool:
        """Whether a version that will do is installed."""
        asked = Requirement(f"{self.name}{self.asked}").specifier
        return self.installed is not None and asked.contains(self.installed, prereleases=True)


def packages() -> list[Package]:
    """All that babeltune asks for, itself first; what every command needs comes before the extras."""
    try:
        ours = metadata.distribution(_OURS)
    except metadata.PackageNotFoundError:
        return [Package(_OURS, "", None, None)]  # a source tree on the path
    return [
        Package(_OURS, "", ours.version, None),
        *sorted(_asked(ours), key=lambda one: (one.extra is not None, one.extra, one.name.lower())),
    ]


def _asked(ours: metadata.Distribution) -> Iterator[Package]:
    extras = [one for one in ours.metadata.get_all("Provides-Extra") or [] if one not in _FOR_DEVELOPERS]
    for line in ours.requires or []:
        one = Requirement(line)
        for extra in (None, *extras):
            if one.marker is None or one.marker.evaluate({"extra": extra or ""}):
                yield Package(one.name, str(one.specifier), _version(one.name), extra)
                break


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
