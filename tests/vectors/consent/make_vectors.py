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
from consent_world import (  # noqa: E402
    AUDIENCE,
    GRANTEE,
    MINOR_BIRTHDATE,
    MODELS,
    NOW,
    OTHER_PHOTO,
    PHOTO,
    STATUS_URI,
    ConsentWorld,
    Person,
    make_trust_token,
)
from soft_authenticator import SoftAuthenticator  # noqa: E402

from consent_edit.consent.grant import GRANT_TYP  # noqa: E402
from consent_edit.consent.jose import sign_compact  # noqa: E402
from consent_edit.consent.keys import Algorithm, SigningKey  # noqa: E402
from consent_edit.consent.presentation import Presentation  # noqa: E402
from consent_edit.consent.signatory import Signatory  # noqa: E402
from consent_edit.encoding import b64url_encode, canonical_json  # noqa: E402

NOTES = {
    1: ("SdJwtFormat", "CAN_OF_WORMS", "A presentation that two parsers read differently passes as consent."),
    2: ("UntrustedIssuer", "MISSING_STEP", "Anybody can issue a credential for anybody's face."),
    3: ("IssuerSignature", "AUTH_BYPASS", "A credential is forged, or another token passes for one."),
    4: ("Disclosure", "AUTH_BYPASS", "Another person's template is slipped into a true credential."),
    5: ("CredentialType", "MISSING_STEP", "A simulated or foreign credential passes for a face binding."),
    6: ("CredentialTime", "MISSING_STEP", "A credential counts before or after its time."),
    7: (
        "CredentialSchema",
        "MISSING_STEP",
        "A claim that narrows is ignored, or is coerced into another meaning.",
    ),
    8: (
        "CredentialLifetime",
        "MISSING_STEP",
        "A face stays bound for too long, or a childhood outlasts itself.",
    ),
    9: ("Guardian", "MISSING_STEP", "A child consents for herself, or with fewer guardians than there are."),
    10: ("Template", "MODIFIED_PARAMETER", "A template is scaled until it matches every face."),
    11: (
        "GrantSignature",
        "AUTH_BYPASS",
        "Somebody else than the person depicted, or one guardian, consents.",
    ),
    12: ("GrantSchema", "CAN_OF_WORMS", "A grant is read as wider than the person who signed it read it."),
    13: ("GrantKey", "AUTH_BYPASS", "A grant about one person is used for another."),
    14: (
        "CredentialHash",
        "MISSING_STEP",
        "A grant is moved to another credential, or a disclosure left out.",
    ),
    15: ("GrantTime", "MISSING_STEP", "A grant counts before or after its time."),
    16: ("Audience", "MISSING_STEP", "A grant is carried to a service it was not given to."),
    17: ("Grantee", "MISSING_STEP", "A stranger uses somebody else's grant, or a key nobody proved."),
    18: ("Purpose", "MISSING_STEP", "A picture is edited for a purpose nobody consented to."),
    19: ("Image", "MISSING_STEP", "A grant for one photo is used on another, or on one more."),
    20: ("Scope", "MISSING_STEP", "An operation is done that nobody consented to."),
    21: ("CredentialStatus", "MISSING_STEP", "A revoked credential still counts."),
    22: (
        "GrantStatus",
        "MISSING_STEP",
        "A withdrawn grant still counts, or one that its signers cannot withdraw.",
    ),
    23: ("Uses", "MISSING_STEP", "A grant is used more often than its signer allowed."),
    24: ("Replay", "MISSING_STEP", "A proof of a key that somebody overheard is used a second time."),
}
"""Numbered check of consent_edit/consent/verify.py -> flag, bug type, effect."""


