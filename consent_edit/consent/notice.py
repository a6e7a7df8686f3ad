"""What a person is asked to sign: whether it makes sense, and the notice she reads before."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from consent_edit.consent.grant import ANYONE, FaceEdit
from consent_edit.errors import InputError
from consent_edit.vocabulary import PHOTO_BOUND_OPERATIONS, Operation

NOTICE_URI: Final = "urn:consent-edit:notice:grant:1"


def sensible(
    audience: str,
    grantee: str,
    operations: Collection[Operation],
    images: Collection[str],
    max_uses: int,
    days: int,
    *,
    anyone: bool,
) -> None:
    """Refuses to ask a person for a grant that makes no sense, or whose notice could read as another's.

    Raises:
        InputError: so, or a name holds what cannot be seen: a line end, a terminal's control character or a
            mark that turns the direction of writing.
    """
    if not (audience.isprintable() and grantee.isprintable()):
        raise InputError("a name holds a character that cannot be seen", code="input.grant")
    if (grantee == ANYONE) is not anyone:
        raise InputError("a grant to anybody must be asked for expressly, and only then", code="input.grant")
    if not operations or max_uses < 0 or days < 1:
        raise InputError(
            "a grant needs an operation, a limit of uses >= 0 and a day at least", code="input.grant"
        )
    unbound = PHOTO_BOUND_OPERATIONS & set(operations)
    if unbound and not images:
        raise InputError(
            f"{', '.join(sorted(unbound))}: such a grant must name its photos",
            code="input.grant",
            remedy="name each photo the grant is for",
        )


def notice_text(
    audience: str, grantee: str, detail: FaceEdit, images: Collection[str], *, max_uses: int, days: int
) -> str:
    """What a person reads before she signs; its hash goes into the grant."""
    who = "ANYBODY" if grantee == ANYONE else grantee
    which = f"{len(images)} photo(s) named by digest" if images else "any photo of you"
    often = f"at most {max_uses} time(s)" if max_uses else "any number of times"
    lines = [
        f"You allow {who} to have pictures of your face edited by {audience}.",
        f"What may be done: {', '.join(detail.actions)}. What for: {detail.purpose}.",
        f"Which photos: {which}. How often: {often}. For how long: {days} day(s).",
        "You may withdraw this at any time, without giving a reason.",
        *images,
    ]
    return "\n".join(lines) + "\n"
