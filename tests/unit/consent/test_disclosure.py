"""Selective disclosure: strict reading, opening and hiding."""

from __future__ import annotations

import hashlib

import pytest

from consent_edit.consent.disclosure import PLAIN_CLAIMS, Disclosure, conceal, read_disclosure, reveal
from consent_edit.encoding import MAX_DEPTH, b64url_decode, b64url_encode, canonical_json, parse_json
from consent_edit.errors import ConsentInvalid
from consent_edit.vocabulary import ConsentStatus

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
    return dict(reveal(payload, [read_disclosure(text) for text in texts]))  # type: ignore[arg-type]


def refused(payload: dict[str, object], *texts: str) -> str:
    """The message with which these are refused."""
    with pytest.raises(ConsentInvalid) as caught:
        opened(payload, *texts)
    assert caught.value.status is ConsentStatus.MALFORMED
    return caught.value.message


def test_the_rfcs_disclosure_has_the_rfcs_digest() -> None:
    """The example of RFC 9901 section 4.2.3 hashes to the value printed there."""
    read = read_disclosure("WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0")
    assert (read.name, read.value, read.digest) == ("family_name", "Möbius", DIGEST_OF_RFC)
    assert read.element is False


def test_nested_and_array_disclosures_are_put_in_place() -> None:
    """Object members, array elements and disclosures within disclosures all open; withheld ones stay away."""
    inner = disclose(SALT, "city", "Lyon")
    outer = disclose(SALT, "address", {"_sd": [digest(inner), "decoy"], "country": "FR"})
    element = disclose(SALT, "fr")
    payload = {
        "_sd": [digest(outer)],
        "_sd_alg": "sha-256",
        "langs": [{"...": digest(element)}, {"...": "withheld"}, "en", [1], {"a": 1}],
    }
    assert opened(payload, outer, inner, element) == {
        "address": {"city": "Lyon", "country": "FR"},
        "langs": ["fr", "en", [1], {"a": 1}],
    }
    assert opened(payload) == {"langs": ["en", [1], {"a": 1}]}


def test_what_a_disclosed_value_hides_opens_too() -> None:
    """Arrays and objects inside a disclosed array element are opened like any other."""
    inner = disclose(SALT, "b", 2)
    element = disclose(SALT, [{"_sd": [digest(inner)]}, {"...": "withheld"}])
    assert opened({"x": [{"...": digest(element)}]}, element, inner) == {"x": [[{"b": 2}]]}


def test_a_payload_without_anything_hidden_is_itself() -> None:
    """No ``_sd``, no disclosures: the claims, less the name of the hash."""
    assert opened({"a": 1}) == {"a": 1}
    assert opened({"a": 1, "_sd_alg": "sha-256"}) == {"a": 1}


A = disclose(SALT, "a", 1)
ELEMENT = disclose(SALT, 1)


@pytest.mark.parametrize(
    ("payload", "texts", "why"),
    [
        ({"_sd": [digest(A)]}, (A, A), "a disclosure stands twice"),
        ({"_sd": []}, (A,), "nothing refers to"),
        ({"_sd": [digest(A), digest(A)]}, (A,), "a digest stands twice"),
        ({"_sd": ["decoy", "decoy"]}, (), "a digest stands twice"),
        ({"_sd": [digest(A)], "x": {"_sd": [digest(A)]}}, (A,), "a digest stands twice"),
        ({"_sd": ["decoy"], "x": [{"...": "decoy"}]}, (), "a digest stands twice"),
        ({"_sd": [digest(A)], "a": 2}, (A,), "overwrite a claim"),
        ({"x": {"_sd": [digest(A)], "a": 2}}, (A,), "overwrite a claim"),
        ({"_sd": [digest(ELEMENT)]}, (ELEMENT,), "wrong kind"),
        ({"x": [{"...": digest(A)}]}, (A,), "wrong kind"),
        ({"x": [{"...": digest(ELEMENT), "y": 1}]}, (ELEMENT,), "stands alone"),
        ({"x": [{"...": 1}]}, (), "no text"),
        ({"_sd": "x"}, (), "must be a list"),
        ({"_sd": [1]}, (), "no text"),
        ({"_sd_alg": "sha-512"}, (), "only sha-256"),
        ({"_sd_alg": None}, (), "only sha-256"),
    ],
    ids=[
        "twice",
        "unreferred",
        "digest-twice",
        "decoy-twice",
        "digest-in-two-places",
        "digest-as-member-and-element",
        "overwrites",
        "overwrites-inside",
        "element-as-member",
        "member-as-element",
        "element-with-more",
        "element-digest-no-text",
        "sd-no-list",
        "digest-no-text",
        "other-hash",
        "no-hash",
    ],
)
def test_ambiguous_disclosures_are_refused(
    payload: dict[str, object], texts: tuple[str, ...], why: str
) -> None:
    """Whatever could be read two ways is refused."""
    assert why in refused(payload, *texts)


