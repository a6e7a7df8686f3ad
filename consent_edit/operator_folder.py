"""An operator on disk: one folder with its keys, trust list, policy choice and log."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from consent_edit.consent.jwe import OpeningKey
from consent_edit.consent.keys import write_private
from consent_edit.consent.new_folder import new_folder
from consent_edit.consent.presentation import AudienceCard
from consent_edit.consent.status.lists import StatusLists, folder_source
from consent_edit.consent.trust import TrustList, read_anchors
from consent_edit.encoding import canonical_json
from consent_edit.errors import ConsentInvalid, InputError
from consent_edit.evidence.keys import PRIVATE_KEY_FILE, create_receipt_key, load_receipt_key
from consent_edit.operator import Operator, unix_now
from consent_edit.operator_policies import (
    check_together,
    choose,
    policy_of,
    refuse_foreign_hands,
    shadow_of,
)
from consent_edit.perception.operator.models import OperatorModels, read_operator_models
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.policy_file import PolicyFile, in_force
from consent_edit.policy.shadow import MAX_SHADOWS
from consent_edit.policy.shipped_names import POLICY_FILE
from consent_edit.store.store import Store
from consent_edit.store.vault_key import VaultKey

_CONFIG = "operator.json"
_TRUST_LIST = "trust-list.jwt"
_ANCHOR = "anchor.jwk.json"
_LOG = "log.sqlite"
_STATUS = "status"
_VAULT_KEY = "vault.key"
_OPENING_KEY = "presentation-key.json"
_OLD_OPENING_KEY = "presentation-key.*.old.json"
_MODELS = "models.toml"
_NO_EDITS = '@id("no-edits") @reason("No edit is made here.") forbid (principal, action, resource);'
AUDIENCE_CARD = "audience.json"
"""What the service publishes: its name, and the key that presentations are sealed to."""


class _Config(BaseModel):
    """``operator.json``.

    Attributes:
        audience: What grants name in ``aud``.
        policy: A shipped policy's name, or ``custom`` for the folder's own ``policy.cedar``.
        jurisdictions: Codes of what narrows it, such as ``eu``.
        shadows: Policies that are asked beside it and decide nothing: shipped names, or paths in the folder,
            which have a slash or end in ``.cedar``.
        status_uris: Addresses, or prefixes ending with ``/``, whose lists lie in the folder ``status``.
        store: ``postgresql+psycopg://`` address of the log, under the folder's ``vault.key``; by default the
            folder's own SQLite file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    audience: Annotated[str, Field(min_length=1, max_length=500)]
    policy: str = "default"
    jurisdictions: tuple[str, ...] = ()
    shadows: Annotated[tuple[str, ...], Field(max_length=MAX_SHADOWS)] = ()
    status_uris: tuple[str, ...] = ()
    store: str = ""


def create(
    folder: Path,
    *,
    audience: str,
    trust_list: str,
    anchor: str,
    status_uris: tuple[str, ...],
    store: str = "",
    policy: str | Path = "default",
    jurisdictions: Sequence[str] = (),
    shadows: Sequence[str | Path] = (),
) -> None:
    """Make an operator's folder: whole, or not at all.

    Args:
        trust_list: The signed trust list, compact JWS.
        anchor: The anchor's public key, JWK or JWK set; it verifies the list here and now.
        status_uris: Where the status lists that lie in ``<folder>/status`` belong.
        store: ``postgresql+psycopg://`` address for the log, if not a file of the folder.
        policy: A shipped policy's name; or a policy file or folder, whose text is copied in.
        jurisdictions: Codes of what narrows it.
        shadows: As ``policy``; asked beside it, they decide nothing.

    Raises:
        InputError: the folder holds something already, the anchor is no public key, or a policy does not
            hold or does not go with a jurisdiction.
        VerificationFailed: the trust list does not verify under the anchor; a demo's never does here.
    """
    try:
        anchors = read_anchors(anchor.encode("utf-8"))
    except ConsentInvalid as error:
        raise InputError(
            f"the anchor is no public key: {error.message}",
            code="input.operator",
            remedy="name the public key (JWK, or a JWK set) that signed the trust list",
        ) from error
    TrustList.load(trust_list, anchor=anchors, now=unix_now())
    chosen = choose(policy, shadows, jurisdictions)
    with new_folder(folder, code="input.operator") as place:
        (place / _STATUS).mkdir()
        create_receipt_key(place)
        if store:
            VaultKey.generate().save(place / _VAULT_KEY)
        opening = OpeningKey.generate()
        opening.save(place / _OPENING_KEY)
        card = _card(audience, opening)
        config = _Config(
            audience=audience,
            policy=chosen.policy,
            jurisdictions=tuple(jurisdictions),
            shadows=chosen.shadows,
            status_uris=status_uris,
            store=store,
        ).model_dump_json(indent=2)
        files = ((_TRUST_LIST, trust_list), (_ANCHOR, anchor), (AUDIENCE_CARD, card), (_CONFIG, config))
        for name, text in (*files, *chosen.files):
            (place / name).parent.mkdir(mode=0o700, exist_ok=True)
            write_private(place / name, f"{text.strip()}\n".encode())


