"""The issuer's side of status: allotting, withdrawing, signing, changing keys, and the file."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from consent_world import NOW, STATUS_URI
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)
from soft_authenticator import SoftAuthenticator
from status_world import StatusWorld, jws, trusting, withdrawal

from consent_edit.consent.grant import GRANT_TYP, WITHDRAWAL_TYP
from consent_edit.consent.jose import sign_compact, unverified
from consent_edit.consent.keys import SigningKey
from consent_edit.consent.signatory import Signatory
from consent_edit.consent.status.file import written
from consent_edit.consent.status.lists import StatusLists, StatusValue, inflate
from consent_edit.consent.status.service import IssuerStatus
from consent_edit.encoding import canonical_json
from consent_edit.errors import ConsentInvalid, InputError, StoreUnavailable
from consent_edit.vocabulary import ConsentStatus

V = StatusValue


@pytest.fixture
def world() -> StatusWorld:
    """A service and a verifier that asks it."""
    made = StatusWorld()
    made.statuses = StatusLists({STATUS_URI: made.status.source(made.clock)})
    return made


def flipped(status: IssuerStatus, now: int = NOW) -> set[int]:
    """Entries that the list says are withdrawn."""
    claims = unverified(status.token(now), limit=10**7)[1]
    entries = inflate(claims["status_list"]["lst"])  # type: ignore[index, call-overload, arg-type]
    return {i * 8 + bit for i, byte in enumerate(entries) for bit in range(8) if byte >> bit & 1}


def of(key: SigningKey) -> Signatory:
    """Somebody who signs JWS."""
    return Signatory(key.public)


def test_guardian_and_child_each_withdraw(world: StatusWorld) -> None:
    """Any one owner withdraws alone, with a key or a passkey, and does not touch the others' entries."""
    child, parent, other = SigningKey.generate(), SoftAuthenticator.make(), SigningKey.generate()
    owners = [of(child), Signatory(parent.key, parent.passkey), of(other)]
    by_child, by_parent, by_other, kept = world.status.allot(owners, 4)
    for idx, request in (
        (by_child, jws(by_child, child)),
        (by_parent, parent.sign(withdrawal(by_parent).payload(), typ=WITHDRAWAL_TYP)),
        (by_other, jws(by_other, other)),
    ):
        assert world.read(idx) is V.VALID
        assert world.status.withdraw(request) == idx
        assert world.read(idx) is V.REVOKED
    assert world.read(kept) is V.VALID


def test_a_strangers_withdrawal(world: StatusWorld) -> None:
    """A stranger, an owner of another entry, and a key used where a passkey is on record are refused."""
    parent, stranger, neighbour = SoftAuthenticator.make(), SigningKey.generate(), SigningKey.generate()
    idx = world.allot(Signatory(parent.key, parent.passkey), of(world.person))
    world.allot(of(neighbour))
    elsewhere = SoftAuthenticator(parent.secret, parent.passkey.model_copy(update={"rp_id": "evil.example"}))
    for request in (
        jws(idx, stranger),
        jws(idx, neighbour),
        jws(idx, parent.secret),
        elsewhere.sign(withdrawal(idx).payload(), typ=WITHDRAWAL_TYP),
        parent.sign(withdrawal(idx).payload(), typ=GRANT_TYP),
        jws(idx, world.person, typ=GRANT_TYP),
    ):
        with pytest.raises(ConsentInvalid):
            world.status.withdraw(request)
    assert flipped(world.status) == set()


def test_a_withdrawal_for_another_list(world: StatusWorld) -> None:
    """A request for another list, for none, or for an entry beyond any list is malformed; nothing flips."""
    idx = world.allot()
    for request in (
        jws(idx, world.person, uri="https://elsewhere.example/1"),
        sign_compact({"jti": "x" * 22, "iat": NOW}, world.person, typ=WITHDRAWAL_TYP),
        jws(2**31, world.person),
        sign_compact(
            canonical_json({"status_list": {"uri": STATUS_URI, "idx": 0}}).replace(b"0", b"-1"),
            world.person,
            typ=WITHDRAWAL_TYP,
        ),
        "no token",
    ):
        with pytest.raises(ConsentInvalid) as caught:
            world.status.withdraw(request)
        assert caught.value.status is ConsentStatus.MALFORMED
    assert flipped(world.status) == set()


