"""The receipt of a release: what left, under which rules and checks, and where the log says so (G4, G10)."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from consent_edit.encoding import JsonValue, b64url_encode, canonical_json
from consent_edit.errors import CheckFailed, ReceiptInvalid
from consent_edit.evidence.finish import Candidate
from consent_edit.evidence.keys import ALGORITHM, key_id
from consent_edit.evidence.log import (
    Digest,
    Event,
    HexHash,
    LogLeaf,
    SaltedLeaf,
    ShortText,
    UnixTime,
    commitment,
)
from consent_edit.evidence.proofs import check_inclusion
from consent_edit.intake.containers import PictureFormat
from consent_edit.intake.decode import decoder_id
from consent_edit.remedies.kinds import Remedy
from consent_edit.store.ledger import LogEntry
from consent_edit.store.merkle import leaf_hash
from consent_edit.vocabulary import (
    REQUIRED_CHECKS,
    Assurance,
    CheckName,
    CheckOutcome,
    Environment,
    Operation,
    Purpose,
    Stage,
)

SIGNATURE_DOMAIN: Final = b"consent-edit/receipt/v1\0"
"""Stands before the canonical receipt in what is signed, so that the signature fits nothing else."""


class Layer(StrEnum):
    """Kinds of proof a released file bears."""

    RECEIPT = "receipt"
    LOG = "log"


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ModelEvidence(_Wire):
    """One model as it ran.

    Attributes:
        role: Its role in models.lock.toml.
        sha256: Hash of the weight file, hex.
        threshold: Operating threshold applied to its score.
        self_test: Always true: known input gave known output at load.
        runtime: What ran it, with version and device; empty in receipts from before it was told.
    """

    role: ShortText
    sha256: HexHash
    threshold: float
    self_test: Literal[True]
    runtime: Annotated[str, Field(max_length=200)] = ""


class CheckEvidence(_Wire):
    """One check, which ran and answered; nothing else is released on."""

    name: CheckName
    outcome: Literal[CheckOutcome.RAN]
    models: tuple[ModelEvidence, ...]


class OutputEvidence(_Wire):
    """The file that left.

    Attributes:
        bytes_digest: Digest of its bytes.
        pixels_digest: Canonical pixel digest of what it decodes to.
        decoder: The decoders that gave those pixels.
        width: Pixels.
        height: Pixels, the demo's band included.
    """

    bytes_digest: Digest
    pixels_digest: Digest
    decoder: ShortText
    format: PictureFormat
    width: Annotated[int, Field(gt=0)]
    height: Annotated[int, Field(gt=0)]


class LogEvidence(_Wire):
    """Where the release stands in the log.

    Attributes:
        index: The leaf's place, from 0.
        size: Leaves of the tree whose root this is.
        root: Root hash, hex.
        proof: Inclusion path, hex, lowest sibling first.
        leaf: The leaf itself.
        output_salt: Opens the leaf's commitment to the output's bytes digest; no other salt is given out.
    """

    index: Annotated[int, Field(ge=0)]
    size: Annotated[int, Field(gt=0)]
    root: HexHash
    proof: Annotated[tuple[HexHash, ...], Field(max_length=64)]
    leaf: LogLeaf
    output_salt: HexHash


class Receipt(_Wire):
    """What the operator signs of one release. It names no person depicted.

    Attributes:
        v: Version of this form.
        receipt_id: Random.
        time: Unix seconds.
        environment: ``demo`` never verifies.
        issuers: Issuers of the credentials behind the consents, sorted.
        assurance: The lowest among the consents; ``none`` without any.
        consents: One random id per consent used, new for every output, so that ids do not link outputs.
        trust_list: Digest of the trust list at release.
        policy: Digest of the operator's policy at release.
        floor: Digest of the floor.
        checks: The effective checks; every must-run one, with the models behind it.
        operations: What the edit did, sorted.
        layers: The kinds of proof the file bears.
        remedies: What was carried out on request so that the edit needed fewer people's consent; none in
            receipts from before there were any.
    """

    v: Literal[1]
    receipt_id: ShortText
    time: UnixTime
    environment: Environment
    output: OutputEvidence
    issuers: tuple[ShortText, ...]
    assurance: Assurance
    consents: tuple[ShortText, ...]
    trust_list: Digest
    policy: Digest
    floor: Digest
    checks: tuple[CheckEvidence, ...]
    operations: tuple[Operation, ...]
    purpose: Purpose
    layers: tuple[Layer, ...]
    remedies: tuple[Remedy, ...] = ()
    log: LogEvidence

    @model_validator(mode="after")
    def _holds_together(self) -> Receipt:
        """INVARIANT: every must-run check of a release ran on a model, and consents fit their assurance."""
        missing = REQUIRED_CHECKS[Stage.OUTPUT] - {check.name for check in self.checks}
        if missing:
            raise ValueError(f"must-run checks are missing: {', '.join(sorted(missing))}")
        if any(not check.models for check in self.checks):
            raise ValueError("a check names no model")
        if bool(self.consents) != bool(self.issuers) or bool(self.consents) == (
            self.assurance is Assurance.NONE
        ):
            raise ValueError("consents, issuers and assurance disagree")
        simulated = self.environment is Environment.DEMO and self.assurance is Assurance.SIMULATED
        if self.consents and not simulated and not self.assurance.at_least(Assurance.LOW):
            raise ValueError("consent of too low an assurance")
        return self

    def as_json(self) -> Mapping[str, JsonValue]:
        """The JSON value whose canonical form is signed."""
        members: dict[str, JsonValue] = self.model_dump(mode="json")
        return members


def describe_release(
    *,
    candidate: Candidate,
    draft: SaltedLeaf,
    entry: LogEntry,
    environment: Environment,
    consents: Sequence[tuple[str, Assurance]],
    trust_list_digest: str,
    checks: Sequence[Mapping[str, JsonValue]],
    operations: Iterable[Operation],
    purpose: Purpose,
    remedies: Iterable[Remedy] = (),
) -> Receipt:
    """Write the receipt of a release whose leaf is in the log; time, policy and floor are the leaf's.

    Args:
        candidate: The file that leaves.
        draft: The leaf with its salts; it must commit to the field ``output``.
        entry: Where the log put it.
        environment: Where the release was made.
        consents: (issuer, assurance) of each consent used.
        trust_list_digest: ``sha256:<hex>``.
        checks: Effective checks as decisions record them:
            ``{name, outcome, models: [{role, sha256, threshold, self_test, runtime}]}``.
        operations: What the edit did.
        purpose: What it was for.
        remedies: What was carried out on request.

    Raises:
        CheckFailed: ``check.receipt``: no valid receipt can be written of this, so nothing may leave.
    """
    output, leaf, salt = candidate.image, draft.leaf, draft.salts.get("output", "")
    lowest = min(
        (assurance for _, assurance in consents), key=lambda level: level.rank, default=Assurance.NONE
    )
    described: dict[str, JsonValue] = {
        "v": 1,
        "receipt_id": secrets.token_hex(16),
        "time": leaf.time,
        "environment": environment,
        "output": {
            "bytes_digest": candidate.byte_digest,
            "pixels_digest": output.digest,
            "decoder": decoder_id(),
            "format": candidate.format,
            "width": output.width,
            "height": output.height,
        },
        "issuers": sorted({issuer for issuer, _ in consents}),
        "assurance": lowest,
        "consents": [secrets.token_hex(16) for _ in consents],
        "trust_list": trust_list_digest,
        "policy": leaf.policy,
        "floor": leaf.floor,
        "checks": list(checks),
        "operations": sorted(set(operations)),
        "purpose": purpose,
        "layers": list(Layer),
        "remedies": sorted(set(remedies)),
        "log": {
            "index": entry.index,
            "size": entry.size,
            "root": entry.root,
            "proof": list(entry.proof),
            "leaf": leaf.as_json(),
            "output_salt": salt,
        },
    }
    try:
        receipt = Receipt.model_validate_json(canonical_json(described), strict=True)
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, item["loc"])) for item in error.errors()}))
        raise CheckFailed(f"no receipt can be written ({fields})", code="check.receipt") from error
    except ValueError as error:
        raise CheckFailed("no receipt can be written", code="check.receipt") from error
    try:
        check_log(receipt)
    except ReceiptInvalid as error:
        raise CheckFailed("the log entry is not of this release", code="check.receipt") from error
    return receipt


def check_log(receipt: Receipt) -> None:
    """Check that the leaf tells of this release and stands under the root that the receipt names.

    Raises:
        ReceiptInvalid: ``verification.log``.
    """
    log, leaf = receipt.log, receipt.log.leaf
    models = {model.sha256 for check in receipt.checks for model in check.models}
    told = commitment("output", receipt.output.bytes_digest, log.output_salt)
    if (
        leaf.event is not Event.RELEASE
        or (leaf.time, leaf.policy, leaf.floor) != (receipt.time, receipt.policy, receipt.floor)
        or set(leaf.models) != models
        or not hmac.compare_digest(leaf.commitments.get("output", ""), told)
    ):
        raise ReceiptInvalid("the log entry speaks of another release", code="verification.log")
    check_inclusion(
        leaf_hash(canonical_json(leaf.as_json())),
        log.index,
        log.size,
        [bytes.fromhex(node) for node in log.proof],
        bytes.fromhex(log.root),
    )


def sign_receipt(receipt: Receipt, key: Ed25519PrivateKey) -> str:
    """Sign a receipt.

    Returns:
        Canonical JSON ``{"alg", "kid", "receipt", "signature"}``; the Ed25519 signature is over the domain
        tag and the receipt's RFC 8785 form, and ``kid`` is the key's RFC 7638 thumbprint.
    """
    content = receipt.as_json()
    signature = key.sign(SIGNATURE_DOMAIN + canonical_json(content))
    envelope: dict[str, JsonValue] = {
        "alg": ALGORITHM,
        "kid": key_id(key.public_key()),
        "receipt": content,
        "signature": b64url_encode(signature),
    }
    return canonical_json(envelope).decode("utf-8")
