"""What a guarded call returns: diffusers' ``.images``, and how each picture ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from consent_edit.errors import ConsentEditError, EditRefused, InputError
from consent_edit.pipelines.batch import Outcome
from consent_edit.request import EditResult

if TYPE_CHECKING:
    import torch

Pictures: TypeAlias = (
    "list[Image.Image] | list[NDArray[np.float32]] | NDArray[np.float32] | list[torch.Tensor] | torch.Tensor"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedOutput:
    """What a guarded call returns, in diffusers' manner.

    Attributes:
        outcomes: For each picture asked for, in order: what was released, or the error that says why it was
            not. Never ``None``; an index stays the picture's own whatever happened to the others.
        form: What :attr:`images` are: ``pil``, ``np`` or ``pt``.
    """

    outcomes: tuple[Outcome, ...]
    form: str = field(default="pil", repr=False)

    @property
    def images(self) -> Pictures:
        """The released pictures, decoded from their files, if all were released.

        Pillow pictures; for ``output_type="np"`` floats 0 to 1, (n, height, width, 3); for ``"pt"`` the same
        as a tensor (n, 3, height, width). Where sizes differ, a list of arrays or tensors without n.

        Raises:
            ConsentEditError: not all were; the first error, saying which were not.
        """
        pictures = [one for result in self._all() for one in result.images]
        if self.form == "pil":
            return pictures
        arrays: list[NDArray[np.float32]] = [
            np.asarray(one, np.float32) / np.float32(255) for one in pictures
        ]
        even = len({array.shape for array in arrays}) == 1
        if self.form == "np":
            return np.stack(arrays).astype(np.float32, copy=False) if even else arrays
        import torch

        tensors = [torch.from_numpy(array).permute(2, 0, 1) for array in arrays]
        return torch.stack(tensors) if even else tensors

    @property
    def released(self) -> bytes:
        """The bytes of the one file, the ones that the checks decoded."""
        return self._only().released

    @property
    def receipt(self) -> str:
        """The signed receipt (JSON) of the one file."""
        return self._only().receipt

    def __getitem__(self, key: object) -> Pictures:
        """``output[0]`` and ``output["images"]``, as diffusers has them."""
        if key in (0, "images"):
            return self.images
        raise InputError("a guarded output holds images only", remedy="read .outcomes, .released or .receipt")

    def _all(self) -> Sequence[EditResult]:
        wrong = {index: one for index, one in enumerate(self.outcomes) if isinstance(one, ConsentEditError)}
        if wrong:
            raise _first_of(wrong, len(self.outcomes))
        return [one for one in self.outcomes if isinstance(one, EditResult)]

    def _only(self) -> EditResult:
        results = self._all()
        if len(results) != 1:
            raise InputError(
                f"{len(results)} files were released, each with a receipt of its own",
                remedy="read them from .outcomes",
            )
        return results[0]


def _first_of(wrong: Mapping[int, ConsentEditError], total: int) -> ConsentEditError:
    """The first error, as it was where there is but one picture; else it says which others did not leave."""
    first = next(iter(wrong.values()))
    if total == 1:
        return first
    numbers = ", ".join(map(str, wrong))
    said = f"{first.message} (not released: {numbers} of the pictures 0 to {total - 1})"
    rest = "read each picture that was released, and each other one's reason, from .outcomes"
    if isinstance(first, EditRefused):
        return EditRefused(
            said,
            codes=first.codes,
            boxes=first.boxes,
            pictures=first.pictures,
            remedies=(*first.remedies, rest),
            decision_id=first.decision_id,
        )
    remedy = f"{first.remedy}; {rest}" if first.remedy else rest
    return type(first)(said, code=first.code, remedy=remedy)
