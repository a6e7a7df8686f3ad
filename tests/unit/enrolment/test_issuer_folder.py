"""An issuer's folder: whole or not at all, its reviewers, its register, and its keys as they change."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from enrolment_world import ADULT, DAY, MODELS, NAME, NOW, SEEN, STATUS_URI, Clock, face, holder, photo
from status_world import jws

from consent_edit.consent.issuing import folder as issuer_folder
from consent_edit.consent.issuing import rotation as issuer_rotation
from consent_edit.consent.issuing.folder import (
    ISSUER_KEY,
    MAX_RETIRED,
    REGISTER_DB,
    RETIRED_KEYS,
    REVIEWERS,
    SETTINGS,
    STATUS_DB,
    create_issuer,
    list_reviewer,
    open_issuer,
    reviewers,
    trust_list,
)
from consent_edit.consent.issuing.rotation import (
    NEXT_STATUS_KEY,
    announce_status_key,
    rotate_key,
    rotate_status_key,
)
from consent_edit.consent.jose import unverified
from consent_edit.consent.keys import SigningKey
from consent_edit.consent.sd_jwt import parse, verify_credential
from consent_edit.consent.signatory import Signatory
from consent_edit.consent.status import service as service_module
from consent_edit.consent.status.lists import StatusLists, StatusValue, inflate
from consent_edit.consent.trust import TrustList
from consent_edit.enrolment.office import create_office, keep_mark, open_desk, open_status_office
from consent_edit.errors import ConsentInvalid, InputError, StoreUnavailable
from consent_edit.store.store import Store
from consent_edit.vocabulary import Assurance, Environment


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An issuer's folder with its register."""
    create_office(tmp_path / "issuer", name=NAME, status_uri=STATUS_URI)
    return tmp_path / "issuer"


def enrolled(folder: Path, key: SigningKey, seed: int = 0) -> str:
    """A credential from that folder's desk."""
    desk = open_desk(folder, clock=Clock())
    (one,) = desk.enrol(
        [photo(face(1), 0.99, seed)], holders=(holder(key),), models=MODELS, evidence=SEEN, birthdate=ADULT
    )
    return one.credential


def test_folder_is_its_owners_alone(place: Path) -> None:
    """Folder and files are closed to others, and nothing else is left beside it."""
    assert place.stat().st_mode & 0o777 == 0o700
    for path in place.rglob("*"):
        assert not path.stat().st_mode & 0o077, path
    assert list(place.parent.iterdir()) == [place]
    assert open_issuer(place).name == NAME