class Recorder(ConsentWorld):
    """A world that notes what it was asked."""

    asked: dict[str, object]

    def verify(self, presentation, *, trust=None, statuses=None, uses=None, **query):
        """Note the question; answer it too, so that attacks run on."""
        given = self.query(**query)
        self.asked = {
            "usable": trust is None and statuses is None,
            "credential": presentation.credential,
            "grant": presentation.grant,
            "cosigned": list(presentation.cosigned),
            "query": {
                "audience": given.audience,
                "grantee": given.grantee,
                "proven": given.proven,
                "nonce": given.nonce,
                "operations": sorted(given.operations),
                "purpose": given.purpose,
                "photos": sorted(given.photos),
                "uses": uses("") if uses else 0,
                "spent": sorted(self.spent),
            },
        }
        return super().verify(presentation, trust=trust, statuses=statuses, uses=uses, **query)


def by_passkey(person: Person) -> Presentation:
    """Her credential bound to a passkey instead, and the grant as that passkey signs it."""
    passkey = SoftAuthenticator.make(person.key.public.algorithm)
    owner = Signatory(passkey.key, passkey.passkey)
    bound = person.recredential(person.present(images=[PHOTO]), cnf=owner.claim())
    claims = {**person.grant_claims(bound), "cnf": {"jkt": owner.thumbprint}}
    return Presentation(bound.credential, passkey.sign(canonical_json(claims), typ=GRANT_TYP))


def honest(world: Recorder) -> list[tuple[str, object]]:
    """What must verify, by name, each asked when it is called."""
    both = frozenset({PHOTO, OTHER_PHOTO})
    friend = SigningKey.generate().public.thumbprint
    return [
        *(
            (
                algorithm.value,
                lambda a=algorithm: world.verify(world.person(algorithm=a).present(images=[PHOTO])),
            )
            for algorithm in Algorithm
        ),
        ("several photos", lambda: world.verify(world.person().present(images=sorted(both)), photos=both)),
        ("one of several photos", lambda: world.verify(world.person().present(images=sorted(both)))),
        ("any photo", lambda: world.verify(world.person().present())),
        ("two guardians", lambda: world.verify(world.person(birthdate=MINOR_BIRTHDATE).present())),
        ("two guardians in the other order", lambda: world.verify(_turned(world))),
        ("a friend proves her key", lambda: _proven(world, friend)),
        ("last use", lambda: world.verify(world.person().present(max_uses=3), uses=lambda _: 2)),
        ("anybody", lambda: world.verify(world.person().present(grantee="any", anyone=True), grantee="x")),
        ("signed by a passkey", lambda: world.verify(by_passkey(world.person()))),
    ]


def _turned(world: Recorder) -> Presentation:
    good = world.person(birthdate=MINOR_BIRTHDATE).present()
    return Presentation(good.credential, good.cosigned[0], (good.grant,))


def _proven(world: Recorder, friend: str) -> object:
    return world.verify(world.person().present(grantee=friend), grantee="", proven=friend, nonce="nonce-2")


def presentations() -> dict[str, object]:
    """All vectors of whole presentations, in one world."""
    world = Recorder.make()
    cases: list[dict[str, object]] = []

    def note(name: str, flags: list[str], result: str, status: str, answer: object) -> None:
        if answer.status != status:
            raise SystemExit(f"{name} came to {answer.status}, not {status}")
        asked = dict(world.asked)
        if asked.pop("usable"):
            case = {"tcId": len(cases) + 1, "name": name, "flags": flags, "result": result, "status": status}
            cases.append({**case, **asked})

    for name, ask in honest(world):
        note(f"honest: {name}", [], "valid", "verified", ask())
    for param in test_verify.ATTACKS:
        check, status, attack = param.values
        answer = attack(world, world.person())
        note(attack.__name__.replace("_", " "), [NOTES[check][0]], "invalid", status.value, answer)
    return {
        "algorithm": "consent presentation",
        "now": NOW,
        "audience": AUDIENCE,
        "grantee": GRANTEE,
        "models": MODELS,
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
    "HeaderForm": ("CAN_OF_WORMS", "A header that one parser reads and another does not decides something."),
    "Parts": ("CAN_OF_WORMS", "Two parsers split one text at different dots."),
    "Base64": ("SIGNATURE_MALLEABILITY", "One token has many spellings, so a digest does not name it."),
}


