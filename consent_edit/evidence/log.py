"""What the log says of a decision: leaves without personal data, and the salts that open them (G7, G8, G10).

Grant ids and digests of pictures enter a leaf as commitments, HMAC-SHA256 under a salt of their own. The
salts are kept under the keys of the people depicted; once those are destroyed, nobody can tell what a leaf
was about, and the log still verifies.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from consent_edit.encoding import JsonValue
from consent_edit.errors import CheckFailed
from consent_edit.intake.digests import DIGEST_PATTERN
from consent_edit.perception.observation import Origin
from consent_edit.store.ledger import LogEntry
from consent_edit.store.store import Store
from consent_edit.store.vault import SubjectEntry

_DOMAIN: Final = b"consent-edit/log-commitment/v1\0"
_SALT_BYTES: Final = 32

Digest = Annotated[str, StringConstraints(pattern=DIGEST_PATTERN)]
HexHash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=512)]
UnixTime = Annotated[int, Field(ge=0, le=2**40)]


class Event(StrEnum):
    """What a leaf records."""

    RELEASE = "release"
    REFUSAL = "refusal"
    ASSESSMENT = "assessment"
    """What would have been decided; nothing ran and nothing left, so no receipt speaks of it."""


class LogLeaf(BaseModel):
    """One leaf of the log, readable by anybody.

    Attributes:
        v: Version of this form.
        event: Release, refusal or assessment.
        time: Unix seconds.
        decision: Random id of the private decision record.
        codes: Reason codes as the requester sees them: every consent code reads ``consent.required``.
        commitments: Field name -> commitment, ``sha256:<hex>``.
        models: SHA-256 (hex) of every model file that ran, sorted.
        policy: Digest of the operator's policy.
        floor: Digest of the floor.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    v: Literal[1]
    event: Event
    time: UnixTime
    decision: ShortText
    codes: tuple[ShortText, ...]
    commitments: dict[ShortText, Digest]
    models: tuple[HexHash, ...]
    policy: Digest
    floor: Digest

    def as_json(self) -> Mapping[str, JsonValue]:
        """The JSON value whose canonical form is hashed into the log."""
        return _json_object(self)


@dataclass(frozen=True, slots=True)
class SaltedLeaf:
    """A leaf and the salts (hex) that open its commitments, for the people depicted and the operator."""

    leaf: LogLeaf
    salts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Depicted:
    """Somebody whose consent a decision rests on.

    Attributes:
        subject: Thumbprint of her key.
        field: The leaf's field that commits to her grant.
        entry: What she may read of the decision, without salts.
    """

    subject: str
    field: str
    entry: Mapping[str, JsonValue]


def commitment(field: str, value: str, salt: str) -> str:
    """Commitment to one field: HMAC-SHA256 under the salt over the field's name and value.

    Args:
        field: Name, so that equal values of two fields do not look equal.
        value: What is committed to: a grant id or a digest.
        salt: 32 random bytes, hex.

    Raises:
        ValueError: the salt is not hex.
    """
    message = _DOMAIN + field.encode() + b"\0" + value.encode()
    return "sha256:" + hmac.new(bytes.fromhex(salt), message, hashlib.sha256).hexdigest()


def public_codes(codes: Iterable[str]) -> tuple[str, ...]:
    """Reason codes as anybody may read them: each consent code becomes ``consent.required`` (G7)."""
    masked = ("consent.required" if code.startswith("consent.") else code for code in codes)
    return tuple(dict.fromkeys(masked))


def draft_leaf(
    *,
    event: Event,
    time: int,
    decision_id: str,
    codes: Sequence[str],
    subjects: Mapping[str, str],
    checks: Sequence[Mapping[str, JsonValue]],
    policy_digest: str,
    floor_digest: str,
) -> SaltedLeaf:
    """Write a leaf, committing to its subjects under fresh salts.

    Args:
        event: Release, refusal or assessment.
        time: Unix seconds.
        decision_id: Random id of the private record.
        codes: Reason codes as the requester reads them, for the log can be read by anybody who knows the
            decision's id; an exact consent code that slips in is masked by :func:`public_codes`.
        subjects: Field name (``input``, ``picture.0``, ``output``, ``grant.0``...) -> digest or grant id.
        checks: Effective checks as decisions record them; the leaf names their model files.
        policy_digest: ``sha256:<hex>``.
        floor_digest: ``sha256:<hex>``.

    Raises:
        CheckFailed: ``check.record``: a value is not of its form, so the decision cannot be logged.
    """
    salts = {field: secrets.token_hex(_SALT_BYTES) for field in subjects}
    try:
        leaf = LogLeaf(
            v=1,
            event=event,
            time=time,
            decision=decision_id,
            codes=public_codes(codes),
            commitments={field: commitment(field, value, salts[field]) for field, value in subjects.items()},
            models=_model_hashes(checks),
            policy=policy_digest,
            floor=floor_digest,
        )
    except ValidationError as error:
        raise CheckFailed("the decision cannot be written as a log entry", code="check.record") from error
    return SaltedLeaf(leaf=leaf, salts=salts)


