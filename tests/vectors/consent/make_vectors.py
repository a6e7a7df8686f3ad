"""Remakes the published vectors: python tests/vectors/consent/make_vectors.py, from the repository's root.

Each attack of tests/unit/consent/test_verify.py that needs nothing but a presentation and a query becomes a
vector; a verifier written by somebody else can be tried on them. Keys are fresh at each run.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parents[1]
sys.path[:0] = [str(TESTS.parent), str(TESTS), str(TESTS / "unit" / "consent")]

import test_verify  # noqa: E402
from consent_world import NOW, PHOTO, STATUS_URI, ConsentWorld, make_trust_token  # noqa: E402

from consent_edit.consent.keys import Algorithm, SigningKey  # noqa: E402
from consent_edit.encoding import b64url_encode  # noqa: E402

NOTES = {
    1: ("SdJwtFormat", "CAN_OF_WORMS", "A presentation that two parsers read differently passes as consent."),
    2: ("UntrustedIssuer", "MISSING_STEP", "Anybody can issue a credential for anybody's face."),
    3: ("IssuerSignature", "AUTH_BYPASS", "A credential is forged, or another token passes for one."),
    4: ("Disclosure", "AUTH_BYPASS", "Another person's template is slipped into a true credential."),
    5: (
        "CredentialSchema",
        "MISSING_STEP",
        "A claim that narrows is ignored, or one is coerced into another meaning.",
    ),
    6: ("CredentialType", "MISSING_STEP", "A simulated or foreign credential passes for a face binding."),
    7: ("CredentialTime", "MISSING_STEP", "A credential counts before or after its time, or for too long."),
    8: ("Template", "MODIFIED_PARAMETER", "A template is scaled until it matches every face."),
    9: ("GrantSignature", "AUTH_BYPASS", "Somebody else than the person depicted consents for her."),
    10: ("GrantSchema", "CAN_OF_WORMS", "A grant is read as wider than the person who signed it read it."),
    11: ("GrantKey", "AUTH_BYPASS", "A grant names another key than the one that signed it."),
    12: (
        "CredentialHash",
        "MISSING_STEP",
        "A grant is moved to another credential, or a disclosure is left out.",
    ),
    13: ("GrantTime", "MISSING_STEP", "A grant counts before or after its time."),
    14: ("Audience", "MISSING_STEP", "A grant is carried to a service it was not given to."),
    15: ("Grantee", "MISSING_STEP", "A stranger uses somebody else's grant."),
    16: ("Purpose", "MISSING_STEP", "A picture is edited for a purpose nobody consented to."),
    17: ("Image", "MISSING_STEP", "A grant for one photo is used on another."),
    18: ("Scope", "MISSING_STEP", "An operation is done that nobody consented to."),
    19: ("CredentialStatus", "MISSING_STEP", "A revoked credential still counts."),
    20: ("GrantStatus", "MISSING_STEP", "A withdrawn grant still counts."),
    21: ("Uses", "MISSING_STEP", "A grant is used more often than its signer allowed."),
}


class Recorder(ConsentWorld):
    """A world that notes what it was asked instead of answering."""

    asked: dict[str, object]

    def verify(self, presentation, *, trust=None, statuses=None, uses=None, **query):
        """Note the question; answer it too, so that attacks run on."""
        given = self.query(**query)
        self.asked = {
            "credential": presentation.credential,
            "grant": presentation.grant,
            "usable": trust is None and statuses is None,
            "query": {
                "audience": given.audience,
                "grantee": given.grantee,
                "operations": sorted(given.operations),
                "purpose": given.purpose,
                "photos": sorted(given.photos),
                "uses": uses("") if uses else 0,
            },
        }
        return super().verify(presentation, trust=trust, statuses=statuses, uses=uses, **query)


def presentations() -> dict[str, object]:
    """All vectors of whole presentations, in one world."""
    world = Recorder.make()
    cases: list[dict[str, object]] = []

    def note(name: str, flags: list[str], result: str, status: str) -> None:
        asked = dict(world.asked)
        if asked.pop("usable"):
            case = {"tcId": len(cases) + 1, "name": name, "flags": flags, "result": result, "status": status}
            cases.append({**case, **asked})

    for algorithm in Algorithm:
        world.verify(world.person(algorithm=algorithm).present(images=[PHOTO]))
        note(f"honest {algorithm.value}", [], "valid", "verified")
    for param in test_verify.ATTACKS:
        check, status, attack = param.values
        attack(world, world.person())
        note(attack.__name__.replace("_", " "), [NOTES[check][0]], "invalid", status.value)
    return {
        "algorithm": "consent presentation",
        "now": NOW,
        "notes": {flag: {"bugType": bug, "effect": effect} for flag, bug, effect in NOTES.values()},
        "anchor": world.anchor.public.export(),
        "trust_list": make_trust_token(world),
        "status_lists": {STATUS_URI: world.issuer.status.token(NOW)},
        "tests": cases,
    }


JWS_NOTES = {
    "AlgNone": ("KNOWN_BUG", "An unsigned token passes."),
    "AlgConfusion": ("KNOWN_BUG", "The token chooses how it is checked."),
    "KeyInHeader": ("KNOWN_BUG", "The token brings the key it is checked with."),
    "Critical": ("MISSING_STEP", "An extension that changes the meaning is ignored."),
    "Typ": ("MISSING_STEP", "A token of one kind passes for another."),
    "DuplicateName": ("CAN_OF_WORMS", "Two parsers read two different headers."),
    "Base64": ("SIGNATURE_MALLEABILITY", "One token has many spellings, so a digest does not name it."),
}


def tokens() -> dict[str, object]:
    """Vectors of single compact tokens, expected typ ``test+jwt``."""
    key = SigningKey.generate(Algorithm.ES256)
    own = '"alg":"ES256","typ":"test+jwt"'
    headers = [
        ("honest", [], "{" + own + "}"),
        ("alg none", ["AlgNone"], '{"alg":"none","typ":"test+jwt"}'),
        ("symmetric alg", ["AlgConfusion"], '{"alg":"HS256","typ":"test+jwt"}'),
        ("alg of another key kind", ["AlgConfusion"], '{"alg":"EdDSA","typ":"test+jwt"}'),
        ("jwk in header", ["KeyInHeader"], "{" + own + ',"jwk":' + json.dumps(key.public.export()) + "}"),
        ("jku in header", ["KeyInHeader"], "{" + own + ',"jku":"https://evil.example/jwks"}'),
        ("x5c in header", ["KeyInHeader"], "{" + own + ',"x5c":["AAAA"]}'),
        ("unknown crit", ["Critical"], "{" + own + ',"crit":["exp"],"exp":1}'),
        ("other typ", ["Typ"], '{"alg":"ES256","typ":"JWT"}'),
        ("no typ", ["Typ"], '{"alg":"ES256"}'),
        ("duplicate alg", ["DuplicateName"], '{"alg":"none",' + own + "}"),
    ]
    cases = []
    for name, flags, header in headers:
        text = f"{b64url_encode(header.encode())}.{b64url_encode(b'{}')}"
        token = f"{text}.{b64url_encode(key.sign(text.encode()))}"
        cases.append({"name": name, "flags": flags, "jws": token, "result": "invalid" if flags else "valid"})
    good = str(cases[0]["jws"])
    for name, bad in (
        ("padding", good + "="),
        ("trailing newline", good + "\n"),
        ("white space", " " + good),
    ):
        cases.append({"name": name, "flags": ["Base64"], "jws": bad, "result": "invalid"})
    notes = {flag: {"bugType": bug, "effect": effect} for flag, (bug, effect) in JWS_NOTES.items()}
    numbered = [{"tcId": i, **case} for i, case in enumerate(cases, start=1)]
    return {
        "algorithm": "strict compact JWS",
        "typ": "test+jwt",
        "public": key.public.export(),
        "notes": notes,
        "tests": numbered,
    }


def main() -> None:
    """Write both files."""
    for name, content in (("presentation_test.json", presentations()), ("jws_test.json", tokens())):
        (HERE / name).write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
