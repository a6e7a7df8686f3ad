"""What travels in files: a credential to its holder, and her credential with a grant to a service."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field

from consent_edit.consent.jose import MAX_TOKEN
from consent_edit.consent.wire import StatusRef, Wire, read_wire
from consent_edit.encoding import canonical_json
from consent_edit.errors import InputError


@dataclass(frozen=True, slots=True)
class Presentation:
    """One person's consent, nothing of it verified.

    Attributes:
        credential: SD-JWT VC with its disclosures, no key-binding JWT.
        grant: Compact JWS, ``typ: consent-grant+jwt``, signed by the credential's ``cnf`` key.
    """

    credential: str = field(repr=False)
    grant: str = field(repr=False)

    def to_json(self) -> str:
        """The form in which it travels in a file."""
        return canonical_json({"credential": self.credential, "grant": self.grant}).decode("utf-8")

    @classmethod
    def from_json(cls, text: str) -> Presentation:
        """Read :meth:`to_json`'s form. That it can be read says nothing of its worth.

        Raises:
            ConsentInvalid: ``MALFORMED``.
        """
        wire = read_wire(_PresentationFile, text.encode("utf-8", "replace"))
        return cls(credential=wire.credential, grant=wire.grant)

    @classmethod
    def read(cls, path: Path) -> Presentation:
        """Read a presentation file.

        Raises:
            InputError: the file cannot be read.
            ConsentInvalid: ``MALFORMED``.
        """
        return cls.from_json(_file(path, "input.presentation"))


class _PresentationFile(Wire):
    credential: Annotated[str, Field(max_length=MAX_TOKEN)]
    grant: Annotated[str, Field(max_length=MAX_TOKEN)]


class CredentialPackage(Wire):
    """What an issuer gives a person to take home, as a file.

    Attributes:
        credential: SD-JWT VC with all its disclosures.
        stock: Status entries for her grants.
    """

    credential: Annotated[str, Field(max_length=MAX_TOKEN, repr=False)]
    stock: Annotated[tuple[StatusRef, ...], Field(max_length=4096)]

    @classmethod
    def read(cls, path: Path) -> CredentialPackage:
        """Read a package file.

        Raises:
            InputError: the file cannot be read.
            ConsentInvalid: ``MALFORMED``.
        """
        return read_wire(cls, _file(path, "input.credential").encode("utf-8"))


def _file(path: Path, code: str) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeError) as error:
        raise InputError(f"cannot read {path.name}", code=code) from error
