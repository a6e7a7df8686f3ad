"""Status lists: reading them, serving them, and failing closed."""

from __future__ import annotations

import dataclasses
import json
import re
import threading
import zlib
from pathlib import Path

import pytest
from consent_world import NOW, STATUS_URI, ConsentWorld

from consent_edit.consent.grant import Withdrawal
from consent_edit.consent.jose import sign_compact
from consent_edit.consent.keys import SigningKey
from consent_edit.consent.status import (
    MAX_INFLATED,
    MAX_STATUS_TOKEN,
    StatusLists,
    StatusValue,
    folder_source,
    inflate,
    status_file_name,
)
from consent_edit.consent.status_service import IssuerStatus, sign_status_list
from consent_edit.consent.wire import StatusRef
from consent_edit.encoding import b64url_encode
from consent_edit.errors import ConsentInvalid, InputError, StoreUnavailable
from consent_edit.vocabulary import ConsentStatus

VECTORS = Path(__file__).resolve().parents[4] / "shared" / "vectors" / "status-list"
V = StatusValue


@pytest.fixture
def world() -> ConsentWorld:
    """A world with an empty cache and no sources."""
    made = ConsentWorld.make()
    made.statuses = StatusLists()
    return made


def status_key(world: ConsentWorld) -> SigningKey:
    """The status service's signing key."""
    return world.issuer.status._key


def make(
    world: ConsentWorld, *, entries: bytes = b"\x02\x00", key: SigningKey | None = None, **claims: object
) -> str:
    """A list token with any claims; entry 1 of 16 is revoked unless told otherwise."""
    typ = str(claims.pop("typ", "statuslist+jwt"))
    lst = claims.pop("lst", b64url_encode(zlib.compress(entries)))
    payload = {
        "sub": STATUS_URI,
        "iat": NOW,
        "status_list": {"bits": claims.pop("bits", 1), "lst": lst},
        **claims,
    }
    return sign_compact(payload, key or status_key(world), typ=typ)


def read(world: ConsentWorld, idx: int = 0, *, now: int = NOW, uri: str = STATUS_URI) -> StatusValue:
    """What the world's cache says."""
    return world.statuses.read(uri, idx, now, world.trust)


def test_a_fresh_signed_list_is_read(world: ConsentWorld) -> None:
    """Valid, revoked and out-of-range entries read as such."""
    world.statuses.push(make(world), NOW)
    assert [read(world, i) for i in (0, 1, 15, 16, -1)] == [
        V.VALID,
        V.REVOKED,
        V.VALID,
        V.UNAVAILABLE,
        V.UNAVAILABLE,
    ]


@pytest.mark.parametrize(
    ("now", "value"), [(59, V.VALID), (60, V.UNAVAILABLE), (-60, V.VALID), (-61, V.UNAVAILABLE)]
)
def test_freshness_counts_from_the_signing(world: ConsentWorld, now: int, value: StatusValue) -> None:
    """A list counts for 60 s after it was signed, whatever ttl and exp it claims."""
    world.statuses.push(make(world, ttl=86_400, exp=NOW + 86_400), NOW)
    assert read(world, now=NOW + now) is value


def test_a_shorter_ttl_and_an_expiry_are_obeyed(world: ConsentWorld) -> None:
    """A list that says it is good for less is good for less."""
    world.statuses.push(make(world, ttl=10), NOW)
    assert read(world, now=NOW + 10) is V.UNAVAILABLE
    world.statuses = StatusLists()
    world.statuses.push(make(world, exp=NOW + 5), NOW)
    assert (read(world, now=NOW + 4), read(world, now=NOW + 5)) == (V.VALID, V.UNAVAILABLE)


