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
from consent_edit.perception.operator.models import OperatorModels
from consent_edit.policy import policy_file as policy_file_module
from consent_edit.policy.decision import decide
from consent_edit.policy.policy_file import PolicyFile
from consent_edit.policy.testing import benign
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


def test_models_given_later_are_refused(tmp_path):
    """An operator's own models are given once: later ones would reach neither thresholds nor checks."""
    create(tmp_path / "op", tmp_path / "issuer")
    operator = operator_folder.load(tmp_path / "op")
    with pytest.raises(InputError):
        operator.models = OperatorModels()
    operator.audience = "https://other.example"
    assert operator.audience == "https://other.example"
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


OPEN = '@id("open") @reason("Everything else.") permit (principal, action == Action::"edit", resource);\n'
CLASHES = OPEN.replace("open", "uk-no-increase")


def policy_file(folder, text=OPEN, name="mine.cedar"):
    path = folder / name
    path.write_text(text)
    return path


def settings(folder, **changes):
    """Change what operator.json says."""
    path = folder / "operator.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture
def opened():
    """Opens folders and closes their stores."""
    operators = []

    def open_folder(folder):
        operators.append(operator_folder.load(folder))
        return operators[-1]

    yield open_folder
    for operator in operators:
        operator.store.close()


def test_policies_of_a_new_folder(tmp_path, opened):
    """A policy that was named by its path is copied in and followed; jurisdictions and shadows count."""
    mine, watched = policy_file(tmp_path), policy_file(tmp_path, OPEN.replace("open", "next"), "next.cedar")
    create(
        tmp_path / "op",
        tmp_path / "issuer",
        policy=mine,
        jurisdictions=("eu", "uk", "eu"),
        shadows=("default", watched),
    )
    mine.unlink(), watched.unlink()
    operator = opened(tmp_path / "op")
    assert isinstance(operator.policy, PolicyFile)
    snapshot = operator.snapshot()
    assert snapshot.jurisdictions == ("eu", "uk")
    assert {"policy.open", "policy.uk-no-increase"} <= {rule.code for rule in snapshot.policy.texts}
    assert [shadow.name for shadow in snapshot.shadows] == ["default", "next"]
    assert operator_folder.policy_in_force(tmp_path / "op").digest == snapshot.policy.digest
    for name in ("policy.cedar", "shadows", "shadows/next.cedar"):
        assert not (tmp_path / "op" / name).stat().st_mode & 0o077


def test_custom_policy_is_followed(tmp_path, opened, monkeypatch):
    """What the folder's policy file says by now is in force, without a restart; what breaks is told."""
    monkeypatch.setattr(policy_file_module, "SETTLE_S", 0.0)
    create(tmp_path / "op", tmp_path / "issuer", policy=policy_file(tmp_path))
    operator = opened(tmp_path / "op")
    (tmp_path / "op" / "policy.cedar").write_text(OPEN.replace("open", "later"))
    assert operator.snapshot().policy.texts[0].code == "policy.later"
    (tmp_path / "op" / "policy.cedar").write_text("permit (")
    assert operator.snapshot().policy.texts[0].code == "policy.later"
    assert operator.policy.problem


@pytest.mark.parametrize(
    "changes",
    [
        {"jurisdictions": ["atlantis"]},
        {"jurisdictions": ["../eu"]},
        {"policy": "no-such"},
        {"policy": "../default"},
        {"policy": "custom"},
        {"shadows": ["no-such"]},
        {"shadows": ["gone.cedar"]},
        {"shadows": ["/etc/passwd.cedar"]},
        {"shadows": ["../outside.cedar"]},
        {"shadows": ["default"] * 9},
        {"jurisdictions": "eu"},
    ],
    ids=str,
)
def test_policies_that_cannot_be_used_open_no_folder(tmp_path, changes):
    """A policy, shadow or jurisdiction that is not there, or lies outside, opens no operator."""
    create(tmp_path / "op", tmp_path / "issuer")
    policy_file(tmp_path, name="outside.cedar")
    settings(tmp_path / "op", **changes)
    with pytest.raises(InputError) as caught:
        operator_folder.load(tmp_path / "op")
    assert caught.value.exit_code == 2


def test_shadow_outside_is_refused_for_lying_there(tmp_path):
    """A good policy outside of the folder is no shadow of it: who may write there is nobody's knowledge."""
    create(tmp_path / "op", tmp_path / "issuer")
    outside = policy_file(tmp_path, name="outside.cedar")
    for entry in ("../outside.cedar", str(outside)):
        settings(tmp_path / "op", shadows=[entry])
        with pytest.raises(InputError, match="outside"):
            operator_folder.load(tmp_path / "op")