def load(folder: Path) -> Operator:
    """The operator of a folder, ready for edits.

    Raises:
        InputError: the folder is not an operator's, a file of it cannot be used, a jurisdiction is unknown or
            does not go with a policy, or others than its owner could have written its settings, anchor or
            a policy.
        VerificationFailed: its trust list does not verify, or is older than one that was in force here.
        StoreUnavailable: its log cannot be opened.
        Unavailable: its receipt key is missing or open to others.
    """
    config = _settings(folder)
    policy = policy_of(folder, config.policy, config.jurisdictions)
    shadows = tuple(shadow_of(folder, entry) for entry in config.shadows)
    check_together((in_force(policy), *shadows), config.jurisdictions)
    return _operator(folder, policy, config.jurisdictions, shadows)


def load_desk(folder: Path) -> Operator:
    """The operator of a folder, ready to answer the people depicted; it refuses every edit.

    Their rights do not wait for a policy that is being mended, so none is read.

    Raises:
        InputError: as :func:`load`, policies apart.
        VerificationFailed: as :func:`load`.
        StoreUnavailable: as :func:`load`.
        Unavailable: as :func:`load`.
    """
    return _operator(folder, PolicyBundle.from_text(_NO_EDITS, name="no-edits"))


def _operator(
    folder: Path,
    policy: PolicyBundle | PolicyFile,
    jurisdictions: tuple[str, ...] = (),
    shadows: tuple[PolicyBundle, ...] = (),
) -> Operator:
    config, trust = _settings_and_trust(folder)
    try:
        opening_keys = _opening_keys(folder)
    except (OSError, ValueError, ConsentInvalid) as error:
        raise _not_an_operator(folder, error) from error
    receipt_key = load_receipt_key(folder / PRIVATE_KEY_FILE)
    source = folder_source(folder / _STATUS)
    return Operator(
        audience=config.audience,
        trust=trust,
        policy=policy,
        statuses=StatusLists(dict.fromkeys(config.status_uris, source)),
        store=_open_marked(folder, config, trust),
        receipt_key=receipt_key,
        opening_keys=opening_keys,
        jurisdictions=jurisdictions,
        shadows=shadows,
        models=_models(folder),
    )


def _models(folder: Path) -> OperatorModels:
    """The models that the folder's ``models.toml`` adds; none without one."""
    path = folder / _MODELS
    return read_operator_models(path) if path.exists() else OperatorModels()


def load_trust(folder: Path) -> tuple[TrustList, tuple[str, ...]]:
    """Trust list and status addresses alone, for what must go on while a policy is being mended.

    Raises:
        InputError: the folder is not an operator's.
        VerificationFailed: its trust list does not verify, or is older than one that was in force here.
        StoreUnavailable: its log cannot be opened.
    """
    config, trust = _settings_and_trust(folder)
    _open_marked(folder, config, trust).close()
    return trust, config.status_uris


