"""A receipt verifies for its own file under the operator's key, and each attack on it has its own verdict."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image

from consent_edit.encoding import b64url_encode, canonical_json
from consent_edit.errors import CheckFailed, ReceiptInvalid
from consent_edit.evidence.keys import key_id
from consent_edit.evidence.log import Event
from consent_edit.evidence.receipt import SIGNATURE_DOMAIN, Receipt
from consent_edit.evidence.verify import MAX_RECEIPT_BYTES, examine_receipt, verify_receipt
from consent_edit.store.merkle import leaf_hash
from consent_edit.vocabulary import Assurance, Environment


def verdict(envelope: bytes, keys, data: bytes) -> str:
    with pytest.raises(ReceiptInvalid) as caught:
        verify_receipt(envelope, keys, data)
    assert caught.value.exit_code == 5
    return caught.value.code


def signed(content: dict, key: Ed25519PrivateKey, **members) -> bytes:
    """An envelope around any content at all: what a key holder, or a thief of the key, could sign."""
    signature = key.sign(SIGNATURE_DOMAIN + canonical_json(content))
    envelope = {
        "alg": "Ed25519",
        "kid": key_id(key.public_key()),
        "receipt": content,
        "signature": b64url_encode(signature),
    }
    return json.dumps(envelope | members).encode()


def changed(release, path: str, value) -> dict:
    content = json.loads(release.envelope)["receipt"]
    *parents, last = path.split(".")
    node = content
    for parent in parents:
        node = node[int(parent)] if parent.isdigit() else node[parent]
    node[int(last) if last.isdigit() else last] = value
    return content


def rewritten(data: bytes, **options) -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(data)).save(buffer, "PNG", **options)
    return buffer.getvalue()


def test_release_verifies(release):
    """The receipt of a release verifies for the released bytes and says what they are."""
    verified = verify_receipt(release.envelope, release.public, release.candidate.data)
    assert verified.receipt == release.receipt
    assert verified.kid == key_id(release.key.public_key())
    assert not verified.is_demo
    assert release.receipt.operations == ("hair", "tone")
    assert release.receipt.assurance is Assurance.SUBSTANTIAL
    assert release.receipt.log.index == 2


def test_layout_of_the_json_does_not_matter(release):
    """The signature is over the canonical form, so indenting and reordering the file change nothing."""
    pretty = json.dumps(json.loads(release.envelope), indent=3, sort_keys=False).encode()
    assert verify_receipt(pretty, release.public, release.candidate.data)


def test_receipt_names_nobody(release):
    """Neither the grant nor the input picture's digest is in what the stranger reads."""
    text = release.envelope.decode()
    assert "grant-1" not in text
    assert all(salt not in text for field, salt in release.draft.salts.items() if field != "output")


def test_consent_ids_do_not_link(make_release):
    """Two outputs under one grant carry different consent ids."""
    assert set(make_release().receipt.consents).isdisjoint(make_release().receipt.consents)


def test_demo_never_verifies(make_release):
    """A demo's receipt holds in every respect and is refused all the same."""
    demo = make_release(environment=Environment.DEMO, assurance=Assurance.SIMULATED)
    assert examine_receipt(demo.envelope, demo.public, demo.candidate.data).is_demo
    assert verdict(demo.envelope, demo.public, demo.candidate.data) == "verification.demo"


def test_demo_relabelled_as_production(make_release):
    """Changing the environment in a demo's receipt breaks its signature."""
    demo = make_release(environment=Environment.DEMO, assurance=Assurance.LOW)
    envelope = demo.envelope.replace(b'"environment":"demo"', b'"environment":"production"')
    assert envelope != demo.envelope
    assert verdict(envelope, demo.public, demo.candidate.data) == "verification.signature"


def test_simulated_consent_cannot_be_signed_as_production(make_release):
    """No receipt of a production release can rest on simulated or self-asserted consent."""
    for level in (Assurance.SIMULATED, Assurance.SELF_ASSERTED, Assurance.NONE):
        with pytest.raises(CheckFailed):
            make_release(assurance=level)