_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def _twin(letter: str) -> str:
    """A letter that a lenient decoder reads the same at the end of 64 bytes."""
    return _ALPHABET[_ALPHABET.index(letter) ^ 1]


def tokens() -> dict[str, object]:
    """Vectors of single compact tokens, expected typ ``test+jwt``."""
    key = SigningKey.generate(Algorithm.ES256)
    own = '"alg":"ES256","typ":"test+jwt"'
    headers = [
        ("honest", [], "{" + own + "}"),
        ("alg none", ["AlgNone"], '{"alg":"none","typ":"test+jwt"}'),
        ("symmetric alg", ["AlgConfusion"], '{"alg":"HS256","typ":"test+jwt"}'),
        ("alg of another key kind", ["AlgConfusion"], '{"alg":"EdDSA","typ":"test+jwt"}'),
        ("alg in other letters", ["AlgConfusion"], '{"alg":"es256","typ":"test+jwt"}'),
        ("alg that is no text", ["AlgConfusion"], '{"alg":["ES256"],"typ":"test+jwt"}'),
        ("no alg", ["AlgConfusion"], '{"typ":"test+jwt"}'),
        ("jwk in header", ["KeyInHeader"], "{" + own + ',"jwk":' + json.dumps(key.public.export()) + "}"),
        ("jku in header", ["KeyInHeader"], "{" + own + ',"jku":"https://evil.example/jwks"}'),
        ("x5c in header", ["KeyInHeader"], "{" + own + ',"x5c":["AAAA"]}'),
        ("x5u in header", ["KeyInHeader"], "{" + own + ',"x5u":"https://evil.example/x5u"}'),
        ("unknown crit", ["Critical"], "{" + own + ',"crit":["exp"],"exp":1}'),
        ("other typ", ["Typ"], '{"alg":"ES256","typ":"JWT"}'),
        ("no typ", ["Typ"], '{"alg":"ES256"}'),
        ("duplicate alg", ["DuplicateName"], '{"alg":"none",' + own + "}"),
        ("duplicate typ", ["DuplicateName"], "{" + own + ',"typ":"test+jwt"}'),
        ("unencoded payload", ["Critical"], "{" + own + ',"b64":false}'),
        ("compressed payload", ["Critical"], "{" + own + ',"zip":"DEF"}'),
        ("header that is no object", ["HeaderForm"], '["ES256"]'),
        ("header with NaN", ["HeaderForm"], "{" + own + ',"n":NaN}'),
        ("header with a byte order mark", ["HeaderForm"], "\ufeff{" + own + "}"),
        ("header with a lone surrogate", ["HeaderForm"], "{" + own + ',"n":"\\ud800"}'),
    ]
    cases = []
    for name, flags, header in headers:
        text = f"{b64url_encode(header.encode())}.{b64url_encode(b'{}')}"
        token = f"{text}.{b64url_encode(key.sign(text.encode()))}"
        cases.append({"name": name, "flags": flags, "jws": token, "result": "invalid" if flags else "valid"})
    good, foreign = str(cases[0]["jws"]), ""
    while not set("-_") & set(foreign):  # one in five hundred signatures has neither letter
        foreign = sign_compact(b"{}", key, typ="test+jwt")
    for name, bad in (
        ("padding", good + "="),
        ("trailing newline", good + "\n"),
        ("white space", " " + good),
        ("stray bits in the last character", good[:-1] + _twin(good[-1])),
        ("the other base64 alphabet", foreign.replace("-", "+").replace("_", "/")),
    ):
        cases.append({"name": name, "flags": ["Base64"], "jws": bad, "result": "invalid"})
    for name, bad in (("two parts", good.rpartition(".")[0]), ("four parts", good + ".e30")):
        cases.append({"name": name, "flags": ["Parts"], "jws": bad, "result": "invalid"})
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
