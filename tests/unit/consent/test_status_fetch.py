"""Fetching lists on schedule: over https, bounded, verified first, never backwards, and never for an edit."""

from __future__ import annotations

import datetime
import http.server
import ipaddress
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from consent_world import NOW, STATUS_URI
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from status_world import StatusWorld, trusting

from consent_edit.consent.keys import SigningKey
from consent_edit.consent.status import fetch as status_fetch
from consent_edit.consent.status.fetch import StatusFetcher, fetch_over_https, into_cache, into_folder
from consent_edit.consent.status.lists import StatusLists, StatusValue, folder_source, status_file_name
from consent_edit.consent.status.server import StatusServer
from consent_edit.consent.status.token import MAX_STATUS_TOKEN
from consent_edit.errors import ConsentEditError, ConsentInvalid, InputError, Unavailable

V = StatusValue
OTHER_URI = "https://issuer.example/status/2"


@dataclass
class Web:
    """A web server that answers what it is told to, byte for byte, and notes what it was asked."""

    answer: Callable[[str], bytes] = lambda _: b""
    asked: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    port: int = 0
    scheme: str = "http"
    first: bytes = b""
    send: Callable[[bytes], object] = lambda _: None

    def uri(self, path: str = "/1") -> str:
        """An address of it."""
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"


class Bytes(http.server.BaseHTTPRequestHandler):
    """Sends a :class:`Web`'s answer; then waits for the peer to go, if there was none."""

    web: Web

    def do_GET(self) -> None:
        self.web.asked.append(self.path)
        self.web.heads.append(str(self.headers))
        self.web.send = self.wfile.write
        self.wfile.write(self.web.first)
        data = self.web.answer(self.path)
        self.wfile.write(data)
        if not data.endswith(b"\r\n\r\n") and b"\r\n\r\n" not in data:
            self.rfile.read(1)

    def log_message(self, *_: object) -> None:
        pass


def ok(body: bytes | str, *headers: str) -> bytes:
    """A plain answer."""
    data = body.encode() if isinstance(body, str) else body
    lines = "".join(f"{line}\r\n" for line in (f"Content-Length: {len(data)}", *headers))
    return f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode() + data


def moved(to: str, code: int = 302) -> bytes:
    """A redirect."""
    return f"HTTP/1.1 {code} Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()


def serving(context: ssl.SSLContext | None = None) -> Iterator[Web]:
    """A web server in a thread."""
    web = Web(scheme="https" if context else "http")
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), type("Handler", (Bytes,), {"web": web, "timeout": 30})
    )
    server.daemon_threads, server.block_on_close = True, False
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    web.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield web
    server.shutdown()
    server.server_close()


@pytest.fixture
def web() -> Iterator[Web]:
    """A plain one."""
    yield from serving()


