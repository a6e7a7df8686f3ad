"""Hot reload: a good change is taken up; whatever else becomes of the file, the last good policy stays."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from consent_edit.errors import CheckFailed, PolicyInvalid
from consent_edit.policy import policy_file as module
from consent_edit.policy import rehearsal
from consent_edit.policy.bundle import Narrowing, PolicyBundle
from consent_edit.policy.decision import decide, meet
from consent_edit.policy.policy_file import RETRY_S, PolicyFile
from consent_edit.policy.testing import benign, vary

PERMIT = '@id("all") @reason("r") permit (principal, action, resource);\n'
NO_HAIR = PERMIT + (
    '@id("no-hair") @reason("No hair.") forbid (principal, action, resource) '
    'when { context.operations.contains(Operation::"hair") };\n'
)
HAIR = vary(benign("input"), {"operations": ["hair"]})


class Clock:
    """The module's clock, moved by hand."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def pass_(self, seconds: float = 2.0) -> None:
        self.ahead += seconds

    def time_ns(self) -> int:
        return time.time_ns() + int(self.ahead * 1e9)

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(
        module, "time", SimpleNamespace(time_ns=made.time_ns, monotonic=made.monotonic), raising=True
    )
    return made


@pytest.fixture(autouse=True)
def _masked() -> Iterator[None]:
    """Files of these tests are their owner's alone, whatever the habits of this machine."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A good policy file in a folder."""
    file = tmp_path / "policy.cedar"
    file.write_text(PERMIT)
    return file


def settled(path: Path, clock: Clock, text: str | None = None) -> PolicyFile:
    """A file that is followed, and that changed to the text a while ago."""
    file = PolicyFile(path)
    clock.pass_()
    file.current()
    if text is not None:
        path.write_text(text)
        clock.pass_()
    return file