def test_forger_with_a_key_of_his_own(release):
    """A receipt signed by another key, even naming the true one's id, is refused."""
    forger = Ed25519PrivateKey.generate()
    content = json.loads(release.envelope)["receipt"]
    assert (
        verdict(signed(content, forger), release.public, release.candidate.data) == "verification.key-unknown"
    )
    posing = signed(content, forger, kid=key_id(release.key.public_key()))
    assert verdict(posing, release.public, release.candidate.data) == "verification.signature"


def test_no_keys_verify_nothing(release):
    """With no key to trust, no receipt verifies."""
    assert verdict(release.envelope, [], release.candidate.data) == "verification.key-unknown"


@pytest.mark.parametrize("alg", ["none", "EdDSA", "ES256", ""])
def test_algorithm_is_not_the_receipts_to_choose(release, alg):
    """An envelope naming another algorithm, or none, is refused."""
    content = json.loads(release.envelope)["receipt"]
    assert (
        verdict(signed(content, release.key, alg=alg), release.public, release.candidate.data)
        == "verification.key-unknown"
    )


def test_key_inside_the_receipt(release):
    """An envelope that brings its own key is refused for it."""
    content = json.loads(release.envelope)["receipt"]
    envelope = signed(content, release.key, jwk={"kty": "OKP"})
    assert verdict(envelope, release.public, release.candidate.data) == "verification.malformed"


@pytest.mark.parametrize("tail", ["A", "=", "==", "!", " "])
def test_signature_in_sloppy_base64(release, tail):
    """A signature in other than canonical base64url is refused."""
    envelope = json.loads(release.envelope)
    envelope["signature"] += tail
    data = json.dumps(envelope).encode()
    assert verdict(data, release.public, release.candidate.data) == "verification.signature"


def test_signature_of_another_purpose(release):
    """A signature of the key over the bare receipt, without the domain tag, is refused."""
    content = json.loads(release.envelope)["receipt"]
    bare = b64url_encode(release.key.sign(canonical_json(content)))
    assert (
        verdict(signed(content, release.key, signature=bare), release.public, release.candidate.data)
        == "verification.signature"
    )


@pytest.mark.parametrize(
    "envelope",
    [b"", b"[]", b"{}", b"null", b"\xff\xfe", b"{" * 100_000, b'{"alg":NaN}', b" " * (MAX_RECEIPT_BYTES + 1)],
    ids=["empty", "list", "bare", "null", "not-utf8", "nested", "nan", "too-long"],
)
def test_bytes_that_are_no_receipt(release, envelope):
    """What is no signed receipt is malformed, whatever it is."""
    assert verdict(envelope, release.public, release.candidate.data) == "verification.malformed"


def test_doubled_member(release):
    """A receipt that names a member twice, as parsers differ on which counts, is refused."""
    envelope = release.envelope.replace(
        b'"environment":"production"', b'"environment":"demo","environment":"production"'
    )
    assert verdict(envelope, release.public, release.candidate.data) == "verification.malformed"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("extra", 1),
        ("v", 2),
        ("checks", []),
        ("checks.0.outcome", "timed_out"),
        ("checks.0.models.0.self_test", False),
        ("checks.1.models", []),
        ("time", "1800000000"),
        ("assurance", "self_asserted"),
        ("consents", []),
        ("layers", ["watermark"]),
        ("log.proof", ["zz"]),
        ("environment", "staging"),
    ],
)
def test_signed_but_not_of_the_form(release, path, value):
    """Even signed by the operator, a receipt that is not of the known form is refused."""
    envelope = signed(changed(release, path, value), release.key)
    assert verdict(envelope, release.public, release.candidate.data) == "verification.malformed"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("log.root", "0" * 64),
        ("log.index", 1),
        ("log.size", 2),
        ("log.size", 4),
        ("log.proof", []),
        ("log.output_salt", "0" * 64),
        ("log.leaf.decision", "another"),
        ("log.leaf.event", "refusal"),
        ("log.leaf.commitments", {}),
        ("time", 1_800_000_001),
        ("policy", "sha256:" + "d" * 64),
        ("floor", "sha256:" + "d" * 64),
        ("checks.1.models.0.sha256", "34" * 32),
        ("output.bytes_digest", "sha256:" + "d" * 64),
    ],
)
def test_receipt_not_in_the_log(release, path, value):
    """A receipt whose release is not the one that the log holds is refused, even if properly signed."""
    envelope = signed(changed(release, path, value), release.key)
    assert verdict(envelope, release.public, release.candidate.data) == "verification.log"