@pytest.fixture
def far() -> Iterator[Web]:
    """Another host, as far as ports make one."""
    yield from serving()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for this machine that nobody trusts yet, with its key."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")]),
    )
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=30))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + made.public_bytes(Encoding.PEM))
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[Web]:
    """One that speaks TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    yield from serving(context)


@pytest.fixture
def world() -> StatusWorld:
    """A status service and a verifier without sources."""
    return StatusWorld()


class TestOverTheNetwork:
    """fetch_over_https."""

    def test_what_stands_there_comes(self, web: Web) -> None:
        """The whole text comes, plain or in chunks; nothing that identifies anybody is sent."""
        web.answer = lambda path: (
            ok("a.b.c\n")
            if path == "/1?x=2"
            else b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na.\r\n3\r\nb.c\r\n0\r\n\r\n"
        )
        assert fetch_over_https(web.uri("/1?x=2")) == fetch_over_https(web.uri()) == "a.b.c"
        assert web.asked == ["/1?x=2", "/1"]
        told = web.heads[0].lower()
        assert "accept: application/statuslist+jwt" in told
        assert not {"cookie", "authorization", "user-agent", "referer"} & {
            line.partition(":")[0] for line in told.splitlines()
        }

    def test_the_environments_proxy_is_not_used(self, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
        """A proxy named in the environment sees nothing of what is asked."""
        for name in ("http_proxy", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        web.answer = lambda _: ok("a.b.c")
        assert fetch_over_https(web.uri()) == "a.b.c"

    def test_tls_with_a_certificate_that_is_trusted(self, secure: Web, certificate: Path) -> None:
        """Over TLS the list comes if the server's certificate is trusted and its own, and not otherwise."""
        secure.answer = lambda _: ok("a.b.c")
        trusting_it = ssl.create_default_context(cafile=str(certificate))
        assert fetch_over_https(secure.uri(), context=trusting_it) == "a.b.c"
        with pytest.raises(Unavailable):
            fetch_over_https(secure.uri())
        with pytest.raises(Unavailable):
            fetch_over_https(secure.uri().replace("127.0.0.1", "localhost"), context=trusting_it)

    def test_a_redirect_on_the_same_host(self, web: Web) -> None:
        """A list that moved on its own host is followed there, for three steps."""
        steps = {"/1": moved("/2"), "/2": moved("3", 308), "/3": moved(web.uri("/4"), 301), "/4": ok("a.b.c")}
        web.answer = steps.__getitem__
        assert fetch_over_https(web.uri()) == "a.b.c"
        steps["/4"] = moved("/1")
        with pytest.raises(Unavailable, match="without end"):
            fetch_over_https(web.uri())
        assert web.asked == ["/1", "/2", "/3", "/4"] * 2

    def test_a_redirect_to_another_host(self, web: Web, far: Web) -> None:
        """No redirect leads to another host or port, and nothing is asked there."""
        far.answer = lambda _: ok("a.b.c")
        for to in (far.uri(), f"//127.0.0.1:{far.port}/1", "https://elsewhere.example/1"):
            web.answer = lambda _, to=to: moved(to)
            with pytest.raises(Unavailable, match="redirects"):
                fetch_over_https(web.uri())
        assert far.asked == []

    def test_a_redirect_to_http(self, secure: Web, web: Web, certificate: Path) -> None:
        """No redirect leads from https to http, even on this machine, nor to a file or with credentials."""
        web.answer = lambda _: ok("a.b.c")
        context = ssl.create_default_context(cafile=str(certificate))
        for to in (
            web.uri(),
            f"http://127.0.0.1:{secure.port}/1",
            "http://elsewhere.example/1",
            "file:///etc/passwd",
            f"https://me:you@127.0.0.1:{secure.port}/1",
            f"https://127.0.0.1:{secure.port}/",
            "https://[::1/1",
            "",
        ):
            secure.answer = lambda _, to=to: moved(to)
            with pytest.raises(Unavailable, match=r"redirects|ValueError"):
                fetch_over_https(secure.uri(), context=context)
        assert web.asked == []

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\na.b.c",
            b"HTTP/1.1 304 Not Modified\r\n\r\n",
            b"HTTP/1.1 206 Partial\r\nContent-Length: 5\r\n\r\na.b.c",
            ok("a.b.c", "Content-Encoding: gzip"),
            ok(b"\xff\xfe"),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
            b"garbage\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"".join(b"X: %s\r\n" % (b"a" * 9000) for _ in range(101)) + b"\r\n",
            ok(b"a" * (MAX_STATUS_TOKEN + 1)),
            b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * (MAX_STATUS_TOKEN + 1),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" + b" " * 70_000 + b"\r\n",
        ],
        ids=[
            "missing",
            "not modified",
            "a part",
            "compressed",
            "no text",
            "bad chunk",
            "garbage",
            "too many headers",
            "too long",
            "endless",
            "endless chunk size",
        ],
    )
    def test_an_answer_that_is_none(self, web: Web, answer: bytes) -> None:
        """An error, a part, something compressed, shapeless or too long is no list."""
        web.answer = lambda _: answer
        with pytest.raises(Unavailable) as caught:
            fetch_over_https(web.uri())
        assert caught.value.code == "check.status-fetch"
        assert len(web.asked) == 1

    @pytest.mark.parametrize(
        "begun",
        [b"HTTP/1.1 200", b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n"],
        ids=["line", "none", "head"],
    )
    def test_a_slow_loris_server(self, web: Web, begun: bytes) -> None:
        """A server that never ends its answer is given up when the time is over."""
        web.answer = lambda _: begun
        with pytest.raises(Unavailable, match="Timeout"):
            fetch_over_https(web.uri(), seconds=0.2)

    def test_a_server_that_dribbles(self, web: Web) -> None:
        """A header now and then buys a server no time, though it would end one day."""

        def dribbled(_: str) -> bytes:
            for _ in range(60):
                web.send(b"X: y\r\n")
                threading.Event().wait(0.05)
            return b"Content-Length: 5\r\n\r\na.b.c"

        web.answer = dribbled
        web.first = b"HTTP/1.1 200 OK\r\n"
        with pytest.raises(Unavailable, match="Timeout"):
            fetch_over_https(web.uri(), seconds=0.5)

    def test_no_time_is_left_after_a_redirect(self, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
        """The time is for all steps together."""
        ticks = iter([time.monotonic()] * 2)
        clock = SimpleNamespace(monotonic=lambda: next(ticks, time.monotonic() + 99))
        monkeypatch.setattr(status_fetch, "time", clock)
        web.answer = lambda path: moved("/2") if path == "/1" else ok("a.b.c")
        with pytest.raises(Unavailable, match="Timeout"):
            fetch_over_https(web.uri())
        assert web.asked == ["/1"]

    def test_a_server_that_is_not_there(self) -> None:
        """A refused connection is no list."""
        with pytest.raises(Unavailable):
            fetch_over_https("http://127.0.0.1:1/1")

    @pytest.mark.parametrize(
        "uri",
        [
            "http://elsewhere.example/1",
            "http://127.0.0.1.elsewhere.example/1",
            "http://169.254.169.254/latest",
            "ftp://elsewhere.example/1",
            "file:///etc/passwd",
            "https:///1",
            "https://me:you@elsewhere.example/1",
            "https://elsewhere.example/1#x",
            "https://elsewhere.example/1\r\nX: y",
            "https://elsewhere.example/a b",
            "https://elsewhere.example\\@x/1",
            "https://elsewhere.example/\u00e4",
            "https://elsewhere.example/lists/",
            "https://elsewhere.example:99999/1",
            "https://[::1/1",
            "",
        ],
    )
    def test_an_address_that_is_never_asked(self, uri: str) -> None:
        """Plain http elsewhere, other schemes, credentials, odd characters and prefixes are no addresses."""
        with pytest.raises(InputError):
            fetch_over_https(uri)
        with pytest.raises(InputError):
            StatusFetcher([uri], trust=trusting, keep=lambda *_: None, clock=lambda: NOW)


@dataclass
class Fetching:
    """A fetcher of one world's list into a folder, and a verifier that reads the folder."""

    world: StatusWorld
    folder: Path
    token: str = ""
    asked: list[str] = field(default_factory=list)
    failures: list[tuple[str, ConsentEditError]] = field(default_factory=list)

    def __post_init__(self) -> None:
        source = folder_source(self.folder)
        self.world.statuses = StatusLists({STATUS_URI: source, OTHER_URI: source})
        self.fetcher = self.make(STATUS_URI)

    def make(self, *uris: str, **changes: object) -> StatusFetcher:
        """A fetcher."""
        told: dict[str, object] = {
            "trust": lambda: self.world.trust,
            "keep": into_folder(self.folder),
            "clock": self.world.clock,
            "get": self.get,
            "on_failure": lambda uri, error: self.failures.append((uri, error)),
            **changes,
        }
        return StatusFetcher(uris, **told)  # type: ignore[arg-type]

    def get(self, uri: str) -> str:
        """What the network has."""
        self.asked.append(uri)
        return self.token

    def fetch(self, token: str) -> None:
        """Let the network have this, and fetch."""
        self.token = token
        self.fetcher.fetch(STATUS_URI)

    @property
    def there(self) -> str:
        """What lies in the folder."""
        file = self.folder / status_file_name(STATUS_URI)
        return file.read_text() if file.exists() else ""


@pytest.fixture
def fetching(world: StatusWorld, tmp_path: Path) -> Fetching:
    """Nothing fetched yet."""
    return Fetching(world, tmp_path / "status")


def test_a_list_is_fetched_into_a_folder_and_read(fetching: Fetching) -> None:
    """What was fetched counts; fetched again it is left alone; a newer one takes its place."""
    world, old = fetching.world, fetching.world.list()
    for token in (old, old, world.list(entries=b"\x01\x00", iat=NOW + 1)):
        fetching.fetch(token)
        assert fetching.there == token
    assert [world.read(i) for i in (0, 1)] == [V.REVOKED, V.VALID]
    assert [path.name for path in fetching.folder.iterdir()] == [status_file_name(STATUS_URI)]


def test_a_list_is_fetched_into_a_cache(fetching: Fetching) -> None:
    """What was fetched into a verifier's cache counts at once, without any folder."""
    statuses = StatusLists()
    fetching.token = fetching.world.list()
    fetching.make(STATUS_URI, keep=into_cache(statuses)).fetch(STATUS_URI)
    assert statuses.read(STATUS_URI, 1, NOW, fetching.world.trust) is V.REVOKED
    assert fetching.there == ""


def test_a_withdrawal_reaches_a_verifier_over_the_network(fetching: Fetching) -> None:
    """From the issuer's server through a fetch into the folder: withdrawn at the next fetch."""
    world = fetching.world
    with StatusServer(world.status, clock=world.clock) as server:
        world.status.uri = uri = f"http://127.0.0.1:{server.port}/status/1"
        world.trust = trusting([world.key.public], uris=[uri])
        statuses = StatusLists({uri: folder_source(fetching.folder)})
        fetcher = fetching.make(uri, get=fetch_over_https)
        idx = world.allot()
        for value in (V.VALID, V.REVOKED):
            assert fetcher.fetch_all() == {}
            assert statuses.read(uri, idx, world.clock(), world.trust) is value
            world.status.revoke(idx)
            world.clock.now += 1


@pytest.mark.parametrize(
    "attack",
    [
        {"key": SigningKey.generate()},
        {"sub": OTHER_URI},
        {"iat": NOW + 61},
        {"iat": NOW - 60},
        {"typ": "JWT"},
        {"lst": "eJw"},
        {"iat": NOW - 5},
        {"entries": b"\x00\x00"},
        {"entries": b"\x02\x00\x00"},
    ],
    ids=[
        "forged key",
        "list of another uri",
        "signed in the future",
        "stale list replayed by a mirror",
        "another token",
        "broken entries",
        "rolled-back list",
        "same second, a withdrawal hidden",
        "same second, another shape",
    ],
)
def test_a_bad_list_takes_no_ones_place(fetching: Fetching, attack: dict[str, object]) -> None:
    """What does not verify, is stale, older, or hides an entry leaves the list in the folder as it is."""
    good = fetching.world.list()
    fetching.fetch(good)
    with pytest.raises(ConsentInvalid):
        fetching.fetch(fetching.world.list(**attack))
    assert fetching.there == good
    assert fetching.world.read(1) is V.REVOKED


def test_a_stale_list_is_not_kept_even_where_there_is_none(fetching: Fetching) -> None:
    """A list that counts no more is not put into an empty folder, and its coming is no success."""
    with pytest.raises(ConsentInvalid, match="stale"):
        fetching.fetch(fetching.world.list(iat=NOW - 60))
    assert fetching.there == ""


def test_of_the_same_second_the_worse_list_takes_the_place(fetching: Fetching) -> None:
    """A list of the same second with one more withdrawal replaces the one without it."""
    fetching.fetch(fetching.world.list())
    worse = fetching.world.list(entries=b"\x03\x00")
    fetching.fetch(worse)
    assert fetching.there == worse


def test_what_lies_in_the_folder_and_does_not_count_is_replaced(fetching: Fetching) -> None:
    """Garbage, or a forgery from far in the future, does not keep a true list out."""
    good = fetching.world.list()
    fetching.folder.mkdir()
    for junk in ("junk", fetching.world.list(key=SigningKey.generate(), iat=NOW + 50)):
        (fetching.folder / status_file_name(STATUS_URI)).write_text(junk)
        fetching.fetch(good)
        assert fetching.there == good


def test_an_address_the_trust_list_gives_to_nobody(fetching: Fetching) -> None:
    """Configuration alone is not enough: where no trusted service signs, nothing is asked."""
    fetcher = fetching.make(OTHER_URI)
    with pytest.raises(Unavailable):
        fetcher.fetch(OTHER_URI)
    fetching.world.clock.now = NOW + 10**6
    with pytest.raises(Unavailable):
        fetching.fetcher.fetch(STATUS_URI)
    assert fetching.asked == []


def test_trust_that_ends_while_a_list_is_fetched(fetching: Fetching) -> None:
    """What comes is judged by the time it comes at."""

    def slow(_: str) -> str:
        fetching.world.clock.now = NOW + 10**6
        return fetching.world.list(iat=NOW + 10**6)

    with pytest.raises(ConsentInvalid):
        fetching.make(STATUS_URI, get=slow).fetch(STATUS_URI)
    assert fetching.there == ""


def test_a_failed_fetch_leaves_what_is_there_to_go_stale(fetching: Fetching) -> None:
    """A network that is down is reported; the last list counts until it is stale, and no longer."""
    world = fetching.world
    fetching.token = world.list()
    assert fetching.fetcher.fetch_all() == {}

    def down(uri: str) -> str:
        raise Unavailable("down")

    fetcher = fetching.make(STATUS_URI, get=down)
    assert fetcher.fetch_all().keys() == {STATUS_URI}
    assert isinstance(fetcher.last_errors[STATUS_URI], Unavailable)
    assert [uri for uri, _ in fetching.failures] == [STATUS_URI]
    assert (world.read(0, now=NOW + 59), world.read(0, now=NOW + 60)) == (V.VALID, V.UNAVAILABLE)
    fetcher._get = fetching.get
    assert fetcher.fetch_all() == {}


def test_foreign_code_that_breaks_ends_no_schedule(fetching: Fetching) -> None:
    """Whatever the host's own parts raise is reported as ours; so is what the listener raises: as nothing."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    fetching.token = fetching.world.list()
    for part in ("trust", "keep", "get"):
        fetcher = fetching.make(STATUS_URI, **{part: broken}, on_failure=broken)
        assert "ZeroDivisionError" in fetcher.fetch_all()[STATUS_URI].message
    assert fetching.make(STATUS_URI, get=broken, on_failure=None).fetch_all().keys() == {STATUS_URI}


def test_a_schedule_on_which_lists_would_be_stale(fetching: Fetching) -> None:
    """A list counts for 60 s, so it is fetched twice in that time at least."""
    for every in (0, 31, -1):
        with pytest.raises(InputError):
            fetching.make(STATUS_URI, every=every)


def test_the_schedule_runs_until_it_is_stopped(fetching: Fetching) -> None:
    """Every address is fetched again and again, in its own thread: one that hangs holds up no other."""
    again, hangs, release = threading.Event(), threading.Event(), threading.Event()

    def get(uri: str) -> str:
        if uri == OTHER_URI:
            hangs.set()
            release.wait(30)
        fetching.asked.append(uri)
        if fetching.asked.count(STATUS_URI) == 3:
            again.set()
        return fetching.token

    fetching.token = fetching.world.list()
    fetching.world.trust = trusting([fetching.world.key.public], uris=[STATUS_URI, OTHER_URI])
    fetcher = fetching.make(OTHER_URI, STATUS_URI, STATUS_URI, get=get)
    fetcher._every = 0
    with fetcher:
        assert hangs.wait(30)
        assert again.wait(30)
        assert OTHER_URI not in fetching.asked
        release.set()
    assert not any(thread.is_alive() for thread in fetcher._threads)
    assert fetching.there == fetching.token


def test_reading_fetches_nothing(fetching: Fetching) -> None:
    """An edit that finds no list is refused; it sends nobody to the network."""
    assert fetching.world.read() is V.UNAVAILABLE
    assert fetching.asked == []


def test_a_folder_that_cannot_be_written(fetching: Fetching) -> None:
    """A folder that is none is reported, not passed over."""
    fetching.folder.write_text("a file")
    with pytest.raises(InputError):
        fetching.fetch(fetching.world.list())
