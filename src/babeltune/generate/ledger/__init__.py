"""The ledger: every reply that was asked for and what it cost, in one file."""

from babeltune.generate.ledger.book import Ledger
from babeltune.generate.ledger.entries import KEPT, STATES, Batch, Entry, Spent, State, Waiting, key_of, messages_of

__all__ = ["KEPT", "STATES", "Batch", "Entry", "Ledger", "Spent", "State", "Waiting", "key_of", "messages_of"]
