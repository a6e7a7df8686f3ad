"""Certificate chains of issuers: one path, to a listed anchor, for this very issuer."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from consent_edit.consent.chain import MAX_CERTIFICATE, MAX_CHAIN, leaf_key, read_anchor
from consent_edit.consent.keys import Algorithm, PublicJwk
from consent_edit.errors import ConsentInvalid
from consent_edit.vocabulary import ConsentStatus

TODAY = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
NOW = int(TODAY.timestamp())
DAY = datetime.timedelta(days=1)
ISSUER, HOST = "https://issuer.example", "issuer.example"
MALFORMED, UNTRUSTED = ConsentStatus.MALFORMED, ConsentStatus.ISSUER_UNTRUSTED

Key: TypeAlias = "ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey"


def p256() -> Key:
    """A fresh P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def named(text: str) -> x509.Name:
    """A distinguished name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def usage(*, signs: bool = False, certifies: bool = False) -> x509.KeyUsage:
    """A key usage."""
    return x509.KeyUsage(signs, False, False, False, False, certifies, False, False, False)


URI = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(ISSUER)])
DNS = x509.SubjectAlternativeName([x509.DNSName(HOST)])


@dataclass(frozen=True)
class Party:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key = field(default_factory=p256)

    @property
    def text(self) -> str:
        """The certificate as ``x5c`` has it."""
        return base64.b64encode(self.certificate.public_bytes(Encoding.DER)).decode()

    def issue(
        self, subject: str, extensions: Sequence[tuple[x509.ExtensionType, bool]], **told: object
    ) -> Party:
        """Another party's certificate, signed by this one."""
        return issued(subject, extensions, issuer=self.certificate.subject, signer=self.key, **told)

    def ca(self, subject: str, *more: x509.ExtensionType, **told: object) -> Party:
        """A CA below this one."""
        return self.issue(subject, ca_extensions(*more), **told)

    def leaf(
        self, *more: x509.ExtensionType, name: x509.SubjectAlternativeName = URI, **told: object
    ) -> Party:
        """A signer of credentials below this one."""
        extensions = [(x509.BasicConstraints(False, None), True), (usage(signs=True), True), (name, False)]
        return self.issue("signer", [*extensions, *((each, False) for each in more)], **told)


def ca_extensions(
    *more: x509.ExtensionType, length: int | None = None, critical: bool = True
) -> list[tuple[x509.ExtensionType, bool]]:
    """What a CA's certificate says."""
    basic = (x509.BasicConstraints(True, length), critical)
    return [basic, (usage(certifies=True), True), *((each, True) for each in more)]


def issued(
    subject: str,
    extensions: Sequence[tuple[x509.ExtensionType, bool]],
    *,
    issuer: x509.Name | None = None,
    signer: Key | None = None,
    key: Key | None = None,
    begins: datetime.datetime = TODAY - DAY,
    ends: datetime.datetime = TODAY + DAY,
) -> Party:
    """A certificate; signed by its own key when no other is given."""
    own = key or p256()
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(subject))
        .issuer_name(issuer or named(subject))
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    by = signer or own
    algorithm = None if isinstance(by, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey) else SHA256()
    return Party(builder.sign(by, algorithm), own)


ROOT = issued("root", ca_extensions())
MIDDLE = ROOT.ca("middle")
LEAF = MIDDLE.leaf()


def key_of(
    chain: Sequence[Party | str],
    anchors: Sequence[Party | str] = (ROOT,),
    *,
    name: str = ISSUER,
    now: int = NOW,
) -> PublicJwk:
    """What the verifier makes of a chain."""
    texts, trusted = ([p.text if isinstance(p, Party) else p for p in each] for each in (chain, anchors))
    return leaf_key(texts, trusted, name=name, now=now)


def status_of(chain: Sequence[Party | str], anchors: Sequence[Party | str] = (ROOT,), **asked: object) -> str:
    """Why a chain is refused."""
    with pytest.raises(ConsentInvalid) as caught:
        key_of(chain, anchors, **asked)
    return caught.value.status


def both_usages() -> list[tuple[x509.ExtensionType, bool]]:
    """A leaf's extensions with the usage of a CA beside its own."""
    return [(usage(signs=True, certifies=True), True), (URI, False)]


