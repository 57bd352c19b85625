"""Sampling whose randomness depends on (item, seed) alone, never on the batch, the adapter or the device.

Each item has its own stream of uniform numbers, one a token; the token is read off the inverse of the nucleus'
cumulative distribution. So two mixes are sampled with the same random numbers item by item, which is what makes their
paired difference narrow, and a request may be moved to another batch without another draw.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import torch

_HEAD = 512
"""Tokens that are sorted first; the whole vocabulary only where these hold less than the nucleus."""


def uniforms(item: str, seed: int, count: int) -> npt.NDArray[np.float64]:
    """``count`` numbers in [0, 1) for the tokens of one item: Philox (Salmon et al. 2011) keyed by SHA-256 of both."""
    digest = hashlib.sha256(f"{seed}\0{item}".encode()).digest()
    key = np.frombuffer(digest[:16], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key)).random(count)


def draw(logits: torch.Tensor, uniform: torch.Tensor, *, temperature: float, top_p: float) -> torch.Tensor:
    """One token a row.

    Args:
        logits: unnormalised log-probabilities, shape (rows, vocabulary).
        uniform: numbers in [0, 1), shape (rows,).
        temperature: 0 takes the most likely token.
        top_p: the nucleus is the smallest set of most likely tokens with at least this mass (Holtzman et al. 2020).

    Returns:
        Token ids, shape (rows,).
    """
    if temperature == 0:
        return logits.argmax(dim=-1)
    scaled = logits.float() / temperature
    total = scaled.logsumexp(dim=-1, keepdim=True)
    head = min(_HEAD, scaled.shape[-1])
    values, tokens = scaled.topk(head, dim=-1)
    mass = (values - total).exp().cumsum(dim=-1)
    if head < scaled.shape[-1] and bool((mass[:, -1] < top_p).any()):
        values, tokens = scaled.sort(dim=-1, descending=True)
        mass = (values - total).exp().cumsum(dim=-1)
    # A token is in the nucleus while the mass before it is still below top_p.
    size = ((mass < top_p).sum(dim=-1, keepdim=True) + 1).clamp(max=mass.shape[-1])
    wanted = uniform.to(mass).unsqueeze(-1) * mass.gather(-1, size - 1)
    index = (mass <= wanted).sum(dim=-1, keepdim=True).minimum(size - 1)
    return tokens.gather(-1, index).squeeze(-1)
