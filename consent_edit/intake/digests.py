"""Digests of bytes, in the one spelling that receipts, records and grants use."""

from __future__ import annotations

import hashlib
import re
from typing import Final

DIGEST_PATTERN: Final = r"^sha256:[0-9a-f]{64}$"
"""Every digest this package writes: lower-case hex after ``sha256:``."""

_DIGEST = re.compile(DIGEST_PATTERN)


def byte_digest(data: bytes) -> str:
    """SHA-256 of bytes, as ``sha256:<hex>``."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def is_digest(text: str) -> bool:
    """Whether ``text`` is spelled as a digest; says nothing of what it is a digest of."""
    return _DIGEST.fullmatch(text) is not None
