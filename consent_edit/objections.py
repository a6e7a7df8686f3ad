"""The "never edit me" list: people whose face is never edited here, whatever consent is presented.

Opt-in, exact search, at thresholds of its own so strict that hardly anybody else is taken for one of them. It
can only refuse: a face on it reads as consent withdrawn, and the requester sees what he sees of any refusal.
Templates lie sealed in the store's vault, and are compared in memory only.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.consent.match import Probe, accepted_by_all
from consent_edit.consent.templates import FaceTemplate
from consent_edit.consent.wire import Wire, read_wire
from consent_edit.errors import CheckFailed, ConsentInvalid
from consent_edit.store.store import Store
from consent_edit.thresholds import Thresholds

_KIND: Final = "objection"

Reference = Mapping[str, NDArray[np.float32]]


class _Kept(Wire):
    """What the vault holds of one person."""

    face_template: tuple[FaceTemplate, ...]


@dataclass(slots=True)
class Objections:
    """The list of one store, an operator's or an issuer's.

    It is read again whenever it changed, also when another process changed it.

    Attributes:
        thresholds: Strict cosines (``Thresholds.never``).
    """

    store: Store
    thresholds: Thresholds
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _stamp: tuple[tuple[bytes, int], ...] = ()
    _references: tuple[tuple[tuple[FaceTemplate, ...], Reference], ...] = field(default=(), repr=False)

    def add(self, subject: str, templates: tuple[FaceTemplate, ...]) -> None:
        """Put a person on the list, or her new templates in place of the old.

        Args:
            subject: Thumbprint of her key, by which she is taken off again.
            templates: As her credential carries them.

        Raises:
            StoreUnavailable: not written.
        """
        kept = _Kept(face_template=templates).model_dump_json().encode("utf-8")
        self.store.vault.put(_name(subject), _KIND, kept)

    def remove(self, subject: str) -> None:
        """Take a person off the list.

        Raises:
            StoreUnavailable: not written.
        """
        self.store.vault.erase(_name(subject))

    def listed(self, probe: Probe, models: Mapping[str, str]) -> bool:
        """Whether a face is of somebody on the list.

        Args:
            models: Role of embedder -> SHA-256 (hex) of the weight file in use.

        Raises:
            StoreUnavailable: the list cannot be read.
            CheckFailed: an entry is damaged: nobody can say whether the face is listed.
        """
        return any(
            accepted_by_all(probe, _in_use(templates, reference, models), self.thresholds.never)
            for templates, reference in self._current()
        )

    def stale(self, models: Mapping[str, str]) -> int:
        """How many entries no weight file in use can compare with: those people would not be found.

        Raises:
            StoreUnavailable: the list cannot be read.
            CheckFailed: an entry is damaged.
        """
        roles = self.thresholds.never.keys()
        kept = [_in_use(templates, reference, models).keys() for templates, reference in self._current()]
        return sum(not found >= roles for found in kept)

    def _current(self) -> tuple[tuple[tuple[FaceTemplate, ...], Reference], ...]:
        with self._lock:
            stamp = self.store.vault.stamp(_KIND)
            if stamp != self._stamp:
                self._references = self._read()
                self._stamp = stamp
            return self._references

    def _read(self) -> tuple[tuple[tuple[FaceTemplate, ...], Reference], ...]:
        try:
            kept = [read_wire(_Kept, data) for _, data in self.store.vault.all(_KIND)]
            return tuple(
                (one.face_template, {entry.sha256: entry.vector() for entry in one.face_template})
                for one in kept
            )
        except ConsentInvalid as error:
            raise CheckFailed("an objection in the store is damaged", code="check.store-damaged") from error


def _in_use(
    templates: tuple[FaceTemplate, ...], by_file: Reference, models: Mapping[str, str]
) -> dict[str, NDArray[np.float32]]:
    """Role -> the template that the weight file in use made."""
    return {
        entry.model: by_file[entry.sha256] for entry in templates if models.get(entry.model) == entry.sha256
    }


def _name(subject: str) -> str:
    """Kept under a key of its own: erasing what was recorded of her does not lift her objection."""
    return f"objection:{subject}"
