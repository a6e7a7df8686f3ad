"""Whether two overlapping boxes show one person: an echo of the stronger one, or agreeing embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.perception.faces.detectors.human import FaceMesh
from consent_edit.perception.faces.detectors.merging import Candidate, kinds_of, overlap
from consent_edit.perception.faces.embedding import FirstEmbedder
from consent_edit.perception.shown import Pixels, Shown
from consent_edit.thresholds import Thresholds

_MOST_EMBEDDINGS: Final = 16
"""A bound on the time of one picture; beyond it boxes stay apart, which only asks for more consent."""


class Likeness:
    """Compares boxes of one picture; each is embedded once at most, on its own landmarks.

    Args:
        picture: (H, W, 3) uint8 RGB.
        embedder: The first embedder.
        mesh: The face mesh.
        limits: The operating thresholds.
    """

    def __init__(
        self, picture: Shown | Pixels, embedder: FirstEmbedder, mesh: FaceMesh, limits: Thresholds
    ) -> None:
        self._picture = Shown.of(picture)
        self._embedder = embedder
        self._mesh = mesh
        self._limits = limits
        self._rows: dict[Candidate, NDArray[np.float32]] = {}
        self._presences: dict[Candidate, float] = {}

    def same_person(self, stronger: Sequence[Candidate], weaker: Sequence[Candidate]) -> bool:
        """Whether two groups in one place show one person.

        1. An echo does: an upright face, seen turned or inverted, is often found again, less surely and with
           its points in the wrong places, so that its embedding means nothing.
        2. Else their embeddings decide; no when the bound is reached.

        Raises:
            CheckFailed: a model gave no usable answer.
        """
        if self._echo(stronger, weaker):
            return True
        a, b = stronger[0], weaker[0]
        if len(self._rows) + len({a, b} - self._rows.keys()) > _MOST_EMBEDDINGS:
            return False
        return float(self._row(a) @ self._row(b)) >= self._limits.face_merge_likeness

    def _echo(self, stronger: Sequence[Candidate], weaker: Sequence[Candidate]) -> bool:
        """Whether nothing shows a second face: few kinds of pass, no high score, no clear face on it.

        Turned and inverted views read an upright face as another one, with scores up to .89: of theirs more
        is asked. Points that are nearly right still give the mesh a good part of the face. A face that is
        covered up explains nothing: an echo must be less of a face than what it echoes.
        """
        limits = self._limits
        if kinds_of(weaker) >= min(kinds_of(stronger), limits.face_apart_kinds):
            return False
        for one in weaker:
            sure = limits.face_apart_score_wrong_way if one.wrong_way else limits.face_apart_score
            if one.score >= sure:
                return False
        if overlap(stronger[0].corners, weaker[0].corners) > limits.face_echo_overlap:
            return True
        here = self._presence(weaker)
        return here < min(limits.face_apart_presence, self._presence(stronger))

    def _presence(self, group: Sequence[Candidate]) -> float:
        """The mesh's logit on the points of a group, shown as the passes that found it were."""
        one = group[0]
        if one not in self._presences:
            self._presences[one] = self._mesh.presence(
                self._picture,
                one.landmarks,
                as_is=any(not member.inverted for member in group),
                inverted=any(member.inverted for member in group),
            )
        return self._presences[one]

    def _row(self, one: Candidate) -> NDArray[np.float32]:
        """The unit mean of a box's views."""
        if one not in self._rows:
            mean = self._embedder.embed(self._picture, one.landmarks).mean(axis=0)
            self._rows[one] = np.asarray(mean / np.linalg.norm(mean), dtype=np.float32)
        return self._rows[one]
