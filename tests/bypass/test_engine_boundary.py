"""A hostile host on the engine's socket gets released bytes or a refusal, no more, and breaks nothing."""

from __future__ import annotations

import base64
import json
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from engine_doors import answer, door
from engine_worlds import EngineWorld
from fake_perception import picture
from light_pipeline import expected

from consent_edit.encoding import b64url_encode
from consent_edit.errors import EditRefused, InputError, ReceiptInvalid, Unavailable
from consent_edit.evidence.finish import OUTPUT_LIMITS
from consent_edit.evidence.keys import PRIVATE_KEY_FILE, load_receipt_key
from consent_edit.evidence.verify import verify_receipt
from consent_edit.intake.decode import decode
from consent_edit.pipelines.engine import frames, place
from consent_edit.pipelines.engine.client import EngineClient
from consent_edit.pipelines.engine.conversation import Patience
from consent_edit.pipelines.engine.messages import MAX_ASKED, MAX_PICTURE
from consent_edit.pipelines.engine.process import EngineDeadlines, EngineProcess
from consent_edit.pipelines.engine.server import Bounds, EngineServer
from consent_edit.pipelines.engine.translation import asked
from consent_edit.request import EditResult

FILE = EditResult(released=b"released", receipt="{}", decision_id="d")
IMPATIENT = Bounds(connections=8, patience=Patience(ask=1.0, take=5.0))