@pytest.mark.parametrize("stage", ["_fill", "furnish", "rename"])
def test_crash_while_the_folder_is_made(stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the making breaks off, no half folder is left, and the next try succeeds."""
    folder = tmp_path / "issuer"

    def breaks(*_: object) -> None:
        raise KeyboardInterrupt

    def create(furnish: Callable[[Path], None] = lambda _: None) -> None:
        create_issuer(folder, name=NAME, status_uri=STATUS_URI, furnish=furnish)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        if stage == "rename":
            patched.setattr(Path, "rename", breaks)
        elif stage == "_fill":
            patched.setattr(issuer_folder, stage, breaks)
        create(breaks)
    assert not list(tmp_path.iterdir())
    create()
    open_issuer(folder)


def test_power_cut_while_the_folder_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a dead program leaves behind stands under another name, and is in nobody's way."""
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    folder = tmp_path / "issuer"

    def power_cut(_: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        create_issuer(folder, name=NAME, status_uri=STATUS_URI, furnish=power_cut)
    assert not folder.exists() and len(list(tmp_path.iterdir())) == 1
    create_issuer(folder, name=NAME, status_uri=STATUS_URI)
    open_issuer(folder)


def test_folder_that_holds_something(place: Path, tmp_path: Path) -> None:
    """An issuer or anything else is never written over; an empty folder is taken."""
    before = {path: path.read_bytes() for path in place.iterdir() if path.is_file()}
    with pytest.raises(InputError, match="holds something"):
        create_office(place, name=NAME, status_uri=STATUS_URI)
    assert before == {path: path.read_bytes() for path in place.iterdir() if path.is_file()}
    (tmp_path / "file").write_text("")
    for taken in (tmp_path / "file", tmp_path / "file" / "in", Path("/")):
        with pytest.raises(InputError):
            create_issuer(taken, name=NAME, status_uri=STATUS_URI)
    (tmp_path / "empty").mkdir()
    create_issuer(tmp_path / "empty", name=NAME, status_uri=STATUS_URI)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "issuer"]


def test_simulated_issuers_have_no_folder(place: Path, tmp_path: Path) -> None:
    """No command makes one; a folder that says it is one opens only where it is asked for."""
    with pytest.raises(InputError):
        create_issuer(tmp_path / "x", name=NAME, status_uri=STATUS_URI, highest=Assurance.SIMULATED)
    assert open_issuer(place).level is Assurance.SUBSTANTIAL
    with pytest.raises(InputError):
        open_issuer(place, environment=Environment.DEMO)
    (place / SETTINGS).write_text((place / SETTINGS).read_text().replace("production", "demo"))
    with pytest.raises(InputError):
        open_issuer(place)
    assert open_issuer(place, environment=Environment.DEMO).level is Assurance.SIMULATED


def test_folder_that_lost_a_file(place: Path, tmp_path: Path) -> None:
    """Without its settings, keys, revocations or register a folder opens for nothing: none is made anew."""
    with pytest.raises(InputError):
        open_issuer(tmp_path)
    for name in (SETTINGS, ISSUER_KEY, STATUS_DB):
        kept = (place / name).read_bytes()
        (place / name).unlink()
        with pytest.raises(InputError):
            open_issuer(place)
        (place / name).write_bytes(kept)
        (place / name).chmod(0o600)
    (place / REGISTER_DB).rename(tmp_path / "away")
    with pytest.raises(StoreUnavailable, match="register"):
        open_desk(place, clock=Clock())
    assert not (place / REGISTER_DB).exists()


def test_desk_of_a_folder_remembers(place: Path) -> None:
    """What one opening of the folder enrolled, the next one knows."""
    key = SigningKey.generate()
    enrolled(place, key)
    (entry,) = open_desk(place, clock=Clock()).register.entries()
    assert entry.keys == (key.public.thumbprint,)
    assert open_desk(place, clock=Clock()).store.log_state().size == 1


class TestRotation:
    """Keys change; what was signed before keeps its worth until it ends."""

    @staticmethod
    def trust(folder: Path, now: int) -> TrustList:
        """A trust list that names the folder's issuer as it stands."""
        anchor = SigningKey.generate()
        entries = [open_issuer(folder).trust_entries(now=now, lifetime=DAY)]
        claims = trust_list(entries, environment=Environment.PRODUCTION, now=now, lifetime=DAY)
        return TrustList.load(claims.sign(anchor), anchor=anchor.public, now=now)

    def test_old_credentials_outlive_their_key(self, place: Path) -> None:
        """Credentials of the old key and the new one both verify under the new trust entry."""
        key = SigningKey.generate()
        old = enrolled(place, key)
        before = open_issuer(place).key.public
        after = rotate_key(place, now=NOW).key.public
        assert after.thumbprint != before.thumbprint
        new = enrolled(place, key, 1)
        for credential in (old, new):
            verify_credential(parse(credential), self.trust(place, NOW), now=NOW)
        only_new = replace(open_issuer(place), retired=())
        assert len(only_new.trust_entries(now=NOW, lifetime=DAY)[0].jwks) == 1

    def test_retired_key_is_dropped_in_the_end(self, place: Path) -> None:
        """Once the last credential it can have signed has ended, no trust list names it."""
        rotate_key(place, now=NOW)
        for now, keys in ((NOW + 180 * DAY, 2), (NOW + 181 * DAY, 1)):
            assert len(open_issuer(place).trust_entries(now=now, lifetime=DAY)[0].jwks) == keys
        rotate_key(place, now=NOW + 181 * DAY)
        assert len(open_issuer(place).retired) == 1

    def test_rotation_cut_short(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """If the new key is not written the old one goes on, named once; the next rotation is whole."""
        old = open_issuer(place).key.public
        write = issuer_folder.write_private

        def breaks(path: Path, data: bytes, **more: bool) -> None:
            if path.name == ISSUER_KEY:
                raise InputError("the disk is full")
            write(path, data, **more)

        with monkeypatch.context() as patched, pytest.raises(InputError):
            patched.setattr(issuer_rotation, "write_private", breaks)
            rotate_key(place, now=NOW)
        issuer = open_issuer(place)
        assert issuer.key.public.thumbprint == old.thumbprint and (place / RETIRED_KEYS).exists()
        assert len(issuer.trust_entries(now=NOW, lifetime=DAY)[0].jwks) == 1
        rotate_key(place, now=NOW)
        assert [one.key.thumbprint for one in open_issuer(place).retired] == [old.thumbprint]

    def test_too_many_rotations(self, place: Path) -> None:
        """A trust list names eight keys of an issuer; a ninth would cost somebody a credential."""
        for _ in range(MAX_RETIRED):
            rotate_key(place, now=NOW)
        key = (place / ISSUER_KEY).read_bytes()
        with pytest.raises(InputError, match="too many"):
            rotate_key(place, now=NOW)
        assert (place / ISSUER_KEY).read_bytes() == key
        assert len(open_issuer(place).trust_entries(now=NOW, lifetime=DAY)[0].jwks) == 8


class TestReviewers:
    """Who decides by review stands in the folder, put there by its owner."""

    def test_listed(self, place: Path) -> None:
        """A key that was listed counts, also at the desk; twice is once, and taking the file out ends it."""
        keys = [SigningKey.generate().public for _ in range(2)]
        assert reviewers(place) == ()
        for key in (*keys, keys[0]):
            list_reviewer(place, key)
        assert set(reviewers(place)) == set(keys) == set(open_desk(place, clock=Clock()).reviewers)
        (place / REVIEWERS / f"{keys[0].thumbprint}.jwk.json").unlink()
        assert reviewers(place) == (keys[1],)

    def test_folder_without_reviewers(self, place: Path) -> None:
        """Where none was ever listed nobody decides, and the first can be listed."""
        (place / REVIEWERS).rmdir()
        assert reviewers(place) == ()
        list_reviewer(place, SigningKey.generate().public)
        assert len(reviewers(place)) == 1

    def test_reviewer_put_there_by_another(self, place: Path) -> None:
        """A list that others could have written to counts for nothing."""
        list_reviewer(place, SigningKey.generate().public)
        (path,) = (place / REVIEWERS).iterdir()
        for loose, mode in ((path, 0o620), (place / REVIEWERS, 0o702)):
            kept = loose.stat().st_mode
            loose.chmod(mode)
            with pytest.raises(InputError, match="others than its owner"):
                open_desk(place, clock=Clock())
            loose.chmod(kept)
        assert len(reviewers(place)) == 1

    def test_file_that_is_no_key(self, place: Path) -> None:
        """One bad file stops the desk; it is not passed over."""
        (place / REVIEWERS / "x.json").write_text("{}")
        (place / REVIEWERS / "x.json").chmod(0o600)
        with pytest.raises(ConsentInvalid):
            reviewers(place)

    def test_no_issuer_there(self, place: Path, tmp_path: Path) -> None:
        """Nobody is listed where there is no issuer, nor where the list cannot be written."""
        with pytest.raises(InputError):
            list_reviewer(tmp_path, SigningKey.generate().public)
        (place / REVIEWERS).rmdir()
        (place / REVIEWERS).write_text("")
        with pytest.raises(InputError):
            list_reviewer(place, SigningKey.generate().public)


def test_status_key_changes_without_a_gap(place: Path) -> None:
    """Announced, then used: a trust list signed between the two takes the lists of either key."""
    issuer, anchor = open_issuer(place), SigningKey.generate()
    before = issuer.status.token(NOW)
    announced = announce_status_key(place)
    assert announce_status_key(place).thumbprint == announced.thumbprint
    entries = [open_issuer(place).trust_entries(now=NOW, lifetime=DAY)]
    claims = trust_list(entries, environment=Environment.PRODUCTION, now=NOW, lifetime=DAY)
    trust = TrustList.load(claims.sign(anchor), anchor=anchor.public, now=NOW)
    assert rotate_status_key(place, now=NOW + 1).thumbprint == announced.thumbprint
    after = open_issuer(place).status.token(NOW + 2)
    for token, now in ((before, NOW), (after, NOW + 2)):
        statuses = StatusLists()
        statuses.push(token, now)
        assert statuses.read(STATUS_URI, 7, now, trust) is StatusValue.VALID
    assert not (place / NEXT_STATUS_KEY).exists()
    assert open_issuer(place).status.public.thumbprint == announced.thumbprint


def test_status_key_nobody_announced(place: Path) -> None:
    """A key that no trust list can name yet is not put in use."""
    with pytest.raises(InputError, match="announced"):
        rotate_status_key(place, now=NOW)


def rotated(folder: Path) -> str:
    """The whole change of the status key, from announcing to use."""
    announce_status_key(folder)
    return rotate_status_key(folder, now=NOW).thumbprint


def test_status_key_change_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the database refuses the change, the folder goes on with the old key, and may try again."""
    old = open_issuer(place).status.public.thumbprint

    def crowd(*_: object) -> None:
        raise InputError("too many keys of this status service still count", code="input.status-key")

    announce_status_key(place)
    with monkeypatch.context() as patched, pytest.raises(InputError, match="too many"):
        patched.setattr(service_module, "refuse_crowd", crowd)
        rotate_status_key(place, now=NOW)
    status = open_issuer(place).status
    assert status.public.thumbprint == old and status.token(NOW)
    status.close()
    assert rotated(place) == open_issuer(place).status.public.thumbprint != old


@pytest.mark.parametrize("breaks", ["write_private", "unlink"])
@pytest.mark.parametrize("announced", [False, True])
def test_status_key_change_cut_short(
    place: Path, breaks: str, announced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken off after database or key file, the old key signs nothing, and doing it again ends it."""
    old = open_issuer(place).status.public.thumbprint
    new = announce_status_key(place).thumbprint

    def broken(*_: object, **__: object) -> None:
        raise OSError("power cut")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="power cut"):
        target = issuer_rotation if breaks == "write_private" else Path
        patched.setattr(target, breaks, broken)
        rotate_status_key(place, now=NOW)
    status = open_issuer(place).status
    if breaks == "write_private":
        assert status.public.thumbprint == old and status.retired()
        with pytest.raises(StoreUnavailable, match="retired"):
            status.token(NOW)
    status.close()
    if announced:
        new = announce_status_key(place).thumbprint
    assert rotate_status_key(place, now=NOW).thumbprint == new
    status = open_issuer(place).status
    assert status.public.thumbprint == new and not status.retired() and status.token(NOW)
    status.close()
    assert rotated(place) == open_issuer(place).status.public.thumbprint != new


class TestStatusRollback:
    """An old status database put back brings nobody's consent back."""

    @staticmethod
    def flipped_since_backup(place: Path, tmp_path: Path, how: str) -> int:
        """One entry, allotted before the database was copied and flipped after."""
        key = SigningKey.generate()
        status = open_status_office(place)
        (idx,) = status.allot([Signatory(key.public)])
        status.close()
        shutil.copy(place / STATUS_DB, tmp_path / "yesterday")
        if how == "withdraw":
            status = open_status_office(place)
            status.withdraw(jws(idx, key, uri=STATUS_URI))
            status.close()
        else:
            open_desk(place, clock=Clock()).revoke(idx)
        return idx

    @pytest.mark.parametrize("how", ["withdraw", "revoke"])
    def test_old_database_opens_for_nothing(self, place: Path, tmp_path: Path, how: str) -> None:
        """Neither desk nor status list opens on it, and the error says what to do; the newest one serves."""
        self.flipped_since_backup(place, tmp_path, how)
        newest = (place / STATUS_DB).read_bytes()
        shutil.copy(tmp_path / "yesterday", place / STATUS_DB)
        for opening in (open_status_office, lambda folder: open_desk(folder, clock=Clock())):
            with pytest.raises(StoreUnavailable) as error:
                opening(place)
            assert error.value.code == "check.status-rollback" and "newest" in error.value.remedy
        (place / STATUS_DB).write_bytes(newest)
        assert open_status_office(place).changes() == 1

    def test_old_database_under_a_running_service(self, place: Path, tmp_path: Path) -> None:
        """A service that has signed nothing since is stopped at its next signing."""
        running = open_status_office(place)
        assert running.token(NOW)
        mark = Store.open(place / REGISTER_DB)
        keep_mark(mark, 7)  # seven flips, as another process counted them in the newest file
        with pytest.raises(StoreUnavailable) as error:
            running.token(NOW + DAY)
        assert error.value.code == "check.status-rollback"

    def test_flip_by_another_process_while_signing(
        self, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A count that was overtaken between reading and telling is read again, not taken for an old file."""
        one, two = open_status_office(place), open_status_office(place)
        (idx,) = two.allot([Signatory(SigningKey.generate().public)])
        read, rest = one._changes, [lambda: two.revoke(idx)]

        def overtaken() -> int:
            found = read()
            if rest:
                rest.pop()()
            return found

        monkeypatch.setattr(one, "_changes", overtaken)
        claims = unverified(one.token(NOW), limit=1 << 20)[1]
        bits = inflate(claims["status_list"]["lst"])  # type: ignore[index, call-overload, arg-type]
        assert bits[idx // 8] >> (idx % 8) & 1

    def test_mark_that_cannot_be_written(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without the mark nothing is signed; a withdrawal taken in stays, and the next signing counts it."""
        status = open_status_office(place)
        (idx,) = status.allot([Signatory(SigningKey.generate().public)])

        def broken(*_: object) -> None:
            raise StoreUnavailable("the disk is full")

        with monkeypatch.context() as patched:
            patched.setattr(Store, "raise_mark", broken)
            for act in (lambda: status.revoke(idx), lambda: status.token(NOW)):
                with pytest.raises(StoreUnavailable, match="full"):
                    act()
        status.close()
        status = open_status_office(place)
        assert status.changes() == 1 and status.token(NOW)