@pytest.mark.parametrize("key", [p256(), ed25519.Ed25519PrivateKey.generate()], ids=["P-256", "Ed25519"])
def test_the_leafs_key_comes_out(key: Key) -> None:
    """A chain to the anchor gives the leaf's key, with the anchor left out or brought along."""
    leaf = MIDDLE.leaf(key=key)
    for chain in ([leaf, MIDDLE], [leaf, MIDDLE, ROOT]):
        found = key_of(chain)
        assert found == PublicJwk.of(key.public_key())
        assert found.algorithm is (
            Algorithm.ED25519 if hasattr(key, "private_bytes_raw") else Algorithm.ES256
        )


@pytest.mark.parametrize(
    ("chain", "anchors"),
    [
        ([ROOT.leaf()], [ROOT]),
        ([LEAF], [MIDDLE]),
        ([LEAF, MIDDLE], [MIDDLE]),
        ([LEAF, MIDDLE], [issued("other", ca_extensions()), ROOT]),
        ([LEAF, MIDDLE], [issued("root", ca_extensions()), ROOT]),
    ],
    ids=["directly", "to a CA below a root", "anchor brought along", "second anchor", "namesake anchor"],
)
def test_any_listed_anchor_counts(chain: Sequence[Party], anchors: Sequence[Party]) -> None:
    """The path ends at whichever anchor of the list it leads to, a root or not."""
    assert key_of(chain, anchors) == PublicJwk.of(chain[0].key.public_key())


def test_the_longest_chain_is_taken_and_one_longer_is_not() -> None:
    """Three certificates may stand between leaf and anchor."""
    below = [ROOT]
    for number in range(MAX_CHAIN):
        below.append(below[-1].ca(f"ca {number}"))
    assert key_of([below[3].leaf(), *below[3:0:-1]])
    assert status_of([below[4].leaf(), *below[4:0:-1]]) is MALFORMED


@pytest.mark.parametrize("signer", [ec.SECP384R1(), ec.SECP521R1(), None], ids=["P-384", "P-521", "RSA"])
def test_anchors_of_other_keys_count(signer: ec.EllipticCurve | None) -> None:
    """Above the leaf the usual keys of CAs are taken."""
    key = ec.generate_private_key(signer) if signer else rsa.generate_private_key(65537, 2048)
    anchor = issued("anchor", ca_extensions(), key=key)
    assert read_anchor(anchor.text)
    assert key_of([anchor.leaf()], [anchor])


def test_the_leafs_extended_usage_is_left_alone() -> None:
    """No registered purpose fits a credential's signer, so any may stand there, or none."""
    for purpose in (ExtendedKeyUsageOID.SERVER_AUTH, x509.ObjectIdentifier("1.3.6.1.4.1.99999.1")):
        assert key_of([MIDDLE.leaf(x509.ExtendedKeyUsage([purpose])), MIDDLE])


def test_names_are_the_uri_or_the_host() -> None:
    """The name is the URI exactly, whatever follows the host, or https and the DNS name alone."""
    assert key_of([MIDDLE.leaf(name=DNS), MIDDLE])
    tenant = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"{ISSUER}/tenants/1?a=b#status")])
    assert key_of([MIDDLE.leaf(name=tenant), MIDDLE], name=f"{ISSUER}/tenants/1?a=b#status")
    plain = x509.SubjectAlternativeName([x509.UniformResourceIdentifier("urn:issuer:1")])
    assert key_of([MIDDLE.leaf(name=plain), MIDDLE], name="urn:issuer:1")