def test_receipt_of_another_release(make_release):
    """A good receipt beside another file is refused."""
    first, second = make_release(), make_release(environment=Environment.DEMO, assurance=Assurance.SIMULATED)
    assert verdict(first.envelope, first.public, second.candidate.data) == "verification.altered"


def test_file_with_metadata_added(release):
    """The released picture in a file written again is told from a changed picture."""
    data = rewritten(release.candidate.data, dpi=(300, 300))
    assert verdict(release.envelope, release.public, data) == "verification.altered-bytes"


def test_one_pixel_changed(release):
    """A single level of one channel of one pixel is a changed picture."""
    pixels = np.array(release.candidate.image.pixels)
    pixels[7, 7, 1] ^= 1
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    assert verdict(release.envelope, release.public, buffer.getvalue()) == "verification.altered"


@pytest.mark.parametrize("data", [b"", b"no picture"])
def test_file_that_is_no_picture(release, data):
    """A file that does not decode is not the released one."""
    assert verdict(release.envelope, release.public, data) == "verification.altered"


def test_file_with_a_tail(release):
    """The released file with something hidden behind it is not the released file."""
    assert verdict(release.envelope, release.public, release.candidate.data + b"PK") == "verification.altered"


def test_receipt_needs_every_check(make_release):
    """No receipt can be written for a release of which a must-run check is missing or named another file."""
    from_complete = make_release().receipt
    checks = [check.model_dump(mode="json") for check in from_complete.checks]
    for broken in (checks[1:], [{**checks[0], "outcome": "missing"}, *checks[1:]], [{"name": "x"}]):
        with pytest.raises(CheckFailed) as caught:
            make_release(checks=broken)
        assert caught.value.code == "check.receipt"


def test_receipt_needs_its_own_log_entry(make_release, release):
    """No receipt can be written on the log entry of another release."""
    with pytest.raises(CheckFailed):
        make_release(draft=release.draft)
    with pytest.raises(CheckFailed):
        make_release(subjects={"input": release.candidate.byte_digest})
    with pytest.raises(CheckFailed):
        make_release(event=Event.REFUSAL)
    with pytest.raises(CheckFailed):
        make_release(event=Event.ASSESSMENT)


@pytest.mark.parametrize("event", Event)
def test_receipt_over_an_assessment(release, event):
    """Only a leaf that says release bears a receipt, even one that a key holder signed over a true log."""
    content = changed(release, "log.leaf.event", event.value)
    alone = leaf_hash(canonical_json(content["log"]["leaf"])).hex()
    content["log"] |= {"index": 0, "size": 1, "root": alone, "proof": []}
    envelope = signed(content, release.key)
    if event is Event.RELEASE:
        assert verify_receipt(envelope, release.public, release.candidate.data)
    else:
        assert verdict(envelope, release.public, release.candidate.data) == "verification.log"


def test_release_without_people(make_release):
    """A picture with nobody in it has no consents and says so."""
    landscape = make_release(consents=[])
    assert landscape.receipt.assurance is Assurance.NONE
    assert verify_receipt(landscape.envelope, landscape.public, landscape.candidate.data)


def test_lowest_assurance_counts(make_release):
    """Of several consents the weakest one is what the receipt claims."""
    consents = [("https://a.example", Assurance.HIGH), ("https://b.example", Assurance.LOW)]
    receipt = make_release(consents=consents).receipt
    assert receipt.assurance is Assurance.LOW
    assert receipt.issuers == ("https://a.example", "https://b.example")
    assert len(set(receipt.consents)) == 2


def test_receipt_is_closed_and_frozen(release):
    """A receipt takes no unknown member and cannot be changed."""
    with pytest.raises(ValueError, match="frozen"):
        release.receipt.v = 1
    assert Receipt.model_config["extra"] == "forbid"