class Editor:
    """Counts what reaches it."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    def edit(self, request, *, cancelled, progress):
        self.asked.append(request)
        return FILE


@pytest.fixture
def editor() -> Editor:
    return Editor()


@pytest.fixture
def engine(editor):
    with door(editor, bounds=IMPATIENT) as opened:
        yield opened


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = EngineWorld.make(tmp_path_factory.mktemp("world"))
    with made.published():
        yield made


@pytest.fixture(scope="module")
def process(world):
    """A real engine, shared; every test leaves it able to serve."""
    with EngineProcess(world.setup(), deadlines=EngineDeadlines(edit=5.0, silence=20.0)) as running:
        yield running


@pytest.fixture
def good(world):
    world.publish()
    return world.request()


def whole(request) -> bytes:
    """A request as it goes over the wire."""
    head, parts = asked(request)
    return frames.framed(head) + b"".join(bytes(part) for part in parts)


def changed(request, **changes: object) -> bytes:
    """The same with members of its head replaced (``...`` drops one), framed well."""
    data = whole(request)
    length = struct.unpack("!I", data[4:8])[0]
    head = json.loads(data[8 : 8 + length]) | changes
    text = json.dumps({name: value for name, value in head.items() if value is not ...}).encode()
    return data[:4] + struct.pack("!I", len(text)) + text + data[8 + length :]


def framed(text: bytes) -> bytes:
    """A head of any text."""
    return frames.MAGIC + struct.pack("!I", len(text)) + text


class Boom:
    def __reduce__(self):
        return os._exit, (3,)


FORGERIES = {
    "nothing": lambda good: b"",
    "noise": lambda good: os.urandom(4096),
    "a pickle": lambda good: pickle.dumps(Boom()),
    "a pickle in a frame": lambda good: framed(pickle.dumps(Boom())),
    "http": lambda good: b"POST /v1/images/edits HTTP/1.1\r\nHost: x\r\n\r\n",
    "a giant head": lambda good: frames.MAGIC + struct.pack("!I", 2**32 - 1),
    "a head over the bound": lambda good: frames.MAGIC + struct.pack("!I", MAX_ASKED + 1) + b"{",
    "an empty head": lambda good: framed(b""),
    "no JSON": lambda good: framed(b"{'type': 'edit'}"),
    "a list": lambda good: framed(b"[1]"),
    "nested JSON": lambda good: framed(b"[" * 100_000),
    "NaN": lambda good: changed(good, settings={"x": float("nan")}),
    "half a character": lambda good: changed(good, prompt="\ud800"),
    "a name twice": lambda good: whole(good).replace(b'"grantee":', b'"grantee":"a","grantee":', 1),
    "another kind": lambda good: changed(good, type="assess"),
    "no kind": lambda good: changed(good, type=...),
    "a field more": lambda good: changed(good, policy="allow"),
    "a clearance": lambda good: changed(good, clearance={"decision": "allow"}),
    "a field less": lambda good: changed(good, mask=...),
    "a number for a text": lambda good: changed(good, prompt=7),
    "a text for a list": lambda good: changed(good, operations="tone"),
    "an unknown operation": lambda good: changed(good, operations=["undress"]),
    "an unknown purpose": lambda good: changed(good, purpose="any"),
    "an unknown format": lambda good: changed(good, file_format="exe"),
    "a list for a setting": lambda good: changed(good, settings={"x": {"y": [1]}}),
    "a setting's object": lambda good: changed(good, settings={"x": {"seed": 1, "device": "cuda"}}),
    "many settings": lambda good: changed(good, settings={str(n): n for n in range(65)}),
    "many presentations": lambda good: changed(good, presentations=["x"] * 65),
    "many pictures": lambda good: changed(
        good, pictures={str(n): [{"length": 1}] for n in range(9)}
    ),
    "a negative length": lambda good: changed(good, image={"length": -1}),
    "a length beyond a picture": lambda good: changed(good, image={"length": MAX_PICTURE + 1}),
    "lengths beyond a request": lambda good: changed(
        good, image={"length": MAX_PICTURE}, pictures={"x": [{"length": MAX_PICTURE}] * 8}
    ),
    "pixels that do not fit": lambda good: changed(good, image={"length": 12, "width": 4, "height": 4}),
    "a length that is a float": lambda good: changed(good, image={"length": 5.0}),
    "a length that is a text": lambda good: changed(good, image={"length": "5"}),
    "half a picture": lambda good: whole(good)[:-10],
    "half a head": lambda good: whole(good)[:40],
    "half a beginning": lambda good: whole(good)[:3],
    "a picture that never comes": lambda good: changed(good, image={"length": MAX_PICTURE}),
}  # fmt: skip


@pytest.mark.parametrize("what", FORGERIES)
def test_what_is_no_request(engine, editor, good, what):
    """Forged, malformed, oversized or cut short: the line is closed, nothing runs, and the engine lives."""
    assert engine.silent(FORGERIES[what](good))
    assert editor.asked == []
    assert engine.client.edit(good).released == FILE.released


def test_control_a_well_framed_request_runs(engine, editor, good):
    """The frames that the forgeries are made from are taken when nothing is changed."""
    with engine.line(changed(good)) as line:
        head, data = answer(line)
    assert (head.type, data, len(editor.asked)) == ("released", FILE.released, 1)


def test_slow_loris(engine, editor, good):
    """A host that sends a byte now and then is let go when its time is up, however often it does."""
    data, begun = whole(good), time.monotonic()
    with engine.line() as line:
        sent = 0
        try:
            while time.monotonic() - begun < 10:
                line.sendall(data[sent : sent + 1])
                sent += 1
                time.sleep(0.02)
        except OSError:
            pass
    assert sent < len(data) and editor.asked == [] and time.monotonic() - begun < 8
    assert engine.client.edit(good).released == FILE.released


def test_memory_that_is_only_declared(good):
    """Lengths that are declared and never sent take no memory, and no more is promised than there is."""
    peak = changed(good, image={"length": MAX_PICTURE})
    patient = Bounds(patience=Patience(ask=4.0), memory=2 * MAX_PICTURE + 5_000_000)
    with door(Editor(), bounds=patient) as engine:
        lines = [engine.line(peak) for _ in range(3)]
        told = [line.recv(8) for line in lines]
        assert sorted(bool(one) for one in told) == [False, False, True]  # one was told that it is busy
        for line in lines:
            line.close()
        assert engine.client.edit(good).released == FILE.released


def test_flood_of_connections(engine, editor, good):
    """Beyond the connections taken hosts are turned away at once; afterwards all are served again."""
    lines = [engine.line() for _ in range(40)]
    busy = 0
    for line in lines:
        data = line.recv(4096)
        busy += b"check.engine-busy" in data
        line.close()
    assert busy >= 32 and editor.asked == []
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            assert engine.client.edit(good).released == FILE.released
            return
        except Unavailable:
            time.sleep(0.05)
    pytest.fail("nobody is served any more")


def test_another_user(editor, good):
    """A process of a user who may not ask is hung up on before it says a word."""
    with door(editor, uids=(os.geteuid() + 1,)) as engine:
        with engine.line() as line:
            assert line.recv(1) == b""
        with pytest.raises(Unavailable):
            engine.client.edit(good)
    assert editor.asked == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act for another user")
def test_another_user_for_real(editor, good):
    """The kernel says who asks: a child of another user is refused though it can reach the socket."""
    with door(editor) as engine:
        engine.path.parent.parent.chmod(0o755)
        engine.path.parent.chmod(0o755)
        engine.path.chmod(0o666)
        child = os.fork()
        if child == 0:  # nothing but system calls from here on
            heard = b"?"
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                line = socket.socket(socket.AF_UNIX)
                line.connect(str(engine.path))
                heard = line.recv(10)
            finally:
                os._exit(0 if heard == b"" else 1)
        assert os.waitpid(child, 0)[1] == 0
    assert editor.asked == []


def test_socket_others_cannot_reach(tmp_path):
    """The socket is its owner's alone, in a folder that is its owner's alone."""
    path = tmp_path / "own" / "engine.sock"
    with place.listening(path):
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        with pytest.raises(InputError):
            place.listening(path)  # a second engine does not take the first one's place


@pytest.mark.parametrize("what", ["open folder", "a file", "a link", "a long path"])
def test_places_that_are_not_the_engines_own(tmp_path, what):
    """Where others could put a socket of theirs, or something else lies, no engine listens."""
    folder = tmp_path / "own"
    folder.mkdir(mode=0o700)
    path = folder / "engine.sock"
    if what == "open folder":
        (folder / "another").touch()
        folder.chmod(0o777)
    elif what == "a file":
        path.write_text("kept")
    elif what == "a link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path = folder / ("x" * 120)
    with pytest.raises(InputError) as refused:
        place.listening(path)
    assert refused.value.code == "input.socket"
    assert what != "a file" or path.read_text() == "kept"


def test_dead_engines_socket_is_replaced(tmp_path):
    """A socket that nobody listens on any more is no obstacle."""
    path = tmp_path / "own" / "engine.sock"
    place.listening(path).close()
    place.listening(path).close()


@pytest.fixture
def recorded(process, world, monkeypatch):
    """Every byte that the host gets from the engine."""
    heard: list[bytes] = []
    genuine = frames.receive

    def receive(*arguments):
        data = genuine(*arguments)
        heard.append(data)
        return data

    monkeypatch.setattr(frames, "receive", receive)
    world.publish()
    return heard


def test_host_holds_nothing(process, world, recorded):
    """Refused, withdrawn or released: no key, policy, exact reason, template or path reaches the host."""
    process.edit(world.consented())
    withdrawn = world.grant()
    world.person.withdraw(withdrawn)
    world.publish()
    for request in (world.request(), world.request(presentations=(withdrawn.presentation(),))):
        with pytest.raises(EditRefused):
            process.edit(request)
    with pytest.raises(Unavailable):
        process.edit(world.consented("x raise-running"))
    heard = b"".join(recorded)
    key = load_receipt_key(world.operator / PRIVATE_KEY_FILE).private_bytes_raw()
    template = next(iter(world.person.templates.values())).astype("<f2").tobytes()
    secrets = {
        *(key, key.hex().encode(), base64.b64encode(key), b64url_encode(key).encode()),
        *(template[:24], base64.b64encode(template[:24]), b64url_encode(template[:24]).encode()),
        *(
            b"revoked",
            b"withdr",
            b"forbid",
            b"permit",
            str(world.folder).encode(),
            b"Traceback",
            b"ValueError: ",
        ),
        *(json.loads((world.operator / "presentation-key.json").read_text())["d"].encode(),),
        withdrawn.jti.encode(),
    }
    assert not [secret for secret in secrets if secret in heard]
    assert b"consent.required" in heard


def test_withdrawn_reads_like_a_stranger(process, world):
    """Over the wire too nobody learns that somebody withdrew (G7)."""
    withdrawn = world.grant()
    world.person.withdraw(withdrawn)
    world.publish()
    told = []
    for request in (world.request(), world.request(presentations=(withdrawn.presentation(),))):
        with pytest.raises(EditRefused) as refused:
            process.edit(request)
        members = vars(refused.value)
        told.append({name: value for name, value in members.items() if name != "decision_id"})
    assert told[0] == told[1]


def test_host_replaces_the_result(process, world):
    """A host can show another picture than the one released; its receipt then does not hold."""
    world.publish()
    one, other = process.edit(world.consented()), process.edit(world.consented(seed=2))
    key = [load_receipt_key(world.operator / PRIVATE_KEY_FILE).public_key()]
    verify_receipt(one.receipt.encode(), key, one.released)
    with pytest.raises(ReceiptInvalid):
        verify_receipt(one.receipt.encode(), key, other.released)


def test_host_that_leaves_in_the_middle(process, world):
    """A host that asks and goes away gets nothing; its edit ends in the log, and the engine serves."""
    world.publish()
    store = world.store()
    size = store.log_state().size
    data = whole(world.consented("slowly", settings={"num_inference_steps": 60}))
    line = socket.socket(socket.AF_UNIX)
    line.connect(str(process.path))
    line.sendall(data)
    line.close()
    process.edit(world.consented())
    assert store.journal.open() == 0 and store.log_state().size >= size + 1
    assert process.starts >= 1
    store.close()


def lost_with(process, world, request) -> None:
    """The edit is lost with the engine, and the next one is served by another."""
    starts = process.starts
    with pytest.raises(Unavailable) as lost:
        process.edit(request)
    assert lost.value.code == "check.engine-lost"
    world.publish()
    assert process.edit(world.consented()).released
    assert process.starts == starts + 1


@pytest.mark.parametrize(
    ("fault", "broke"),
    [
        ("kill-running", "check.edit-lost"),
        ("kill-inside-commit", "check.edit-lost"),
        ("hang-running", "check.edit-lost"),
        ("kill-after-commit", ""),
        ("kill-before", None),
    ],
)
def test_engine_killed_in_the_middle(process, world, fault, broke):
    """Killed or hung at any point: the request is refused, the next start logs it once, no use is burnt."""
    world.publish()
    store = world.store()
    size = store.log_state().size
    grant = world.grant()
    request = world.request(f"x {fault}", presentations=(grant.presentation(),))
    lost_with(process, world, request)
    new = [one for one in store.decisions() if one.index >= size]
    assert store.journal.open() == 0
    if broke is None:  # nothing had been admitted
        assert [one.record["event"] for one in new] == ["release"]
    else:
        assert [one.record.get("broke_off", "") for one in new] == [broke, ""]
    assert world.uses(store, grant) == (1 if broke == "" else 0)
    store.close()


def test_killed_from_outside_while_it_runs(process, world):
    """However the engine is killed, a host that waits is told, and nothing half made reaches it."""
    world.publish()
    request = world.consented("slowly", settings={"num_inference_steps": 60})
    heard = []

    def step(number: int, total: int) -> None:
        heard.append(number)
        if number == 2:
            os.kill(process.pid, signal.SIGKILL)

    with pytest.raises(Unavailable) as lost:
        process.edit(request, progress=step)
    assert lost.value.code == "check.engine-lost" and heard[:2] == [1, 2]
    world.publish()
    assert process.edit(world.consented()).released
    store = world.store()
    assert store.journal.open() == 0
    store.close()


def test_what_is_released_is_what_was_checked(process, world):
    """Only pictures that the output checks looked at, and that show nobody else, reach the host."""
    world.publish()
    released = set()
    for seed in range(3):
        shown = decode(process.edit(world.consented(seed=seed)).released, limits=OUTPUT_LIMITS).image.digest
        assert shown == expected(picture(seed))
        released.add(shown)
    with pytest.raises(EditRefused):
        process.edit(world.consented("stranger", seed=9))
    assert released <= world.lines("checked.txt") and world.lines("forbidden.txt")
    assert not released & world.lines("forbidden.txt")


def test_engine_knows_nothing_of_the_hosts_environment(process, monkeypatch):
    """The engine starts with a bare environment: no token of the host's is in it."""
    told = Path(f"/proc/{process.pid}/environ").read_bytes()
    names = {entry.partition(b"=")[0] for entry in told.split(b"\0") if entry}
    assert names <= {
        *(b"PATH", b"LD_LIBRARY_PATH", b"DYLD_LIBRARY_PATH", b"TMPDIR", b"LANG", b"LC_ALL"),
        *(b"CUDA_VISIBLE_DEVICES", b"NVIDIA_VISIBLE_DEVICES", b"HOME", b"XDG_CACHE_HOME"),
        *(b"CONSENT_EDIT_MODELS", b"OMP_NUM_THREADS", b"HF_HUB_OFFLINE"),
    }