@pytest.mark.parametrize(
    ("alternative", "name"),
    [
        (URI, "https://other.example"),
        (URI, f"{ISSUER}/"),
        (URI, "https://ISSUER.example"),
        (DNS, "https://other.example"),
        (DNS, "https://sub.issuer.example"),
        (DNS, "https://issuer.example.evil.example"),
        (DNS, "https://issuer.example@evil.example"),
        (DNS, "https://evil.example#issuer.example"),
        (DNS, "https://issuer.example:8443"),
        (DNS, "http://issuer.example"),
        (DNS, "HTTPS://issuer.example"),
        (DNS, f"{ISSUER}/"),
        (DNS, f"{ISSUER}/tenants/1"),
        (DNS, f"{ISSUER}?tenant=1"),
        (DNS, f"{ISSUER}#status"),
        (DNS, f"{ISSUER}#"),
        (DNS, f"{ISSUER}?"),
        (DNS, "issuer.example"),
        (DNS, "https://[issuer.example"),
        (x509.SubjectAlternativeName([x509.DNSName("*.example")]), ISSUER),
        (x509.SubjectAlternativeName([x509.RFC822Name("a@issuer.example")]), ISSUER),
        (x509.SubjectAlternativeName([x509.UniformResourceIdentifier("https://other.example")]), ISSUER),
    ],
)
def test_leaf_for_another_issuer_name(alternative: x509.SubjectAlternativeName, name: str) -> None:
    """An issuer that the same anchor vouches for cannot sign in another's name."""
    assert status_of([MIDDLE.leaf(name=alternative), MIDDLE], name=name) in (UNTRUSTED, MALFORMED)


def attack_self_signed_leaf() -> list[Party]:
    """Anybody's certificate in the issuer's name."""
    return [issued("signer", [(usage(signs=True), True), (URI, False)])]


def attack_own_root() -> list[Party]:
    """A whole chain of the forger's own, with the anchor's name at its top."""
    root = issued("root", ca_extensions())
    middle = root.ca("middle")
    return [middle.leaf(), middle, root]


def attack_leaf_signs_a_leaf() -> list[Party]:
    """Another issuer's leaf is taken for a CA."""
    return [LEAF.leaf(), LEAF, MIDDLE]


def attack_missing_middle() -> list[Party]:
    """The chain has a gap."""
    return [LEAF]


def attack_misordered() -> list[Party]:
    """The chain is shuffled."""
    return [LEAF, ROOT, MIDDLE]


def attack_unneeded_certificate() -> list[Party]:
    """A certificate rides along that nothing vouches for."""
    return [LEAF, MIDDLE, issued("stranger", ca_extensions())]


def attack_twice_the_same() -> list[Party]:
    """A certificate stands in the chain twice."""
    return [LEAF, MIDDLE, MIDDLE]


def attack_expired_leaf() -> list[Party]:
    """The leaf ended."""
    return [MIDDLE.leaf(begins=TODAY - 3 * DAY, ends=TODAY - DAY), MIDDLE]


def attack_leaf_not_yet_valid() -> list[Party]:
    """The leaf has not begun."""
    return [MIDDLE.leaf(begins=TODAY + DAY / 2, ends=TODAY + DAY), MIDDLE]


def attack_expired_intermediate() -> list[Party]:
    """The CA between ended."""
    middle = ROOT.ca("middle", begins=TODAY - 3 * DAY, ends=TODAY - DAY)
    return [middle.leaf(), middle]


def attack_intermediate_without_ca() -> list[Party]:
    """A certificate that says it is no CA signs another."""
    extensions = [(x509.BasicConstraints(False, None), True), (usage(certifies=True), True)]
    middle = ROOT.issue("middle", extensions)
    return [middle.leaf(), middle]


def attack_intermediate_silent_about_ca() -> list[Party]:
    """A certificate that does not say whether it is a CA signs another."""
    middle = ROOT.issue("middle", [(usage(certifies=True), True)])
    return [middle.leaf(), middle]


def attack_intermediate_with_uncritical_ca() -> list[Party]:
    """A CA whose constraints a lenient reader would skip."""
    middle = ROOT.issue("middle", ca_extensions(critical=False))
    return [middle.leaf(), middle]


def attack_intermediate_that_may_not_certify() -> list[Party]:
    """A CA whose key is not for certificates signs one."""
    extensions = [(x509.BasicConstraints(True, None), True), (usage(signs=True), True)]
    middle = ROOT.issue("middle", extensions)
    return [middle.leaf(), middle]


def attack_intermediate_without_usage() -> list[Party]:
    """A CA that does not say what its key is for."""
    middle = ROOT.issue("middle", [(x509.BasicConstraints(True, None), True)])
    return [middle.leaf(), middle]


def attack_path_length_exceeded() -> list[Party]:
    """A CA that may only sign leaves makes another CA."""
    last = ROOT.issue("last", ca_extensions(length=0))
    further = last.ca("further")
    return [further.leaf(), further, last]


