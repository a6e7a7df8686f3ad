"""Face templates as they travel in a credential: half precision, finite, unit norm, exact dimension."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from consent_edit.consent.encoding import b64url_decode, malformed
from consent_edit.consent.wire import Wire
from consent_edit.encoding import b64url_encode

NORM_TOLERANCE = 2e-3
"""How far a norm may be off 1. Rounding to half precision moves it by at most 2**-11 = 4.9e-4."""


class FaceTemplate(Wire):
    """One ``face_template`` entry: the template of one embedder.

    Attributes:
        model: Role of the embedder in models.lock.toml, such as ``face-embedding``.
        sha256: Hash of the weight file that made it, hex; other models' embeddings never compare.
        dim: Number of components.
        enc: ``f16``: IEEE 754 half precision, little-endian.
        data: The components, base64url.
    """

    model: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    dim: Annotated[int, Field(ge=16, le=4096)]
    enc: Literal["f16"]
    data: Annotated[str, Field(max_length=16384, repr=False)]

    @classmethod
    def of(cls, vector: NDArray[np.float32], *, model: str, sha256: str) -> FaceTemplate:
        """Encode a (dim,) vector of unit norm.

        Raises:
            ConsentInvalid: ``MALFORMED``; not one finite vector of unit norm.
        """
        if vector.ndim != 1 or not is_unit(vector):
            raise malformed("a template is one finite vector of unit norm")
        data = b64url_encode(vector.astype("<f2").tobytes())
        return cls(model=model, sha256=sha256, dim=int(vector.size), enc="f16", data=data)

    def vector(self) -> NDArray[np.float32]:
        """The template as (dim,) float32 of unit norm, read-only.

        Raises:
            ConsentInvalid: ``MALFORMED``; wrong length, not finite, or not of unit norm.
        """
        raw = b64url_decode(self.data)
        if len(raw) != 2 * self.dim:
            raise malformed("a template is not of its stated dimension")
        wide = np.frombuffer(raw, dtype="<f2").astype(np.float64)
        norm = math.sqrt(
            float(wide @ wide)
        )  # no f16 square overflows here, so only inf and nan are not finite
        if not abs(norm - 1.0) <= NORM_TOLERANCE:
            raise malformed("a template is not finite and of unit norm")
        vector: NDArray[np.float32] = (wide / norm).astype(np.float32)
        vector.flags.writeable = False
        return vector


def is_unit(rows: NDArray[np.float32]) -> bool:
    """Whether the last axis holds finite vectors of unit norm within :data:`NORM_TOLERANCE`."""
    if rows.size == 0 or not bool(np.isfinite(rows).all()):
        return False
    norms = np.linalg.norm(rows.astype(np.float64), axis=-1)
    return bool((np.abs(norms - 1.0) <= NORM_TOLERANCE).all())
