"""An operator's folder opens whole or not at all: a file of it that cannot be used is refused by name."""

from __future__ import annotations

import json

import pytest

from consent_edit import operator_folder
from consent_edit.consent.issuing.folder import create_issuer, trust_list
from consent_edit.consent.keys import SigningKey
from consent_edit.consent.presentation import AudienceCard, Presentation
from consent_edit.consent.wire import read_wire
from consent_edit.errors import ConsentInvalid, InputError, StoreUnavailable, VerificationFailed
from consent_edit.operator import unix_now
from consent_edit.vocabulary import Environment

ANCHOR = SigningKey.generate()
SLOPPY_ANCHORS = ["", "[1]", "{}", '{"kty":"OKP","kty":"OKP"}', json.dumps(ANCHOR.export_private())]


def signed_list(issuer, now, key=ANCHOR):
    entries = [issuer.trust_entries(now=now, lifetime=9)]
    return trust_list(entries, environment=Environment.PRODUCTION, now=now, lifetime=9_000).sign(key)


def create(folder, issuer, anchor=None, **more):
    made = create_issuer(issuer, name="https://i", status_uri="https://i/s")
    operator_folder.create(
        folder,
        audience="https://service.example",
        trust_list=signed_list(made, unix_now()),
        anchor=json.dumps(ANCHOR.public.export()) if anchor is None else anchor,
        status_uris=("https://i/s",),
        **more,
    )
    return made


def test_control_a_folder_opens(tmp_path):
    """What was created opens, under the anchor it was created with."""
    create(tmp_path / "op", tmp_path / "issuer")
    operator = operator_folder.load(tmp_path / "op")
    assert operator.audience == "https://service.example"
    assert operator.trust.environment is Environment.PRODUCTION
    operator.store.close()


@pytest.mark.parametrize("anchor", SLOPPY_ANCHORS)
def test_sloppy_anchor_makes_no_operator(tmp_path, anchor):
    """An anchor that is no strict public JWK makes no folder."""
    with pytest.raises(InputError) as caught:
        create(tmp_path / "op", tmp_path / "issuer", anchor)
    assert caught.value.code == "input.operator"
    assert [entry.name for entry in tmp_path.iterdir()] == ["issuer"]


@pytest.mark.parametrize("anchor", SLOPPY_ANCHORS)
def test_sloppy_anchor_opens_no_operator(tmp_path, anchor):
    """A folder whose anchor is no strict public JWK is not opened."""
    create(tmp_path / "op", tmp_path / "issuer")
    (tmp_path / "op" / "anchor.jwk.json").write_text(anchor)
    with pytest.raises(InputError) as caught:
        operator_folder.load(tmp_path / "op")
    assert caught.value.code == "input.operator"


@pytest.mark.parametrize("name", ["operator.json", "anchor.jwk.json"])
def test_anchor_swapped_by_somebody_else(tmp_path, name):
    """Settings or an anchor that others than the owner can write open no operator, and are never made so."""
    create(tmp_path / "op", tmp_path / "issuer")
    assert not (tmp_path / "op" / name).stat().st_mode & 0o022
    (tmp_path / "op" / name).chmod(0o664)
    with pytest.raises(InputError, match="written by others"):
        operator_folder.load(tmp_path / "op")


def test_folder_that_holds_something_is_left_alone(tmp_path):
    """Where something lies already no operator is made, and what lies there stays."""
    (tmp_path / "op").mkdir()
    (tmp_path / "op" / "mine.txt").write_text("mine")
    with pytest.raises(InputError):
        create(tmp_path / "op", tmp_path / "issuer")
    assert [entry.name for entry in (tmp_path / "op").iterdir()] == ["mine.txt"]


def test_crash_while_it_is_made_leaves_nothing(tmp_path, monkeypatch):
    """A folder whose last file cannot be written is not there at all, and can be made again."""

    def full(*_, **__):
        raise OSError("no space")

    with monkeypatch.context() as patch:
        patch.setattr(operator_folder, "write_private", full)
        with pytest.raises(InputError):
            create(tmp_path / "op", tmp_path / "issuer")
    assert [entry.name for entry in tmp_path.iterdir()] == ["issuer"]
    create(tmp_path / "op", tmp_path / "another")


def test_older_trust_list_put_back(tmp_path):
    """A folder that has once loaded a trust list opens under no older one; under a newer one it does."""
    made = create(tmp_path / "op", tmp_path / "issuer")
    operator_folder.load(tmp_path / "op").store.close()
    listed = tmp_path / "op" / "trust-list.jwt"
    listed.write_text(signed_list(made, unix_now() - 60))
    with pytest.raises(VerificationFailed) as caught:
        operator_folder.load(tmp_path / "op")
    assert caught.value.code == "verification.rollback"
    listed.write_text(signed_list(made, unix_now()))
    operator_folder.load(tmp_path / "op").store.close()