def test_two_disclosures_of_one_name_are_refused() -> None:
    """Of two values for one name neither is chosen."""
    other = disclose(SALT, "a", 2)
    assert "overwrite a claim" in refused({"_sd": [digest(A), digest(other)]}, A, other)


@pytest.mark.parametrize("claim", sorted(PLAIN_CLAIMS))
def test_claims_that_decide_validity_are_never_disclosures(claim: str) -> None:
    """Expiry, status, key, issuer, evidence and the like cannot be withheld and later shown."""
    text = disclose(SALT, claim, 1)
    assert "overwrite a claim" in refused({"_sd": [digest(text)]}, text)


@pytest.mark.parametrize("claim", sorted(PLAIN_CLAIMS))
def test_nothing_opens_inside_claims_that_decide_validity(claim: str) -> None:
    """A digest inside them stays as it is, so that no holder chooses what stands there."""
    inside = {"_sd": [digest(A)]}
    assert opened({claim: inside}) == {claim: inside}
    assert "nothing refers to" in refused({claim: inside}, A)


def test_names_of_plain_claims_mean_nothing_further_down() -> None:
    """Inside another claim ``exp`` is a name like any."""
    text = disclose(SALT, "exp", 1)
    assert opened({"address": {"_sd": [digest(text)]}}, text) == {"address": {"exp": 1}}
    hidden = {"address": {"exp": {"_sd": [digest(A)]}}}
    assert opened(hidden, A) == {"address": {"exp": {"a": 1}}}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        disclose(SALT),
        disclose(1, "a", 1),
        disclose(1, 2),
        disclose(SALT, 1, 1),
        disclose(SALT, "a", 1, 2),
        disclose(SALT, "_sd", []),
        disclose(SALT, "...", "x"),
        disclose(SALT, "_sd_alg", "sha-256"),
        b64url_encode(b"{}"),
        b64url_encode(b'["s","a",{"b":1,"b":2}]'),
        b64url_encode(b'["s","a",NaN]'),
        A + "=",
    ],
)
def test_texts_that_are_no_disclosure_are_refused(text: str) -> None:
    """Wrong counts and types, reserved names, doubled members, NaN and padding are refused."""
    with pytest.raises(ConsentInvalid) as caught:
        read_disclosure(text)
    assert caught.value.status is ConsentStatus.MALFORMED


def nest(depth: int) -> tuple[str, list[str]]:
    """The digest of the outermost of so many disclosures, each within the next, and all of them."""
    text = disclose(SALT, "a", 1)
    texts = [text]
    for _ in range(depth - 1):
        text = disclose(SALT, "a", {"_sd": [digest(text)]})
        texts.append(text)
    return digest(text), texts


def test_disclosures_nested_without_end_are_refused() -> None:
    """A chain of disclosures within disclosures is bounded like any nesting."""
    outer, texts = nest(MAX_DEPTH)
    assert opened({"_sd": [outer]}, *texts)
    outer, texts = nest(MAX_DEPTH + 1)
    assert "too deeply" in refused({"_sd": [outer]}, *texts)


def test_what_is_concealed_comes_back() -> None:
    """Concealed claims leave the payload and come back by their disclosures, freshly salted each time."""
    claims = {"iss": "x", "birthdate": "1990-01-01", "age_over_18": True}
    payload, texts = conceal(claims, {"birthdate", "age_over_18"})
    assert payload.keys() == {"iss", "_sd", "_sd_alg"}
    assert opened(payload, *texts) == claims
    assert conceal(claims, {"birthdate"})[1] != conceal(claims, {"birthdate"})[1]


def test_concealing_tells_nothing_of_what_is_concealed() -> None:
    """Digests are sorted, so that their order says nothing; each salt has 128 bits."""
    claims = dict.fromkeys("abcdefgh", 1)
    payload, texts = conceal(claims, set(claims))
    assert payload["_sd"] == sorted(map(digest, texts))
    assert payload["_sd_alg"] == "sha-256"
    salts = [parse_json(b64url_decode(text), max_bytes=999)[0] for text in texts]
    assert {len(b64url_decode(salt)) for salt in salts} == {16}
    assert len(set(salts)) == len(claims)


def test_a_disclosure_prints_no_value() -> None:
    """A repr shows the name and the digest, never the value."""
    assert "secret" not in repr(Disclosure("d", "birthdate", "secret", element=False))