@pytest.mark.parametrize(
    "claims",
    [
        {"typ": "JWT"},
        {"sub": STATUS_URI + "/other"},
        {"bits": 3},
        {"lst": b64url_encode(b"not zlib")},
        {"lst": b64url_encode(zlib.compress(b"\0\0")[:-2])},
        {"lst": b64url_encode(zlib.compress(b"\0\0") + b"\0")},
        {"surprise": 1},
        {"key": SigningKey.generate()},
        {"ttl": 0},
    ],
    ids=["typ", "sub", "bits", "zlib", "truncated", "trailing", "claim", "stranger", "ttl"],
)
def test_a_list_with_a_defect_says_nothing(world: ConsentWorld, claims: dict[str, object]) -> None:
    """A defective or foreign list leaves the status unavailable."""
    token = make(world, **claims)  # type: ignore[arg-type]
    world.statuses = StatusLists({STATUS_URI: lambda _: token})
    assert read(world) is V.UNAVAILABLE


def test_a_stale_or_shapeless_list_is_not_taken_in(world: ConsentWorld) -> None:
    """Pushing something stale, from the future, or no list at all is refused."""
    for token, now in (
        (make(world), NOW + 61),
        (make(world), NOW - 61),
        (make(world, sub=1), NOW),
        ("x", NOW),
    ):
        with pytest.raises(ConsentInvalid):
            world.statuses.push(token, now)


def test_a_decompression_bomb_is_cut_off() -> None:
    """A small list that would inflate beyond the bound is refused without inflating it whole."""
    bomb = b64url_encode(zlib.compress(bytes(MAX_INFLATED + 1), 9))
    assert len(bomb) < 20_000
    with pytest.raises(ConsentInvalid):
        inflate(bomb)
    assert len(inflate(b64url_encode(zlib.compress(bytes(MAX_INFLATED), 9)))) == MAX_INFLATED


def test_an_old_list_never_replaces_a_newer_one(world: ConsentWorld) -> None:
    """Replaying the list from before a revocation changes nothing."""
    world.statuses.push(make(world, entries=b"\x01\x00"), NOW)
    assert read(world) is V.REVOKED
    world.statuses.push(make(world, entries=b"\x00\x00", iat=NOW - 1), NOW)
    assert read(world) is V.REVOKED
    world.statuses.push(make(world, entries=b"\x00\x00", iat=NOW + 1), NOW)
    assert read(world) is V.VALID


def test_of_two_lists_of_the_same_second_the_worse_entry_counts(world: ConsentWorld) -> None:
    """A list signed in the very second of a revocation cannot hide it, in either order."""
    for first, second in ((b"\x01\x00", b"\x02\x00"), (b"\x02\x00", b"\x01\x00")):
        world.statuses = StatusLists()
        for entries in (first, second):
            world.statuses.push(make(world, entries=entries), NOW)
            read(world)
        assert [read(world, i) for i in range(3)] == [V.REVOKED, V.REVOKED, V.VALID]
    world.statuses.push(make(world, entries=b"\x00"), NOW)
    assert read(world, 2) is V.UNAVAILABLE


def test_a_bad_offer_does_not_displace_a_good_list(world: ConsentWorld) -> None:
    """A list by a stranger, pushed or served, leaves the good one in force."""
    world.statuses.push(make(world), NOW)
    assert read(world) is V.VALID
    world.statuses.push(make(world, key=SigningKey.generate(), iat=NOW + 5), NOW)
    assert read(world) is V.VALID


def test_a_source_that_is_down_is_no_consent(world: ConsentWorld) -> None:
    """A source that raises leaves what is held until it is stale, and nothing when nothing is held."""

    def down(_: str) -> str:
        raise OSError

    world.statuses = StatusLists({STATUS_URI: down})
    assert read(world) is V.UNAVAILABLE
    world.statuses.push(make(world), NOW)
    assert (read(world), read(world, now=NOW + 61)) == (V.VALID, V.UNAVAILABLE)
    assert read(world, now=NOW + 500) is V.UNAVAILABLE
    assert world.statuses._lists == {}
    assert world.statuses._pushed == {}


