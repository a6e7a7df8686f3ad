"""The status server: the list out, withdrawals in, and nothing else told to anybody."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator, Mapping

import pytest
from consent_world import NOW, STATUS_URI
from soft_authenticator import SoftAuthenticator
from status_world import StatusWorld, jws, withdrawal

from consent_edit.consent.grant import WITHDRAWAL_TYP
from consent_edit.consent.jose import MAX_TOKEN
from consent_edit.consent.keys import SigningKey
from consent_edit.consent.signatory import Signatory
from consent_edit.consent.status import server as status_server
from consent_edit.consent.status.bounded_reader import BoundedReader
from consent_edit.consent.status.lists import StatusLists, StatusValue
from consent_edit.consent.status.server import StatusServer
from consent_edit.consent.status.service import IssuerStatus
from consent_edit.errors import InputError

PATH = "/status/1"
V = StatusValue


class Answer:
    """What the server said."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.code = response.status
        self.headers = response.headers
        self.body = response.read()

    def told(self) -> tuple[int, list[tuple[str, str]], bytes]:
        """All of it but the time of day."""
        return self.code, [each for each in self.headers.items() if each[0] != "Date"], self.body


class Served:
    """A world whose status service is on the network."""

    def __init__(self, world: StatusWorld, server: StatusServer) -> None:
        self.world = world
        self.server = server

    def ask(self, method: str = "GET", path: str = PATH, body: bytes | str = b"", **headers: str) -> Answer:
        """One request."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        try:
            connection.request(method, path, body or None, named)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def post(self, token: str, path: str = PATH, kind: str = "application/jwt") -> Answer:
        """Send a withdrawal."""
        return self.ask("POST", path, token, Content_Type=kind)

    def raw(self, data: bytes) -> bytes:
        """Send these very bytes; what came back until the server closed."""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as peer:
            peer.sendall(data)
            return b"".join(iter(lambda: peer.recv(65536), b""))


@pytest.fixture
def served() -> Iterator[Served]:
    """A served world."""
    world = StatusWorld()
    with StatusServer(world.status, clock=world.clock) as server:
        yield Served(world, server)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """One that waits a fifth of a second and serves one connection at a time."""
    monkeypatch.setattr(status_server, "MAX_CONNECTIONS", 1)
    world = StatusWorld()
    with StatusServer(world.status, clock=world.clock, patience=0.2) as server:
        yield Served(world, server)


def test_the_list_is_served_and_read(served: Served) -> None:
    """What comes is the signed list, for caches to keep a third of its time, and with no banner."""
    idx = served.world.allot()
    answer = served.ask()
    assert answer.code == 200
    assert answer.headers["Content-Type"] == "application/statuslist+jwt"
    assert answer.headers["Cache-Control"] == "public, max-age=20"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Server" not in answer.headers
    statuses = StatusLists({STATUS_URI: lambda _: answer.body.decode()})
    assert statuses.read(STATUS_URI, idx, NOW, served.world.trust) is V.VALID


def test_only_the_head(served: Served) -> None:
    """HEAD gives the same head as GET, and no body."""
    assert served.raw(f"HEAD {PATH} HTTP/1.1\r\n\r\n".encode()).endswith(b"\r\n\r\n")
    head, whole = served.ask("HEAD"), served.ask()
    assert (head.told()[:2], head.body) == (whole.told()[:2], b"")


def test_withdrawals_are_taken_in(served: Served) -> None:
    """A child's and a guardian's withdrawal, by key and passkey, are in the next list; again is harmless."""
    world, parent = served.world, SoftAuthenticator.make()
    owners = (Signatory(world.person.public), Signatory(parent.key, parent.passkey))
    one, two = world.allot(*owners), world.allot(*owners)
    requests = [
        jws(one, world.person),
        parent.sign(withdrawal(two).payload(), typ=WITHDRAWAL_TYP),
        jws(one, world.person),
    ]
    for request in requests:
        answer = served.post(request + "\n")
        assert (answer.code, answer.body, answer.headers["Content-Length"]) == (204, b"", None)
    statuses = StatusLists({STATUS_URI: lambda _: served.ask().body.decode()})
    assert [statuses.read(STATUS_URI, i, NOW, world.trust) for i in (one, two)] == [V.REVOKED] * 2


def test_a_stranger_asks_which_entries_exist(served: Served) -> None:
    """Whatever is refused is refused in the same words, whether the entry exists or not."""
    idx = served.world.allot()
    free = next(i for i in range(1024) if i != idx)
    stranger = SigningKey.generate()
    told = [
        served.post(token).told()
        for token in (
            jws(idx, stranger),
            jws(free, stranger),
            jws(2000, stranger),
            jws(idx, served.world.person, uri="https://elsewhere.example/1"),
            "no token",
            "\xe4\xf6",
        )
    ]
    assert all(each == told[0] for each in told)
    assert told[0] == (400, [("Content-Length", "0")], b"")


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
@pytest.mark.parametrize(
    "path",
    ["/", "/status", "/status/", "/status/1/", "/status/2", "/status/../status/1", "/status/1?x=1", "*"],
)
def test_no_other_path_is_there(served: Served, method: str, path: str) -> None:
    """No folder is listed, and no path but the list's own answers."""
    answer = served.ask(method, path, Content_Type="application/jwt")
    assert (answer.code, answer.body) == (404, b"")


