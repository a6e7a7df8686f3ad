"""``guard(pipe, …)``: a drop-in that keeps the pipeline's own call and releases only what the gate does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

from consent_edit.consent.presentation import Presentation
from consent_edit.editor import ConsentEditor
from consent_edit.errors import ArgumentRejected
from consent_edit.operator import Operator
from consent_edit.perception.observation import Perception
from consent_edit.pipelines.batch import Outcome
from consent_edit.pipelines.families import classify
from consent_edit.pipelines.guarded_output import GuardedOutput, Pictures
from consent_edit.pipelines.manners import Manners
from consent_edit.pipelines.signature import BoundCall, bind
from consent_edit.pipelines.splitting import Split, split
from consent_edit.pipelines.watch import Progress
from consent_edit.request import EditRequest, FileFormat, Picture
from consent_edit.vocabulary import Operation, Purpose

Presented = Sequence[Presentation | str] | Sequence[Sequence[Presentation | str]]


class GuardedPipeline(Manners):
    """A pipeline behind the gate; made by :func:`guard`."""

    def __init__(self, editor: ConsentEditor) -> None:
        self.editor = editor

    def __call__(
        self,
        *arguments: object,
        grantee: str = "",
        presentations: Presented = (),
        operations: frozenset[Operation] = frozenset(),
        purpose: Purpose = Purpose.PERSONAL,
        file_format: FileFormat = "png",
        prove: Callable[[str], str] | None = None,
        progress: Progress = lambda step, total: None,
        **keywords: object,
    ) -> GuardedOutput | tuple[Pictures]:
        """Call as the pipeline itself is called, plus whose consent is presented.

        Lists of pictures or prompts, and ``num_images_per_prompt``, become edits of one picture each: one
        that is refused is nothing to the others. A generator of its own for each is given as a list; a single
        one goes on from picture to picture, which draws other noise than diffusers does for a whole batch.

        Args:
            *arguments: As the pipeline takes them.
            grantee: Who edits: the client id that grants name.
            presentations: Consent of the people depicted, sealed to this service or not; where pictures are
                a list, one list each, or the same ones for all.
            operations: What the edit does, where the words do not say it.
            purpose: Why.
            file_format: Format of the released file.
            prove: Signs the request's digest where grants name a key, as ``Wallet.prove`` does.
            progress: Told of every denoising step done, which it was and of how many, picture after picture;
                takes the place of diffusers' callbacks, which are shown what is being made.
            **keywords: As the pipeline takes them, from its family's allow-list.

        Returns:
            What was released; with ``return_dict=False`` a tuple of its ``images``. In a batch whatever
            was refused stands in its ``outcomes``, and is raised when ``images`` are asked for.

        Raises:
            EditRefused: the decision was to refuse the one picture asked for.
            InputError: an argument is not allowed, or the one picture or its words cannot be used.
            Unavailable: a needed part is missing or broke; in a batch only where nothing can go on.
        """
        parts = split(self.editor.pipeline, self.editor.family, arguments, keywords)
        calls = [bind(self.editor.pipeline, self.editor.family, (), call) for call in parts.calls]
        consents = _presented(presentations, parts)
        requests = [
            _request(
                call,
                grantee=grantee,
                presentations=consent,
                operations=operations,
                purpose=purpose,
                file_format=file_format,
            )
            for call, consent in zip(calls, consents, strict=True)
        ]
        if prove is not None:
            requests = [replace(request, proof=prove(request.digest())) for request in requests]
        output = GuardedOutput(outcomes=self._edited(requests, progress), form=parts.form)
        return output if parts.return_dict else (output.images,)

    def _edited(self, requests: Sequence[EditRequest], progress: Progress) -> tuple[Outcome, ...]:
        if len(requests) == 1:
            return (self.editor.edit(requests[0], progress=progress),)
        return self.editor.edit_many(requests, progress=lambda _, step, total: progress(step, total))

    @property
    def _wrapped(self) -> object:
        return self.editor.pipeline


def guard(pipeline: object, operator: Operator, *, perception: Perception | None = None) -> GuardedPipeline:
    """Put a pipeline behind the gate: ``pipe = guard(pipe, operator)``.

    In one Python process the host can still reach around the wrapper; see "honest limits" in the README.

    Raises:
        ArgumentRejected: the pipeline's class is not covered, or it carries adapters.
    """
    classify(pipeline)
    return GuardedPipeline(ConsentEditor(pipeline, operator, perception=perception))


def _request(
    call: BoundCall,
    *,
    grantee: str,
    presentations: tuple[Presentation | str, ...],
    operations: frozenset[Operation],
    purpose: Purpose,
    file_format: FileFormat,
) -> EditRequest:
    family = call.family
    return EditRequest(
        image=cast(Picture, call.images[family.image_arguments[0]]),
        mask=cast("Picture | None", call.images.get(family.mask_argument)),
        pictures=cast("dict[str, tuple[Picture, ...]]", dict(call.pictures)),
        prompt=call.prompt,
        negative_prompt=call.texts.get("negative_prompt", ""),
        grantee=grantee,
        presentations=presentations,
        operations=operations,
        purpose=purpose,
        settings=call.settings,
        file_format=file_format,
    )


def _presented(given: Presented, parts: Split) -> list[tuple[Presentation | str, ...]]:
    """What is presented with each single call."""
    held = tuple(given)
    if not any(isinstance(one, list | tuple) for one in held):
        return [cast("tuple[Presentation | str, ...]", held)] * len(parts.calls)
    lists = [tuple(one) for one in held if isinstance(one, list | tuple)]
    if len(lists) != len(held) or len(held) * parts.each != len(parts.calls):
        raise ArgumentRejected(
            "presentations are not a list for each picture",
            code="input.batch",
            remedy="give one list for all, or as many lists as there are pictures",
        )
    return [lists[number // parts.each] for number in range(len(parts.calls))]