def test_every_trust_list_verifies_for_itself(world: ConsentWorld) -> None:
    """A list verified under one trust list says nothing under another that does not trust its signer."""
    world.statuses.push(make(world), NOW)
    assert read(world) is V.VALID
    other = ConsentWorld.make()
    assert world.statuses.read(STATUS_URI, 0, NOW, other.trust) is V.UNAVAILABLE
    again = dataclasses.replace(world.trust, digest="sha256:other")
    assert world.statuses.read(STATUS_URI, 0, NOW, again) is V.VALID
    ended = dataclasses.replace(world.trust, exp=NOW)
    assert world.statuses.read(STATUS_URI, 0, NOW, ended) is V.UNAVAILABLE


def test_uri_prefixes_do_not_leak(world: ConsentWorld) -> None:
    """A service trusted for a folder of uris signs for what is below it, and for nothing beside it."""
    service = world.trust.status_services[0]
    entry = service.entry.model_copy(update={"uris": ("https://issuer.example/status/",)})
    folder = dataclasses.replace(service, entry=entry)
    assert folder.covers("https://issuer.example/status/7")
    for uri in (
        "https://issuer.example/status",
        "https://issuer.example/statusx/7",
        "https://issuer.example/status/../x",
    ):
        assert not folder.covers(uri)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_wider_entries_are_read_from_the_low_end(world: ConsentWorld, bits: int) -> None:
    """0 is valid, 1 and 2 are revoked, anything else says nothing plain."""
    values = [0, 1, 2 % (1 << bits), 3 % (1 << bits)]
    packed = 0
    for i, value in enumerate(values):
        packed |= value << (i * bits)
    world.statuses.push(make(world, bits=bits, entries=packed.to_bytes(4, "little")), NOW)
    plain = {0: V.VALID, 1: V.REVOKED, 2: V.REVOKED, 3: V.UNAVAILABLE}
    assert [read(world, i) for i in range(4)] == [plain[value] for value in values]


def _vector(name: str) -> str:
    path = VECTORS / name
    if not path.exists():
        pytest.skip("shared status-list vectors are not beside this checkout")
    return path.read_text()


@pytest.mark.parametrize(
    ("name", "entries"),
    [("status_list_encoding_json.md", [0xB9, 0xA3]), ("status_list_encoding2_json.md", [0xC9, 0x44, 0xF9])],
)
def test_the_specifications_short_examples(name: str, entries: list[int]) -> None:
    """The byte arrays printed in the specification come out."""
    text = _vector(name)
    encoded = json.loads(text[text.index("{") :])
    assert list(inflate(encoded["lst"])) == entries