def attack_name_constraints() -> list[Party]:
    """A CA held to another domain vouches for this issuer's host."""
    held = ROOT.ca("held", x509.NameConstraints([x509.DNSName("other.example")], None))
    return [held.leaf(name=DNS), held]


def attack_name_constraints_by_uri() -> list[Party]:
    """A CA held to another domain vouches for the issuer by its URI, which DNS constraints leave free."""
    held = ROOT.ca("held", x509.NameConstraints([x509.DNSName("other.example")], None))
    return [held.leaf(), held]


def attack_unknown_critical_extension() -> list[Party]:
    """A leaf with a limit this version does not know."""
    extensions = [(usage(signs=True), True), (URI, False)]
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.2"), b"\x05\0")
    return [MIDDLE.issue("signer", [*extensions, (unknown, True)]), MIDDLE]


def attack_leaf_that_is_a_ca() -> list[Party]:
    """A CA signs credentials itself."""
    return [MIDDLE.issue("signer", [(x509.BasicConstraints(True, 0), True), *both_usages()]), MIDDLE]


def attack_leaf_that_says_ca_only() -> list[Party]:
    """A leaf claims to be a CA though its key may not certify."""
    extensions = [(x509.BasicConstraints(True, None), True), (usage(signs=True), True), (URI, False)]
    return [MIDDLE.issue("signer", extensions), MIDDLE]


def attack_leaf_that_may_certify() -> list[Party]:
    """A leaf's key is for certificates too."""
    return [MIDDLE.issue("signer", both_usages()), MIDDLE]


def attack_leaf_not_for_signatures() -> list[Party]:
    """A leaf's key is for something else."""
    return [MIDDLE.issue("signer", [(usage(), True), (URI, False)]), MIDDLE]


def attack_leaf_without_usage() -> list[Party]:
    """A leaf does not say what its key is for."""
    return [MIDDLE.issue("signer", [(URI, False)]), MIDDLE]


def attack_leaf_without_a_name() -> list[Party]:
    """A leaf has no alternative name, only a subject."""
    return [MIDDLE.issue(ISSUER, [(usage(signs=True), True)]), MIDDLE]


def attack_leaf_of_p384() -> list[Party]:
    """A leaf of another curve."""
    return [MIDDLE.leaf(key=ec.generate_private_key(ec.SECP384R1())), MIDDLE]


def attack_leaf_of_rsa() -> list[Party]:
    """A leaf of another kind of key."""
    return [MIDDLE.leaf(key=rsa.generate_private_key(65537, 2048)), MIDDLE]


def attack_leaf_of_ed448() -> list[Party]:
    """A leaf of the other Edwards curve."""
    return [MIDDLE.leaf(key=ed448.Ed448PrivateKey.generate()), MIDDLE]


def attack_weak_rsa_intermediate() -> list[Party]:
    """A CA between whose key is too short."""
    middle = ROOT.ca("middle", key=rsa.generate_private_key(65537, 1024))
    return [middle.leaf(), middle]


CHAIN_ATTACKS: list[Callable[[], list[Party]]] = [
    value for name, value in list(globals().items()) if name.startswith("attack_")
]


@pytest.mark.parametrize("attack", CHAIN_ATTACKS, ids=lambda attack: attack.__name__.removeprefix("attack_"))
def test_chain_attack(attack: Callable[[], list[Party]]) -> None:
    """A chain that does not lead from this issuer to the anchor is untrusted."""
    assert status_of(attack()) is UNTRUSTED


def test_a_host_within_the_constraints_counts() -> None:
    """A CA held to the issuer's own domain vouches for it by its host."""
    held = ROOT.ca("held", x509.NameConstraints([x509.DNSName("example")], None))
    assert key_of([held.leaf(name=DNS), held])


def test_anchor_not_in_the_list() -> None:
    """Without anchors, with others, and with an expired one nobody is trusted."""
    assert status_of([LEAF, MIDDLE], []) is UNTRUSTED
    assert status_of([LEAF, MIDDLE], [issued("root", ca_extensions())]) is UNTRUSTED
    old = issued("root", ca_extensions(), key=ROOT.key, begins=TODAY - 3 * DAY, ends=TODAY - DAY)
    assert status_of([LEAF, MIDDLE], [old]) is UNTRUSTED