def test_anchor_hands_over_to_the_next(tmp_path):
    """With both anchors in the file, lists signed by either open; with the new one alone, the old is done."""
    made, successor = create(tmp_path / "op", tmp_path / "issuer"), SigningKey.generate()
    anchor, listed = tmp_path / "op" / "anchor.jwk.json", tmp_path / "op" / "trust-list.jwt"
    both = {"keys": [ANCHOR.public.export(), successor.public.export()]}
    anchor.write_text(json.dumps(both))
    for key in (ANCHOR, successor):
        listed.write_text(signed_list(made, unix_now(), key))
        operator_folder.load(tmp_path / "op").store.close()
    anchor.write_text(json.dumps(successor.public.export()))
    operator_folder.load(tmp_path / "op").store.close()
    listed.write_text(signed_list(made, unix_now(), ANCHOR))
    with pytest.raises(VerificationFailed):
        operator_folder.load(tmp_path / "op")


def test_what_is_published_seals_and_only_the_operator_opens(tmp_path):
    """The audience card names the service and the key that its folder alone can open."""
    create(tmp_path / "op", tmp_path / "issuer")
    card = read_wire(AudienceCard, (tmp_path / "op" / "audience.json").read_bytes())
    operator = operator_folder.load(tmp_path / "op")
    presentation = Presentation("a~", "b", ("c",))
    sealed = presentation.seal(card.sealing_key())
    assert card.audience == operator.audience
    assert Presentation.opened(sealed, operator.opening_keys) == presentation
    operator.store.close()


def test_store_on_a_server_has_its_vault_key_here(tmp_path):
    """With a server's address a vault key is made in the folder; a server that is away stops it, typed."""
    nowhere = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    create(tmp_path / "op", tmp_path / "issuer", store=nowhere)
    assert (tmp_path / "op" / "vault.key").stat().st_mode & 0o077 == 0
    with pytest.raises(StoreUnavailable):
        operator_folder.load(tmp_path / "op")
    (tmp_path / "op" / "vault.key").unlink()
    with pytest.raises(InputError):
        operator_folder.load(tmp_path / "op")


def test_presentation_key_changes_without_a_gap(tmp_path):
    """After a change what was sealed to the old key still opens, as does what is sealed to the new one."""
    create(tmp_path / "op", tmp_path / "issuer")
    presentation = Presentation("a~", "b")

    def sealed():
        card = read_wire(AudienceCard, (tmp_path / "op" / "audience.json").read_bytes())
        return presentation.seal(card.sealing_key())

    before = sealed()
    assert operator_folder.rotate_presentation_key(tmp_path / "op") == tmp_path / "op" / "audience.json"
    after = sealed()
    operator = operator_folder.load(tmp_path / "op")
    for text in (before, after):
        assert Presentation.opened(text, operator.opening_keys) == presentation
    operator.store.close()
    (old,) = (tmp_path / "op").glob("presentation-key.*.old.json")
    assert old.stat().st_mode & 0o077 == 0
    old.unlink()
    operator = operator_folder.load(tmp_path / "op")
    with pytest.raises(ConsentInvalid):
        Presentation.opened(before, operator.opening_keys)
    operator.store.close()
    with pytest.raises(InputError):
        operator_folder.rotate_presentation_key(tmp_path / "nobody")


def test_change_of_the_presentation_key_cut_short(tmp_path, monkeypatch):
    """Wherever it breaks off, what was sealed still opens, and the next try is whole."""
    create(tmp_path / "op", tmp_path / "issuer")
    card = read_wire(AudienceCard, (tmp_path / "op" / "audience.json").read_bytes())
    sealed = Presentation("a~", "b").seal(card.sealing_key())
    write = operator_folder.write_private
    for last in ("presentation-key.json", "audience.json"):

        def breaks(path, data, last=last, **more):
            if path.name == last:
                raise InputError("the disk is full")
            write(path, data, **more)

        with monkeypatch.context() as patch, pytest.raises(InputError):
            patch.setattr(operator_folder, "write_private", breaks)
            operator_folder.rotate_presentation_key(tmp_path / "op")
        operator = operator_folder.load(tmp_path / "op")
        assert Presentation.opened(sealed, operator.opening_keys).grant == "b"
        operator.store.close()
    operator_folder.rotate_presentation_key(tmp_path / "op")


def test_the_log_opens_whatever_the_trust_list_has_come_to(tmp_path):
    """Who keeps the folder can see to its log while no trust list is in force; edits cannot."""
    create(tmp_path / "op", tmp_path / "issuer")
    (tmp_path / "op" / "trust-list.jwt").write_text("ended")
    with pytest.raises(VerificationFailed):
        operator_folder.load(tmp_path / "op")
    store = operator_folder.open_store(tmp_path / "op")
    assert store.log_state().size == 0
    store.close()
    with pytest.raises(InputError):
        operator_folder.open_store(tmp_path / "nobody")
