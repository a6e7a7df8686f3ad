"""A small HTTP server for one status list: gives the signed list, and takes in withdrawals.

It belongs behind something that speaks TLS and holds off floods. Its answers are a status code and, for the
list, its token: no page, no banner, no word on why, so that nobody learns from it which entries exist.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Final
from urllib.parse import urlsplit

from consent_edit.consent.jose import MAX_TOKEN
from consent_edit.consent.status.bounded_reader import HEAD, BoundedReader
from consent_edit.consent.status.service import RENEW, IssuerStatus
from consent_edit.consent.status.token import STATUS_LIST_TYP
from consent_edit.errors import ConsentInvalid, InputError, StoreUnavailable

WITHDRAWAL_TYPE: Final = "application/jwt"
PATIENCE: Final = 10.0
"""Seconds a whole request may take to arrive."""

MAX_CONNECTIONS: Final = 64
"""Connections served at a time; further ones are closed unheard."""

_LIST_HEADERS: Final = {
    "Content-Type": f"application/{STATUS_LIST_TYP}",
    # A third of the ttl, not the whole: a list counts from its signing, and one that leaves a cache when its
    # time there is over must still count for a while.
    "Cache-Control": f"public, max-age={RENEW}",
    "X-Content-Type-Options": "nosniff",
    "Access-Control-Allow-Origin": "*",  # Token Status List section 8.1: verifiers in browsers
}


class StatusServer:
    """Serves one status service over plain HTTP, at the path of its list's uri.

    ``GET`` gives the signed list. ``POST`` of a signed withdrawal as ``application/jwt`` flips its entry:
    204; or 400, the same for whatever does not count. No other path or method is there.

    Args:
        status: The service.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        clock: Unix seconds.
        patience: Seconds a whole request may take to arrive.

    Raises:
        InputError: the address cannot be listened on.
    """

    def __init__(
        self,
        status: IssuerStatus,
        *,
        clock: Callable[[], int],
        host: str = "127.0.0.1",
        port: int = 0,
        patience: float = PATIENCE,
    ) -> None:
        try:
            self._server = _Server(status, clock, patience, (host, port))
        except (OSError, OverflowError) as error:
            raise InputError(f"cannot listen on {host} port {port}", code="input.address") from error
        self._thread = threading.Thread(target=self.serve, name="status-server", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def serve(self) -> None:
        """Serve until :meth:`close` is called from another thread, or the process is interrupted."""
        self._server.serve_forever(poll_interval=0.1)

    def __enter__(self) -> StatusServer:
        """Serve in a thread of its own."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._thread.join()
        self.close()

    def close(self) -> None:
        """Stop listening."""
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = MAX_CONNECTIONS

    def __init__(
        self, status: IssuerStatus, clock: Callable[[], int], patience: float, address: tuple[str, int]
    ) -> None:
        self.status = status
        self.clock = clock
        self.patience = patience
        self.path = urlsplit(status.uri).path or "/"
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind, without asking the name service for this machine's name as the base class does."""
        TCPServer.server_bind(self)

    def process_request(self, request: object, client_address: object) -> None:
        """A thread for the connection, if one is free."""
        if not self._slots.acquire(blocking=False):
            self.shutdown_request(request)  # type: ignore[arg-type]
            return
        try:
            super().process_request(request, client_address)  # type: ignore[arg-type]
        except BaseException:
            self._slots.release()
            raise

    def process_request_thread(self, request: object, client_address: object) -> None:
        """Serve one connection, then give its place back."""
        try:
            super().process_request_thread(request, client_address)  # type: ignore[arg-type]
        finally:
            self._slots.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that broke off is nobody's news; its address is not written anywhere."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def setup(self) -> None:
        """Read through bounds on the whole request."""
        super().setup()
        self.rfile.close()
        until, budget = time.monotonic() + self.server.patience, HEAD + MAX_TOKEN
        self.rfile = io.BufferedReader(BoundedReader(self.connection, until=until, budget=budget))

    def do_GET(self) -> None:
        """The list."""
        if self.path != self.server.path:
            # Section 8.4: who asks for the status of another time must be told that it is not to be had.
            past = self.path.startswith(f"{self.server.path}?time=")
            return self._answer(HTTPStatus.NOT_IMPLEMENTED if past else HTTPStatus.NOT_FOUND)
        try:
            token = self.server.status.token(self.server.clock())
        except StoreUnavailable:
            return self._answer(HTTPStatus.SERVICE_UNAVAILABLE)
        return self._answer(HTTPStatus.OK, _LIST_HEADERS, token.encode("ascii"))

    do_HEAD = do_GET  # noqa: N815 - the base class's way to name them

    def do_POST(self) -> None:
        """A withdrawal."""
        if self.path != self.server.path:
            return self._answer(HTTPStatus.NOT_FOUND)
        length = _length(self.headers.get_all("Content-Length", []))
        plain = self.headers.get_content_type() == WITHDRAWAL_TYPE and "Transfer-Encoding" not in self.headers
        if not plain or length < 0:
            return self._answer(HTTPStatus.BAD_REQUEST)
        if length > MAX_TOKEN:
            return self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        body = self.rfile.read(length)
        try:
            self.server.status.withdraw(body.decode("ascii", "replace").strip())
        except ConsentInvalid:
            return self._answer(HTTPStatus.BAD_REQUEST)
        except StoreUnavailable:
            return self._answer(HTTPStatus.SERVICE_UNAVAILABLE)
        return self._answer(HTTPStatus.NO_CONTENT)

    def _answer(self, code: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response_only(code)
        sizes = {} if code == HTTPStatus.NO_CONTENT else {"Content-Length": str(len(body))}
        for name, value in {"Date": self.date_time_string(), **(headers or {}), **sizes}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The code alone; the base class would answer with a page that repeats the request."""
        self.close_connection = True
        self._answer(code)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing: who asked when is nobody's business."""


def _length(given: list[str]) -> int:
    """The one Content-Length; -1 if there is none, more than one, or it is no plain number."""
    match given:
        case [text] if text.isascii() and text.isdigit() and len(text) < 20:
            return int(text)
        case _:
            return -1
