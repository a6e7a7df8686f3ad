"""The commands around status lists: publish, serve, withdraw, fetch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from status_world import ANCHOR, jws

from consent_edit import operator_folder
from consent_edit.cli import issuer_status, operator_status
from consent_edit.consent.issuing.folder import STATUS_DB, open_issuer, trust_list
from consent_edit.consent.issuing.issue import Issuer
from consent_edit.consent.keys import SigningKey
from consent_edit.consent.signatory import Signatory
from consent_edit.consent.status import fetch as status_fetch
from consent_edit.consent.status.fetch import StatusFetcher
from consent_edit.consent.status.lists import StatusValue, put_status_list
from consent_edit.consent.status.server import StatusServer
from consent_edit.encoding import canonical_json
from consent_edit.enrolment.office import create_office
from consent_edit.errors import InputError, StoreUnavailable, Unavailable
from consent_edit.operator import unix_now
from consent_edit.vocabulary import Environment

URI = "https://issuer.example/status/1"


@dataclass
class Town:
    """An issuer's folder and an operator's that trusts it."""

    issuer: Path
    operator: Path
    service: Issuer

    def read(self, idx: int) -> StatusValue:
        """What the operator's folder says of an entry."""
        operator = operator_folder.load(self.operator)
        operator.store.close()
        return operator.statuses.read(URI, idx, unix_now(), operator.trust)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Town]:
    """Makes the town, the operator with these status addresses."""

    def made(*uris: str) -> Town:
        service = create_office(tmp_path / "issuer", name="https://issuer.example", status_uri=URI)
        entries = service.trust_entries(now=unix_now(), lifetime=86_400)
        claims = trust_list([entries], environment=Environment.PRODUCTION, now=unix_now(), lifetime=86_400)
        operator_folder.create(
            tmp_path / "operator",
            audience="https://service.example",
            trust_list=claims.sign(ANCHOR),
            anchor=canonical_json(ANCHOR.public.export()).decode(),
            status_uris=uris,
        )
        return Town(tmp_path / "issuer", tmp_path / "operator", open_issuer(tmp_path / "issuer"))

    return made


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | Exception]:
    """What stands at which address, or why it cannot be had."""
    told: dict[str, str | Exception] = {}

    def get(uri: str) -> str:
        answer = told[uri]
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(status_fetch, "fetch_over_https", get)
    return told


def test_published_withdrawn_and_published_again(
    make: Callable[..., Town], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What `withdrawal` took in is in what `publish` puts into the operator's folder."""
    town, key = make(URI), SigningKey.generate()
    (idx,) = town.service.status.allot([Signatory(key.public)])
    request = tmp_path / "withdrawal.jwt"
    request.write_text(jws(idx, key, uri=URI) + "\n")
    issuer_status.publish(town.issuer, town.operator / "status", as_json=True)
    assert json.loads(capsys.readouterr().out)["uri"] == URI
    assert town.read(idx) is StatusValue.VALID
    issuer_status.withdrawal(town.issuer, request)
    issuer_status.publish(town.issuer, town.operator / "status")
    assert town.read(idx) is StatusValue.REVOKED


def test_yesterdays_database_is_not_published(make: Callable[..., Town], tmp_path: Path) -> None:
    """Put back alone, or with its register, an old database publishes nothing over the newer list."""
    town, key = make(URI), SigningKey.generate()
    (idx,) = town.service.status.allot([Signatory(key.public)])
    issuer_status.publish(town.issuer, town.operator / "status")
    town.service.status.close()
    shutil.copytree(town.issuer, tmp_path / "yesterday")
    request = tmp_path / "withdrawal.jwt"
    request.write_text(jws(idx, key, uri=URI))
    issuer_status.withdrawal(town.issuer, request)
    issuer_status.publish(town.issuer, town.operator / "status")
    shutil.copy(tmp_path / "yesterday" / STATUS_DB, town.issuer / STATUS_DB)
    for folder in (town.issuer, tmp_path / "yesterday"):
        with pytest.raises(StoreUnavailable) as error:
            issuer_status.publish(folder, town.operator / "status")
        assert error.value.code == "check.status-rollback"
        assert town.read(idx) is StatusValue.REVOKED
    with pytest.raises(StoreUnavailable):
        issuer_status.serve(town.issuer, port=0)


@pytest.mark.parametrize("there", ["no list", "a.b.c", "e30.e30.e30"])
def test_published_over_what_is_no_list(make: Callable[..., Town], there: str) -> None:
    """What no verifier would read is no reason to hold a list back."""
    town = make(URI)
    put_status_list(town.operator / "status", URI, there)
    issuer_status.publish(town.issuer, town.operator / "status")
    town.service.status.allot([Signatory(SigningKey.generate().public)])
    assert town.read(0) is StatusValue.VALID


def test_served_until_interrupted(
    make: Callable[..., Town], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`serve` says where, and lets go of its port when it is interrupted."""

    def interrupted(_: StatusServer) -> None:
        raise KeyboardInterrupt

    town = make(URI)
    monkeypatch.setattr(StatusServer, "serve", interrupted)
    issuer_status.serve(town.issuer, port=0, as_json=True)
    port = json.loads(capsys.readouterr().out)["port"]
    issuer_status.serve(town.issuer, port=port)


def test_fetched_once(
    make: Callable[..., Town], network: dict[str, str | Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    """`fetch-status` brings the lists that the folder names by address; a prefix names none."""
    town = make(URI, "https://issuer.example/other/")
    network[URI] = town.service.status.token(unix_now())
    operator_status.fetch(town.operator, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"fetched": [URI]}
    assert town.read(0) is StatusValue.VALID
    network[URI] = Unavailable("down")
    with pytest.raises(Unavailable, match="down"):
        operator_status.fetch(town.operator)


def test_nothing_to_fetch(make: Callable[..., Town]) -> None:
    """A folder that names no list says how to name one."""
    with pytest.raises(InputError):
        operator_status.fetch(make("https://issuer.example/status/").operator)


def test_fetched_on_schedule_until_interrupted(
    make: Callable[..., Town],
    network: dict[str, str | Exception],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`--every` fetches under the trust list as it stands then, tells of failures, and ends quietly."""
    town = make(URI)

    def interrupted() -> None:
        raise KeyboardInterrupt

    def once(fetcher: StatusFetcher) -> StatusFetcher:
        network[URI] = town.service.status.token(unix_now())
        assert fetcher.fetch_all() == {}
        network[URI] = Unavailable("down")
        fetcher.fetch_all()
        return fetcher

    monkeypatch.setattr(operator_status, "_wait", interrupted)
    monkeypatch.setattr(StatusFetcher, "__enter__", once)
    monkeypatch.setattr(StatusFetcher, "__exit__", lambda *_: None)
    operator_status.fetch(town.operator, every=5)
    said = capsys.readouterr()
    assert "every 5 s" in said.out
    assert "down" in said.err
    assert town.read(0) is StatusValue.VALID
