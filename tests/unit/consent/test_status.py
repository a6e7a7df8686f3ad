"""Reading status lists: fresh, bounded, failing closed."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import sys
import zlib
from pathlib import Path

import pytest
from consent_world import NOW, STATUS_URI
from status_world import SERVICE, StatusWorld, signed_list, trusting
from test_chain import LEAF, MIDDLE, ROOT, ca_extensions, issued

from consent_edit.consent.keys import PublicJwk, SigningKey
from consent_edit.consent.status import lists as status_module
from consent_edit.consent.status.lists import (
    MAX_INFLATED,
    MAX_STATUS_TOKEN,
    MAX_WAITING,
    StatusLists,
    StatusValue,
    folder_source,
    inflate,
    put_status_list,
    status_file_name,
)
from consent_edit.consent.status.service import sign_status_list
from consent_edit.consent.status.token import StatusList, verify_status_list
from consent_edit.consent.trust import TrustList
from consent_edit.encoding import b64url_encode
from consent_edit.errors import ConsentInvalid, InputError
from consent_edit.vocabulary import ConsentStatus

VECTORS = json.loads(
    (Path(__file__).resolve().parents[2] / "vectors" / "consent" / "status_test.json").read_text()
)
V = StatusValue


@pytest.fixture
def world() -> StatusWorld:
    """A world with an empty cache and no sources."""
    return StatusWorld()


def bomb(megabytes: int) -> str:
    """A list that inflates to so much, made without ever holding it."""
    stream, zeros = zlib.compressobj(6), bytes(1024 * 1024)
    packed = b"".join([*(stream.compress(zeros) for _ in range(megabytes)), stream.flush()])
    return b64url_encode(packed)


class Verifications:
    """Counts how often a list is verified."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        monkeypatch.setattr(status_module, "verify_status_list", self)

    def __call__(self, uri: str, token: str, now: int, trust: TrustList) -> StatusList:
        self.count += 1
        return verify_status_list(uri, token, now, trust)


@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> Verifications:
    """How often a list was verified so far."""
    return Verifications(monkeypatch)


def test_a_fresh_signed_list_is_read(world: StatusWorld) -> None:
    """Valid, revoked and out-of-range entries read as such."""
    world.statuses.push(world.list(), NOW)
    assert [world.read(i) for i in (0, 1, 15, 16, -1, 2**80)] == [
        V.VALID,
        V.REVOKED,
        V.VALID,
        V.UNAVAILABLE,
        V.UNAVAILABLE,
        V.UNAVAILABLE,
    ]


def test_no_list_is_no_consent(world: StatusWorld) -> None:
    """Without a list, or for a uri nobody is trusted for, the status is unavailable."""
    assert world.read() is V.UNAVAILABLE
    world.statuses.push(world.list(), NOW)
    assert world.read(uri="https://elsewhere.example/1") is V.UNAVAILABLE


@pytest.mark.parametrize(
    ("now", "value"), [(-60, V.VALID), (59, V.VALID), (60, V.UNAVAILABLE), (-61, V.UNAVAILABLE)]
)
def test_a_ttl_of_a_year_is_cut_to_sixty_seconds(world: StatusWorld, now: int, value: StatusValue) -> None:
    """A list counts for 60 s after it was signed, whatever ttl and exp it claims."""
    world.statuses.push(world.list(ttl=31_536_000, exp=NOW + 31_536_000), NOW)
    assert world.read(now=NOW + now) is value


def test_a_shorter_ttl_and_an_expiry_are_obeyed(world: StatusWorld) -> None:
    """A list that says it is good for less is good for less."""
    world.statuses.push(world.list(ttl=10), NOW)
    assert world.read(now=NOW + 10) is V.UNAVAILABLE
    world.statuses = StatusLists()
    world.statuses.push(world.list(exp=NOW + 5), NOW)
    assert (world.read(now=NOW + 4), world.read(now=NOW + 5)) == (V.VALID, V.UNAVAILABLE)


