"""Binds a call to a family's allow-list: every argument is known, checked and accounted for, or refused.

A value is sorted by the exact class's own signature, so that a positional argument is what the class takes it
for. ``None`` stands for an argument left out, as it does in diffusers.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from consent_edit.encoding import JsonValue, canonical_json
from consent_edit.errors import ArgumentRejected
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.digests import byte_digest
from consent_edit.pipelines.families import Family
from consent_edit.pipelines.families.arguments import refusal
from consent_edit.pipelines.families.checks import whole
from consent_edit.request import plain_text, to_be_looked_at

MAX_PROMPT_CHARACTERS = 2_000
"""Longest text taken; a longer one could hide its request behind what the readers look at."""

_SIZE: Final = whole(8, 8192)

_MARKUP: Final = re.compile(
    r"<\||\|>|\[/?(?:IMG(?:_BREAK|_END)?|INST|SYSTEM_PROMPT)\]|</?s>|<(?:pad|unk|extra_id_\d+)>"
)
"""Tokens of the text encoders' own. FLUX.2 strikes ``[IMG]`` out, so that two halves of a word meet only
after it was read; the others end or split what an encoder takes for the prompt."""


@dataclass(frozen=True, slots=True, eq=False)
class BoundCall:
    """A call with every argument sorted by what it is.

    Attributes:
        texts: Text argument -> text; absent ones are empty.
        images: Argument of the picture edited, or of its mask -> what the caller gave, not yet taken in.
        pictures: Argument -> its further pictures, those behind the one edited in a list; not yet taken in.
        settings: Other allowed arguments.
    """

    family: Family
    texts: Mapping[str, str]
    images: Mapping[str, object]
    pictures: Mapping[str, tuple[object, ...]]
    settings: Mapping[str, object]

    @property
    def prompt(self) -> str:
        """The text that asks for the edit."""
        return self.texts[self.family.text_arguments[0]]

    @property
    def negative_texts(self) -> tuple[str, ...]:
        """The other texts, which steer by what they exclude."""
        return tuple(self.texts[name] for name in self.family.text_arguments[1:] if self.texts[name])

    def digest(self, image_digests: Mapping[str, str]) -> str:
        """``sha256:<hex>`` over family, texts, settings and the canonical digests of the pictures."""
        account: dict[str, JsonValue] = {
            "family": self.family.name,
            "texts": dict(self.texts),
            "images": dict(image_digests),
            "settings": {name: _describe(value) for name, value in self.settings.items()},
        }
        return byte_digest(canonical_json(account))


def _describe(value: object) -> str:
    seed = getattr(value, "initial_seed", None)
    return f"seed:{seed()}" if callable(seed) else repr(value)


def bind(
    pipeline: object, family: Family, arguments: tuple[object, ...], keywords: Mapping[str, object]
) -> BoundCall:
    """Sort a call's arguments by the signature of the pipeline's own class.

    Args:
        pipeline: The pipeline instance; only its class's signature is read.
        family: Its family.
        arguments: Positional arguments, in the class's own order.
        keywords: Keyword arguments.

    Raises:
        ArgumentRejected: ``input.argument`` for an argument that is unknown, owned by the wrapper or out of
            range; ``input.batch`` for lists of pictures or prompts, where no list is taken;
            ``input.image-missing``; ``input.type`` for what is no picture; ``input.prompt`` for a text that
            is none, or too long.
    """
    given = by_name(pipeline, arguments, keywords)
    texts = {name: _text(name, given.pop(name, "")) for name in family.text_arguments}
    shown = {name: _pictures(family, name, given.pop(name, None)) for name in family.pictures}
    own = {*family.image_arguments, family.mask_argument}
    images = {name: several[0] for name, several in shown.items() if name in own}
    pictures = {name: several[name in own :] for name, several in shown.items() if several[name in own :]}
    settings = {
        name: value
        for name, value in given.items()
        if value is not None and not _as_fixed(family, name, value) and _taken(family, name, value)
    }
    edited = images[family.image_arguments[0]]
    if isinstance(edited, CanonicalImage):  # else its size is not known before it was taken in
        check_sizes(family, settings, edited)
    return BoundCall(family=family, texts=texts, images=images, pictures=pictures, settings=settings)


def by_name(
    pipeline: object, arguments: tuple[object, ...], keywords: Mapping[str, object]
) -> dict[str, object]:
    """A call's arguments by the names that the pipeline's own class has for them.

    Raises:
        ArgumentRejected: ``input.argument``: they do not fit its signature.
    """
    try:
        bound = inspect.signature(type(pipeline).__call__).bind(pipeline, *arguments, **keywords).arguments
    except TypeError as error:
        raise ArgumentRejected(f"the call does not fit the pipeline: {error}") from error
    given = dict(list(bound.items())[1:])  # without self
    given.update(given.pop("kwargs", {}))
    return given


def check_sizes(family: Family, settings: Mapping[str, object], image: CanonicalImage) -> None:
    """Hold sizes that a caller asks for against the picture's own, which the wrapper gives.

    Raises:
        ArgumentRejected: ``input.argument``: another size.
    """
    for name, size in family.sizing.measured(image.width, image.height).items():
        if name in settings and settings[name] != size:
            raise ArgumentRejected(
                f"argument {name} asks for another size than the picture's",
                remedy=f"leave it out: it follows from the picture and is {size} here; "
                "for another size resize the picture first",
            )


def _as_fixed(family: Family, name: str, value: object) -> bool:
    """Whether the wrapper gives the argument, and gives this very value."""
    return name in family.fixed and type(value) is type(family.fixed[name]) and value == family.fixed[name]


def _taken(family: Family, name: str, value: object) -> bool:
    """True for an argument that a caller may give, with a value it may have.

    Raises:
        ArgumentRejected: any other.
    """
    check = _SIZE if name in family.sizing.arguments else family.allowed.get(name)
    if check is None:
        raise ArgumentRejected(
            f"argument {name} is not allowed with {family.name}{_why(family, name)}",
            remedy="leave it out; allowed are: "
            + ", ".join((*family.text_arguments, *family.pictures, *family.allowed)),
        )
    if not check(value):
        raise ArgumentRejected(
            f"argument {name} has a value outside its range or of the wrong type",
            remedy=f"give a {check.says}",
        )
    return True


def _why(family: Family, name: str) -> str:
    reason = f"the wrapper gives it, as {family.fixed[name]}" if name in family.fixed else refusal(name)
    return f": {reason}" if reason else ""


def _text(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        raise ArgumentRejected(f"{name} must be one text", code="input.batch", remedy="call once a picture")
    if not isinstance(value, str):
        raise ArgumentRejected(f"{name} must be a text", code="input.prompt")
    text = plain_text(value)  # what is read, digested and run must be one text
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ArgumentRejected(f"{name} holds half a character", code="input.prompt")
    if _MARKUP.search(text):
        raise ArgumentRejected(
            f"{name} holds markup of a text encoder",
            code="input.prompt",
            remedy="write it in words alone",
        )
    if len(text) > MAX_PROMPT_CHARACTERS:
        raise ArgumentRejected(
            f"{name} is longer than {MAX_PROMPT_CHARACTERS} characters",
            code="input.prompt",
            remedy="shorten the prompt",
        )
    return text


def _pictures(family: Family, name: str, value: object) -> tuple[object, ...]:
    """The pictures of an argument, a list read once; none only of an argument that may be left out."""
    if isinstance(value, list | tuple):
        if name not in family.several:
            raise ArgumentRejected(
                f"{name} must be one picture", code="input.batch", remedy="call once a picture"
            )
        several = tuple(value)
    else:
        several = () if value is None else (value,)
    if not several and name in family.needed:
        raise ArgumentRejected(
            f"{name} is missing: there is no {family.pictures[name].value} picture",
            code="input.image-missing",
            remedy="give it; in an EditRequest, control pictures stand in pictures",
        )
    return tuple(to_be_looked_at(name, one) for one in several)
