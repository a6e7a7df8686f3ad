"""Remakes status_test.json: python tests/vectors/consent/make_status_vectors.py FOLDER, from the root.

``FOLDER`` holds the examples of the Token Status List specification (the folder ``examples`` of
github.com/oauth-wg/draft-ietf-oauth-status-list, named status_list_encoding*.md and status_list_jwt_raw.md):
their encoded lists and signed token are copied. The tables they must decode to stand below, as the appendix
"Test vectors for Status List encoding" prints them (of the 8-bit one, some rows), and so does the public half
of the key its examples are signed with. The rest are lists with one defect each, signed by a fresh key: a
verifier written by somebody else can be tried on them.
"""

from __future__ import annotations

import json
import re
import sys
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parents[1]
sys.path[:0] = [str(TESTS.parent), str(TESTS)]

from consent_world import NOW, STATUS_URI  # noqa: E402
from status_world import ANCHOR, SERVICE, signed_list  # noqa: E402

from consent_edit.consent.keys import Algorithm, SigningKey  # noqa: E402
from consent_edit.consent.trust import StatusServiceEntry, TrustListClaims  # noqa: E402
from consent_edit.encoding import b64url_encode  # noqa: E402
from consent_edit.vocabulary import Environment  # noqa: E402

SPEC_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "I3HWm_0Ds1dPMI-IWmf4mBmH-YaeAVbPVu7vB27CxXo",
    "y": "6N_d5Elj9bs1htgV3okJKIdbHEpkgTmAluYKJemzn1M",
    "use": "sig",
    "kid": "12",
    "alg": "ES256",
}
SHORT_1 = dict(enumerate([1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]))
SHORT_2 = dict(enumerate([1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]))
PLACES = (0, 1993, 25460, 159495, 495669, 554353, 645645, 723232, 854545, 934534, 1000345)
LONG_1 = dict.fromkeys(PLACES, 1)
LONG_2 = dict(zip(PLACES, (1, 2, 1, 3, 1, 1, 2, 1, 1, 2, 3), strict=True))
LONG_4 = {
    0: 1,
    1993: 2,
    35460: 3,
    459495: 4,
    595669: 5,
    754353: 6,
    845645: 7,
    923232: 8,
    924445: 9,
    934534: 10,
    1004534: 11,
    1000345: 12,
    1030203: 13,
    1030204: 14,
    1030205: 15,
}
LONG_8 = {
    233478: 0,
    52451: 1,
    576778: 2,
    513575: 3,
    468106: 4,
    292632: 5,
    214947: 6,
    182323: 7,
    884834: 8,
    66653: 9,
    879796: 16,
    752834: 32,
    795775: 64,
    644903: 127,
    502167: 128,
    448260: 208,
    122648: 224,
    152133: 254,
    19535: 255,
}
SPEC = (
    ("1 bit, short", "status_list_encoding_json.md", 16, SHORT_1, 9),
    ("2 bits, short", "status_list_encoding2_json.md", 12, SHORT_2, 9),
    ("1 bit, 2^20 entries", "status_list_encoding1_long_json.md", 2**20, LONG_1, 11),
    ("2 bits, 2^20 entries", "status_list_encoding2_long_json.md", 2**20, LONG_2, 11),
    ("4 bits, 2^20 entries", "status_list_encoding4_json.md", 2**20, LONG_4, 15),
    ("8 bits, 2^20 entries", "status_list_encoding8_json.md", 2**20, LONG_8, 255),
)
NOTES = {
    "Signature": ("AUTH_BYPASS", "Somebody else's list, or another token, un-withdraws consent."),
    "Uri": ("MISSING_STEP", "A list of another uri is replayed, whose entries were never flipped."),
    "Stale": ("MISSING_STEP", "A mirror replays the list from before a withdrawal."),
    "Future": ("MISSING_STEP", "A list signed ahead outlives the withdrawal."),
    "Inflate": ("KNOWN_BUG", "A small list fills the memory, or what follows the stream is not read."),
    "Range": ("MISSING_STEP", "An entry beyond the list reads as not withdrawn."),
    "Value": ("CAN_OF_WORMS", "A status nobody defined reads as valid."),
    "Revoked": ("MISSING_STEP", "A withdrawn entry still counts."),
    "Schema": ("CAN_OF_WORMS", "Two parsers read two different lists."),
}


def spec_examples(folder: Path) -> list[dict[str, object]]:
    """The specification's lists and what they hold."""
    cases = []
    for name, file, size, entries, flipped in SPEC:
        text = (folder / file).read_text()
        bits, lst = re.findall(r'"bits": (\d).*"lst": "([^"]+)"', text, re.DOTALL)[0]
        encoded = re.sub(r"\s", "", lst)
        table = sorted(entries.items())
        told = {"bits": int(bits), "lst": encoded, "size": size, "entries": table, "flipped": flipped}
        cases.append({"name": name, "source": file, **told})
    return cases


