"""``guard(pipe, …)``: a drop-in that keeps the pipeline's own call and releases only what the gate does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

from PIL import Image

from consent_edit.consent.verify import Presentation
from consent_edit.editor import ConsentEditor
from consent_edit.operator import Operator
from consent_edit.perception.observation import Perception
from consent_edit.pipelines.families import classify
from consent_edit.pipelines.signature import bind
from consent_edit.pipelines.watch import Progress
from consent_edit.request import EditRequest, FileFormat, Picture
from consent_edit.vocabulary import Operation, Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedOutput:
    """What a guarded call returns, in diffusers' manner.

    Attributes:
        images: One picture, decoded from ``released``.
        released: The file's bytes, the ones the checks decoded.
        receipt: The signed receipt (JSON).
    """

    images: list[Image.Image]
    released: bytes
    receipt: str


class GuardedPipeline:
    """A pipeline behind the gate; made by :func:`guard`."""

    def __init__(self, editor: ConsentEditor) -> None:
        self.editor = editor

    def __call__(
        self,
        *arguments: object,
        grantee: str = "",
        presentations: Sequence[Presentation | str] = (),
        operations: frozenset[Operation] = frozenset(),
        purpose: Purpose = Purpose.PERSONAL,
        file_format: FileFormat = "png",
        prove: Callable[[str], str] | None = None,
        progress: Progress = lambda step, total: None,
        **keywords: object,
    ) -> GuardedOutput:
        """Call as the pipeline itself is called, plus whose consent is presented.

        Args:
            *arguments: As the pipeline takes them.
            grantee: Who edits: the client id that grants name.
            presentations: Consent of the people depicted, sealed to this service or not.
            operations: What the edit does, where the words do not say it.
            purpose: Why.
            file_format: Format of the released file.
            prove: Signs the request's digest where grants name a key, as ``Wallet.prove`` does.
            progress: Told of every denoising step done, which it was and of how many; takes the place of
                diffusers' callbacks, which are shown what is being made.
            **keywords: As the pipeline takes them, from its family's allow-list.

        Raises:
            EditRefused: the decision was to refuse.
            InputError: an argument is not allowed, or the picture or words cannot be used.
            Unavailable: a needed part is missing or broke.
        """
        family = self.editor.family
        call = bind(self.editor.pipeline, family, arguments, keywords)
        request = EditRequest(
            image=cast(Picture, call.images[family.image_arguments[0]]),
            mask=cast("Picture | None", call.images.get(family.mask_argument)),
            prompt=call.prompt,
            negative_prompt=call.texts.get("negative_prompt", ""),
            grantee=grantee,
            presentations=tuple(presentations),
            operations=operations,
            purpose=purpose,
            settings=call.settings,
            file_format=file_format,
        )
        if prove is not None:
            request = replace(request, proof=prove(request.digest()))
        result = self.editor.edit(request, progress=progress)
        return GuardedOutput(images=result.images, released=result.released, receipt=result.receipt)


def guard(pipeline: object, operator: Operator, *, perception: Perception | None = None) -> GuardedPipeline:
    """Put a pipeline behind the gate: ``pipe = guard(pipe, operator)``.

    In one Python process the host can still reach around the wrapper; see "honest limits" in the README.

    Raises:
        ArgumentRejected: the pipeline's class is not covered, or it carries adapters.
    """
    classify(pipeline)
    return GuardedPipeline(ConsentEditor(pipeline, operator, perception=perception))