@pytest.mark.parametrize(("bits", "name"), [(b, f"status_list_encoding{b}_long_json.md") for b in (1, 2)])
def test_the_specifications_long_examples(bits: int, name: str) -> None:
    """The million-entry lists of the specification inflate to their full length."""
    encoded = json.loads(re.sub(r"\n  (?=[A-Za-z0-9_-]+[\n\"])", "", _vector(name)))
    entries = inflate(encoded["lst"].replace("\n", "").replace(" ", ""))
    assert (encoded["bits"], len(entries)) == (bits, 2**20 * bits // 8)
    assert entries[0] & 1 == 1  # status[0] = 1 in the specification's tables


def test_an_unchanged_list_is_served_again_and_a_changed_one_at_once() -> None:
    """The service signs anew when an entry flips or the list ages, and not otherwise."""
    owner = SigningKey.generate()
    status = IssuerStatus(STATUS_URI, SigningKey.generate(), size=64)
    (idx,) = status.allot(owner.public)
    first = status.token(NOW)
    assert status.token(NOW + 10) == first
    assert status.token(NOW + 20) != first
    second = status.token(NOW + 21)
    status.revoke(idx)
    assert status.token(NOW + 21) != second
    status.close()
    with pytest.raises(StoreUnavailable):
        status.token(NOW)
    with pytest.raises(StoreUnavailable):
        status.revoke(idx)


def test_only_the_owner_withdraws() -> None:
    """A stranger's withdrawal, or one for another list or a free entry, is refused; hers works, twice."""
    world = ConsentWorld.make()
    person, stranger = world.person(), world.person()
    held = person.grant()
    status = world.issuer.status
    claims = Withdrawal(jti="x" * 22, iat=NOW, status_list=held.entry)
    free = next(
        i
        for i in range(1024)
        if i not in {ref.idx for p in (person, stranger) for ref in p.enrolment.stock}
        and i not in {person.enrolment.entry.idx, stranger.enrolment.entry.idx}
    )
    elsewhere = StatusRef(idx=held.entry.idx, uri="https://elsewhere.example/1")
    for request in (
        claims.sign(stranger.key),
        claims.model_copy(update={"status_list": elsewhere}).sign(person.key),
        claims.model_copy(update={"status_list": StatusRef(idx=free, uri=STATUS_URI)}).sign(person.key),
        sign_compact(json.loads(claims.model_dump_json()), person.key, typ="consent-grant+jwt"),
        held.token,
    ):
        with pytest.raises(ConsentInvalid):
            status.withdraw(request)
    assert world.verify(held.presentation()).status is ConsentStatus.VERIFIED
    request = person.wallet.withdraw(held.jti, NOW)
    assert status.withdraw(request) == status.withdraw(request) == held.entry.idx
    assert world.verify(held.presentation()).status is ConsentStatus.REVOKED
    assert world.verify(person.present()).status is ConsentStatus.VERIFIED


def test_allotted_entries_are_distinct_and_the_list_is_never_crowded() -> None:
    """Entries are never given twice, unknown ones cannot be flipped, and a half-full list says so."""
    status = IssuerStatus(STATUS_URI, SigningKey.generate(), size=64)
    owner = SigningKey.generate().public
    given = status.allot(owner, 20) + status.allot(owner, 12)
    assert len(set(given)) == 32
    with pytest.raises(InputError):
        status.allot(owner)
    with pytest.raises(InputError):
        status.revoke(next(i for i in range(64) if i not in given))


def test_processes_sharing_a_file_see_each_others_revocations(tmp_path: Path) -> None:
    """A second service on the same file serves what the first one flipped; a folder is no file."""
    key, owner, path = SigningKey.generate(), SigningKey.generate(), tmp_path / "status.sqlite"
    one, two = (IssuerStatus(STATUS_URI, key, path, size=1024) for _ in range(2))
    before = two.token(NOW)
    threads = [threading.Thread(target=lambda: one.revoke(one.allot(owner.public)[0])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = two.token(NOW)
    assert before != after
    lst = json.loads(__import__("base64").urlsafe_b64decode(after.split(".")[1] + "==="))["status_list"][
        "lst"
    ]
    assert sum(byte.bit_count() for byte in inflate(lst)) == 4
    with pytest.raises(StoreUnavailable):
        IssuerStatus(STATUS_URI, key, tmp_path)


def test_a_status_folder_is_a_source(tmp_path: Path) -> None:
    """A list in a folder is read under the hashed name of its uri; an empty folder gives nothing."""
    world = ConsentWorld.make()
    source = folder_source(tmp_path)
    world.statuses = StatusLists(
        {"https://elsewhere.example/": source, "https://issuer.example/status/": source}
    )
    assert read(world) is V.UNAVAILABLE
    (tmp_path / status_file_name(STATUS_URI)).write_text(make(world) + "\n")
    assert (read(world), read(world, 1)) == (V.VALID, V.REVOKED)
    assert status_file_name("../../etc/passwd").count("/") == 0


def test_a_million_entries_fit_a_token(world: ConsentWorld) -> None:
    """A list of 2**20 entries, a tenth of them flipped, stays within the token bound and is read."""
    flipped = list(range(0, 2**20, 10))
    token = sign_status_list(STATUS_URI, status_key(world), flipped, now=NOW, size=2**20)
    assert len(token) < MAX_STATUS_TOKEN
    world.statuses.push(token, NOW)
    assert (read(world, 10), read(world, 11)) == (V.REVOKED, V.VALID)