def test_the_past_is_not_told(served: Served) -> None:
    """Who asks for the status of another time is told that it is not to be had."""
    assert served.ask(path=f"{PATH}?time=1").code == 501


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "<script>"])
def test_no_other_method_is_there(served: Served, method: str) -> None:
    """Other methods get a code, and no page that repeats what was sent."""
    answer = served.ask(method)
    assert (answer.code, answer.body, answer.headers["Server"]) == (501, b"", None)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content-Length": str(MAX_TOKEN + 1)}, 413),
        ({"Content-Length": "9" * 19}, 413),
        ({"Content-Length": "9" * 400}, 400),
        ({"Content-Length": "-1"}, 400),
        ({"Content-Length": "+5"}, 400),
        ({"Content-Length": "\u00b2"}, 400),
        ({"Content-Length": "5, 5"}, 400),
        ({}, 400),
        ({"Transfer-Encoding": "chunked"}, 400),
        ({"Content-Length": "5", "Content-Type": "text/plain"}, 400),
    ],
    ids=[
        "too long",
        "very long",
        "absurd",
        "negative",
        "signed",
        "squared",
        "two",
        "none",
        "chunked",
        "text",
    ],
)
def test_a_body_of_doubtful_length(served: Served, headers: Mapping[str, str], code: int) -> None:
    """A body that is too long, or whose length is not said once and plainly, is not read."""
    told = {"Content-Type": "application/jwt", **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    answer = served.raw(f"POST {PATH} HTTP/1.1\r\n{lines}\r\n".encode("latin-1"))
    assert answer.startswith(f"HTTP/1.0 {code} ".encode())


def test_two_lengths_smuggle_no_second_request(served: Served) -> None:
    """Two lengths are refused, and what stands behind a body is not taken for a request."""
    told = f"POST {PATH} HTTP/1.1\r\nContent-Type: application/jwt\r\n"
    answer = served.raw(f"{told}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx".encode())
    assert answer.startswith(b"HTTP/1.0 400 ")
    behind = f"{told}Connection: keep-alive\r\nContent-Length: 1\r\n\r\nxGET {PATH} HTTP/1.1\r\n\r\n"
    assert served.raw(behind.encode()).count(b"HTTP/1.0") == 1


def test_a_body_in_chunks_under_a_length(served: Served) -> None:
    """A body whose end two parsers would see in two places is refused, even if it reads as a withdrawal."""
    idx = served.world.allot()
    request = jws(idx, served.world.person)
    lengths = f"Content-Length: {len(request)}\r\nTransfer-Encoding: chunked\r\n"
    head = f"POST {PATH} HTTP/1.1\r\nContent-Type: application/jwt\r\n{lengths}\r\n"
    assert served.raw((head + request).encode()).startswith(b"HTTP/1.0 400 ")
    assert served.post(request).code == 204


def test_a_request_that_is_none(served: Served) -> None:
    """Garbage gets a code and none of itself back."""
    for garbage in (b"<script>\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x00\xa5\r\n\r\n"):
        answer = served.raw(garbage)
        assert b"script" not in answer
        assert b"<" not in answer


def test_a_service_that_broke(served: Served) -> None:
    """A service whose file is gone is unavailable, and says no more."""
    idx = served.world.allot()
    served.world.status.close()
    assert served.ask().told()[0] == 503
    assert served.post(jws(idx, served.world.person)).told() == (503, [("Content-Length", "0")], b"")


def test_a_slow_loris(impatient: Served) -> None:
    """A peer that never ends its request is cut off, and the next is served."""
    for start in (
        b"GET ",
        b"GET / HTTP/1.1\r\nX: ",
        f"POST {PATH} HTTP/1.1\r\nContent-Length: 9\r\n".encode(),
    ):
        assert impatient.raw(start) == b""
    kind = b"Content-Type: application/jwt\r\nContent-Length: 9\r\n\r\nhalf"
    assert impatient.raw(f"POST {PATH} HTTP/1.1\r\n".encode() + kind) == b""
    until_served(impatient)


def test_a_head_without_end(served: Served) -> None:
    """A peer that sends header after header is cut off once it has said too much, without an answer."""
    lines = b"".join(b"X-%d: %s\r\n" % (n, b"a" * 60_000) for n in range(3))
    try:
        answer = served.raw(f"GET {PATH} HTTP/1.1\r\n".encode() + lines + b"\r\n")
    except OSError:  # the connection was reset while this end was still sending
        answer = b""
    assert answer == b""
    assert served.ask().code == 200


def test_more_connections_than_places(impatient: Served) -> None:
    """While every place is taken a further peer is closed unheard, and the place is free again afterwards."""
    with socket.create_connection(("127.0.0.1", impatient.server.port), timeout=30) as first:
        first.sendall(b"GET ")
        try:
            answer = impatient.raw(f"GET {PATH} HTTP/1.1\r\n\r\n".encode())
        except OSError:  # reset while this end was still sending
            answer = b""
        assert answer == b""
        assert first.recv(1) == b""
    until_served(impatient)


def until_served(served: Served) -> None:
    """Ask until a place is free; a peer that was cut off frees its place a moment later."""
    for _ in range(1000):
        try:
            assert served.ask().code == 200
        except (OSError, http.client.HTTPException):
            continue
        return
    pytest.fail("no place became free")


def test_threads_that_cannot_be_had(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """When no thread can be started the peer is closed, and its place is given back."""
    start = threading.Thread.start

    def refusing(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refusing)
    for _ in range(status_server.MAX_CONNECTIONS + 1):
        assert served.raw(b"") == b""
    monkeypatch.setattr(threading.Thread, "start", start)
    assert served.ask().code == 200


def test_an_address_that_is_taken(served: Served) -> None:
    """Where something listens already, or no such address is, nothing is served."""
    for host, port in (("127.0.0.1", served.server.port), ("192.0.2.1", 0), ("127.0.0.1", 70_000)):
        with pytest.raises(InputError):
            StatusServer(served.world.status, clock=served.world.clock, host=host, port=port)


def test_a_list_at_the_root_and_over_ipv6() -> None:
    """A uri without a path is served at the root, on either family of addresses."""
    status = IssuerStatus("https://issuer.example", SigningKey.generate(), size=64)
    server = StatusServer(status, clock=lambda: NOW)
    assert server._server.path == "/"
    server.close()
    try:
        server = StatusServer(status, clock=lambda: NOW, host="::1")
    except InputError:
        pytest.skip("this machine has no IPv6")
    assert server._server.socket.family == socket.AF_INET6
    server.close()


class Dribbling:
    """A socket that has one more byte whenever it is asked."""

    def __init__(self, then: Callable[[], None]) -> None:
        self.then = then
        self.timeouts: list[float] = []

    def settimeout(self, seconds: float) -> None:
        self.timeouts.append(seconds)

    def recv_into(self, view: memoryview, count: int) -> int:
        self.then()
        view[:1] = b"a"
        return 1


def test_a_peer_that_dribbles() -> None:
    """A byte now and then buys no time: the deadline is for all of them."""
    clock = [0.0]
    peer = Dribbling(lambda: clock.__setitem__(0, clock[0] + 3))
    reader = BoundedReader(peer, until=10, budget=99, ticks=lambda: clock[0])  # type: ignore[arg-type]
    assert reader.readable()
    with pytest.raises(TimeoutError):
        reader.readall()
    assert peer.timeouts == [10, 7, 4, 1]


def test_a_peer_that_never_ends() -> None:
    """No more is read than the budget."""
    peer = Dribbling(lambda: None)
    reader = BoundedReader(peer, until=10, budget=5, ticks=lambda: 0)  # type: ignore[arg-type]
    with pytest.raises(TimeoutError):
        reader.readall()
    assert len(peer.timeouts) == 5