def policy_in_force(folder: Path) -> PolicyBundle:
    """The policy of an operator's folder within its jurisdictions, whatever its trust list has come to.

    Raises:
        InputError: the folder is not an operator's, or its policy cannot be used.
    """
    config = _settings(folder)
    return in_force(policy_of(folder, config.policy, config.jurisdictions)).within(config.jurisdictions)


def jurisdictions(folder: Path) -> tuple[str, ...]:
    """Codes of what always narrows the policy of an operator's folder.

    Raises:
        InputError: the folder is not an operator's.
    """
    return tuple(dict.fromkeys(_settings(folder).jurisdictions))


def rotate_presentation_key(folder: Path) -> Path:
    """Publish a fresh key to seal to; what was sealed to the old one still opens, until its file is removed.

    Returns:
        The new audience card.

    Raises:
        InputError: the folder is not an operator's, or cannot be written.
    """
    try:
        config = _Config.model_validate_json((folder / _CONFIG).read_bytes())
        old, fresh = OpeningKey.load(folder / _OPENING_KEY), OpeningKey.generate()
    except (OSError, ValueError, ConsentInvalid) as error:
        raise InputError(f"{folder} is not an operator's folder", code="input.operator") from error
    kept = folder / _OLD_OPENING_KEY.replace("*", old.public.thumbprint)
    if not kept.exists():  # a rotation cut short kept it already
        old.save(kept)
    write_private(folder / _OPENING_KEY, canonical_json(fresh.export_private()))
    write_private(folder / AUDIENCE_CARD, f"{_card(config.audience, fresh)}\n".encode())
    return folder / AUDIENCE_CARD


def _opening_keys(folder: Path) -> tuple[OpeningKey, ...]:
    """The key that is published, and those that were."""
    newest = OpeningKey.load(folder / _OPENING_KEY)
    older = [OpeningKey.load(path) for path in sorted(folder.glob(_OLD_OPENING_KEY))]
    return (newest, *(key for key in older if key.public.thumbprint != newest.public.thumbprint))


def _card(audience: str, key: OpeningKey) -> str:
    return AudienceCard(audience=audience, key=key.public.export()).model_dump_json(indent=2)


def open_store(folder: Path) -> Store:
    """The log of an operator's folder alone, as its keeper needs it; whatever its trust list has come to.

    Raises:
        InputError: the folder is not an operator's.
        StoreUnavailable: its log cannot be opened.
    """
    return _open_store(folder, _settings(folder))


def _settings(folder: Path) -> _Config:
    try:
        refuse_foreign_hands(folder, (_CONFIG, _ANCHOR, POLICY_FILE, _MODELS))
        return _Config.model_validate_json((folder / _CONFIG).read_bytes())
    except (OSError, ValueError) as error:
        raise _not_an_operator(folder, error) from error


def _settings_and_trust(folder: Path) -> tuple[_Config, TrustList]:
    config = _settings(folder)
    try:
        anchors = read_anchors((folder / _ANCHOR).read_bytes())
        trust_list = (folder / _TRUST_LIST).read_text().strip()
    except (OSError, ValueError, ConsentInvalid) as error:
        raise _not_an_operator(folder, error) from error
    return config, TrustList.load(trust_list, anchor=anchors, now=unix_now())


def _not_an_operator(folder: Path, error: Exception) -> InputError:
    return InputError(
        f"{folder} is not an operator's folder ({type(error).__name__})",
        code="input.operator",
        remedy="make one with: consent-edit operator init DIR",
    )


def _open_store(folder: Path, config: _Config) -> Store:
    if not config.store:
        return Store.open(folder / _LOG)
    return Store.open(config.store, vault_key=VaultKey.load(folder / _VAULT_KEY))


def _open_marked(folder: Path, config: _Config, trust: TrustList) -> Store:
    store = _open_store(folder, config)
    try:
        store.raise_mark(_TRUST_LIST, trust.iat)  # never back to a list that trusted somebody removed since
    except BaseException:
        store.close()
        raise
    return store
