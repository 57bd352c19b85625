"""Serving: what a study says of judge and translator -> how a server is asked, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from babeltune.generate.prices import Price
from babeltune.study.spec.served import ServedSpec
from babeltune.study.spec.study import Study

if TYPE_CHECKING:
    from babeltune.generate.asking.address import Endpoint


def endpoint(spec: ServedSpec) -> Endpoint:
    """The server of a judge or translator, and how it is asked."""
    from babeltune.generate.asking.address import Endpoint  # brings much that a study without a server has no use for

    return Endpoint(
        model=spec.model,
        base_url=spec.base_url,
        key_variable=spec.key_variable,
        concurrency=spec.concurrency,
        requests_per_minute=spec.requests_per_minute,
        tokens_per_minute=spec.tokens_per_minute,
        timeout=spec.timeout,
        tries=spec.tries,
    )


def prices(study: Study) -> dict[str, Price]:
    """Model -> its price, as the study file has them."""
    return {name: Price(**one.model_dump()) for name, one in study.prices.items()}
