"""Verification of a receipt and the file it speaks of: offline, by whoever holds the operator's key."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from consent_edit.encoding import JsonValue, b64url_decode, canonical_json, parse_json
from consent_edit.errors import ImageRejected, ReceiptInvalid
from consent_edit.evidence.finish import OUTPUT_LIMITS
from consent_edit.evidence.keys import ALGORITHM, key_id
from consent_edit.evidence.receipt import SIGNATURE_DOMAIN, Receipt, check_log
from consent_edit.intake.decode import decode, decoder_id
from consent_edit.intake.digests import byte_digest
from consent_edit.vocabulary import Environment

MAX_RECEIPT_BYTES: Final = 256 * 1024
"""Bound on a receipt; one with every check and a proof of 64 hashes takes about 12 KB."""

_ENVELOPE: Final = frozenset({"alg", "kid", "receipt", "signature"})


@dataclass(frozen=True, slots=True)
class ExaminedReceipt:
    """A receipt that holds for its file, of whichever environment.

    Attributes:
        kid: Thumbprint of the key that signed it.
    """

    receipt: Receipt
    kid: str

    @property
    def is_demo(self) -> bool:
        """Whether it comes from a demo, where nobody consented; such a receipt proves nothing."""
        return self.receipt.environment is not Environment.PRODUCTION


def verify_receipt(envelope: bytes, keys: Sequence[Ed25519PublicKey], file_bytes: bytes) -> ExaminedReceipt:
    """Verify a receipt for a file. What it returns, a platform may publish.

    Args:
        envelope: The signed receipt, JSON.
        keys: Receipt keys the verifier trusts, got from anywhere but the receipt.
        file_bytes: The file it is to speak of.

    Raises:
        ReceiptInvalid: as :func:`examine_receipt`, and ``verification.demo`` for a demo's receipt. Nothing
            turns that off.
    """
    examined = examine_receipt(envelope, keys, file_bytes)
    if examined.is_demo:
        raise ReceiptInvalid(
            "the receipt is a demo's: consent was simulated, the person depicted gave none",
            code="verification.demo",
        )
    return examined


def examine_receipt(envelope: bytes, keys: Sequence[Ed25519PublicKey], file_bytes: bytes) -> ExaminedReceipt:
    """Check everything of a receipt but where it comes from; the caller must still refuse a demo's.

    1. The envelope is strict JSON of exactly four members.          ``verification.malformed``
    2. It is signed with Ed25519 under one of the given keys.        ``verification.key-unknown``
    3. The signature holds over the canonical receipt (RFC 8785).    ``verification.signature``
    4. The receipt is of a known form, whole, and its checks ran.    ``verification.malformed``
    5. Its leaf is the one of this release.                          ``verification.log``
    6. The leaf stands in the tree (RFC 9162, section 2.1.3.2).      ``verification.log``
    7. The file's bytes are the released ones; if not, the pixels tell re-encoded metadata from a changed
       picture.                        ``verification.altered-bytes``, ``verification.altered``

    Args:
        envelope: The signed receipt, JSON.
        keys: Receipt keys the verifier trusts; an empty sequence verifies nothing.
        file_bytes: The file it is to speak of.

    Raises:
        ReceiptInvalid: with the code of the first step that fails.
    """
    # 1. Strict JSON, nothing beside the four members.
    content, alg, kid, encoded = _opened(envelope)
    # 2. The key comes from the caller and decides the algorithm.
    key = {key_id(candidate): candidate for candidate in keys}.get(kid)
    if alg != ALGORITHM or key is None:
        raise ReceiptInvalid(
            "the receipt is not signed by a key you trust",
            code="verification.key-unknown",
            remedy="pass the public receipt key of the operator who released the file",
        )
    # 3. The signature, over the domain tag and the canonical receipt.
    try:
        canonical = canonical_json(content)
        key.verify(b64url_decode(encoded), SIGNATURE_DOMAIN + canonical)
    except (InvalidSignature, ValueError) as error:
        raise ReceiptInvalid(
            "the receipt's signature does not hold", code="verification.signature"
        ) from error
    # 4. The form, read strictly: no coercion, nothing unknown.
    try:
        receipt = Receipt.model_validate_json(canonical, strict=True)
    except ValidationError as error:
        raise ReceiptInvalid("the receipt is not of a known form", code="verification.malformed") from error
    # 5. and 6. The log.
    check_log(receipt)
    # 7. The file.
    _check_file(receipt, file_bytes)
    return ExaminedReceipt(receipt=receipt, kid=kid)


def _opened(envelope: bytes) -> tuple[Mapping[str, JsonValue], str, str, str]:
    """The receipt, alg, kid and signature of an envelope."""
    try:
        parsed = parse_json(envelope, max_bytes=MAX_RECEIPT_BYTES)
    except ValueError as error:
        raise ReceiptInvalid(f"the receipt cannot be read: {error}", code="verification.malformed") from error
    if isinstance(parsed, Mapping) and set(parsed) == _ENVELOPE:
        content, texts = parsed["receipt"], (parsed["alg"], parsed["kid"], parsed["signature"])
        alg, kid, signature = texts
        if (
            isinstance(content, Mapping)
            and isinstance(alg, str)
            and isinstance(kid, str)
            and isinstance(signature, str)
        ):
            return content, alg, kid, signature
    raise ReceiptInvalid("the file is no signed receipt", code="verification.malformed")


def _check_file(receipt: Receipt, file_bytes: bytes) -> None:
    """7. The file is the released one, byte for byte."""
    output = receipt.output
    if hmac.compare_digest(byte_digest(file_bytes), output.bytes_digest):
        return
    try:
        pixels = decode(file_bytes, limits=OUTPUT_LIMITS).image.digest
    except ImageRejected:
        pixels = ""
    if pixels == output.pixels_digest:
        raise ReceiptInvalid(
            "the picture is the released one, but the file is not: it was written again or given metadata",
            code="verification.altered-bytes",
            remedy="publish the file exactly as it was released",
        )
    other = pixels and output.decoder != decoder_id()
    raise ReceiptInvalid(
        "the picture is not the released one",
        code="verification.altered",
        remedy="the receipt's pixels were decoded by another version, which may differ" if other else "",
    )
