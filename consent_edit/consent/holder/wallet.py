"""The holder's side: her key, her credentials, the grants she signs, and their withdrawal.

All of it works offline. Each grant takes a fresh status entry from the stock the issuer allotted to her
key; a withdrawal is a request she signs, which the issuer's status service (or whoever carries it there)
accepts for ever. Where a passkey or guardians sign, the wallet drafts the grant and takes the signatures in.

For programs that put a wallet before people; the command line, whose wallets hold a key, uses no part of it:

- a passkey signs by ``begin_grant``/``finish_grant``, ``begin_withdrawal``/``finish_withdrawal``,
  ``begin_bind``/``finish_bind``, and a guardian's by ``cosign(request, assertion)``;
- ``holder.record.consent_record`` gives the record of one grant, for a controller's books.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Unpack

from consent_edit.consent.grant import GRANT_TYP, WITHDRAWAL_TYP, Withdrawal
from consent_edit.consent.holder import changes as wallet_changes
from consent_edit.consent.holder.drafting import DEFAULT_DAYS, GrantTerms, fresh_id
from consent_edit.consent.holder.folder import (
    WALLET_KEY,
    create_folder,
    erase_folder,
    open_folder,
    signatory_of,
)
from consent_edit.consent.holder.held import (
    HeldGrant,
    PendingGrant,
    WalletState,
    payload_of,
    read_credential,
    read_grant,
)
from consent_edit.consent.holder.keeper import Keeper, MemoryKeeper
from consent_edit.consent.holder.notice import GUARDIAN_NOTICE_URI, verified_notice
from consent_edit.consent.holder.notice_words import Language
from consent_edit.consent.holder.presence import Showing, showing
from consent_edit.consent.issuing.issue import Enrolment
from consent_edit.consent.jose import sign_compact
from consent_edit.consent.jwe import OpeningKey
from consent_edit.consent.keys import Algorithm, PublicJwk, SigningKey
from consent_edit.consent.presentation import CredentialPackage, HolderCard
from consent_edit.consent.proof import sign_proof
from consent_edit.consent.sd_jwt import BINDING_TYP
from consent_edit.consent.signatory import Signatory
from consent_edit.consent.webauthn import Assertion, passkey_token
from consent_edit.consent.wire import StatusRef
from consent_edit.errors import InputError
from consent_edit.vocabulary import Operation, Purpose

__all__ = ["DEFAULT_DAYS", "HeldGrant", "PendingGrant", "Wallet"]


class Wallet:
    """One person's wallet.

    Args:
        signs: Her private key; or who signs where a passkey does, whose key is in no wallet.
        keeper: Keeps its content; by default in memory.
        opening: Opens what is sealed to her.
    """

    def __init__(
        self,
        signs: SigningKey | Signatory,
        keeper: Keeper | None = None,
        opening: OpeningKey | None = None,
    ) -> None:
        self._signs = signs
        self._keeper = keeper or MemoryKeeper()
        self._opening = opening or OpeningKey.generate()
        self.holder = signatory_of(signs)

    @classmethod
    def create(
        cls,
        folder: Path,
        algorithm: Algorithm = Algorithm.ES256,
        *,
        key_file: Path | None = None,
        passkey: Signatory | None = None,
    ) -> Wallet:
        """Make a wallet in a new folder of mode 0700: all of it, or nothing.

        Args:
            algorithm: Of the fresh key.
            key_file: Where the key goes that its content is sealed under; by default in the folder.
            passkey: Who signs, if not a key of this folder.

        Raises:
            InputError: there is something already, or it cannot be written.
        """
        create_folder(folder, passkey or SigningKey.generate(algorithm), key_file or folder / WALLET_KEY)
        return cls.open(folder, key_file=key_file)

    @classmethod
    def open(cls, folder: Path, *, key_file: Path | None = None) -> Wallet:
        """Open a wallet's folder.

        Raises:
            InputError: there is no wallet, its key is gone, or a file in it was altered or is another's.
        """
        opened = open_folder(folder, key_file or folder / WALLET_KEY)
        return cls(opened.signs, opened.keeper, opened.opening)

    @staticmethod
    def erase(folder: Path, *, key_file: Path | None = None) -> bool:
        """Destroy a wallet for good; whether the key its content is sealed under was there to be destroyed.

        Raises:
            InputError: there is no wallet, or a file cannot be destroyed.
        """
        return erase_folder(folder, key_file or folder / WALLET_KEY)

    @property
    def public(self) -> PublicJwk:
        """The public key that an issuer binds to her face."""
        return self.holder.key

    @property
    def subject(self) -> str:
        """Thumbprint of her key; the grantee of a self-edit."""
        return self.holder.thumbprint

    @property
    def card(self) -> HolderCard:
        """What she gives the issuer."""
        return HolderCard.made(self._signs, self._opening.public)

    def cards(self, count: int) -> tuple[HolderCard, ...]:
        """Cards for a batch of credentials, one for each service, so that services cannot link them.

        Each has a key of its own; the further keys are made here and kept with the content.

        Raises:
            InputError: a passkey signs for this wallet, and there is one of it.
        """
        self._key()

        def made(state: WalletState) -> tuple[WalletState, tuple[HolderCard, ...]]:
            fresh = (SigningKey.generate(self.public.algorithm) for _ in range(count - 1 - len(state.keys)))
            grown = state.model_copy(update={"keys": (*state.keys, *(key.export_private() for key in fresh))})
            own = list(self._own(grown).values())
            return grown, tuple(HolderCard.made(signs, self._opening.public) for signs in own[:count])

        return self._keeper.update(made)

    @property
    def grants(self) -> tuple[HeldGrant, ...]:
        """Every grant she signed, oldest first."""
        return self._keeper.read().grants

    @property
    def pending(self) -> tuple[PendingGrant, ...]:
        """Grants that wait for signatures, oldest first."""
        return self._keeper.read().pending

    @property
    def guardians(self) -> tuple[str, ...]:
        """Thumbprints of those who sign her grants in her place; none: she does."""
        held = self._keeper.read().credentials[:1]
        named = (guardian for one in held for guardian in read_credential(one.credential).guardian)
        return tuple(guardian.signatory().thumbprint for guardian in named)

    @property
    def grants_left(self) -> int:
        """How many grants she can still make before she needs a new credential."""
        return sum(len(one.stock) for one in self._keeper.read().credentials)

    def receive(self, credential: str, stock: Collection[StatusRef]) -> None:
        """Store one credential and its status entries; as :meth:`receive_sealed`."""
        self._receive([(credential, tuple(stock))], replace=False)

    def receive_sealed(self, *packages: str, replace: bool = False) -> None:
        """Store the credentials that an issuer sealed to her, in place of earlier ones.

        An entry that a grant of hers has taken already is left out: each grant is withdrawn by itself. An
        earlier credential that a grant still stands under is kept: no grant is made with it any more.

        Args:
            packages: Of one credential and its status entries each.
            replace: Whether to take what another issuer made than the one of the credentials held.

        Raises:
            InputError: a credential is not bound to a key of this wallet, is from another issuer, or stands
                twice, or its entries do; or the entries are not those it was issued with: whoever carried it
                here could have put entries there that she cannot withdraw.
            ConsentInvalid: ``MALFORMED``; a package is sealed to somebody else, was altered, or holds no
                credential.
        """
        opened = [CredentialPackage.opened(package, self._opening) for package in packages]
        self._receive([(package.credential, package.stock) for package in opened], replace=replace)

    def accept(self, *enrolments: Enrolment) -> None:
        """Store what an issuer in the same process gave; as :meth:`receive_sealed`."""
        self._receive([(one.credential, one.stock) for one in enrolments], replace=False)

    def grant(self, *, now: int, **terms: Unpack[GrantTerms]) -> HeldGrant:
        """Sign a consent grant with her key.

        Args:
            now: Unix seconds.
            terms: As of :func:`~consent_edit.consent.holder.drafting.draft_grant`; a key of this wallet as
                grantee is herself.

        Raises:
            InputError: there is no credential or it has expired, the stock of status entries is used up, the
                grant makes no sense, or others must sign it: a passkey, or guardians.
        """
        self._key()

        def sign(state: WalletState) -> tuple[WalletState, HeldGrant]:
            own = self._own(state)
            left, pending = wallet_changes.drafted(state, now, terms, own)
            binding = read_credential(pending.credential)
            if binding.guardian:
                raise InputError(
                    "her guardians sign this person's grants",
                    code="input.grant",
                    remedy="draft the grant, have each guardian cosign it, and bring their signatures back",
                )
            token = _made(own[binding.holder().thumbprint], pending.payload.encode("utf-8"), GRANT_TYP)
            return wallet_changes.with_grant(left, pending.signed((token,)))

        return self._keeper.update(sign)

    def grant_self(
        self,
        *,
        audience: str,
        operations: Collection[Operation],
        now: int,
        images: Collection[str] = (),
        days: int = DEFAULT_DAYS,
        lang: Language = Language.EN,
    ) -> HeldGrant:
        """The commonest case in one call: she herself edits her own photos, for herself.

        Raises:
            InputError: as :meth:`grant`.
        """
        return self.grant(
            audience=audience,
            grantee=self.subject,
            operations=operations,
            purpose=Purpose.PERSONAL,
            now=now,
            images=images,
            days=days,
            lang=lang,
        )

    def held(self, jti: str) -> HeldGrant:
        """A grant she signed, by its name.

        Raises:
            InputError: no such grant in this wallet.
        """
        return wallet_changes.held(self._keeper.read(), jti)

    def begin_grant(self, *, now: int, **terms: Unpack[GrantTerms]) -> PendingGrant:
        """Draft a grant that others sign: her passkey (the ``challenge``), or guardians (the ``payload``).

        Raises:
            InputError: as :meth:`grant`.
        """

        def draft(state: WalletState) -> tuple[WalletState, PendingGrant]:
            left, pending = wallet_changes.drafted(state, now, terms, self._own(state))
            return left.model_copy(update={"pending": (*left.pending, pending)}), pending

        return self._keeper.update(draft)

    def finish_grant(self, jti: str, *signed: Assertion | str) -> HeldGrant:
        """Take in the signatures of a drafted grant: those of all who must sign, each verified here.

        Args:
            jti: Name of the draft.
            signed: The passkey's assertion over its challenge, or a token of each guardian.

        Raises:
            InputError: no such draft, or another grant was signed.
            ConsentInvalid: ``SIGNATURE_INVALID`` or ``MALFORMED``; not each of them signed it, once.
        """
        return self._keeper.update(lambda state: wallet_changes.finished(state, jti, signed))

    def review(self, request: str) -> str:
        """The notice that a guardian reads before he signs, written here from the grant's own claims.

        Args:
            request: What the wallet of the person in his care drafted, or another guardian signed.

        Raises:
            InputError: it is no grant for guardians, or about this wallet's own holder.
            ConsentInvalid: ``MALFORMED``; it is no grant, or names another notice than its claims give.
        """
        grant = read_grant(request)
        notice = verified_notice(grant)
        own = self._own(self._keeper.read())
        if grant.notice.uri != GUARDIAN_NOTICE_URI or grant.cnf.jkt in own:
            raise InputError("this is no grant that a guardian signs for somebody else", code="input.grant")
        return notice

    def cosign(self, request: str, assertion: Assertion | None = None) -> str:
        """Sign, as a guardian, the very grant that :meth:`review` showed, and keep it to be withdrawn.

        Args:
            request: As of :meth:`review`.
            assertion: His passkey's, over the grant's challenge; without one his key signs.

        Returns:
            His token, for the wallet that drafted the grant.

        Raises:
            InputError: as :meth:`review`, or another grant of this name was signed here.
            ConsentInvalid: as :meth:`review`, or the assertion does not hold.
        """
        notice, grant = self.review(request), read_grant(request)
        token = _made(self._signs, payload_of(request), GRANT_TYP, assertion)
        entry = grant.status.status_list
        held = HeldGrant(jti=grant.jti, token=token, credential="", entry=entry, notice=notice)
        return self._keeper.update(lambda state: wallet_changes.cosigned(state, held))

    def withdraw(self, jti: str, now: int) -> str:
        """Sign the request that withdraws a grant; hand it to the issuer's status service, by any way.

        Raises:
            InputError: no such grant in this wallet, or a passkey signs: see :meth:`begin_withdrawal`.
        """
        return self._withdrawn(jti, self.begin_withdrawal(jti, now), None)

    def begin_withdrawal(self, jti: str, now: int) -> Withdrawal:
        """The request that withdraws a grant; a passkey signs ``challenge(WITHDRAWAL_TYP, payload())``.

        Raises:
            InputError: no such grant in this wallet.
        """
        entry = wallet_changes.entry_of(self._keeper.read(), jti)
        return Withdrawal(jti=fresh_id(), iat=now, status_list=entry)

    def finish_withdrawal(self, jti: str, request: Withdrawal, assertion: Assertion) -> str:
        """The signed request, from the passkey's assertion over it.

        Raises:
            InputError: no such grant in this wallet, or the request is for another.
            ConsentInvalid: the assertion does not hold.
        """
        return self._withdrawn(jti, request, assertion)

    def key_for(self, audience: str) -> str:
        """Thumbprint of the key a service knows her by: what others name as grantee to let her edit there."""
        return signatory_of(self._signs_for(audience)).thumbprint

    def prove(self, request_digest: str, audience: str, now: int) -> str:
        """Prove her key for one edit; every edit whose grantee is a key needs it (``consent.proof``).

        Args:
            request_digest: ``sha256:<hex>`` of the edit asked for.
            audience: The service's name.
            now: Unix seconds.

        Raises:
            InputError: a passkey signs for this wallet; it proves no key.
            ConsentInvalid: ``MALFORMED``; an argument is not of its form.
        """
        return sign_proof(
            _key_in(self._signs_for(audience)), audience=audience, request=request_digest, now=now
        )

    def bind(self, audience: str, nonce: str, now: int, *, disclose: bool = False) -> str:
        """Show who she is, now, to a service or the issuer: her credential with her key's signature.

        Args:
            nonce: The one the service gave her.
            now: Unix seconds.
            disclose: Whether her face template is shown; else nothing in the credential is disclosed.

        Raises:
            InputError: there is no credential, or a passkey signs: see :meth:`begin_bind`.
            ConsentInvalid: ``MALFORMED``; an argument is not of its form.
        """
        self._key()
        shown = self.begin_bind(audience, nonce, now, disclose=disclose)
        return _bound(shown, self._signs_for(audience), None)

    def begin_bind(self, audience: str, nonce: str, now: int, *, disclose: bool = False) -> Showing:
        """What :meth:`bind` signs, for a passkey to sign its ``challenge``.

        A credential that has ended serves too: it is no consent, and still says whose data a service holds.

        Raises:
            InputError: there is no credential.
            ConsentInvalid: ``MALFORMED``; an argument is not of its form.
        """

        def choose(state: WalletState) -> tuple[WalletState, Showing]:
            chosen = state.chosen(audience, now, granting=False)
            shown = showing(chosen.credential, audience=audience, nonce=nonce, now=now, disclose=disclose)
            return state.spent(chosen, audience, chosen.stock), shown

        return self._keeper.update(choose)

    def finish_bind(self, shown: Showing, assertion: Assertion) -> str:
        """The credential with its key binding, from the passkey's assertion over it.

        Raises:
            InputError: a key in this wallet signs: see :meth:`bind`.
            ConsentInvalid: the assertion does not hold.
        """
        if isinstance(self._signs, SigningKey):
            raise InputError(
                "no passkey signs for this wallet", code="input.wallet", remedy="bind it at once"
            )
        return _bound(shown, self._signs, assertion)

    def _receive(self, packages: Sequence[tuple[str, tuple[StatusRef, ...]]], *, replace: bool) -> None:
        def store(state: WalletState) -> tuple[WalletState, None]:
            own = [signatory_of(signs) for signs in self._own(state).values()]
            return wallet_changes.received(state, packages, own, replace=replace), None

        self._keeper.update(store)

    def _withdrawn(self, jti: str, request: Withdrawal, assertion: Assertion | None) -> str:
        def keep(state: WalletState) -> tuple[WalletState, str]:
            about = wallet_changes.claims_of(state, jti).cnf.jkt
            signs = self._own(state).get(about, self._signs)  # a guardian signs by his own key
            token = _made(signs, request.payload(), WITHDRAWAL_TYP, assertion)
            return wallet_changes.withdrawn(state, jti, request, token)

        return self._keeper.update(keep)

    def _own(self, state: WalletState) -> dict[str, SigningKey | Signatory]:
        """Who signs, by thumbprint: her key or passkey first, then the further keys of a batch."""
        further = [SigningKey.parse(jwk) for jwk in state.keys]
        return {self.subject: self._signs, **{key.public.thumbprint: key for key in further}}

    def _key(self) -> SigningKey:
        return _key_in(self._signs)

    def _signs_for(self, audience: str) -> SigningKey | Signatory:
        """Who signs for the credential kept for a service, or first of all."""
        state = self._keeper.read()
        kept = [one.credential for one in state.credentials if audience in one.audiences]
        return self._own(state)[read_credential(kept[0]).holder().thumbprint] if kept else self._signs


def _key_in(signs: SigningKey | Signatory) -> SigningKey:
    if isinstance(signs, Signatory):
        raise InputError(
            "a passkey signs for this wallet, not a key in it",
            code="input.wallet",
            remedy="draft it here, have the passkey sign its challenge, and bring the assertion back",
        )
    return signs


def _bound(shown: Showing, signs: SigningKey | Signatory, assertion: Assertion | None) -> str:
    return shown.presented + _made(signs, shown.payload.encode("utf-8"), BINDING_TYP, assertion)


def _made(signs: SigningKey | Signatory, payload: bytes, typ: str, assertion: Assertion | None = None) -> str:
    """A signed token: by the key, or of the passkey's assertion once that was verified."""
    if assertion is None:
        return sign_compact(payload, _key_in(signs), typ=typ)
    token = passkey_token(payload, assertion, typ=typ)
    signatory_of(signs).verify(token, typ=typ)
    return token
