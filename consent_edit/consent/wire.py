"""The closed pydantic forms that several tokens share, and the one way to read them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from consent_edit.consent.encoding import malformed, parse_object
from consent_edit.encoding import Json
from consent_edit.intake.digests import DIGEST_PATTERN


class Wire(BaseModel):
    """Base of everything that crosses the wire: closed, frozen, and no type is coerced into another."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


Seconds: TypeAlias = Annotated[int, Field(ge=0, le=2**53 - 1)]
"""Seconds since 1970 (NumericDate, RFC 7519 section 2), whole."""

Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=2048)]
"""A name or an address."""

Digest: TypeAlias = Annotated[str, Field(pattern=DIGEST_PATTERN)]
"""``sha256:<hex>``."""


class StatusRef(Wire):
    """Where a token's status stands: an entry of a list (Token Status List section 6.1)."""

    idx: Annotated[int, Field(ge=0, le=2**31)]
    uri: Text


class StatusClaim(Wire):
    """The ``status`` claim; the status list is its only mechanism here."""

    status_list: StatusRef


_Model = TypeVar("_Model", bound=Wire)


def read_wire(model: type[_Model], data: bytes) -> _Model:
    """Read a JSON object into its closed form, strictly: no doubled name reaches the schema.

    Raises:
        ConsentInvalid: ``MALFORMED``, naming the fields that do not fit and none of their values.
    """
    parse_object(data)
    return _fitted(model, data)


def read_claims(model: type[_Model], claims: Mapping[str, Json]) -> _Model:
    """Read claims that were parsed strictly, and had their disclosures put in place, into their closed form.

    They are written plainly, not canonically: a schema that wants an integer must still see that 1.0 is none.

    Raises:
        ConsentInvalid: as :func:`read_wire`.
    """
    return _fitted(model, json.dumps(claims).encode("utf-8"))


def _fitted(model: type[_Model], data: bytes) -> _Model:
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        fields = {".".join(map(str, entry["loc"])) or "whole" for entry in error.errors(include_url=False)}
        names = ", ".join(sorted(fields)[:5])[:200]
        raise malformed(f"{model.__name__} does not fit its schema at: {names}") from None
