"""Fetching status lists on schedule, whole, from where the operator's configuration says; never for an edit.

A list is verified under the trust list before it takes the place of what is there, and never takes the place
of a newer one. When nothing can be fetched, what is there stays until it is stale: then edits are refused,
which is what should happen. A mirror is a folder filled this way, with a web server over it.
"""

from __future__ import annotations

import http.client
import io
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import SplitResult, urljoin, urlsplit

from consent_edit.consent.status.bounded_reader import HEAD, BoundedReader
from consent_edit.consent.status.lists import StatusLists, folder_source, put_status_list
from consent_edit.consent.status.token import (
    MAX_STATUS_TOKEN,
    MAX_TTL,
    STATUS_LIST_TYP,
    StatusList,
    verify_status_list,
)
from consent_edit.consent.trust import TrustList
from consent_edit.errors import ConsentEditError, ConsentInvalid, InputError, Unavailable
from consent_edit.vocabulary import ConsentStatus

EVERY: Final = MAX_TTL // 3
"""Seconds between two fetches of a list: one may fail and the next still comes in time."""

FETCH_SECONDS: Final = 10.0
"""Seconds a fetch may take, redirects and all; only the name service's time is not ours to limit."""

MAX_REDIRECTS: Final = 3

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HEADERS: Final = {"Accept": f"application/{STATUS_LIST_TYP}", "Accept-Encoding": "identity"}

Fetch: TypeAlias = Callable[[str], str]
"""Gives what stands at an address, or raises."""

Keep: TypeAlias = Callable[[StatusList, TrustList, int], None]
"""Takes a list that was verified under that trust list, at that second."""

OnFailure: TypeAlias = Callable[[str, ConsentEditError], None]
"""Told of an address whose list could not be fetched or kept, and why."""


class StatusFetcher:
    """Fetches lists on schedule, each address in a thread of its own: a slow one holds up no other.

    Used as a context manager; :meth:`fetch` and :meth:`fetch_all` do it once, at once.

    Args:
        uris: The lists' addresses, from the operator's configuration; https, or http on this machine.
        trust: Gives the trust list in force.
        keep: Where verified lists go: :func:`into_folder` or :func:`into_cache`.
        clock: Unix seconds.
        every: Seconds between fetches.
        get: Fetches; :func:`fetch_over_https`.
        on_failure: Told of failures as they happen.

    Raises:
        InputError: an address that is not fetched from, or a schedule on which lists would be stale.
    """

    def __init__(
        self,
        uris: Sequence[str],
        *,
        trust: Callable[[], TrustList],
        keep: Keep,
        clock: Callable[[], int],
        every: int = EVERY,
        get: Fetch | None = None,
        on_failure: OnFailure | None = None,
    ) -> None:
        if not 1 <= every <= MAX_TTL // 2:
            raise InputError(
                f"lists count for {MAX_TTL} s: fetch them every 1 to {MAX_TTL // 2} s", code="input.schedule"
            )
        for uri in uris:
            _address(uri)
        self._uris = tuple(dict.fromkeys(uris))
        self._trust = trust
        self._keep = keep
        self._clock = clock
        self._every = every
        self._get = get or fetch_over_https
        self._on_failure = on_failure
        self._errors: dict[str, ConsentEditError] = {}
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(uri,), name="status-fetch", daemon=True)
            for uri in self._uris
        ]

    @property
    def last_errors(self) -> Mapping[str, ConsentEditError]:
        """Address -> why its last fetch failed; addresses whose last fetch succeeded are not there."""
        return dict(self._errors)

    def __enter__(self) -> StatusFetcher:
        """Start fetching."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; a fetch that is under way may end first, in :data:`FETCH_SECONDS` at most."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(FETCH_SECONDS)

    def fetch(self, uri: str) -> StatusList:
        """Fetch one list and keep it.

        Raises:
            Unavailable: it cannot be fetched, or the trust list gives the address to no status service.
            ConsentInvalid: what came is no fresh list that a trusted service signed, or one is there that it
                may not replace.
            InputError: it cannot be kept.
        """
        trust = self._trust()
        if not trust.has_status_service(uri, self._clock()):
            raise _failed(uri, "the trust list gives the address to no status service")
        token = self._get(uri)
        now = self._clock()
        new = verify_status_list(uri, token, now, trust)
        if not new.fresh(now):
            raise ConsentInvalid(ConsentStatus.STATUS_UNAVAILABLE, "the status list that came is stale")
        self._keep(new, trust, now)
        return new

    def fetch_all(self) -> Mapping[str, ConsentEditError]:
        """Fetch every list once, one after another; what failed, and why."""
        for uri in self._uris:
            self._attempt(uri)
        return self.last_errors

    def _run(self, uri: str) -> None:
        while not self._stopped.is_set():
            self._attempt(uri)
            self._stopped.wait(self._every)

    def _attempt(self, uri: str) -> None:
        """Fetch once; whatever goes wrong is reported and nothing more, or the schedule would end with it."""
        try:
            self.fetch(uri)
            self._errors.pop(uri, None)
        except ConsentEditError as error:
            self._report(uri, error)
        except Exception as error:  # noqa: BLE001 - the host's own trust, fetch and keep are foreign code
            self._report(uri, _failed(uri, type(error).__name__))

    def _report(self, uri: str, error: ConsentEditError) -> None:
        self._errors[uri] = error
        if self._on_failure is not None:
            with suppress(Exception):  # a listener's failure is not the schedule's
                self._on_failure(uri, error)


def into_cache(statuses: StatusLists) -> Keep:
    """Keep fetched lists in a verifier's cache."""
    return lambda new, trust, _now: statuses.take(new, trust)