def test_a_signed_request_with_a_claim_too_many(world: StatusWorld) -> None:
    """Even an owner's signature does not carry claims that the closed form does not know."""
    idx = world.allot()
    claims = {"jti": "x" * 22, "iat": NOW, "status_list": {"uri": STATUS_URI, "idx": idx}, "surprise": 1}
    with pytest.raises(ConsentInvalid):
        world.status.withdraw(sign_compact(claims, world.person, typ=WITHDRAWAL_TYP))
    assert flipped(world.status) == set()


def test_a_stranger_asks_which_entries_exist(world: StatusWorld) -> None:
    """The refusal reads the same for an entry that was never allotted and for somebody else's."""
    idx = world.allot()
    free = next(i for i in range(1024) if i != idx)
    told = []
    for asked in (idx, free):
        with pytest.raises(ConsentInvalid) as caught:
            world.status.withdraw(jws(asked, SigningKey.generate()))
        told.append((caught.value.status, caught.value.message, caught.value.__cause__))
    assert told[0] == told[1]


def test_a_replayed_withdrawal_is_harmless(world: StatusWorld) -> None:
    """The same request again, or another for the same entry, is no error and makes no new list."""
    idx = world.allot()
    request = jws(idx, world.person)
    assert world.status.withdraw(request) == idx
    signed = world.status.token(NOW)
    for again in (request, jws(idx, world.person)):
        assert world.status.withdraw(again) == idx
    world.status.revoke(idx)
    assert world.status.token(NOW) == signed
    assert flipped(world.status) == {idx}