def test_a_good_change_is_taken_up(path: Path, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """From one second after the write on, every look gives the new policy, and one line says so."""
    caplog.set_level(logging.INFO, "consent_edit.policy")
    file = settled(path, clock)
    before = file.current()
    assert decide(HAIR, before).allowed
    path.write_text(NO_HAIR)
    clock.pass_()
    after = file.current()
    assert decide(HAIR, after).codes == ("policy.no-hair",)
    assert file.current() is after
    assert file.problem == ""
    (line,) = caplog.messages
    assert after.digest in line
    assert after.name == before.name == "policy"


def test_a_folder_is_followed(path: Path, clock: Clock) -> None:
    """The folder that holds policy.cedar will do, and gives the bundle its name."""
    file = settled(path.parent, clock)
    path.write_text(NO_HAIR)
    clock.pass_()
    assert not decide(HAIR, file.current()).allowed
    assert file.current().name == PolicyBundle.load(path.parent).name


def test_a_change_is_rehearsed(path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """What brings the child down is not taken up."""
    file = settled(path, clock)
    before = file.current()
    falls = "main.__globals__['compile_text'] = lambda text: __import__('os').abort(); main()"
    monkeypatch.setattr(rehearsal, "_BOOT", rehearsal._BOOT.replace("main()", falls))
    rehearsal._rehearsed.cache_clear()
    path.write_text(NO_HAIR)
    clock.pass_()
    assert file.current() is before
    assert "SIGABRT" in file.problem


def test_a_file_just_written_is_not_taken(path: Path, clock: Clock) -> None:
    """One second must have gone by since the last byte: a valid text may still lack its last rules."""
    file = settled(path, clock)
    path.write_text(NO_HAIR)
    clock.ahead = 0.0
    assert decide(HAIR, file.current()).allowed
    clock.pass_(0.5)
    assert decide(HAIR, file.current()).allowed
    clock.pass_(0.6)
    assert not decide(HAIR, file.current()).allowed


def test_a_slow_writer_is_waited_for(path: Path, clock: Clock) -> None:
    """Every further write starts the second anew; the half that was valid is never in force."""
    path.write_text(NO_HAIR)
    file = settled(path, clock)
    path.write_text(PERMIT)
    clock.ahead = 0.9
    assert not decide(HAIR, file.current()).allowed
    with path.open("a") as writing:
        writing.write("// more to come\n")
    clock.ahead = 0.95
    assert not decide(HAIR, file.current()).allowed
    path.write_text(NO_HAIR + "// done\n")
    clock.pass_()
    assert not decide(HAIR, file.current()).allowed


def test_a_date_that_lies_in_the_past_hurries_nothing(path: Path, clock: Clock) -> None:
    """Whoever sets the file's date back after a write still waits for the second."""
    file = settled(path, clock)
    path.write_text(NO_HAIR)
    os.utime(path, (1, 1))
    clock.ahead = 0.0
    assert decide(HAIR, file.current()).allowed


def test_a_date_that_lies_ahead_does_not_hold_a_change_up(path: Path, clock: Clock) -> None:
    """Then a second of our own watching counts."""
    file = settled(path, clock)
    path.write_text(NO_HAIR)
    os.utime(path, (4e9, 4e9))
    assert decide(HAIR, file.current()).allowed
    clock.pass_()
    assert not decide(HAIR, file.current()).allowed


def test_a_file_that_changes_while_it_is_read_is_not_taken(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The looks before and after must agree; what is then there is taken at a later time."""
    file = settled(path, clock)
    before = file.current()
    path.write_text(NO_HAIR)
    clock.pass_()
    real = os.fdopen

    def meanwhile(descriptor: int, mode: str) -> object:
        path.write_text(PERMIT + "// half")
        return real(descriptor, mode)

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "fdopen", meanwhile)
        assert file.current() is before
    assert file.problem == ""
    path.write_text(NO_HAIR)
    clock.pass_()
    assert not decide(HAIR, file.current()).allowed


def test_a_file_put_in_place_between_look_and_open_is_not_taken(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read is what was looked at, by inode, owner and mode; not what a swap put there."""
    file = settled(path, clock, NO_HAIR)
    before = file.current()
    path.write_text(NO_HAIR + "// again")
    clock.pass_()
    other = path.with_name("other")
    other.write_text(PERMIT)
    real = os.open

    def swapped(name: Path, flags: int) -> int:
        assert flags & os.O_NONBLOCK, "a pipe put in its place would be waited for"
        return real(other, flags)

    monkeypatch.setattr(module.os, "open", swapped)
    assert file.current() is before
    assert file.problem == ""


def vanish(path: Path) -> None:
    path.unlink()


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def link_to_a_loose_file(path: Path) -> None:
    path.unlink()
    loose = path.with_name("loose")
    loose.write_text(NO_HAIR)
    loose.chmod(0o666)
    path.symlink_to(loose)


def link_to_a_device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def group_writable(path: Path) -> None:
    path.write_text(NO_HAIR)
    path.chmod(0o664)


def world_writable(path: Path) -> None:
    path.write_text(NO_HAIR)
    path.chmod(0o646)


def text(content: str | bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return write


SPOILED: dict[str, Callable[[Path], None]] = {
    "vanished": vanish,
    "folder": folder,
    "fifo": fifo,
    "dangling-link": dangling,
    "link-loop": loop,
    "link-to-a-loose-file": link_to_a_loose_file,
    "link-to-a-device": link_to_a_device,
    "group-writable": group_writable,
    "world-writable": world_writable,
    "empty": text(""),
    "comment-only": text("// nothing\n"),
    "not-unicode": text(b"\xff\xfe" + NO_HAIR.encode()),
    "too-long": text(NO_HAIR + "//" + "x" * 65536),
    "cut-short": text(NO_HAIR[:-20]),
    "misspelt": text(NO_HAIR.replace("hair", "hare")),
    "no-reason": text(NO_HAIR.replace('@reason("No hair.")', "")),
    "nesting-bomb": text(NO_HAIR.replace("{", "{ " + "(" * 900)),
}


SAID = {"fifo": "regular", "link-to-a-device": "regular", "too-long": "bytes", "cut-short": "semicolon"}


@pytest.mark.parametrize("spoiled", sorted(SPOILED))
def test_a_spoiled_file_leaves_the_last_good_policy(
    spoiled: str, path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """The bundle stays, the problem and the next step are told, one warning is logged, a repair counts."""
    caplog.set_level(logging.INFO, "consent_edit.policy")
    file = settled(path, clock)
    before = file.current()
    SPOILED[spoiled](path)
    clock.pass_()
    for _ in range(3):
        assert file.current() is before
    assert str(path) in file.problem
    assert SAID.get(spoiled, "") in file.problem
    assert ". What to do: " in file.problem
    assert len(file.problem.partition(". What to do: ")[2]) > 20
    assert "\n" not in file.problem
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)
    path.write_text(NO_HAIR)
    clock.pass_()
    assert not decide(HAIR, file.current()).allowed
    assert file.problem == ""
    assert {record.levelname for record in caplog.records[1:]} <= {"INFO", "WARNING"}
    assert caplog.messages[-1].endswith("good again")


@pytest.mark.parametrize("spoiled", sorted(SPOILED))
def test_to_begin_with_the_file_must_be_good(spoiled: str, path: Path) -> None:
    """Without a last good policy there is none."""
    SPOILED[spoiled](path)
    with pytest.raises(PolicyInvalid):
        PolicyFile(path)


def test_a_path_that_is_none_is_refused() -> None:
    """Not even the system's own complaint about it gets out."""
    with pytest.raises(PolicyInvalid):
        PolicyFile(Path("a\0b"))


def test_somebody_elses_file_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It belongs to this process's owner or to root."""
    monkeypatch.setattr(module.os, "geteuid", lambda: os.getuid() + 1)
    if os.getuid() == 0:
        os.chown(path, 12345, 12345)
    with pytest.raises(PolicyInvalid, match="somebody else"):
        PolicyFile(path)


def test_at_the_start_no_rehearsal_is_an_error_of_its_own(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not the file's fault."""
    monkeypatch.setattr(rehearsal.sys, "executable", "/nonexistent")
    rehearsal._rehearsed.cache_clear()
    with pytest.raises(CheckFailed):
        PolicyFile(path)


def test_a_file_that_changes_at_the_start_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there must be there throughout."""
    real = os.open

    def meanwhile(name: Path, flags: int) -> int:
        path.write_text(NO_HAIR)
        return real(name, flags)

    monkeypatch.setattr(module.os, "open", meanwhile)
    with pytest.raises(PolicyInvalid, match="changed"):
        PolicyFile(path)


def test_a_swapped_link_is_followed_to_a_good_file(path: Path, clock: Clock) -> None:
    """A mounted configuration changes so: the link names another file, which is looked at like any."""
    (path.parent / "one").mkdir()
    (path.parent / "two").mkdir()
    (path.parent / "one" / "policy.cedar").write_text(PERMIT)
    (path.parent / "two" / "policy.cedar").write_text(NO_HAIR)
    link, fresh = path.parent / "now", path.parent / "next"
    link.symlink_to("one")
    file = settled(link, clock)
    assert decide(HAIR, file.current()).allowed
    fresh.symlink_to("two")
    fresh.rename(link)
    assert not decide(HAIR, file.current()).allowed


def test_the_same_rules_keep_the_bundle(path: Path, clock: Clock) -> None:
    """A comment more leaves the bundle, and what it remembers, in place; and it is read but once."""
    file = settled(path, clock)
    before = file.current()
    path.write_text("// said\n" + PERMIT.replace(" ", "  "))
    clock.pass_()
    assert file.current() is before
    taken = file._taken
    assert taken is not None
    assert taken.size == path.stat().st_size


def test_a_first_read_before_the_file_settled_is_repeated(path: Path, clock: Clock) -> None:
    """Two writes within one tick of the clock look alike, so what was read too early is read again."""
    file = PolicyFile(path)
    look = file._look()
    path.write_text(NO_HAIR)
    file._look = lambda: look  # type: ignore[method-assign]
    file._read = lambda look: path.read_text()  # type: ignore[method-assign]
    clock.pass_()
    assert not decide(HAIR, file.current()).allowed


def test_an_unchanged_file_costs_a_look(path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is neither opened nor compiled, nor waited for."""
    file = settled(path, clock)

    def reached(*_: object) -> None:
        raise AssertionError("it was opened")

    monkeypatch.setattr(module.os, "open", reached)
    file._lock.acquire()
    assert file.current().name == "policy"
    assert file.problem == ""


def test_a_state_that_failed_is_tried_again_later(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A busy machine can fail a good text: it is tried once, and again after a while, with one warning."""
    file = settled(path, clock, NO_HAIR)
    tried: list[str] = []
    real = PolicyBundle.foreign

    def fails(text: str, *, name: str) -> PolicyBundle:
        tried.append(text)
        raise RuntimeError("no memory") if len(tried) == 1 else CheckFailed("busy")

    monkeypatch.setattr(PolicyBundle, "foreign", fails)
    for _ in range(3):
        assert decide(HAIR, file.current()).allowed
    assert len(tried) == 1
    assert "RuntimeError" in file.problem
    clock.pass_(RETRY_S)
    file.current()
    assert len(tried) == 2
    assert len(caplog.records) == 1
    monkeypatch.setattr(PolicyBundle, "foreign", real)
    clock.pass_(RETRY_S)
    assert not decide(HAIR, file.current()).allowed
    assert file.problem == ""


def test_a_file_that_comes_back_as_it_was_is_good_again(path: Path, clock: Clock) -> None:
    """What is in force is what is there, so there is no problem left."""
    file = settled(path, clock)
    before, look = file.current(), file._look()
    file._look = lambda: "it is gone"  # type: ignore[method-assign]
    file.current()
    assert "it is gone" in file.problem
    file._look = lambda: look  # type: ignore[method-assign]
    assert file.current() is before
    assert file.problem == ""


def test_one_thread_loads_and_the_others_go_on(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a slow rehearsal nobody queues: the last good policy is answered meanwhile."""
    file = settled(path, clock, NO_HAIR)
    loading, go = threading.Event(), threading.Event()
    real, count = PolicyBundle.foreign, []

    def slow(text: str, *, name: str) -> PolicyBundle:
        count.append(1)
        loading.set()
        go.wait(60)
        return real(text, name=name)

    monkeypatch.setattr(PolicyBundle, "foreign", slow)
    found: list[PolicyBundle] = []
    loader = threading.Thread(target=lambda: found.append(file.current()))
    loader.start()
    assert loading.wait(60)
    others = [threading.Thread(target=lambda: found.append(file.current())) for _ in range(8)]
    for other in others:
        other.start()
    for other in others:
        other.join(60)
    assert len(found) == 8
    assert all(decide(HAIR, bundle).allowed for bundle in found)
    go.set()
    loader.join(60)
    assert not decide(HAIR, found[-1]).allowed
    assert len(count) == 1


@pytest.mark.parametrize(("old", "new"), [(PERMIT, NO_HAIR), (NO_HAIR, PERMIT)])
def test_an_edit_under_way_needs_the_old_policy_and_the_new(
    old: str, new: str, path: Path, clock: Clock
) -> None:
    """A change between admission and release can only narrow, in whichever direction it goes (G6)."""
    path.write_text(old)
    file = settled(path, clock)
    admission = decide(HAIR, file.current())
    path.write_text(new)
    clock.pass_()
    release = meet(admission, decide(HAIR, file.current()))
    assert release.codes == ("policy.no-hair",)
    assert {part.policy_digest for part in release.met} == {
        PolicyBundle.from_text(PERMIT).digest,
        PolicyBundle.from_text(NO_HAIR).digest,
    }


@pytest.mark.parametrize("spoiled", ["vanished", "misspelt", "world-writable"])
def test_an_edit_under_way_while_the_file_is_spoiled_keeps_its_policy(
    spoiled: str, path: Path, clock: Clock
) -> None:
    """What refused before refuses still."""
    path.write_text(NO_HAIR)
    file = settled(path, clock)
    admission = decide(HAIR, file.current())
    SPOILED[spoiled](path)
    clock.pass_()
    assert meet(admission, decide(HAIR, file.current())).codes == ("policy.no-hair",)


def test_a_change_that_clashes_with_a_jurisdiction_is_not_taken_up(path: Path, clock: Clock) -> None:
    """A rule named like the jurisdiction's would refuse every edit; the last good policy stays instead."""
    eu = Narrowing.jurisdiction("eu")
    taken = PolicyBundle.from_text(eu.text).texts[0].code.removeprefix("policy.")
    file = PolicyFile(path, [eu])
    first = file.current()
    path.write_text(PERMIT.replace('"all"', f'"{taken}"'))
    clock.pass_()
    assert file.current() is first
    assert "does not go with eu" in file.problem
    assert file.problem.endswith("another @id, or take the jurisdiction out")
    with pytest.raises(PolicyInvalid, match="does not go with eu"):
        PolicyFile(path, [eu])