@pytest.mark.parametrize("beside", [False, True], ids=["policy", "shadow"])
def test_jurisdiction_that_does_not_go_with_a_policy(tmp_path, beside):
    """Rules of one name are told when the folder is made and when it is opened, not at the first edit."""
    clashing = policy_file(tmp_path, CLASHES)
    chosen = {"shadows": (clashing,)} if beside else {"policy": clashing}
    with pytest.raises(InputError, match="mine does not go with uk"):
        create(tmp_path / "op", tmp_path / "issuer", jurisdictions=("uk",), **chosen)
    assert not (tmp_path / "op").exists()
    create(tmp_path / "op", tmp_path / "another", **chosen)
    settings(tmp_path / "op", jurisdictions=["uk"])
    with pytest.raises(InputError, match="does not go with uk") as caught:
        operator_folder.load(tmp_path / "op")
    assert "@id" in caught.value.remedy


@pytest.mark.parametrize("name", ["policy.cedar", "shadows", "shadows/next.cedar", "folder/policy.cedar"])
def test_policy_swapped_by_somebody_else(tmp_path, name):
    """A policy or shadow that others than the owner can write or put in place opens no operator."""
    watched = policy_file(tmp_path, name="next.cedar")
    create(tmp_path / "op", tmp_path / "issuer", policy=policy_file(tmp_path), shadows=(watched,))
    (tmp_path / "op" / "folder").mkdir(mode=0o700)
    policy_file(tmp_path / "op" / "folder", name="policy.cedar").chmod(0o600)
    settings(tmp_path / "op", shadows=["shadows/next.cedar", "folder/"])
    operator_folder.load(tmp_path / "op").store.close()
    (tmp_path / "op" / name).chmod((tmp_path / "op" / name).stat().st_mode | 0o020)
    with pytest.raises(InputError, match="written by others"):
        operator_folder.load(tmp_path / "op")


def test_two_shadows_of_one_name(tmp_path):
    """Two files that would be copied to one place make no folder."""
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    pair = policy_file(tmp_path / "a"), policy_file(tmp_path / "b")
    with pytest.raises(InputError, match="two shadows"):
        create(tmp_path / "op", tmp_path / "issuer", shadows=pair)


def test_trust_is_there_while_a_policy_is_mended(tmp_path):
    """Status lists can be fetched while the policy file is broken; edits cannot be begun."""
    create(tmp_path / "op", tmp_path / "issuer", policy=policy_file(tmp_path))
    (tmp_path / "op" / "policy.cedar").write_text("permit (")
    with pytest.raises(InputError):
        operator_folder.load(tmp_path / "op")
    trust, uris = operator_folder.load_trust(tmp_path / "op")
    assert uris == ("https://i/s",) and trust.environment is Environment.PRODUCTION


def test_people_are_answered_while_the_policy_is_being_mended(tmp_path):
    """A policy that does not load stops edits, and nobody's export, erasure or objection."""
    create(tmp_path / "op", tmp_path / "issuer", policy=policy_file(tmp_path))
    (tmp_path / "op" / "policy.cedar").write_text("permit (")
    with pytest.raises(InputError):
        operator_folder.load(tmp_path / "op")
    desk = operator_folder.load_desk(tmp_path / "op")
    assert desk.store.subject_entries("nobody") == ()
    assert decide(benign(), desk.snapshot().policy).codes == ("policy.no-edits",)
    desk.store.close()


def test_models_of_the_operators_own_are_declared_in_the_folder(tmp_path, opened):
    """What models.toml adds must agree from now on, and others than the owner cannot write it."""
    folder = tmp_path / "op"
    create(folder, tmp_path / "issuer")
    assert opened(folder).models.files() == ()
    declared = folder / "models.toml"
    declared.write_text(
        f"""
        [[insightface]]
        name = "house"
        folder = "{tmp_path}"
        licence = "ours"
        providers = ["CPUExecutionProvider"]
        recognition = {{ file = "r.onnx", sha256 = "{"0" * 64}", match = 0.4, enrol = 0.5, keep = 0.3 }}
        """
    )
    declared.chmod(0o600)
    operator = opened(folder)
    assert operator.thresholds.matching["operator-house-embedding"] == 0.4
    assert [role for role, *_ in operator.models.files()] == ["house-recognition"]
    declared.chmod(0o622)
    with pytest.raises(InputError, match=r"models\.toml"):
        operator_folder.load(folder)
    declared.chmod(0o600)
    declared.write_text("[[insightface]]\nname = 'house'\n")
    with pytest.raises(InputError, match="file of models"):
        operator_folder.load(folder)
