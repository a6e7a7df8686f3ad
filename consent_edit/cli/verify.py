"""``consent-edit verify``: does a receipt hold for a file, under a key you were given? Works offline."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from consent_edit.cli.terminal import AsJson, say
from consent_edit.errors import InputError, ReceiptInvalid
from consent_edit.evidence.finish import OUTPUT_LIMITS
from consent_edit.evidence.keys import load_public_keys
from consent_edit.evidence.verify import MAX_RECEIPT_BYTES, ExaminedReceipt, examine_receipt
from consent_edit.intake.digests import byte_digest


def verify(
    image: Annotated[Path, typer.Argument(help="The file to verify.", show_default=False)],
    receipt: Annotated[Path, typer.Option("--receipt", help="Its receipt (JSON).", show_default=False)],
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            help="The operator's public receipt key (receipt-key.jwk.json); by default the keys in "
            "~/.config/consent-edit/receipt-keys. Never a key that came with the receipt.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Verify a released file against its receipt; a demo's receipt never verifies.

    Exits 0 when the receipt holds for exactly this file, 5 when it does not or is a demo's, 2 when a file or
    the key cannot be read.

    \f
    Raises:
        InputError: a file or the key cannot be read.
        typer.Exit: with code 5.
    """
    content = _read(image, OUTPUT_LIMITS.max_bytes)
    try:
        examined = examine_receipt(_read(receipt, MAX_RECEIPT_BYTES), _trusted_keys(key), content)
    except ReceiptInvalid as error:
        error.remedy = error.remedy or "ask for the file and the receipt that were released together"
        verdict: dict[str, object] = {
            "verdict": "failed",
            "code": error.code,
            "message": error.message,
            "remedy": error.remedy,
        }
        say(as_json, verdict, error.diagnostics())
        raise typer.Exit(error.exit_code) from error
    facts = _facts(examined)
    if examined.is_demo:
        message = (
            "signature, log proof and file all hold, but the receipt is a demo's: consent was simulated, "
            "the person depicted gave none"
        )
        demo: dict[str, object] = {
            "verdict": "demo",
            "code": "verification.demo",
            "message": message,
            **facts,
        }
        say(as_json, demo, f"NOT VERIFIED (demo): {message}")
        raise typer.Exit(ReceiptInvalid.exit_code)
    digest = byte_digest(content)
    verified: dict[str, object] = {"verdict": "verified", "bytes_digest": digest, **facts}
    lines = [
        "verified: the file is the released one",
        *(f"  {name}: {value}" for name, value in facts.items()),
    ]
    say(as_json, verified, "\n".join(lines))


def _trusted_keys(key: Path | None) -> tuple[Ed25519PublicKey, ...]:
    """The key that was named, or the keys this verifier keeps.

    Raises:
        InputError: a key file cannot be used.
        ReceiptInvalid: ``verification.key-unknown``: no key was named and none is kept.
    """
    if key is not None:
        return load_public_keys(key)
    base = os.environ.get("XDG_CONFIG_HOME")
    folder = (Path(base) if base else Path.home() / ".config") / "consent-edit" / "receipt-keys"
    kept = tuple(each for file in sorted(folder.glob("*.json")) for each in load_public_keys(file))
    if not kept:
        raise ReceiptInvalid(
            "no operator's receipt key is trusted here, so the signature says nothing",
            code="verification.key-unknown",
            remedy=f"name the operator's key with --key, or keep it in {folder}",
        )
    return kept


def _facts(examined: ExaminedReceipt) -> dict[str, object]:
    """What the receipt says that a reader will want to judge by."""
    receipt = examined.receipt
    return {
        "receipt_id": receipt.receipt_id,
        "time": receipt.time,
        "environment": receipt.environment.value,
        "assurance": receipt.assurance.value,
        "issuers": list(receipt.issuers),
        "consents": len(receipt.consents),
        "operations": [operation.value for operation in receipt.operations],
        "purpose": receipt.purpose.value,
        "checks": [check.name.value for check in receipt.checks],
        "layers": [layer.value for layer in receipt.layers],
        "log": {"index": receipt.log.index, "size": receipt.log.size, "root": receipt.log.root},
        "key": examined.kid,
    }


def _read(path: Path, limit: int) -> bytes:
    """A file's bytes, up to a limit.

    Raises:
        InputError: ``input.file``: it cannot be read, or is longer.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", code="input.file") from error
    if len(data) > limit:
        raise InputError(f"{path} is longer than {limit} bytes", code="input.file")
    return data
