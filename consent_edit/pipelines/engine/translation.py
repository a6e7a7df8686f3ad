"""Turns requests and errors into messages and back, so that a host reads the same as in its own process."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

import numpy as np
from pydantic import ValidationError

from consent_edit import errors
from consent_edit.consent.presentation import Presentation
from consent_edit.errors import ArgumentRejected, ConsentEditError, EditRefused, InputError, Unavailable
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.decode import DEFAULT_LIMITS
from consent_edit.pipelines.engine.messages import (
    Asked,
    Failed,
    SentGenerator,
    SentPicture,
    SentPresentation,
    Setting,
)
from consent_edit.request import EditRequest, Picture, canonical

_TOLD: Final[Mapping[str, type[ConsentEditError]]] = {
    kind.__name__: kind
    for kind in (
        errors.InputError,
        errors.ImageRejected,
        errors.ArgumentRejected,
        errors.PolicyInvalid,
        errors.Unavailable,
        errors.ModelUnavailable,
        errors.CheckFailed,
        errors.StoreUnavailable,
    )
}
"""Errors that travel as they are. Any other of ours is an internal one: its code could say too much (G7)."""

_PLAIN: Final = (bool, int, float, str)

_INTERNAL: Final = Failed(
    error="CheckFailed", message="the edit broke off in the engine", code="check.edit-failed", remedy=""
)

Parts = list[bytes]


def asked(request: EditRequest) -> tuple[Asked, Parts]:
    """A request as it travels: the head, and the pictures' bytes.

    Raises:
        InputError: it holds something that has no place on the wire, or is too long for it.
    """
    parts: Parts = []

    def sent(picture: Picture) -> SentPicture:
        head, data = _sent(picture)
        parts.append(data)
        return head

    try:
        head = Asked(
            type="edit",
            image=sent(request.image),
            mask=None if request.mask is None else sent(request.mask),
            pictures={name: tuple(map(sent, several)) for name, several in request.further.items()},
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            grantee=request.grantee,
            proof=request.proof,
            presentations=tuple(map(_presented, request.presentations)),
            operations=tuple(sorted(request.operations)),
            purpose=request.purpose,
            settings={name: _setting(name, value) for name, value in request.settings.items()},
            file_format=request.file_format,
            anonymise=request.anonymise,
            crop=request.crop,
            preserve=request.preserve,
            jurisdictions=request.jurisdictions,
        )
    except ValidationError:
        raise InputError(
            "the request does not fit the engine's wire",
            code="input.request",
            remedy="send pictures as files, and fewer or shorter ones",
        ) from None
    return head, parts


def request_of(head: Asked, parts: Sequence[bytes]) -> EditRequest:
    """The request that came.

    Raises:
        InputError: as :class:`EditRequest`; or a picture is none.
    """
    came: Iterator[Picture] = map(_picture, head.sent, parts)
    return EditRequest(
        image=next(came),
        mask=None if head.mask is None else next(came),
        pictures={name: tuple(next(came) for _ in several) for name, several in head.pictures.items()},
        prompt=head.prompt,
        negative_prompt=head.negative_prompt,
        grantee=head.grantee,
        proof=head.proof,
        presentations=tuple(
            one if isinstance(one, str) else Presentation(one.credential, one.grant, one.cosigned)
            for one in head.presentations
        ),
        operations=frozenset(head.operations),
        purpose=head.purpose,
        settings={name: _given(value) for name, value in head.settings.items()},
        file_format=head.file_format,
        anonymise=head.anonymise,
        crop=head.crop,
        preserve=head.preserve,
        jurisdictions=head.jurisdictions,
    )


def failed(error: BaseException) -> Failed:
    """An error as the host may read it: as in its own process, and never what caused it."""
    if isinstance(error, EditRefused):
        return Failed(
            error=EditRefused.__name__,
            message=error.message,
            code=error.code,
            remedy=error.remedy,
            codes=error.codes,
            boxes=error.boxes,
            pictures=error.pictures,
            remedies=error.remedies,
            decision_id=error.decision_id,
        )
    for kind in type(error).__mro__:
        if isinstance(error, ConsentEditError) and _TOLD.get(kind.__name__) is kind:
            return Failed(error=kind.__name__, message=error.message, code=error.code, remedy=error.remedy)
    return _INTERNAL


def error_of(message: Failed) -> ConsentEditError:
    """The error to raise."""
    if message.error == EditRefused.__name__ and message.codes:
        return EditRefused(
            message.message,
            codes=message.codes,
            boxes=message.boxes,
            pictures=message.pictures,
            remedies=message.remedies,
            decision_id=message.decision_id,
        )
    kind = _TOLD.get(message.error, Unavailable)
    return kind(message.message, code=message.code, remedy=message.remedy)


def _sent(picture: Picture) -> tuple[SentPicture, bytes]:
    """A file's bytes as they are; of decoded pixels the canonical ones, which intake would make of them."""
    if isinstance(picture, bytes) and len(picture) <= DEFAULT_LIMITS.max_bytes:
        return SentPicture(length=len(picture)), picture
    image = canonical(picture)  # refuses a longer file, in intake's words
    data = image.pixels.tobytes()
    return SentPicture(length=len(data), width=image.width, height=image.height), data


def _picture(head: SentPicture, data: bytes) -> Picture:
    if not head.width:
        return data
    return CanonicalImage.of(np.frombuffer(data, np.uint8).reshape(head.height, head.width, 3))


def _presented(presentation: Presentation | str) -> str | SentPresentation:
    if isinstance(presentation, str):
        return presentation
    return SentPresentation(
        credential=presentation.credential, grant=presentation.grant, cosigned=presentation.cosigned
    )


def _setting(name: str, value: object) -> Setting:
    """A setting as it travels; a generator by its seed alone."""
    seed = getattr(value, "initial_seed", None)
    if type(value) is getattr(sys.modules.get("torch"), "Generator", None) and callable(seed):
        return SentGenerator(seed=seed())
    if value is None or type(value) in _PLAIN:
        return cast("Setting", value)
    if type(value) is tuple and all(type(one) in _PLAIN for one in value):
        return value
    raise ArgumentRejected(
        f"argument {name} is a {type(value).__name__}, which does not travel to the engine",
        remedy="give a plain number, text, truth value, or a torch.Generator (its seed travels)",
    )


def _given(value: object) -> object:
    if not isinstance(value, SentGenerator):
        return value
    import torch  # the engine's pipeline has it; a host need not

    return torch.Generator("cpu").manual_seed(value.seed)
