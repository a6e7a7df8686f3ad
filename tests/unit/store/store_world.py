"""Stores for the tests of this folder: where they lie, how they are opened again, and one release."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from consent_edit.store.store import Store
from consent_edit.store.vault_key import VaultKey

NOW = 1_800_000_000
KEY = VaultKey.of(b"k" * 32)
ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Place:
    """Where a store lies; ``key`` is what it must be given, if anything."""

    where: str | Path
    key: VaultKey | None

    def open(self, **more) -> Store:
        """Open the store there."""
        return Store.open(self.where, **{"vault_key": self.key, **more})


def release(store: Store, name: str, grants=(("grant-1", 20),), now: int = NOW, **more):
    """Commit a release of one decision."""
    return store.commit_release(
        grants=grants,
        record={"decision_id": name, "stage": "output", "codes": ["consent.revoked"]},
        leaf={"v": 1, "decision": name},
        now=now,
        **more,
    )