def test_time_is_the_callers() -> None:
    """The chain counts at the time asked about, and at no impossible time."""
    assert key_of([LEAF, MIDDLE], now=NOW + 80_000)
    for time in (NOW + 90_000, NOW - 90_000, -(2**40), 2**53, 2**80):
        assert status_of([LEAF, MIDDLE], now=time) is UNTRUSTED


def test_an_edwards_key_of_small_order_is_no_key() -> None:
    """Under such a key anybody's signature verifies, so no certificate makes it count."""
    good = MIDDLE.leaf(key=ed25519.Ed25519PrivateKey.generate())
    raw = good.key.public_key().public_bytes_raw()
    weak = issued_over(good, raw, (1).to_bytes(32, "little"))
    assert status_of([weak, MIDDLE]) is MALFORMED


def issued_over(party: Party, old: bytes, new: bytes) -> str:
    """The certificate with some bytes replaced by as many others, and signed again by :data:`MIDDLE`."""
    der = party.certificate.public_bytes(Encoding.DER)
    signed = party.certificate.tbs_certificate_bytes
    at = der.index(signed) + len(signed)
    resigned = signed.replace(old, new)
    algorithm = der[at : at + 2 + der[at + 1]]
    signature = MIDDLE.key.sign(resigned, ec.ECDSA(SHA256()))
    bits = b"\x03" + bytes([len(signature) + 1]) + b"\0" + signature
    content = resigned + algorithm + bits
    return base64.b64encode(b"\x30\x82" + len(content).to_bytes(2, "big") + content).decode()


def test_resigned_certificates_are_good_ones() -> None:
    """The tool that the test above forges with makes certificates that count."""
    assert key_of([issued_over(LEAF, b"signer", b"SIGNER"), MIDDLE])


def wrapped(text: str) -> str:
    """Base64 with a line break, as PEM has it."""
    return text[:64] + "\n" + text[64:]


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "AAAA",
        wrapped(LEAF.text),
        LEAF.text + "=",
        LEAF.text.rstrip("=") + "A",
        LEAF.text.replace("+", "-").replace("/", "_") + "-_",
        " " + LEAF.text,
        LEAF.text + "é",
        base64.b64encode(LEAF.certificate.public_bytes(Encoding.DER) + b"\0").decode(),
        base64.b64encode(LEAF.certificate.public_bytes(Encoding.PEM)).decode(),
        base64.b64encode(LEAF.certificate.public_bytes(Encoding.DER)[:-1]).decode(),
        MIDDLE.leaf(x509.SubjectKeyIdentifier(b"x" * MAX_CERTIFICATE)).text,
        7,
    ],
    ids=[
        "empty",
        "no certificate",
        "line break",
        "padding",
        "stray bits",
        "base64url",
        "white space",
        "beyond ASCII",
        "trailing byte",
        "PEM",
        "cut short",
        "beyond the size bound",
        "number",
    ],
)
def test_certificates_that_cannot_be_read(bad: str) -> None:
    """One certificate has one spelling; none is guessed at, wherever it stands."""
    assert status_of([bad, MIDDLE]) is MALFORMED
    assert status_of([LEAF, bad]) is MALFORMED
    assert status_of([LEAF, MIDDLE], [bad]) is MALFORMED
    with pytest.raises(ConsentInvalid):
        read_anchor(bad)


def test_non_canonical_base64_is_refused() -> None:
    """The same bytes in another spelling are another text."""
    padded = next(
        text
        for text in (MIDDLE.leaf(x509.SubjectKeyIdentifier(b"x" * n)).text for n in range(1, 9))
        if text.endswith("=")
    )
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    body, pad = padded.rstrip("="), "=" * padded.count("=")
    twin = body[:-1] + alphabet[alphabet.index(body[-1]) | 1] + pad
    assert base64.b64decode(twin) == base64.b64decode(padded)
    assert status_of([twin, MIDDLE]) is MALFORMED


def test_oversized_and_empty_chains() -> None:
    """No certificate and more than four are refused before any is read."""
    assert status_of([]) is MALFORMED
    assert status_of(["x"] * (MAX_CHAIN + 1)) is MALFORMED


