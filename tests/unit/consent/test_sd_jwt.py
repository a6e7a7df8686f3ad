"""Selective disclosure: strict parsing and opening."""

from __future__ import annotations

import hashlib

import pytest

from consent_edit.consent import sd_jwt
from consent_edit.encoding import b64url_encode, canonical_json
from consent_edit.errors import ConsentInvalid

SALT = "_26bc4LT-ac6q2KI6cBW5es"
DIGEST_OF_RFC = "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0"


def disclose(*parts: object) -> str:
    """A disclosure with these parts."""
    return b64url_encode(canonical_json(list(parts)))


def digest(text: str) -> str:
    """Its digest."""
    return b64url_encode(hashlib.sha256(text.encode()).digest())


def opened(payload: dict[str, object], *texts: str) -> dict[str, object]:
    """The payload with these disclosures put in place."""
    parsed = sd_jwt.parse("~".join(["a.b.c", *texts, ""]))
    return dict(sd_jwt.reveal(payload, parsed.disclosures))  # type: ignore[arg-type]


def test_the_rfcs_disclosure_has_the_rfcs_digest() -> None:
    """The example of RFC 9901 section 4.2.3 hashes to the value printed there."""
    text = "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0"
    (parsed,) = sd_jwt.parse(f"a.b.c~{text}~").disclosures
    assert (parsed.name, parsed.value, parsed.digest) == ("family_name", "Möbius", DIGEST_OF_RFC)


def test_nested_and_array_disclosures_are_put_in_place() -> None:
    """Object members, array elements and disclosures within disclosures all open; withheld ones stay away."""
    inner = disclose(SALT, "city", "Lyon")
    outer = disclose(SALT, "address", {"_sd": [digest(inner), "decoy"], "country": "FR"})
    element = disclose(SALT, "fr")
    payload = {
        "_sd": [digest(outer)],
        "_sd_alg": "sha-256",
        "langs": [{"...": digest(element)}, {"...": "withheld"}, "en", [1]],
    }
    assert opened(payload, outer, inner, element) == {
        "address": {"city": "Lyon", "country": "FR"},
        "langs": ["fr", "en", [1]],
    }
    assert opened(payload) == {"langs": ["en", [1]]}


A = disclose(SALT, "a", 1)
ELEMENT = disclose(SALT, 1)


@pytest.mark.parametrize(
    ("payload", "texts"),
    [
        ({"_sd": [digest(A)]}, (A, A)),
        ({"_sd": []}, (A,)),
        ({"_sd": [digest(A), digest(A)]}, (A,)),
        ({"_sd": [digest(A)], "x": {"_sd": [digest(A)]}}, (A,)),
        ({"_sd": [digest(A)], "a": 2}, (A,)),
        ({"_sd": [digest(ELEMENT)]}, (ELEMENT,)),
        ({"x": [{"...": digest(A)}]}, (A,)),
        ({"x": [{"...": digest(ELEMENT), "y": 1}]}, (ELEMENT,)),
        ({"_sd": "x"}, ()),
        ({"_sd": [1]}, ()),
        ({"_sd_alg": "sha-512"}, ()),
    ],
    ids=[
        "twice",
        "unreferred",
        "digest-twice",
        "digest-in-two-places",
        "overwrites",
        "element-as-member",
        "member-as-element",
        "element-with-more",
        "sd-no-list",
        "digest-no-text",
        "other-hash",
    ],
)
def test_ambiguous_disclosures_are_refused(payload: dict[str, object], texts: tuple[str, ...]) -> None:
    """Whatever could be read two ways is refused."""
    with pytest.raises(ConsentInvalid):
        opened(payload, *texts)


@pytest.mark.parametrize("claim", sorted(sd_jwt.PLAIN_CLAIMS))
def test_claims_that_decide_validity_are_never_disclosures(claim: str) -> None:
    """Expiry, status, key, issuer, evidence and the like cannot be withheld and later shown."""
    text = disclose(SALT, claim, 1)
    with pytest.raises(ConsentInvalid):
        opened({"_sd": [digest(text)]}, text)


@pytest.mark.parametrize(
    "text",
    ["a.b.c", "", "a.b.c~x", "a.b.c~" + disclose(SALT) + "~", "a.b.c~" + disclose(1, "a", 1) + "~",
     "a.b.c~" + disclose(SALT, "_sd", []) + "~", "a.b.c~" + b64url_encode(b"{}") + "~", "a.b.c~~",
     "a.b.c~é~", "a.b.c" + ("~" + A) * 65 + "~", "a" * 70_000 + "~"],
)  # fmt: skip
def test_texts_that_are_no_presentation_are_refused(text: str) -> None:
    """Missing tildes, key-binding JWTs, odd disclosures and excess are refused."""
    with pytest.raises(ConsentInvalid):
        sd_jwt.parse(text)


def test_disclosures_nested_without_end_are_refused() -> None:
    """A chain of disclosures within disclosures is bounded."""
    text = disclose(SALT, "a", 1)
    texts = [text]
    for _ in range(40):
        text = disclose(SALT, "a", {"_sd": [digest(text)]})
        texts.append(text)
    with pytest.raises(ConsentInvalid):
        opened({"_sd": [digest(text)]}, *texts)


def test_what_is_concealed_comes_back() -> None:
    """Concealed claims leave the payload and come back by their disclosures, freshly salted each time."""
    claims = {"iss": "x", "birthdate": "1990-01-01", "age_over_18": True}
    payload, texts = sd_jwt.conceal(claims, {"birthdate", "age_over_18"})
    assert "birthdate" not in payload
    assert opened(payload, *texts) == claims
    assert sd_jwt.conceal(claims, {"birthdate"})[1] != sd_jwt.conceal(claims, {"birthdate"})[1]
