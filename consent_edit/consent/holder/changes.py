"""What changes in a wallet: each function takes the content as it stands and gives what it becomes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypeVar

from consent_edit.consent.binding import FaceBinding
from consent_edit.consent.grant import GRANT_TYP, ConsentGrant, Withdrawal, verify_grant
from consent_edit.consent.holder.drafting import GrantTerms, draft_grant, fitted
from consent_edit.consent.holder.held import (
    HeldCredential,
    HeldGrant,
    PendingGrant,
    WalletState,
    payload_of,
    read_credential,
    read_grant,
)
from consent_edit.consent.holder.notice import notice_text
from consent_edit.consent.signatory import Signatory
from consent_edit.consent.webauthn import Assertion, passkey_token
from consent_edit.consent.wire import StatusRef
from consent_edit.errors import InputError

_Named = TypeVar("_Named", HeldGrant, PendingGrant)


def received(
    state: WalletState,
    packages: Sequence[tuple[str, tuple[StatusRef, ...]]],
    own: Collection[Signatory],
    *,
    replace: bool,
) -> WalletState:
    """Credentials and their status entries in place of earlier ones, entries that grants have taken left out.

    An earlier one under which a grant lives (one not withdrawn here) or waits stays, superseded.

    Args:
        packages: A credential and its entries each.
        own: Whom a credential may be bound to.
        replace: Whether they may come from another issuer than those held.

    Raises:
        InputError: a credential is bound to another key, the entries are not those it was issued with, a
            credential or an entry stands twice, or the issuer is none of those held.
        ConsentInvalid: ``MALFORMED``; it is no credential.
    """
    for credential, stock in packages:
        _check_package(read_credential(credential), stock, own)
    _check_each_once(packages)
    if not replace:
        _check_issuers(state, [credential for credential, _ in packages])
    shown = _shown(state)
    taken = state.taken()
    fresh = tuple(
        HeldCredential(
            credential=credential,
            stock=tuple(entry for entry in stock if entry not in taken),
            audiences=shown.get(read_credential(credential).holder().thumbprint, ()),
        )
        for credential, stock in packages
    )
    return state.model_copy(update={"credentials": (*fresh, *_superseded(state, fresh))})


def drafted(
    state: WalletState, now: int, terms: GrantTerms, own: Collection[str]
) -> tuple[WalletState, PendingGrant]:
    """A draft under the credential kept for its audience; the entry it takes is gone from the stock.

    Args:
        own: Thumbprints that name herself as grantee; the draft names her by the credential's own key.

    Raises:
        InputError: as :func:`~consent_edit.consent.holder.drafting.draft_grant`, or no credential is in
            force.
    """
    chosen = state.chosen(terms["audience"], now, granting=True)
    entry, *left = chosen.stock
    if terms["grantee"] in own:
        terms = {**terms, "grantee": read_credential(chosen.credential).holder().thumbprint}
    grant = draft_grant(chosen.credential, entry, now=now, **terms)
    members = {
        "jti": grant.jti,
        "payload": grant.payload().decode("utf-8"),
        "credential": chosen.credential,
        "entry": entry,
        "notice": notice_text(grant),
    }
    return state.spent(chosen, terms["audience"], left), fitted(PendingGrant, members)


def finished(
    state: WalletState, jti: str, signed: Sequence[Assertion | str]
) -> tuple[WalletState, HeldGrant]:
    """A draft under the signatures of all who must sign it, each verified.

    Raises:
        InputError: no such draft, or another grant was signed.
        ConsentInvalid: ``SIGNATURE_INVALID`` or ``MALFORMED``; not each of them signed it, once.
    """
    draft = pending(state, jti)
    payload = draft.payload.encode("utf-8")
    tokens = tuple(
        passkey_token(payload, one, typ=GRANT_TYP) if isinstance(one, Assertion) else one for one in signed
    )
    credential = read_credential(draft.credential)
    verify_grant(tokens, credential.signatories(credential.holder()))
    if payload_of(tokens[0]) != payload:
        raise InputError("another grant was signed than the one drafted here", code="input.grant")
    left = tuple(one for one in state.pending if one.jti != jti)
    return with_grant(state.model_copy(update={"pending": left}), draft.signed(tokens))


def with_grant(state: WalletState, signed: HeldGrant) -> tuple[WalletState, HeldGrant]:
    """A signed grant more."""
    return state.model_copy(update={"grants": (*state.grants, signed)}), signed


def cosigned(state: WalletState, signed: HeldGrant) -> tuple[WalletState, str]:
    """A grant that a guardian signed; signed again, the first token stands.

    Raises:
        InputError: another grant of this name is there: a withdrawal by name could miss it.
    """
    for one in state.grants:
        if one.jti == signed.jti and payload_of(one.token) == payload_of(signed.token):
            return state, one.token
        if one.jti == signed.jti:
            raise InputError("another grant of this name was signed here", code="input.grant")
    return with_grant(state, signed)[0], signed.token


def withdrawn(state: WalletState, jti: str, request: Withdrawal, token: str) -> tuple[WalletState, str]:
    """A grant with its signed withdrawal; the first one stands, for it is final.

    Raises:
        InputError: no such grant, or the request is for another.
    """
    if entry_of(state, jti) != request.status_list:
        raise InputError("the request is for another grant", code="input.grant")
    grants = tuple(
        one.model_copy(update={"withdrawal": one.withdrawal or token}) if one.jti == jti else one
        for one in state.grants
    )
    return state.model_copy(update={"grants": grants}), token


def entry_of(state: WalletState, jti: str) -> StatusRef:
    """The status entry of a grant, signed or waiting.

    Raises:
        InputError: no such grant.
    """
    return _named(state, jti).entry


def claims_of(state: WalletState, jti: str) -> ConsentGrant:
    """What a grant, signed or waiting, says.

    Raises:
        InputError: no such grant.
    """
    named = _named(state, jti)
    return named.claims() if isinstance(named, HeldGrant) else read_grant(named.payload)


def held(state: WalletState, jti: str) -> HeldGrant:
    """A signed grant, by its name.

    Raises:
        InputError: no such grant.
    """
    return _one_named(jti, state.grants)


def pending(state: WalletState, jti: str) -> PendingGrant:
    """A grant that waits for signatures, by its name.

    Raises:
        InputError: no such draft.
    """
    return _one_named(jti, state.pending)


def _check_package(binding: FaceBinding, stock: Sequence[StatusRef], own: Collection[Signatory]) -> None:
    holder = binding.holder()
    if not any((holder.thumbprint, holder.passkey) == (one.thumbprint, one.passkey) for one in own):
        raise InputError("the credential is bound to another key", code="input.credential")
    if binding.grant_entries is None or tuple(stock) != binding.grant_entries.refs():
        raise InputError(
            "the status entries are not those the credential was issued with", code="input.credential"
        )


def _check_each_once(packages: Sequence[tuple[str, tuple[StatusRef, ...]]]) -> None:
    """One entry under two grants would let a withdrawal hang on another."""
    entries = [entry for _, stock in packages for entry in stock]
    if len(set(entries)) != len(entries):
        raise InputError("a credential, or a status entry, stands twice", code="input.credential")


def _check_issuers(state: WalletState, credentials: Sequence[str]) -> None:
    """Whoever can reach her with a package could otherwise put his own in the place of a true credential."""
    held = {read_credential(one.credential).iss for one in state.credentials}
    if held and not {read_credential(credential).iss for credential in credentials} <= held:
        raise InputError(
            "the credential is from another issuer than the one held",
            code="input.credential",
            remedy="if you changed the issuer, receive it again and say so: --replace",
        )


def _shown(state: WalletState) -> dict[str, tuple[str, ...]]:
    """Which services know a key of hers, by its thumbprint."""
    shown: dict[str, tuple[str, ...]] = {}
    for one in state.credentials:
        key = read_credential(one.credential).holder().thumbprint
        shown[key] = tuple(dict.fromkeys((*shown.get(key, ()), *one.audiences)))
    return shown


def _superseded(state: WalletState, fresh: Collection[HeldCredential]) -> tuple[HeldCredential, ...]:
    """The earlier credentials that grants still stand under."""
    live = {one.credential for one in state.grants if not one.withdrawal}
    live |= {one.credential for one in state.pending}
    live -= {one.credential for one in fresh}
    return tuple(
        one.model_copy(update={"stock": (), "superseded": True})
        for one in state.credentials
        if one.credential in live
    )


def _named(state: WalletState, jti: str) -> HeldGrant | PendingGrant:
    return pending(state, jti) if any(one.jti == jti for one in state.pending) else held(state, jti)


def _one_named(jti: str, among: tuple[_Named, ...]) -> _Named:
    for one in among:
        if one.jti == jti:
            return one
    raise InputError("no such grant in this wallet", code="input.grant")