def test_host_ends_and_the_engine_with_it(world, tmp_path):
    """An engine whose keeper was killed leaves by itself: no editor is left that nobody watches."""
    code = (
        "import sys, time; sys.path[:0] = sys.argv[3].split(':')\n"
        "from pathlib import Path\n"
        "from engine_worlds import EngineWorld\n"
        "from consent_edit.pipelines.engine.process import EngineProcess\n"
        "from consent_edit.pipelines.engine.setup import EngineSetup\n"
        "setup = EngineSetup(editor='engine_worlds:editor', arguments=(sys.argv[1],))\n"
        "e = EngineProcess(setup, Path(sys.argv[2]))\n"
        "sys.stdout.write(str(e.pid) + chr(10)); sys.stdout.flush(); time.sleep(600)\n"
    )
    roots = f"{Path(__file__).parents[1]}:{Path(__file__).parents[2]}"
    keeper = subprocess.Popen(
        [sys.executable, "-c", code, str(world.folder), str(tmp_path / "own" / "e.sock"), roots],
        stdout=subprocess.PIPE,
        text=True,
    )
    pid = int(keeper.stdout.readline())
    keeper.kill()
    keeper.wait()
    keeper.stdout.close()
    until = time.monotonic() + 20
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < until, "the engine outlived its keeper"
        time.sleep(0.05)


def test_threads_do_not_pile_up(engine, good):
    """Connections that came to nothing leave no thread behind."""
    for _ in range(20):
        engine.silent(b"x" * 8)
    time.sleep(0.2)
    assert sum(thread.name == "engine-host" for thread in threading.enumerate()) <= 2
    assert isinstance(engine.server, EngineServer) and isinstance(engine.client, EngineClient)