@pytest.mark.parametrize(
    "claims",
    [
        {"typ": "JWT"},
        {"sub": STATUS_URI + "/other"},
        {"bits": 3},
        {"lst": b64url_encode(b"not zlib")},
        {"lst": b64url_encode(zlib.compress(b"\0\0")[:-2])},
        {"lst": b64url_encode(zlib.compress(b"\0\0") + b"\0")},
        {"lst": bomb(200)},
        {"surprise": 1},
        {"key": SigningKey.generate()},
        {"ttl": 0},
        {"iat": NOW + 61, "exp": NOW + 200},
        {"iat": NOW - 60},
    ],
    ids=[
        "other typ",
        "list of another uri",
        "three bits",
        "no zlib",
        "truncated",
        "trailing bytes",
        "inflate bomb of 200 MB",
        "unknown claim",
        "forged key",
        "ttl of nought",
        "signed in the future",
        "stale list replayed by a mirror",
    ],
)
def test_a_list_with_a_defect_says_nothing(world: StatusWorld, claims: dict[str, object]) -> None:
    """A defective, foreign, future or stale list leaves the status unavailable."""
    token = world.list(**claims)
    assert len(token) < 400_000
    world.statuses = StatusLists({STATUS_URI: lambda _: token})
    assert world.read() is V.UNAVAILABLE


