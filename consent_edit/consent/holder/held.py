"""What a wallet holds: credentials, grants signed, and grants that wait for signatures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeAlias

from pydantic import Field

from consent_edit.consent import sd_jwt
from consent_edit.consent.binding import FaceBinding
from consent_edit.consent.disclosure import reveal
from consent_edit.consent.encoding import b64url_decode, malformed
from consent_edit.consent.grant import GRANT_TYP, ConsentGrant, Withdrawal
from consent_edit.consent.jose import MAX_TOKEN, unverified
from consent_edit.consent.presentation import Presentation
from consent_edit.consent.webauthn import challenge
from consent_edit.consent.wire import StatusRef, Text, Wire, read_claims, read_wire
from consent_edit.errors import InputError

_Token: TypeAlias = Annotated[str, Field(max_length=MAX_TOKEN)]
Token: TypeAlias = Annotated[_Token, Field(repr=False)]
_Notice: TypeAlias = Annotated[str, Field(max_length=MAX_TOKEN)]


class HeldGrant(Wire):
    """A grant as the wallet remembers it.

    Attributes:
        token: The grant under the person's signature, or the first of her guardians'; in a guardian's own
            wallet, under his.
        credential: What it is presented with; empty in a guardian's wallet, which holds nobody's face.
        entry: The status entry that a withdrawal flips.
        notice: What was read before signing.
        cosigned: The same grant under each further guardian's signature.
        withdrawal: The signed request that withdraws it; empty until one was signed here.
    """

    jti: Text
    token: Token
    credential: Token
    entry: StatusRef
    notice: _Notice
    cosigned: Annotated[tuple[_Token, ...], Field(repr=False)] = ()
    withdrawal: Token = ""

    def presentation(self) -> Presentation:
        """What she hands to the service or the grantee, to be sealed on the way.

        Raises:
            InputError: this is a guardian's wallet; the credential is in that of the person in her care.
        """
        if not self.credential:
            raise InputError("the credential of this grant is in another wallet", code="input.grant")
        return Presentation(credential=self.credential, grant=self.token, cosigned=self.cosigned)

    def claims(self) -> ConsentGrant:
        """What was granted, as its own wallet checked when it was signed.

        Raises:
            ConsentInvalid: ``MALFORMED``.
        """
        return read_grant(self.token)

    def withdrawn_at(self) -> int:
        """When its withdrawal was signed here, unix seconds; 0 when none was.

        Raises:
            ConsentInvalid: ``MALFORMED``.
        """
        return read_wire(Withdrawal, token_payload(self.withdrawal)).iat if self.withdrawal else 0


class PendingGrant(Wire):
    """A grant drafted here that others sign: a passkey, or guardians.

    Attributes:
        payload: The canonical JSON to be signed. It holds no template: whoever signs needs no more.
        credential: What it will be presented with.
        notice: What is to be read before signing.
    """

    jti: Text
    payload: Token
    credential: Token
    entry: StatusRef
    notice: _Notice

    @property
    def challenge(self) -> bytes:
        """The 32 bytes that a passkey signs."""
        return challenge(GRANT_TYP, self.payload.encode("utf-8"))

    def signed(self, tokens: tuple[str, ...]) -> HeldGrant:
        """The grant under its signatures, which the caller has verified."""
        return HeldGrant(
            jti=self.jti,
            token=tokens[0],
            credential=self.credential,
            entry=self.entry,
            notice=self.notice,
            cosigned=tokens[1:],
        )


class HeldCredential(Wire):
    """A credential with the status entries that are left for grants under it.

    Attributes:
        audiences: Services it was shown to, or is kept for; one each, as long as the batch lasts.
        superseded: Whether another came in its place. It is kept for what was granted under it: no grant is
            made with it any more, and it has no status entry left.
    """

    credential: Token
    stock: tuple[StatusRef, ...] = ()
    audiences: tuple[Text, ...] = ()
    superseded: bool = False


class WalletState(Wire):
    """A wallet's content, its first key apart.

    Attributes:
        keys: Private JWKs of the further keys of a batch, one a credential.
    """

    keys: Annotated[tuple[dict[str, str], ...], Field(repr=False)] = ()
    credentials: tuple[HeldCredential, ...] = ()
    grants: tuple[HeldGrant, ...] = ()
    pending: tuple[PendingGrant, ...] = ()

    def chosen(self, audience: str, now: int, *, granting: bool) -> HeldCredential:
        """The credential to show a service: the one kept for it, else the one shown to the fewest others.

        Args:
            now: Unix seconds.
            granting: Whether it is for a grant, which needs a status entry and a credential in force. To show
                who she is, one that has ended or was superseded serves where there is no better.

        Raises:
            InputError: there is none.
        """
        fit = [
            one
            for one in self.credentials
            if not granting or (one.stock and read_credential(one.credential).exp > now)
        ]
        if not fit:
            raise InputError(
                "the wallet has no credential in force, or no status entry left for a grant"
                if granting
                else "the wallet has no credential",
                code="input.wallet",
                remedy="enrol (again) with the issuer and receive the new credential",
            )
        return min(
            fit,
            key=lambda one: (
                audience not in one.audiences,
                one.superseded,
                read_credential(one.credential).exp <= now,
                len(one.audiences),
            ),
        )

    def spent(self, chosen: HeldCredential, audience: str, stock: Sequence[StatusRef]) -> WalletState:
        """The content after a credential was kept for a service, with the status entries left."""
        audiences = tuple(dict.fromkeys((*chosen.audiences, audience)))
        kept = chosen.model_copy(update={"stock": tuple(stock), "audiences": audiences})
        credentials = tuple(kept if one is chosen else one for one in self.credentials)
        return self.model_copy(update={"credentials": credentials})

    def taken(self) -> frozenset[StatusRef]:
        """The status entries that grants have used up."""
        signed = (held.entry for held in self.grants)
        return frozenset((*signed, *(draft.entry for draft in self.pending)))


def read_credential(credential: str) -> FaceBinding:
    """What a credential says, its issuer's signature not looked at: its holder has it from the issuer.

    Raises:
        ConsentInvalid: ``MALFORMED``.
    """
    presented = sd_jwt.parse(credential)
    _, claims = unverified(presented.jwt, chain=True)
    return read_claims(FaceBinding, reveal(claims, presented.disclosures))


def read_grant(text: str) -> ConsentGrant:
    """A grant's claims out of its payload, or of a token whose signature is not looked at.

    Raises:
        ConsentInvalid: ``MALFORMED``.
    """
    payload = payload_of(text)
    grant = read_wire(ConsentGrant, payload)
    if grant.payload() != payload:
        raise malformed("the grant is not written canonically")
    return grant


def payload_of(text: str) -> bytes:
    """The signed bytes of a grant: as they stand, or the middle of a JWS or passkey token.

    Raises:
        ConsentInvalid: ``MALFORMED``.
    """
    return text.encode("utf-8", "replace") if text.startswith("{") else token_payload(text)


def token_payload(token: str) -> bytes:
    """The middle of a JWS or passkey token, its signature not looked at.

    Raises:
        ConsentInvalid: ``MALFORMED``.
    """
    parts = token.split(".")
    if len(token) > MAX_TOKEN or len(parts) != 3:
        raise malformed("not a token of three parts, or one beyond the size bound")
    return b64url_decode(parts[1])