def into_folder(folder: Path) -> Keep:
    """Keep fetched lists in a status folder, for a ``folder_source`` or a mirror.

    A list in the folder that verifies is replaced by a newer one only; of the same second, by one that hides
    none of its entries.
    """
    source = folder_source(folder)

    def keep(new: StatusList, trust: TrustList, now: int) -> None:
        try:
            there = verify_status_list(new.uri, source(new.uri), now, trust)
        except ConsentInvalid:
            pass  # nothing that counts
        else:
            if there.tokens == new.tokens:
                return
            if not new.may_replace(there):
                raise ConsentInvalid(
                    ConsentStatus.STATUS_UNAVAILABLE, "the status list that came is older than the one there"
                )
        put_status_list(folder, new.uri, new.tokens[0])

    return keep


def fetch_over_https(
    uri: str, *, context: ssl.SSLContext | None = None, seconds: float = FETCH_SECONDS
) -> str:
    """What stands at an address, as text; redirects are followed on the same host, scheme and port only.

    No proxy, cookie or credential is used.

    Args:
        uri: https, or http on this machine.
        context: TLS settings; the system's trusted certificates unless given.
        seconds: For all of it.

    Raises:
        InputError: the address is not one to fetch from. Unavailable: it cannot be had in time, is too long,
        is compressed, or is answered by an error or a redirect
            elsewhere.
    """
    until = time.monotonic() + seconds
    at = _address(uri)
    try:
        for _ in range(1 + MAX_REDIRECTS):
            code, location, body = _ask(at, until, context)
            if code == http.client.OK:
                return body.decode("ascii").strip()
            if code not in _REDIRECTS:
                raise _failed(uri, f"the answer is {code}")
            there = _address(urljoin(at.geturl(), location))
            if (there.scheme, there.netloc) != (at.scheme, at.netloc):
                raise _failed(uri, "it redirects to another host, scheme or port")
            at = there
    except InputError as error:
        raise _failed(uri, "it redirects to what is no address to fetch from") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _failed(uri, type(error).__name__) from error
    raise _failed(uri, "it redirects without end")


def _ask(at: SplitResult, until: float, context: ssl.SSLContext | None) -> tuple[int, str, bytes]:
    """One request: status code, ``Location`` and body, the body no longer than a list may be."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("no time left")
    host = at.hostname or ""
    connection = (
        http.client.HTTPSConnection(
            host, at.port, timeout=left, context=context or ssl.create_default_context()
        )
        if at.scheme == "https"
        else http.client.HTTPConnection(host, at.port, timeout=left)
    )
    try:
        connection.request("GET", f"{at.path or '/'}{'?' if at.query else ''}{at.query}", headers=_HEADERS)
        response = http.client.HTTPResponse(connection.sock, method="GET")
        response.fp.close()
        budget = HEAD + 2 * MAX_STATUS_TOKEN  # the lengths between chunks count as well
        response.fp = io.BufferedReader(BoundedReader(connection.sock, until=until, budget=budget))
        response.begin()
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise ValueError("a compressed answer was not asked for")
        body = response.read(MAX_STATUS_TOKEN + 1)
        if len(body) > MAX_STATUS_TOKEN:
            raise ValueError("the answer is too long")
        return response.status, response.headers.get("Location", ""), body
    finally:
        connection.close()


def _address(uri: str) -> SplitResult:
    """An address that may be fetched from: https or this machine, no credentials, one list and no prefix."""
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InputError("not an address", code="input.status-uri") from error
    safe = parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
    plain = uri.isascii() and uri.isprintable() and not {" ", "@", "#", "\\"} & set(uri)
    if not safe or not plain or not host or uri.endswith("/"):
        raise InputError(
            "a status list is fetched from one https address, without credentials",
            code="input.status-uri",
            remedy="name the list's own address; http is for this machine alone, and a prefix names no list",
        )
    return parts


def _failed(uri: str, why: str) -> Unavailable:
    return Unavailable(f"cannot fetch the status list {uri}: {why}", code="check.status-fetch")
