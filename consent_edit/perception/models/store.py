"""Model files: which ones the package runs, and the one way to get their bytes, hashed before use.

``models.lock.toml`` names every file with its SHA-256. :class:`ModelStore` reads a file once and hashes
*those* bytes; the runtimes load from the same bytes, so what was checked is what runs. Nothing here touches a
network.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path

from consent_edit.errors import ModelUnavailable
from consent_edit.perception.backends.choice import Backend
from consent_edit.perception.models.lock import (
    DependencyCarrier,
    ModelEntry,
    ModelFile,
    ModelLock,
    ShippedCarrier,
    read_lock,
)

OPERATOR_FOLDER_VARIABLE = "CONSENT_EDIT_MODELS"
"""Environment variable naming an operator's own folder of model files; searched first."""

_REMEDY = "consent-edit models pull"
_PACKAGE_ROOT = Path(__file__).resolve().parents[3]


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

    def __init__(
        self,
        folders: Sequence[Path] | None = None,
        *,
        lock: ModelLock | None = None,
        backend: Backend | None = None,
    ) -> None:
        self.backend = Backend() if backend is None else backend
        self.folders: tuple[Path, ...] = default_folders() if folders is None else tuple(folders)
        self.lock: ModelLock = read_lock() if lock is None else lock

    def on(self, backend: Backend) -> ModelStore:
        """The same files, run by a backend."""
        return ModelStore(self.folders, lock=self.lock, backend=backend)

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