def lists(key: SigningKey) -> list[dict[str, object]]:
    """Lists with one defect each, and some with none."""
    other = SigningKey.generate(Algorithm.ES256)
    packed = b64url_encode(zlib.compress(b"\x02\x00"))
    bomb = b64url_encode(zlib.compress(bytes(8 * 1024 * 1024 + 1), 9))
    told = [
        ("honest, valid entry", [], 0, "valid", signed_list(key)),
        ("honest, two bits", [], 1, "valid", signed_list(key, bits=2, entries=b"\x02\x00")),
        ("a ttl of a year", [], 0, "valid", signed_list(key, ttl=31_536_000)),
        ("revoked entry", ["Revoked"], 1, "revoked", signed_list(key)),
        ("suspended entry", ["Revoked"], 0, "revoked", signed_list(key, bits=2, entries=b"\x02\x00")),
        (
            "entry of another meaning",
            ["Value"],
            0,
            "unavailable",
            signed_list(key, bits=2, entries=b"\x03\x00"),
        ),
        ("first entry beyond the list", ["Range"], 16, "unavailable", signed_list(key)),
        ("entry far beyond the list", ["Range"], 2**31, "unavailable", signed_list(key)),
        ("empty list", ["Range"], 0, "unavailable", signed_list(key, entries=b"")),
        ("another key", ["Signature"], 0, "unavailable", signed_list(other)),
        ("another typ", ["Signature"], 0, "unavailable", signed_list(key, typ="JWT")),
        (
            "key in the header",
            ["Signature"],
            0,
            "unavailable",
            signed_list(other, headers={"jwk": other.public.export()}),
        ),
        ("signature cut off", ["Signature"], 0, "unavailable", signed_list(key).rpartition(".")[0] + "."),
        ("another uri", ["Uri"], 0, "unavailable", signed_list(key, sub=STATUS_URI + "/2")),
        ("60 seconds old", ["Stale"], 0, "unavailable", signed_list(key, iat=NOW - 60)),
        (
            "a day old, ttl of a year",
            ["Stale"],
            0,
            "unavailable",
            signed_list(key, iat=NOW - 86400, ttl=31_536_000),
        ),
        ("expired", ["Stale"], 0, "unavailable", signed_list(key, exp=NOW)),
        ("a ttl that is over", ["Stale"], 0, "unavailable", signed_list(key, iat=NOW - 5, ttl=5)),
        ("signed 61 seconds ahead", ["Future"], 0, "unavailable", signed_list(key, iat=NOW + 61)),
        ("inflate bomb", ["Inflate"], 0, "unavailable", signed_list(key, lst=bomb)),
        ("truncated stream", ["Inflate"], 0, "unavailable", signed_list(key, lst=packed[:-4])),
        ("padded base64", ["Schema"], 0, "unavailable", signed_list(key, lst=packed + "=")),
        ("three bits", ["Schema"], 0, "unavailable", signed_list(key, bits=3)),
        (
            "bits as text",
            ["Schema"],
            0,
            "unavailable",
            signed_list(key, status_list={"bits": "1", "lst": packed}),
        ),
        ("no iat", ["Schema"], 0, "unavailable", signed_list(key, iat=None)),
        ("unknown claim", ["Schema"], 0, "unavailable", signed_list(key, iat=NOW, surprise=1)),
    ]
    return [
        {
            "tcId": number,
            "name": name,
            "flags": flags,
            "idx": idx,
            "token": token,
            "result": "invalid" if flags else "valid",
            "status": status,
        }
        for number, (name, flags, idx, status, token) in enumerate(told, start=1)
    ]


def main() -> None:
    """Write the file."""
    folder = Path(sys.argv[1])
    key = SigningKey.generate(Algorithm.ES256)
    service = StatusServiceEntry(
        id=SERVICE, uris=(STATUS_URI,), jwks=(key.public.export(),), nbf=NOW - 1000, exp=NOW + 10**6
    )
    trust = TrustListClaims(
        environment=Environment.PRODUCTION,
        iat=NOW - 1000,
        exp=NOW + 10**6,
        issuers=(),
        status_services=(service,),
    )
    content = {
        "algorithm": "token status list",
        "now": NOW,
        "uri": STATUS_URI,
        "anchor": ANCHOR.public.export(),
        "trust_list": trust.sign(ANCHOR),
        "notes": {flag: {"bugType": bug, "effect": effect} for flag, (bug, effect) in NOTES.items()},
        "tests": lists(key),
        "spec_token": {
            "source": "status_list_jwt_raw.md",
            "uri": "https://example.com/statuslists/1",
            "iat": 1686920170,
            "key": SPEC_KEY,
            "token": re.sub(r"\s", "", (folder / "status_list_jwt_raw.md").read_text()),
        },
        "spec": spec_examples(folder),
    }
    (HERE / "status_test.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
