"""The remedies there are, by the words that requests, records and receipts use for them."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal

Whom = Literal["", "bystanders"]
"""On whom a remedy is carried out; on nobody by default."""

BYSTANDERS: Final = "bystanders"


class Remedy(StrEnum):
    """What was done to a picture so that it could be edited without everybody's consent."""

    ANONYMISE = "anonymise"
    """The faces of people without consent were painted over before the edit."""

    CROP = "crop"
    """The picture was cut to the people who consent before the edit."""

    PRESERVE = "preserve"
    """People who cannot be recognised, and bodies, were put back after the edit as they were before it."""