def test_a_stale_or_shapeless_list_is_not_taken_in(world: StatusWorld) -> None:
    """Pushing something stale, from the future, or no list at all is refused."""
    for token, now in (
        (world.list(), NOW + 61),
        (world.list(), NOW - 61),
        (world.list(sub=1), NOW),
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


def test_a_list_rolled_back_by_a_mirror(world: StatusWorld) -> None:
    """Replaying the list from before a revocation changes nothing, pushed or served."""
    old = world.list(entries=b"\x00\x00", iat=NOW - 1)
    world.statuses = StatusLists({STATUS_URI: lambda _: old})
    assert world.read() is V.VALID
    world.statuses.push(world.list(entries=b"\x01\x00"), NOW)
    assert world.read() is V.REVOKED
    world.statuses.push(old, NOW)
    assert world.read() is V.REVOKED
    world.statuses.push(world.list(entries=b"\x00\x02", iat=NOW + 1), NOW)
    assert [world.read(idx) for idx in (0, 1, 9)] == [V.REVOKED, V.VALID, V.REVOKED]


@pytest.mark.parametrize(
    ("bits", "before", "after", "read"),
    [
        (1, b"\x81", b"\x02", b"\x83"),
        (2, b"\x39", b"\x00", b"\x01"),  # 1, 2, 3, 0: only the first is for good
        (4, b"\x31", b"\x42", b"\x41"),
        (8, b"\x01", b"\x00", b"\x01"),
        (8, b"\x03", b"\x00", b"\x00"),
        (1, b"\x01\x00", b"\x00", b"\x00"),
    ],
)
def test_list_signed_from_yesterdays_database(
    world: StatusWorld, bits: int, before: bytes, after: bytes, read: bytes
) -> None:
    """A newer list of the same shape brings back no entry that was read as invalid; suspended ones it may."""
    for number, entries in enumerate((before, after)):
        token = world.list(bits=bits, entries=entries, iat=NOW + number)
        world.statuses.take(verify_status_list(STATUS_URI, token, NOW + 1, world.trust), world.trust)
    assert world.statuses._lists[STATUS_URI, world.trust.digest].entries == read


def test_of_two_lists_of_the_same_second_the_worse_entry_counts(world: StatusWorld) -> None:
    """A list signed in the very second of a revocation cannot hide it, in either order."""
    for first, second in ((b"\x01\x00", b"\x02\x00"), (b"\x02\x00", b"\x01\x00")):
        world.statuses = StatusLists()
        for entries in (first, second):
            world.statuses.push(world.list(entries=entries), NOW)
            world.read()
        assert [world.read(i) for i in range(3)] == [V.REVOKED, V.REVOKED, V.VALID]
    world.statuses.push(world.list(entries=b"\x00"), NOW)
    assert world.read(2) is V.UNAVAILABLE


def test_which_list_may_take_anothers_place(world: StatusWorld) -> None:
    """A newer one; of the same second, one that hides nothing; never one of another shape."""

    def made(**claims: object) -> StatusList:
        return verify_status_list(STATUS_URI, world.list(**claims), NOW, world.trust)

    both, one, other = (made(entries=entries) for entries in (b"\x03", b"\x01", b"\x02"))
    assert both.may_replace(one)
    assert not one.may_replace(both)
    assert not one.may_replace(other)
    assert made(entries=b"\x00", iat=NOW + 1).may_replace(both)
    assert not made(entries=b"\x03", iat=NOW - 1).may_replace(one)
    assert not made(entries=b"\x03", bits=2).may_replace(one)


def test_a_bad_offer_does_not_displace_a_good_list(world: StatusWorld) -> None:
    """A list by a stranger, pushed or served, leaves the good one in force."""
    world.statuses.push(world.list(), NOW)
    assert world.read() is V.VALID
    world.statuses.push(world.list(key=SigningKey.generate(), iat=NOW + 5), NOW)
    assert world.read() is V.VALID


def test_a_list_signed_ahead_shuts_out_no_true_one(world: StatusWorld) -> None:
    """A list of the service's own key from the future is not held, where it would keep true ones out."""
    world.statuses.push(world.list(), NOW)
    world.statuses._sources[STATUS_URI] = lambda _: world.list(entries=b"\x00", iat=NOW + 61)
    assert [world.read(i) for i in (0, 1)] == [V.VALID, V.REVOKED]


def test_a_list_signed_by_an_issuers_key_that_is_no_status_service(world: StatusWorld) -> None:
    """A key trusted for other lists, or for credentials, signs no status list here."""
    other = SigningKey.generate()
    world.trust = trusting([other.public], uris=["https://other.example/status/1"])
    world.statuses = StatusLists({STATUS_URI: lambda _: world.list(key=other)})
    assert world.read() is V.UNAVAILABLE
    both = trusting([world.key.public])
    both = dataclasses.replace(both, status_services=(*both.status_services, *world.trust.status_services))
    assert world.statuses.read(STATUS_URI, 0, NOW, both) is V.UNAVAILABLE
    world.statuses = StatusLists({STATUS_URI: lambda _: world.list()})
    assert world.statuses.read(STATUS_URI, 0, NOW, both) is V.VALID


def test_a_source_that_is_down_is_no_consent(world: StatusWorld) -> None:
    """A source that raises leaves what is held until it is stale, and nothing when nothing is held."""

    def down(_: str) -> str:
        raise OSError

    world.statuses = StatusLists({STATUS_URI: down})
    assert world.read() is V.UNAVAILABLE
    world.statuses.push(world.list(), NOW)
    assert (world.read(), world.read(now=NOW + 61)) == (V.VALID, V.UNAVAILABLE)
    assert world.read(now=NOW + 500) is V.UNAVAILABLE
    assert world.statuses._lists == {}
    assert world.statuses._pushed == {}
    assert world.statuses._settled == {}


def test_a_source_that_gives_no_text(world: StatusWorld) -> None:
    """A source that answers with something else than a token is as good as one that is down."""
    world.statuses = StatusLists({STATUS_URI: lambda _: None})  # type: ignore[arg-type, return-value]
    assert world.read() is V.UNAVAILABLE


def test_a_source_that_uses_the_cache_itself(world: StatusWorld) -> None:
    """Sources are asked without the lock, so that one that pushes into the same cache does not hang it."""

    def pushing(_: str) -> str:
        world.statuses.push(world.list(iat=NOW + 1), NOW)
        return world.list()

    world.statuses = StatusLists({STATUS_URI: pushing})
    assert world.read(1) is V.REVOKED
    assert world.statuses.uris == (STATUS_URI,)


def test_every_trust_list_verifies_for_itself(world: StatusWorld) -> None:
    """A list verified under one trust list says nothing under another that does not trust its signer."""
    world.statuses.push(world.list(), NOW)
    assert world.read() is V.VALID
    other = trusting([SigningKey.generate().public])
    assert world.statuses.read(STATUS_URI, 0, NOW, other) is V.UNAVAILABLE
    again = dataclasses.replace(world.trust, digest="sha256:other")
    assert world.statuses.read(STATUS_URI, 0, NOW, again) is V.VALID
    ended = dataclasses.replace(world.trust, exp=NOW)
    assert world.statuses.read(STATUS_URI, 0, NOW, ended) is V.UNAVAILABLE


def test_uri_prefixes_do_not_leak(world: StatusWorld) -> None:
    """A service trusted for a folder of uris signs for what is below it, and for nothing beside it."""
    service = trusting([world.key.public], uris=["https://issuer.example/status/"]).status_services[0]
    assert service.covers("https://issuer.example/status/7")
    for uri in (
        "https://issuer.example/status",
        "https://issuer.example/statusx/7",
        "https://issuer.example/status/../x",
    ):
        assert not service.covers(uri)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_wider_entries_are_read_from_the_low_end(world: StatusWorld, bits: int) -> None:
    """0 is valid, 1 and 2 are revoked, anything else says nothing plain."""
    values = [0, 1, 2 % (1 << bits), 3 % (1 << bits)]
    packed = 0
    for i, value in enumerate(values):
        packed |= value << (i * bits)
    world.statuses.push(world.list(bits=bits, entries=packed.to_bytes(4, "little")), NOW)
    plain = {0: V.VALID, 1: V.REVOKED, 2: V.REVOKED, 3: V.UNAVAILABLE}
    assert [world.read(i) for i in range(4)] == [plain[value] for value in values]


def test_a_certificate_chain_that_leads_to_the_services_anchor(world: StatusWorld) -> None:
    """A list that brings its chain is read under an anchor, and not under listed keys or another anchor."""
    key = SigningKey(PublicJwk.of(LEAF.key.public_key()), LEAF.key)
    then = 1_780_272_000  # within the certificates' time
    token = signed_list(key, headers={"x5c": [LEAF.text, MIDDLE.text]}, iat=then)
    anchored = trusting(x5c=(ROOT.text,), now=then)
    strange = trusting(x5c=(issued("stranger", ca_extensions()).text,), now=then)
    world.statuses.push(token, then)
    for trust, value in (
        (anchored, V.REVOKED),
        (strange, V.UNAVAILABLE),
        (trusting([key.public], now=then), V.UNAVAILABLE),
    ):
        assert world.statuses.read(STATUS_URI, 1, then, trust) is value
    bare = StatusLists({STATUS_URI: lambda _: signed_list(key, iat=then)})
    assert bare.read(STATUS_URI, 1, then, anchored) is V.UNAVAILABLE
    assert SERVICE == "https://issuer.example"  # the leaf's own name


def test_a_list_is_verified_once_however_often_it_is_read(
    world: StatusWorld, verifications: Verifications
) -> None:
    """Reading entries of a list costs no further verification: held, refused, or older than the held one."""
    offers = [world.list(), world.list(key=SigningKey.generate()), world.list(iat=NOW - 3)]
    world.statuses = StatusLists(
        {STATUS_URI: lambda _: offers[0], "https://issuer.example/": lambda _: offers[1]}
    )
    world.statuses.push(offers[2], NOW)
    for idx in range(50):
        world.read(idx)
    assert verifications.count == 3
    world.read(now=NOW + 10)  # the refused one gets another chance, for trust may begin meanwhile
    assert verifications.count == 4


def test_memory_flooded_with_refused_lists(world: StatusWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that gives another forgery at each reading fills no memory."""
    monkeypatch.setattr(status_module, "_SETTLED_OFFERS", 4)
    stranger = SigningKey.generate()
    forged = iter([world.list(key=stranger, iat=NOW - n) for n in range(9)])
    world.statuses = StatusLists({STATUS_URI: lambda _: next(forged)})
    for _ in range(9):
        assert world.read() is V.UNAVAILABLE
        assert len(world.statuses._settled) <= 4


def test_memory_flooded_with_pushed_lists(world: StatusWorld) -> None:
    """Once enough lists wait that nobody read, further ones are refused aloud; in time all are forgotten."""
    stranger = SigningKey.generate()
    forged = [world.list(key=stranger, sub=f"https://x/{n}") for n in range(MAX_WAITING)]
    for token in (*forged, forged[0]):
        world.statuses.push(token, NOW)
    with pytest.raises(ConsentInvalid, match="too many"):
        world.statuses.push(world.list(), NOW)
    world.statuses.push(world.list(iat=NOW + 121), NOW + 121)
    assert world.read(now=NOW + 121) is V.VALID
    assert world.statuses._pushed == {}


def test_a_verified_list_is_taken_in_at_once(world: StatusWorld) -> None:
    """What a fetcher verified counts without waiting, twice over without harm, and never rolls back."""
    new, old = (
        verify_status_list(STATUS_URI, world.list(entries=entries, iat=iat), NOW, world.trust)
        for entries, iat in ((b"\x01", NOW), (b"\x00", NOW - 1))
    )
    for each in (new, new, old):
        world.statuses.take(each, world.trust)
    assert world.read(0) is V.REVOKED
    assert world.statuses._lists[STATUS_URI, world.trust.digest] is new


@pytest.mark.parametrize("case", VECTORS["spec"], ids=lambda case: case["name"])
def test_the_specifications_examples(case: dict[str, object]) -> None:
    """The lists printed in the specification hold what its tables say, and nothing else."""
    held = StatusList(STATUS_URI, (), NOW, NOW, case["bits"], inflate(case["lst"]))
    bits = case["bits"]
    assert len(held.entries) == case["size"] * bits // 8
    packed = int.from_bytes(held.entries, "little")
    for idx, value in case["entries"]:
        assert packed >> (idx * bits) & ((1 << bits) - 1) == value, idx
    flipped = sum(
        1 for byte in held.entries if byte for at in range(0, 8, bits) if byte >> at & ((1 << bits) - 1)
    )
    assert flipped == case["flipped"]


def test_the_specifications_signed_example() -> None:
    """The signed list printed in the specification verifies under its key, and is long stale."""
    example = VECTORS["spec_token"]
    now, uri = example["iat"], example["uri"]
    trust = trusting([PublicJwk.parse(example["key"])], uris=[uri], now=now)
    held = verify_status_list(uri, example["token"], now, trust)
    assert (list(held.entries), held.iat, held.until) == ([0xB9, 0xA3], now, now + 60)
    statuses = StatusLists({uri: lambda _: example["token"]})
    assert [statuses.read(uri, i, now, trust) for i in (0, 1)] == [V.REVOKED, V.VALID]
    assert statuses.read(uri, 1, now + 60, trust) is V.UNAVAILABLE


@pytest.mark.parametrize("case", VECTORS["tests"], ids=lambda case: case["name"])
def test_status_vector(case: dict[str, object]) -> None:
    """Each published list says of its entry what is published."""
    now = VECTORS["now"]
    trust = TrustList.load(VECTORS["trust_list"], anchor=PublicJwk.parse(VECTORS["anchor"]), now=now)
    statuses = StatusLists({VECTORS["uri"]: lambda _: case["token"]})
    assert statuses.read(VECTORS["uri"], case["idx"], now, trust) == case["status"]


def test_every_flag_of_the_vectors_is_explained_and_used() -> None:
    """Flags name a bug type and its effect; none is unexplained."""
    used = {flag for case in VECTORS["tests"] for flag in case["flags"]}
    assert used == set(VECTORS["notes"])
    assert all(note["bugType"] and note["effect"] for note in VECTORS["notes"].values())
    for case in VECTORS["tests"]:
        assert (case["result"] == "valid") == (not case["flags"])


def test_a_million_entries_fit_a_token(world: StatusWorld) -> None:
    """A list of 2**20 entries, a tenth of them flipped at random, stays within the bound and is read."""
    flipped = random.Random(1).sample(range(2**20), 2**20 // 10)
    token = sign_status_list(STATUS_URI, world.key, flipped, now=NOW, size=2**20)
    assert len(token) < MAX_STATUS_TOKEN
    world.statuses.push(token, NOW)
    free = next(i for i in range(2**20) if i not in set(flipped[:100]) and i not in flipped)
    assert (world.read(flipped[0]), world.read(free)) == (V.REVOKED, V.VALID)


class TestFolder:
    """A folder of lists as a source."""

    @pytest.fixture
    def ticks(self) -> list[float]:
        """The time of a clock that only goes forward, to be set."""
        return [0.0]

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        """Where the list's file belongs."""
        return tmp_path / status_file_name(STATUS_URI)

    def test_a_status_folder_is_a_source(self, tmp_path: Path, world: StatusWorld) -> None:
        """A list in a folder is read under the hashed name of its uri; an empty folder gives nothing."""
        source = folder_source(tmp_path)
        world.statuses = StatusLists(
            {"https://elsewhere.example/": source, "https://issuer.example/status/": source}
        )
        assert world.read() is V.UNAVAILABLE
        file = put_status_list(tmp_path, STATUS_URI, world.list())
        assert file.stat().st_mode & 0o444 == 0o444
        assert (world.read(), world.read(1)) == (V.VALID, V.REVOKED)
        assert status_file_name("../../etc/passwd").count("/") == 0
        assert status_file_name("\ud800").endswith(".jwt")

    def test_a_changed_file_is_read_at_once(self, tmp_path: Path, ticks: list[float]) -> None:
        """A list that replaces another is read at the next reading, and a file that is gone is gone."""
        source = folder_source(tmp_path, ticks=lambda: ticks[0])
        for text in ("a", "b", "c"):
            put_status_list(tmp_path, STATUS_URI, text)
            assert source(STATUS_URI) == source(STATUS_URI) == text
        (tmp_path / status_file_name(STATUS_URI)).unlink()
        with pytest.raises(ConsentInvalid):
            source(STATUS_URI)

    def test_an_unchanged_file_is_not_read_again(
        self, file: Path, ticks: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Readings within a second share one look into an unchanged file."""
        reads, read = [], status_module._read_regular
        monkeypatch.setattr(status_module, "_read_regular", lambda path: (reads.append(path), read(path))[1])
        source = folder_source(file.parent, ticks=lambda: ticks[0])
        file.write_text("a")
        for _ in range(9):
            source(STATUS_URI)
        assert len(reads) == 1
        ticks[0] = 1.0
        source(STATUS_URI)
        assert len(reads) == 2

    def test_a_withdrawal_hidden_behind_an_unchanged_size_and_time(
        self, file: Path, ticks: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A file whose every stamp was made to look as before is read all the same a second later."""
        monkeypatch.setattr(status_module, "_stamp", lambda _: (1, 2, 3))
        source = folder_source(file.parent, ticks=lambda: ticks[0])
        file.write_text("before")
        assert source(STATUS_URI) == "before"
        file.write_text("behind")
        ticks[0] = 0.9
        assert source(STATUS_URI) == "before"
        ticks[0] = 1.0
        assert source(STATUS_URI) == "behind"

    def test_an_endless_file(self, file: Path) -> None:
        """A file of any length is read no further than a list may be long."""
        file.write_bytes(b"a" * (MAX_STATUS_TOKEN + 4096))
        assert len(folder_source(file.parent)(STATUS_URI)) == MAX_STATUS_TOKEN + 2

    def test_a_pipe_in_the_folder(self, file: Path) -> None:
        """A pipe nobody writes to is refused without waiting for a writer."""
        os.mkfifo(file)
        with pytest.raises(ConsentInvalid):
            folder_source(file.parent)(STATUS_URI)

    def test_a_link_to_an_endless_device(self, file: Path) -> None:
        """A device behind a link is refused; a regular file is read, for mounted folders have such links."""
        file.symlink_to("/dev/zero")
        source = folder_source(file.parent)
        with pytest.raises(ConsentInvalid):
            source(STATUS_URI)
        file.unlink()
        (file.parent / "elsewhere").write_text("list")
        file.symlink_to(file.parent / "elsewhere")
        assert source(STATUS_URI) == "list"

    @pytest.mark.skipif(sys.platform != "linux", reason="counts open files in /proc")
    def test_a_folder_in_a_lists_place(self, file: Path) -> None:
        """A folder where a file belongs is refused, and no reading of it leaves a file open."""
        file.mkdir()
        source = folder_source(file.parent)
        before = len([*Path("/proc/self/fd").iterdir()])
        for _ in range(20):
            with pytest.raises(ConsentInvalid):
                source(STATUS_URI)
        assert len([*Path("/proc/self/fd").iterdir()]) < before + 20

    def test_a_file_that_is_no_text(self, file: Path) -> None:
        """Bytes that are no ASCII are no list."""
        file.write_bytes(b"\xff\xfe")
        with pytest.raises(ConsentInvalid) as caught:
            folder_source(file.parent)(STATUS_URI)
        assert caught.value.status is ConsentStatus.STATUS_UNAVAILABLE

    def test_a_link_planted_at_the_scratch_name(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Even a link planted at the very scratch name is not written through, and nothing half is left."""
        victim = tmp_path / "victim"
        victim.write_text("precious")
        folder = tmp_path / "status"
        folder.mkdir()
        monkeypatch.setattr(status_module.secrets, "token_hex", lambda _: "guessed")
        (folder / ".guessed").symlink_to(victim)
        with pytest.raises(InputError):
            put_status_list(folder, STATUS_URI, "list")
        assert victim.read_text() == "precious"
        assert [path.name for path in folder.iterdir()] == [".guessed"]

    def test_a_link_planted_at_the_lists_name(self, tmp_path: Path) -> None:
        """A link where the list belongs is replaced, not written through."""
        victim = tmp_path / "victim"
        victim.write_text("precious")
        (tmp_path / status_file_name(STATUS_URI)).symlink_to(victim)
        assert put_status_list(tmp_path, STATUS_URI, "list").read_text() == "list"
        assert victim.read_text() == "precious"

    def test_a_write_that_breaks_off_leaves_the_old_list(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A disk that fails, or an interrupt, leaves the old list whole and nothing beside it."""
        file = put_status_list(tmp_path, STATUS_URI, "old")

        def failing(error: BaseException) -> object:
            def fsync(_: int) -> None:
                raise error

            return fsync

        for error, seen in ((OSError("disk"), InputError), (KeyboardInterrupt(), KeyboardInterrupt)):
            monkeypatch.setattr(status_module.os, "fsync", failing(error))
            with pytest.raises(seen):
                put_status_list(tmp_path, STATUS_URI, "new")
            assert file.read_text() == "old"
            assert list(tmp_path.iterdir()) == [file]
