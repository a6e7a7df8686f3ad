"""One finished, logged and receipted release, as the gate makes it, for tests of receipts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consent_edit.evidence.finish import Candidate, finish
from consent_edit.evidence.log import Event, SaltedLeaf, draft_leaf, log_release
from consent_edit.evidence.receipt import Receipt, describe_release, sign_receipt
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.store.ledger import LogEntry
from consent_edit.store.store import Store
from consent_edit.vocabulary import REQUIRED_CHECKS, Assurance, Environment, Operation, Purpose, Stage

NOW = 1_800_000_000
POLICY, FLOOR, TRUST = (f"sha256:{digit * 64}" for digit in "abc")
CHECKS = [
    {
        "name": name.value,
        "outcome": "ran",
        "models": [
            {"role": f"{name.value}-model", "sha256": "12" * 32, "threshold": 0.363, "self_test": True}
        ],
    }
    for name in sorted(REQUIRED_CHECKS[Stage.OUTPUT])
]


@dataclass(frozen=True)
class Release:
    candidate: Candidate
    draft: SaltedLeaf
    entry: LogEntry
    receipt: Receipt
    key: Ed25519PrivateKey
    store: Store

    @property
    def envelope(self) -> bytes:
        return sign_receipt(self.receipt, self.key).encode()

    @property
    def public(self):
        return [self.key.public_key()]


def noise() -> CanonicalImage:
    return CanonicalImage.of(np.random.default_rng(3).integers(0, 255, (200, 300, 3), dtype=np.uint8))


def make_release(
    picture, environment=Environment.PRODUCTION, assurance=Assurance.SUBSTANTIAL, **changes
) -> Release:
    """By default a production release of one consent, third in its log."""
    store = Store.open(":memory:")
    for number in range(2):
        leaf = {"v": 1, "decision": f"earlier-{number}"}
        store.commit_refusal(record={"decision_id": f"e{number}", "stage": "input"}, leaf=leaf, now=NOW)
    candidate = finish(picture, environment=environment)
    subjects = {"input": picture.digest, "output": candidate.byte_digest, "grant.0": "grant-1"}
    draft = draft_leaf(
        event=changes.pop("event", Event.RELEASE),
        time=NOW,
        decision_id="decision-1",
        codes=(),
        subjects=changes.pop("subjects", subjects),
        checks=CHECKS,
        policy_digest=POLICY,
        floor_digest=FLOOR,
    )
    record = {"stage": "output", "codes": []}
    entry = log_release(store, grants=(("grant-1", 3),), nonces=(), people=(), record=record, draft=draft)
    described = {
        "candidate": candidate,
        "draft": draft,
        "entry": entry,
        "environment": environment,
        "consents": [("https://idv.example", assurance)],
        "trust_list_digest": TRUST,
        "checks": CHECKS,
        "operations": {Operation.TONE, Operation.HAIR},
        "purpose": Purpose.PERSONAL,
    }
    receipt = describe_release(**(described | changes))
    return Release(candidate, draft, entry, receipt, Ed25519PrivateKey.generate(), store)