def test_nobody_can_un_withdraw(world: StatusWorld) -> None:
    """The file itself refuses to flip an entry back, to move one and to forget one."""
    idx = world.allot()
    world.status.revoke(idx)
    db = world.status._db
    for statement in (
        "UPDATE entry SET value = 0",
        "UPDATE entry SET idx = idx + 1",
        "DELETE FROM entry",
        "UPDATE entry SET value = 2",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            db.execute(statement)
    assert flipped(world.status) == {idx}


def test_allotted_entries_are_distinct_and_the_list_is_never_crowded() -> None:
    """Entries are never given twice, unknown ones cannot be flipped, and a half-full list says so."""
    status = IssuerStatus(STATUS_URI, SigningKey.generate(), size=64)
    owner = of(SigningKey.generate())
    given = status.allot([owner], 20) + status.allot([owner, owner], 12)
    assert len(set(given)) == 32
    with pytest.raises(InputError):
        status.allot([owner])
    assert status._db.execute("SELECT count(*) FROM entry").fetchone() == (32,)
    for idx in (next(i for i in range(64) if i not in given), 64, -1, 2**80):
        with pytest.raises(InputError):
            status.revoke(idx)


def test_an_entry_that_nobody_could_withdraw(world: StatusWorld) -> None:
    """Entries are given to nobody only if nobody is named; then none is given."""
    with pytest.raises(InputError):
        world.status.allot([])
    assert world.status._db.execute("SELECT count(*) FROM entry").fetchone() == (0,)


def test_an_unchanged_list_is_served_again_and_a_changed_one_at_once(world: StatusWorld) -> None:
    """The service signs anew when an entry flips or the list ages, and not otherwise."""
    status, idx = world.status, world.allot()
    first = status.token(NOW)
    assert status.token(NOW + 10) == first
    assert status.token(NOW + 20) != first
    second = status.token(NOW + 21)
    status.revoke(idx)
    assert status.token(NOW + 21) != second
    assert status.public == world.key.public


def test_a_closed_file_is_an_error_of_ours(world: StatusWorld) -> None:
    """Whatever is asked of a service whose file is gone says that the store is not there."""
    idx = world.allot()
    world.status.close()
    for ask in (
        lambda: world.status.token(NOW),
        lambda: world.status.revoke(idx),
        lambda: world.status.publics(NOW),
        lambda: world.status.withdraw(jws(idx, world.person)),
    ):
        with pytest.raises(StoreUnavailable):
            ask()


def test_a_full_disk_at_the_commit(world: StatusWorld) -> None:
    """A withdrawal that cannot be committed says so, and counts when it is sent again."""
    idx = world.allot()
    world.status._db.execute(
        "CREATE TRIGGER full BEFORE UPDATE ON meta BEGIN SELECT RAISE(ROLLBACK, 'full'); END"
    )
    with pytest.raises(StoreUnavailable):
        world.status.withdraw(jws(idx, world.person))
    assert flipped(world.status) == set()
    world.status._db.execute("DROP TRIGGER full")
    assert world.status.withdraw(jws(idx, world.person)) == idx


class TestRotation:
    """Changing the key that signs lists."""

    def test_nobody_loses_sight_while_the_key_changes(self, world: StatusWorld) -> None:
        """Announced, trusted, used, retired: a verifier reads all along; at the end the old key is out."""
        new, idx = SigningKey.generate(), world.allot()
        old_list = world.status.token(NOW)
        world.status.announce(new.public)
        world.status.announce(new.public)  # twice is no more
        assert world.status.publics(NOW) == (world.key.public, new.public)
        world.trust = trusting(world.status.publics(NOW))
        assert world.read(idx, now=NOW) is V.VALID
        world.status.rotate(new, NOW + 1)
        world.clock.now = NOW + 1
        assert world.status.public == new.public
        assert world.status.publics(NOW + 120) == (new.public, world.key.public)
        assert world.read(idx, now=NOW + 1) is V.VALID
        assert (
            StatusLists({STATUS_URI: lambda _: old_list}).read(STATUS_URI, idx, NOW + 1, world.trust)
            is V.VALID
        )
        assert world.status.publics(NOW + 121) == (new.public,)
        world.trust = trusting(world.status.publics(NOW + 121))
        world.clock.now = NOW + 21
        assert world.read(idx, now=NOW + 21) is V.VALID
        assert StatusLists({STATUS_URI: lambda _: old_list}).read(STATUS_URI, idx, NOW + 21, world.trust) is (
            V.UNAVAILABLE
        )

    def test_a_retired_key_signs_no_more(self, tmp_path: Path) -> None:
        """A process that still runs with the old key signs nothing, nor does one that starts with it."""
        old, new, path = SigningKey.generate(), SigningKey.generate(), tmp_path / "status.sqlite"
        one, two = (IssuerStatus(STATUS_URI, old, path, size=64) for _ in range(2))
        two.token(NOW)
        one.rotate(new, NOW)
        with pytest.raises(StoreUnavailable):
            two.token(NOW)
        with pytest.raises(StoreUnavailable):
            two.rotate(SigningKey.generate(), NOW)
        with pytest.raises(StoreUnavailable):
            IssuerStatus(STATUS_URI, old, path, size=64).token(NOW)
        assert flipped(IssuerStatus(STATUS_URI, new, path, size=64)) == set()

    def test_back_to_a_retired_key(self, world: StatusWorld) -> None:
        """Neither the key in use nor a retired one can take over or be announced."""
        new = SigningKey.generate()
        world.status.rotate(new, NOW)
        for key in (world.key, new):
            with pytest.raises(InputError):
                world.status.rotate(key, NOW)
            with pytest.raises(InputError):
                world.status.announce(key.public)

    def test_a_withdrawal_made_while_the_key_changes(self, world: StatusWorld) -> None:
        """The first list of the new key holds what the last of the old one held, and more."""
        one, two = world.allot(), world.allot()
        world.status.revoke(one)
        assert flipped(world.status) == {one}
        world.status.rotate(SigningKey.generate(), NOW)
        world.status.revoke(two)
        assert flipped(world.status) == {one, two}


class TestFile:
    """The file: shared, restored, emptied, of the first schema."""

    def test_processes_sharing_a_file_see_each_others_withdrawals(self, tmp_path: Path) -> None:
        """Threads of one service and another process on the same file lose no entry and no flip."""
        key, owner, path = SigningKey.generate(), SigningKey.generate(), tmp_path / "status.sqlite"
        one, two = (IssuerStatus(STATUS_URI, key, path, size=1024) for _ in range(2))
        before = two.token(NOW)
        threads = [
            threading.Thread(target=lambda: [one.revoke(i) for i in one.allot([of(owner)], 5)])
            for _ in range(4)
        ]
        script = (
            "import sys; from consent_edit.consent.status.service import IssuerStatus as S\n"
            "from consent_edit.consent.signatory import Signatory\n"
            "from consent_edit.consent.keys import SigningKey\n"
            f"s = S({STATUS_URI!r}, SigningKey.generate(), sys.argv[1], size=1024)\n"
            "for _ in range(20):\n"
            "    s.revoke(s.allot([Signatory(SigningKey.generate().public)])[0])\n"
            "    sys.stdout.write('.'); sys.stdout.flush()\n"
        )
        line = [sys.executable, "-c", script, str(path)]
        with subprocess.Popen(line, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            other.stdout.read(1)  # it is at work
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            other.stdout.read()  # it is done
        assert other.returncode == 0
        assert two.token(NOW) != before
        assert len(flipped(two)) == 40

    def test_a_transaction_has_the_file_to_itself_from_its_start(self, tmp_path: Path) -> None:
        """Between what a transaction reads and what it writes nobody else writes."""
        path = tmp_path / "status.sqlite"
        status = IssuerStatus(STATUS_URI, SigningKey.generate(), path)
        other = sqlite3.connect(path, timeout=0, isolation_level=None)
        with written(status._db), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.execute("BEGIN IMMEDIATE")
        other.close()

    def test_two_that_make_the_file_at_once(self, tmp_path: Path) -> None:
        """Services that start together on a new file share one schema."""
        key, made = SigningKey.generate(), []
        threads = [
            threading.Thread(
                target=lambda: made.append(IssuerStatus(STATUS_URI, key, tmp_path / "s", size=64))
            )
            for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(made) == 6

    def test_a_backup_put_back_under_a_running_service(self, tmp_path: Path) -> None:
        """A service that signed a withdrawal does not sign from a file that does not know of it."""
        path, backup = tmp_path / "status.sqlite", tmp_path / "backup.sqlite"
        status = IssuerStatus(STATUS_URI, SigningKey.generate(), path, size=64)
        (idx,) = status.allot([of(SigningKey.generate())])
        with sqlite3.connect(backup) as copy:
            status._db.backup(copy)
        status.revoke(idx)
        assert flipped(status) == {idx}
        with sqlite3.connect(backup) as copy, sqlite3.connect(path) as live:
            copy.backup(live)
        with pytest.raises(StoreUnavailable):
            status.token(NOW + 30)

    def test_a_file_that_was_emptied(self, tmp_path: Path) -> None:
        """An empty file is a new service's only; one that has served says that withdrawals are lost."""
        path = tmp_path / "status.sqlite"
        path.touch()
        with pytest.raises(StoreUnavailable):
            IssuerStatus(STATUS_URI, SigningKey.generate(), path, new=False)
        IssuerStatus(STATUS_URI, SigningKey.generate(), path).close()
        IssuerStatus(STATUS_URI, SigningKey.generate(), path, new=False).close()

    def test_what_is_no_status_file(self, tmp_path: Path) -> None:
        """A folder, a file of something else and one of a newer version are refused, and left as they are."""
        other = tmp_path / "other"
        other.write_bytes(b"something else entirely, and long enough to look like pages" * 20)
        newer = tmp_path / "newer"
        with sqlite3.connect(newer) as db:
            db.execute("PRAGMA user_version = 3")
        for path in (tmp_path, other, newer):
            before = path.read_bytes() if path.is_file() else b""
            with pytest.raises(StoreUnavailable):
                IssuerStatus(STATUS_URI, SigningKey.generate(), path)
            assert (path.read_bytes() if path.is_file() else b"") == before

    @staticmethod
    def first_schema(path: Path, owners: dict[str, str], entries: list[tuple[int, str, int]]) -> None:
        """A file as the first schema had it."""
        db = sqlite3.connect(path)
        db.executescript(
            """
            CREATE TABLE owner (jkt TEXT PRIMARY KEY, jwk TEXT NOT NULL) STRICT;
            CREATE TABLE entry (
                idx INTEGER PRIMARY KEY, jkt TEXT NOT NULL REFERENCES owner, value INTEGER NOT NULL DEFAULT 0
            ) STRICT;
            CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 0), changes INTEGER NOT NULL) STRICT;
            INSERT INTO meta VALUES (0, 7);
            """
        )
        db.executemany("INSERT INTO owner VALUES (?, ?)", list(owners.items()))
        db.executemany("INSERT INTO entry VALUES (?, ?, ?)", entries)
        db.commit()
        db.close()

    def test_a_file_of_the_first_schema_is_brought_up_to_date(self, tmp_path: Path) -> None:
        """Every owner, entry and withdrawal of the first schema is there afterwards, and works."""
        path, keys = tmp_path / "status.sqlite", [SigningKey.generate() for _ in range(2)]
        owners = {key.public.thumbprint: canonical_json(key.public.export()).decode() for key in keys}
        jkts = [key.public.thumbprint for key in keys]
        self.first_schema(path, owners, [(3, jkts[0], 0), (5, jkts[0], 1), (9, jkts[1], 0)])
        for _ in range(2):
            status = IssuerStatus(STATUS_URI, SigningKey.generate(), path, size=64, new=False)
            assert flipped(status) == {5}
            assert status._db.execute("SELECT changes FROM meta").fetchone() == (7,)
            names = {row[0] for row in status._db.execute("SELECT name FROM sqlite_schema")}
            assert not any(name.startswith("old_") for name in names)
            status.close()
        status = IssuerStatus(STATUS_URI, SigningKey.generate(), path, size=64)
        for wrong in (jws(3, keys[1]), jws(9, keys[0])):
            with pytest.raises(ConsentInvalid):
                status.withdraw(wrong)
        assert status.withdraw(jws(3, keys[0])) == 3
        assert flipped(status) == {3, 5}

    @pytest.mark.parametrize("defect", ["no key", "other key", "no owner"])
    def test_a_first_schema_that_cannot_be_carried_over(self, tmp_path: Path, defect: str) -> None:
        """A file with an owner that is no key, or another, or an unowned entry is left byte for byte."""
        path, key, other = tmp_path / "status.sqlite", SigningKey.generate(), SigningKey.generate()
        jkt = key.public.thumbprint
        jwk = canonical_json((other if defect == "other key" else key).public.export()).decode()
        owners = {jkt: "{}" if defect == "no key" else jwk}
        self.first_schema(path, owners, [(3, "nobody" if defect == "no owner" else jkt, 1)])
        before = path.read_bytes()
        with pytest.raises(StoreUnavailable):
            IssuerStatus(STATUS_URI, SigningKey.generate(), path, size=64)
        assert path.read_bytes() == before


class Withdrawals(RuleBasedStateMachine):
    """Anybody allots, revokes, withdraws, publishes and reads, in any order, over a clock that moves on.

    Two processes serve one file; a verifier reads what was published, and whatever a mirror pushes or serves
    again, however old. The clocks of service and verifier differ by up to the skew that is allowed.
    """

    entries: Bundle[int] = Bundle("entries")
    lists: Bundle[str] = Bundle("lists")

    @initialize(ahead=st.integers(-60, 60))
    def begin(self, ahead: int) -> None:
        """A service whose clock is ``ahead`` of the verifier's."""
        self.place = Path(tempfile.mkdtemp())
        self.now, self.ahead, self.allotted = NOW, ahead, 0
        self.person = SigningKey.generate()
        self.begin_processes(SigningKey.generate())
        self.trust = trusting([self.one.public])
        self.reader = StatusLists({STATUS_URI: self.serve})
        self.down = False
        self.published = ""
        self.withdrawn: dict[int, int] = {}
        self.gone: set[int] = set()

    def begin_processes(self, key: SigningKey) -> None:
        """Two processes with the key in use, on one file."""
        path = self.place / "status.sqlite"
        self.one, self.two = (IssuerStatus(STATUS_URI, key, path, size=64) for _ in range(2))
        for each in (self.one, self.two):
            each._db.execute("PRAGMA synchronous=OFF")  # power cuts are not what is tried here

    def teardown(self) -> None:
        """Take the file away."""
        if hasattr(self, "place"):
            self.one.close()
            self.two.close()
            shutil.rmtree(self.place)

    def serve(self, _: str) -> str:
        """The newest published list, if the source is up."""
        if self.down or not self.published:
            raise OSError
        return self.published

    @precondition(lambda self: self.allotted < 30)
    @rule(target=entries)
    def allot(self) -> int:
        """A new entry."""
        self.allotted += 1
        return self.one.allot([of(self.person)])[0]

    @rule(entry=consumes(entries), by_issuer=st.booleans())
    def withdraw(self, entry: int, by_issuer: bool) -> None:
        """The owner withdraws, or the issuer revokes."""
        if by_issuer:
            self.two.revoke(entry)
        else:
            self.one.withdraw(jws(entry, self.person))
        self.withdrawn.setdefault(entry, self.now)

    @rule(target=lists, by_one=st.booleans())
    def publish(self, by_one: bool) -> str:
        """One of the processes signs a list, by the service's clock."""
        self.published = (self.one if by_one else self.two).token(self.now + self.ahead)
        return self.published

    @rule(token=lists)
    def replay(self, token: str) -> None:
        """A mirror pushes a list, perhaps an old one."""
        try:
            self.reader.push(token, self.now)
        except ConsentInvalid as refused:
            assert refused.status is ConsentStatus.STATUS_UNAVAILABLE

    @rule(token=lists)
    def roll_back(self, token: str) -> None:
        """A mirror serves an old list again."""
        self.published = token

    @rule(down=st.booleans())
    def cut_off(self, down: bool) -> None:
        """The source goes down, or comes back."""
        self.down = down

    @rule(seconds=st.sampled_from([0, 1, 5, 19, 20, 21, 59, 60, 61, 119, 120, 121, 4000]))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.now += seconds

    @precondition(lambda self: len(self.one.publics(self.now + self.ahead)) < 7)  # an entry names 8 at most
    @rule()
    def change_the_key(self) -> None:
        """The service's key changes, in the order that is meant to be; the other process starts anew."""
        new = SigningKey.generate()
        self.one.announce(new.public)
        self.trust = trusting(self.one.publics(self.now + self.ahead), now=self.now)
        self.one.rotate(new, self.now + self.ahead)
        self.one.close()
        self.two.close()
        self.begin_processes(new)

    @invariant()
    def what_was_withdrawn_is_soon_gone_for_good(self) -> None:
        """No withdrawn entry reads valid 60 s later, clocks allowed for; nor ever again once read revoked."""
        for entry, at in getattr(self, "withdrawn", {}).items():
            value = self.reader.read(STATUS_URI, entry, self.now, self.trust)
            if value is V.VALID:
                assert self.now < at + 60 + max(0, self.ahead)
                assert entry not in self.gone
            if value is V.REVOKED:
                self.gone.add(entry)


TestWithdrawals = Withdrawals.TestCase
TestWithdrawals.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_more_keys_than_a_trust_list_names() -> None:
    """Rotating faster than lists go stale is refused before a trust list could no longer name them all."""
    status = IssuerStatus("https://s", SigningKey.generate(), size=64)
    for _ in range(7):
        status.rotate(SigningKey.generate(), NOW)
    assert len(status.publics(NOW)) == 8
    with pytest.raises(InputError, match="too many"):
        status.rotate(SigningKey.generate(), NOW)
    status.rotate(SigningKey.generate(), NOW + 600)
    for _ in range(3):
        status.announce(SigningKey.generate().public)
    with pytest.raises(InputError, match="too many"):
        status.announce(SigningKey.generate().public)
