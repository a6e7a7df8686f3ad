"""Model files: which ones the package runs, and the one way to get their bytes, hashed before use.

``models.lock.toml`` names every file with its SHA-256. :class:`ModelStore` reads a file once and hashes
*those* bytes; the runtimes load from the same bytes, so what was checked is what runs. Nothing here touches a
network.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from consent_edit.errors import ModelUnavailable
from consent_edit.shipped import shipped

OPERATOR_FOLDER_VARIABLE = "CONSENT_EDIT_MODELS"
"""Environment variable naming an operator's own folder of model files; searched first."""

SELF_TEST_CODE = "check.self-test"
"""Code of the ModelUnavailable raised when a model gives a wrong answer to its known input."""

_REMEDY = "consent-edit models pull"
_PACKAGE_ROOT = Path(__file__).resolve().parents[2]

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


def cache_folder() -> Path:
    """Where pulled models are kept: ``$XDG_CACHE_HOME`` or ``~/.cache``, then ``consent-edit/models``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "consent-edit" / "models"


def default_folders() -> tuple[Path, ...]:
    """The operator's folder if one is named, then the user cache."""
    own = os.environ.get(OPERATOR_FOLDER_VARIABLE)
    return (Path(own), cache_folder()) if own else (cache_folder(),)


class ModelStore:
    """Finds model files and hands out their bytes, each hashed first. Picklable; holds no open file.

    Args:
        folders: Where to look, in order; by default :func:`default_folders`.
        lock: The pinned entries; by default the package's own ``models.lock.toml``.

    Raises:
        ModelUnavailable: the package's lock cannot be read.
    """

    def __init__(self, folders: Sequence[Path] | None = None, *, lock: ModelLock | None = None) -> None:
        self.folders: tuple[Path, ...] = default_folders() if folders is None else tuple(folders)
        self.lock: ModelLock = read_lock() if lock is None else lock

    def find(self, role: str) -> Path:
        """Path of a role's file, unchecked: the folders first, then the place its carrier puts it.

        Raises:
            ModelUnavailable: no such file.
        """
        entry = self.lock.entry(role)
        places = [folder / entry.file for folder in self.folders]
        places += _carried(entry)
        for place in places:
            if place.is_file():
                return place
        raise ModelUnavailable(f"model file of role {role} is missing: {entry.file}", remedy=remedy_of(entry))

    def load(self, role: str) -> ModelFile:
        """Read a role's file once and hash what was read.

        Raises:
            ModelUnavailable: missing, unreadable, or not the bytes that the lock pins.
        """
        entry = self.lock.entry(role)
        path = self.find(role)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ModelUnavailable(
                f"model file of role {role} cannot be read: {entry.file}", remedy=remedy_of(entry)
            ) from error
        digest = hashlib.sha256(data).hexdigest()
        if digest != entry.sha256:
            raise ModelUnavailable(
                f"model file of role {role} is altered: {entry.file} does not have the pinned hash",
                remedy=remedy_of(entry),
            )
        return ModelFile(role=role, path=path, sha256=digest, data=data)


def _carried(entry: ModelEntry) -> list[Path]:
    """Where a dependency or this package itself holds the file; nothing for wheels that are only carriers."""
    carrier = entry.carrier
    if isinstance(carrier, ShippedCarrier):
        return [_PACKAGE_ROOT / carrier.member]
    if isinstance(carrier, DependencyCarrier):
        top, _, rest = carrier.member.partition("/")
        found = importlib.util.find_spec(top)  # finds a top-level package without importing it
        locations = found.submodule_search_locations if found else None
        return [Path(location) / rest for location in locations or ()]
    return []


def remedy_of(entry: ModelEntry) -> str:
    """What brings the file back."""
    match entry.carrier.kind:
        case "wheel" | "npm":
            return _REMEDY
        case "dependency":
            return "reinstall consent-edit[perception] with the pinned versions"
        case "shipped":
            return "reinstall consent-edit"