def doubled(party: Party) -> str:
    """The certificate with its usage extension renamed into a second alternative name."""
    return issued_over(party, bytes.fromhex("0603551d0f"), bytes.fromhex("0603551d11"))


def test_a_doubled_extension_is_refused() -> None:
    """No reader's choice between two alternative names decides."""
    assert status_of([doubled(LEAF), MIDDLE]) in (MALFORMED, UNTRUSTED)
    with pytest.raises(ConsentInvalid):
        read_anchor(doubled(LEAF))


def test_a_certificate_of_an_unknown_version_is_refused() -> None:
    """Only versions of X.509 that exist are read."""
    ninth = issued_over(LEAF, bytes.fromhex("a003020102"), bytes.fromhex("a003020108"))
    assert status_of([ninth, MIDDLE]) is MALFORMED


def test_names_of_unknown_kinds_are_refused() -> None:
    """A certificate with an alternative name that the library cannot read counts nowhere."""
    x400 = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), bytes.fromhex("3002a300"))
    leaf = MIDDLE.issue("signer", [(usage(signs=True), True), (x400, False)])
    assert status_of([leaf, MIDDLE]) in (MALFORMED, UNTRUSTED)
    middle = ROOT.issue("middle", [*ca_extensions(), (x400, False)])
    assert status_of([middle.leaf(), middle]) in (MALFORMED, UNTRUSTED)
    with pytest.raises(ConsentInvalid):
        read_anchor(middle.text)


@pytest.mark.parametrize(
    "bad",
    [
        LEAF,
        attack_self_signed_leaf()[0],
        issued("anchor", [(x509.BasicConstraints(True, None), True)]),
        issued("anchor", [(usage(certifies=True), True)]),
        issued("anchor", [(x509.BasicConstraints(True, None), True), (usage(signs=True), True)]),
        issued("anchor", [(x509.BasicConstraints(False, None), True), (usage(certifies=True), True)]),
        issued("anchor", ca_extensions(critical=False)),
        issued("anchor", ca_extensions(), key=ed25519.Ed25519PrivateKey.generate()),
    ],
    ids=[
        "leaf",
        "self-signed leaf",
        "no usage",
        "no basic constraints",
        "may not certify",
        "no CA",
        "uncritical",
        "Ed25519",
    ],
)
def test_anchors_that_are_none(bad: Party) -> None:
    """A trust list names CAs; what cannot be an anchor is refused as it is loaded, and again when used."""
    with pytest.raises(ConsentInvalid) as caught:
        read_anchor(bad.text)
    assert caught.value.status is MALFORMED
    assert status_of([LEAF, MIDDLE], [bad]) is MALFORMED


def test_anchors_are_read() -> None:
    """A CA is an anchor, a root or not."""
    for party in (ROOT, MIDDLE):
        assert read_anchor(party.text) == party.certificate


def test_signature_with_unused_bits() -> None:
    """A certificate has one spelling: a signature that says its last bit is unused is another."""
    for _ in range(200):
        leaf = MIDDLE.leaf()
        if not leaf.certificate.signature[-1] & 1:
            break
    der = bytearray(leaf.certificate.public_bytes(Encoding.DER))
    der[-len(leaf.certificate.signature) - 1] = 1
    assert status_of([base64.b64encode(der).decode(), MIDDLE]) is MALFORMED
    assert key_of([leaf, MIDDLE])


DER = [party.certificate.public_bytes(Encoding.DER) for party in (LEAF, MIDDLE, ROOT)]


@given(st.integers(0, 2), st.integers(0, 2**16), st.integers(0, 7))
def test_flipped_bits_give_no_other_error_and_no_other_key(which: int, place: int, bit: int) -> None:
    """A bit flipped in a chain is refused; one in an anchor may at most leave the leaf's key as it was."""
    ders = [bytearray(der) for der in DER]
    ders[which][place % len(ders[which])] ^= 1 << bit
    leaf, middle, root = (base64.b64encode(der).decode() for der in ders)
    try:
        found = leaf_key([leaf, middle], [root], name=ISSUER, now=NOW)
    except ConsentInvalid:
        return
    assert which == 2
    assert found == PublicJwk.of(LEAF.key.public_key())
