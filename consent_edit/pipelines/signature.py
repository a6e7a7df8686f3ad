"""Binds a call to a family's allow-list: every argument is known, checked and accounted for, or refused."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass

from consent_edit.encoding import JsonValue, canonical_json
from consent_edit.errors import ArgumentRejected
from consent_edit.intake.digests import byte_digest
from consent_edit.pipelines.families import Family
from consent_edit.request import plain_text

MAX_PROMPT_CHARACTERS = 2_000
"""Longest text taken; a longer one could hide its request behind what the readers look at."""


@dataclass(frozen=True, slots=True, eq=False)
class BoundCall:
    """A call with every argument sorted by what it is.

    Attributes:
        texts: Text argument -> text; absent ones are empty.
        images: Picture argument -> what the caller gave, not yet taken in.
        settings: Other allowed arguments.
    """

    family: Family
    texts: Mapping[str, str]
    images: Mapping[str, object]
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
            range; ``input.batch`` for lists of pictures or prompts; ``input.prompt`` for a text that is none,
            or too long.
    """
    try:
        bound = inspect.signature(type(pipeline).__call__).bind(pipeline, *arguments, **keywords).arguments
    except TypeError as error:
        raise ArgumentRejected(f"the call does not fit the pipeline: {error}") from error
    given = dict(list(bound.items())[1:])  # without self
    given.update(given.pop("kwargs", {}))
    texts = {name: _text(name, given.pop(name, "")) for name in family.text_arguments}
    pictures = (*family.image_arguments, *([family.mask_argument] if family.mask_argument else ()))
    images = {name: _single(name, given.pop(name, None)) for name in pictures}
    settings: dict[str, object] = {}
    for name, value in given.items():
        if value is None and name in family.allowed:
            continue
        if name in family.fixed and value == family.fixed[name]:
            continue
        if name not in family.allowed:
            raise ArgumentRejected(
                f"argument {name} is not allowed with {family.name}",
                remedy="leave it out; allowed are: "
                + ", ".join((*family.text_arguments, *pictures, *family.allowed)),
            )
        if not family.allowed[name](value):
            raise ArgumentRejected(f"argument {name} has a value outside its range or of the wrong type")
        settings[name] = value
    return BoundCall(family=family, texts=texts, images=images, settings=settings)


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
    if len(text) > MAX_PROMPT_CHARACTERS:
        raise ArgumentRejected(
            f"{name} is longer than {MAX_PROMPT_CHARACTERS} characters",
            code="input.prompt",
            remedy="shorten the prompt",
        )
    return text


def _single(name: str, value: object) -> object:
    if value is None:
        raise ArgumentRejected(f"{name} is missing: there is no picture to edit", code="input.image-missing")
    if isinstance(value, list | tuple):
        raise ArgumentRejected(
            f"{name} must be one picture", code="input.batch", remedy="call once a picture"
        )
    return value