def _model_hashes(checks: Sequence[Mapping[str, JsonValue]]) -> tuple[str, ...]:
    """SHA-256 (hex) of every model file behind the checks, sorted; a malformed entry gives no valid hash."""
    hashes: set[str] = set()
    for check in checks:
        models = check.get("models", ())
        for model in models if isinstance(models, Sequence) else ():
            hashes.add(str(model["sha256"]) if isinstance(model, Mapping) and "sha256" in model else "")
    return tuple(sorted(hashes))


def log_admission(store: Store, *, record: Mapping[str, JsonValue], draft: SaltedLeaf) -> None:
    """Write an admission down, with the record and leaf of a break should nothing else ever close it.

    Raises:
        StoreUnavailable: nothing was written; nothing may run.
    """
    store.journal.admit(record=_named(record, draft, ()), leaf=draft.leaf.as_json(), now=draft.leaf.time)


def log_release(
    store: Store,
    *,
    grants: Sequence[tuple[str, int | None]],
    nonces: Sequence[tuple[str, int]],
    people: Sequence[Depicted],
    record: Mapping[str, JsonValue],
    draft: SaltedLeaf,
    origins: Mapping[str, Origin] = MappingProxyType({}),
    likenesses: Mapping[str, Sequence[bytes]] = MappingProxyType({}),
    closes: bool = False,
) -> LogEntry:
    """Count the uses, spend the proofs, keep the record and append the leaf, in one transaction.

    Args:
        grants: Use id and ``max_uses`` of every grant used.
        nonces: A proof's nonce, and when it may be forgotten, unix seconds.
        people: Who consented; each keeps the salts under a key of her own.
        origins: Pixel digest of the picture that leaves -> the first picture of its chain; in no leaf.
        likenesses: Pixel digest -> PDQ hashes by which that picture is found again; in no leaf either.
        closes: Whether it ends the admitted edit that bears the leaf's name.

    Raises:
        ConsentInvalid: ``EXHAUSTED`` or ``REPLAYED``; nothing was written.
        StoreUnavailable: nothing was written; ``check.edit-closed``: the edit is not open any more.
    """
    return store.commit_release(
        grants=grants,
        nonces=nonces,
        record=_named(record, draft, people),
        subjects=_entries(people, draft),
        leaf=draft.leaf.as_json(),
        now=draft.leaf.time,
        origins=origins,
        likenesses=likenesses,
        closes=closes,
    )


def log_refusal(
    store: Store,
    *,
    people: Sequence[Depicted],
    record: Mapping[str, JsonValue],
    draft: SaltedLeaf,
    closes: bool = False,
) -> LogEntry:
    """Keep the record of a refusal or an assessment and append the leaf; no use is counted.

    Args:
        closes: As :func:`log_release`.

    Raises:
        StoreUnavailable: as :func:`log_release`.
    """
    return store.commit_refusal(
        record=_named(record, draft, people),
        subjects=_entries(people, draft),
        leaf=draft.leaf.as_json(),
        now=draft.leaf.time,
        closes=closes,
    )


def _named(
    record: Mapping[str, JsonValue], draft: SaltedLeaf, people: Sequence[Depicted]
) -> Mapping[str, JsonValue]:
    """The private record as it is kept: named as its leaf names it, with the salts that are nobody's."""
    salts = {} if people else dict(draft.salts)
    return {**record, "decision_id": draft.leaf.decision, "salts": salts}


def _entries(people: Sequence[Depicted], draft: SaltedLeaf) -> tuple[SubjectEntry, ...]:
    """What is kept for each person: her grant's salt and the pictures', and nobody else's grant."""
    return tuple(
        SubjectEntry(
            subject=person.subject,
            data={
                **person.entry,
                "event": draft.leaf.event.value,
                "time": draft.leaf.time,
                "salts": {
                    field: salt
                    for field, salt in draft.salts.items()
                    if field == person.field or not field.startswith("grant.")
                },
            },
        )
        for person in people
    )


def _json_object(model: BaseModel) -> Mapping[str, JsonValue]:
    members: dict[str, JsonValue] = model.model_dump(mode="json")
    return members
