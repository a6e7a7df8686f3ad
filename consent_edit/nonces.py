"""Nonces that say what they are for: a service or an issuer gives one out, and takes its answer once."""

from __future__ import annotations

from typing import Final

from consent_edit.consent.holder.presence import Asked
from consent_edit.errors import ConsentInvalid
from consent_edit.store.store import Store
from consent_edit.vocabulary import ConsentStatus

NONCE_LIFETIME: Final = 900
"""Seconds for which a nonce given out can be answered."""


def given_out(store: Store, asked: Asked, now: int) -> str:
    """A fresh nonce that says what it is for, so that a wallet can say it too.

    Raises:
        StoreUnavailable: it cannot be written down.
    """
    return f"{asked.value}.{store.issue_nonce(now, NONCE_LIFETIME)}"


def spend(store: Store, nonce: str, asked: Asked, now: int) -> None:
    """Spend a nonce of :func:`given_out`; what she bound for one thing is taken for no other.

    Raises:
        ConsentInvalid: ``REPLAYED``: it is none of ours, for something else, has ended, or was spent.
        StoreUnavailable: it cannot be written down.
    """
    if Asked.by(nonce) is not asked:
        raise ConsentInvalid(ConsentStatus.REPLAYED, f"the nonce was not given out to {asked.value}")
    store.spend_nonce(nonce.partition(".")[2], now)
