"""An issuer's key from its certificate chain (``x5c``, RFC 7515 section 4.1.6), validated to a listed anchor.

:func:`leaf_key` makes these checks, in this order:

1. One to four certificates, each within the size bound, in canonical standard base64, of X.509 in DER.
2. A path leads from the first to an anchor at the time asked (RFC 5280 section 6.1): names, signatures,
   validity, name constraints, path lengths and critical extensions are the cryptography library's to check.
   Every certificate above the leaf is a CA (section 4.2.1.9) that may sign certificates (section 4.2.1.3).
3. The path is the chain as it was given, in order: nothing stands in it unused.
4. The leaf may make signatures and is no CA (sections 4.2.1.3, 4.2.1.9). Its extended key usage is left
   alone: none is registered for credentials, and the operator chose the anchor for the purpose.
5. The leaf's subject alternative name is the issuer's name: as a URI exactly, or as a DNS name where the
   issuer's name is ``https://``, that host and nothing else (section 4.2.1.6): who holds a host's certificate
   is not every tenant on it. A wildcard is no name. Below a CA held to some names (section 4.2.1.10) only the
   DNS name counts: constraints on those leave URIs free.
6. The leaf's key is P-256 or Ed25519.

Certificates are signed by ECDSA or RSA: the library takes no Ed25519 there, only as the leaf's own key.
Whether a certificate was revoked is not asked: that would need the network. The operator takes the anchor or
the issuer off the trust list.
"""

from __future__ import annotations

import base64
import binascii
import datetime
from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from consent_edit.consent.encoding import malformed
from consent_edit.consent.keys import PublicJwk
from consent_edit.errors import ConsentInvalid
from consent_edit.vocabulary import ConsentStatus

MAX_CHAIN: Final = 4
"""Certificates a token may bring: a leaf, and no more than three above it."""

MAX_CERTIFICATE: Final = 16 * 1024
"""Bytes of DER a certificate may have."""

_UNREADABLE: Final = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises, at once or on the first look at a part, for a certificate it cannot read."""


def leaf_key(x5c: Sequence[str], anchors: Sequence[str], *, name: str, now: int) -> PublicJwk:
    """The key of a chain's leaf; see the module's numbered list.

    Args:
        x5c: Certificates in standard base64 of DER, the leaf first.
        anchors: Trust anchors in the same form, from the trust list.
        name: The issuer's name, as the token and the trust list have it.
        now: Unix seconds.

    Raises:
        ConsentInvalid: ``MALFORMED`` for what cannot be read, ``ISSUER_UNTRUSTED`` for a chain that does not
            lead from this issuer to an anchor.
    """
    # 1. Certificates that can be read.
    if not 1 <= len(x5c) <= MAX_CHAIN:
        raise malformed(f"a certificate chain has 1 to {MAX_CHAIN} certificates")
    chain = [_certificate(text) for text in x5c]
    trusted = [read_anchor(text) for text in anchors]
    try:
        # 2. and 4. A path to an anchor; the extension policies look at the leaf's usage.
        path = _path(chain, trusted, now)
        # 3. The chain as given, and then the anchor, unless the chain ends with it.
        if path[: len(chain)] != chain:
            raise _untrusted("the certificate chain is out of order, or holds one that is not needed")
        # 5. The name.
        if not _named(path, name):
            raise _untrusted("the certificate is another issuer's")
        # 6. The key.
        key = chain[0].public_key()
    except _UNREADABLE as error:
        raise malformed("a certificate cannot be read") from error
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return PublicJwk.of(key)
    if isinstance(key, ed25519.Ed25519PublicKey):
        return PublicJwk.parse(PublicJwk.of(key).export())  # refuses points of small order
    raise _untrusted("the certificate's key is neither P-256 nor Ed25519")


def read_anchor(text: str) -> x509.Certificate:
    """A trust anchor: a certificate of a CA that may sign certificates, in a way :func:`leaf_key` can follow.

    Args:
        text: Standard base64 of DER.

    Raises:
        ConsentInvalid: ``MALFORMED``; it cannot be read, or is none of a CA.
    """
    certificate = _certificate(text)
    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
        key = certificate.public_key()
    except x509.ExtensionNotFound:
        raise malformed("a trust anchor must say that it is a CA and may sign certificates") from None
    except _UNREADABLE as error:
        raise malformed("the trust anchor cannot be read") from error
    if not (basic.critical and basic.value.ca and usage.value.key_cert_sign):
        raise malformed("a trust anchor must be a CA that may sign certificates")
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise malformed("a trust anchor must sign by ECDSA or RSA")
    return certificate


def _certificate(text: str) -> x509.Certificate:
    if not isinstance(text, str) or len(text) > 4 * (MAX_CERTIFICATE // 3 + 1):
        raise malformed("a certificate is no text, or beyond the size bound")
    try:
        data = base64.b64decode(text, validate=True)
        if base64.b64encode(data).decode("ascii") != text:
            raise malformed("a certificate's base64 is not canonical")
        certificate = x509.load_der_x509_certificate(data)
        if not data.endswith(b"\0" + certificate.signature):  # the library lets unused bits pass
            raise malformed("a certificate's signature is not canonical")
        return certificate
    except (binascii.Error, *_UNREADABLE) as error:
        raise malformed("a certificate cannot be read") from error


def _path(
    chain: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate], now: int
) -> list[x509.Certificate]:
    """From the leaf to an anchor, both included."""
    if not anchors:
        raise _untrusted("the issuer has no trust anchor")
    try:
        time = datetime.datetime.fromtimestamp(now, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        raise _untrusted("no certificate holds at such a time") from None
    verifier = (
        PolicyBuilder()
        .store(Store(list(anchors)))
        .time(time)
        .extension_policies(ca_policy=_CA, ee_policy=_LEAF)
        .build_client_verifier()
    )
    try:
        return verifier.verify(chain[0], list(chain[1:])).chain
    except VerificationError:
        raise _untrusted("the certificate chain leads to no trust anchor in force") from None


def _named(path: Sequence[x509.Certificate], name: str) -> bool:
    names = path[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    held = any(isinstance(each.value, x509.NameConstraints) for ca in path[1:] for each in ca.extensions)
    if not held and name in names.get_values_for_type(x509.UniformResourceIdentifier):
        return True
    return name in {f"https://{host}" for host in names.get_values_for_type(x509.DNSName)}


def _ca_usage(_: Policy, __: x509.Certificate, usage: x509.KeyUsage) -> None:
    if not usage.key_cert_sign:
        raise ValueError("may not sign certificates")


def _leaf_usage(_: Policy, __: x509.Certificate, usage: x509.KeyUsage) -> None:
    if not usage.digital_signature or usage.key_cert_sign:
        raise ValueError("is not for signatures")


def _is_no_ca(_: Policy, __: x509.Certificate, basic: x509.BasicConstraints | None) -> None:
    if basic is not None and basic.ca:
        raise ValueError("is a CA")


_CA: Final = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.CRITICAL, None)
    .require_present(x509.KeyUsage, Criticality.AGNOSTIC, _ca_usage)
)
_LEAF: Final = (
    ExtensionPolicy.permit_all()
    .may_be_present(x509.BasicConstraints, Criticality.AGNOSTIC, _is_no_ca)
    .require_present(x509.KeyUsage, Criticality.AGNOSTIC, _leaf_usage)
    .require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
)


def _untrusted(why: str) -> ConsentInvalid:
    return ConsentInvalid(ConsentStatus.ISSUER_UNTRUSTED, why)
