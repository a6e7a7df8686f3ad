"""JSON and base64url: one spelling to write, one meaning to read, or a refusal."""

from __future__ import annotations

import re
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consent_edit import encoding
from consent_edit.encoding import MAX_DEPTH, b64url_decode, b64url_encode, canonical_json, parse_json

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(1 - 2**53, 2**53 - 1) | st.floats(-1e15, 1e15) | st.text(),
    lambda kids: st.lists(kids, max_size=3) | st.dictionaries(st.text(), kids, max_size=3),
    max_leaves=12,
)  # fmt: skip


def nested(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth - 1):
        value = [value]
    return value


@given(ANYTHING)
def test_what_is_written_reads_back(value):
    """Canonical JSON of any value reads back as that value, and writes again as the same bytes."""
    written = canonical_json(value)
    assert parse_json(written, max_bytes=len(written)) == value
    assert canonical_json(parse_json(written, max_bytes=len(written))) == written


def test_members_are_ordered_as_the_rfc_says():
    """Names are sorted by UTF-16 code units and numbers written as ECMAScript does (RFC 8785)."""
    value = {"\ufb33": 1, "\U0001f600": 1.0, "b": 1e21, "a": (True, None)}
    assert canonical_json(value) == '{"a":[true,null],"b":1e+21,"\U0001f600":1,"\ufb33":1}'.encode()


@pytest.mark.parametrize(
    "value",
    [
        2**53, -(2**53), float("nan"), float("inf"), "\ud800", {1: 2}, {"a": {"\ud800": 1}}, object(), [b"x"],
        {"a"}, nested(MAX_DEPTH + 1),
    ],
)  # fmt: skip
def test_what_has_no_canonical_form_is_refused(value):
    """Nothing is written that somebody else would write, or read, in another way."""
    with pytest.raises(ValueError, match=r"\w"):
        canonical_json(value)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"{} {}", b"\xef\xbb\xbf{}", b'"\xff"', b'"\xed\xa0\x80"', b'"\\ud800"', b'{"a":1,"a":1}',
        b'[{"a":{"b":1,"b":2}}]', b"NaN", b"[-Infinity]", b"1e999", b"[-1e400]", b"01", b"9" * 5000,
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), b"[" * 100_000, b'{"a":' * 100_000,
    ],
)  # fmt: skip
def test_sloppy_json_is_refused(text):
    """Doubled names, numbers out of range, foreign bytes, lone surrogates and deep nesting are refused."""
    with pytest.raises(ValueError, match=r"\w") as caught:
        parse_json(text, max_bytes=10**6)
    assert len(str(caught.value)) < 200


def test_bounds_are_exact():
    """The longest text and the deepest nesting allowed are read and written; one more of either is not."""
    deepest = nested(MAX_DEPTH)
    assert parse_json(canonical_json(deepest), max_bytes=2 * MAX_DEPTH) == deepest
    with pytest.raises(ValueError, match="too long"):
        parse_json(b"[1]", max_bytes=2)


def levels(text: bytes) -> tuple[int, bool]:
    """How deep brackets nest outside strings, read one by one, and whether a parser gets to the end."""
    deepest = depth = 0
    for mark in re.findall(rb'"(?:[^"\\]|\\.)*"?|[][{}]|\\', text, re.DOTALL):
        if mark == b"\\":
            return deepest, False
        depth += (mark in b"[{") - (mark in b"]}")
        deepest = max(deepest, depth)
    return deepest, True


BITS = st.sampled_from(
    [b"[", b"{", b"]", b'"', b'"[["', b'"\\\\\\""', b'"\\\\"', b'"]\\"["', b"[" * 20, b"]" * 20, b"a"]
)


@example([b'"\\\\"', b"[" * 40], 1)
@example([b'"\\\\\\""', b"[" * 40], 1)
@example([b"[" * 40, b'"'], 7)
@example([b'"', b"[" * 40, b'"'], 7)
@given(st.lists(BITS, max_size=60), st.sampled_from([1, 7, 1 << 20]))
def test_depth_is_that_of_brackets_outside_strings(bits, stride):
    """However strings, escapes and brackets follow, no parser meets a depth that was not seen before it."""
    text = b"".join(bits)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding, "_STRIDE", stride)
        found = encoding._too_deep(text)
    deepest, whole = levels(text)
    assert found if deepest > MAX_DEPTH else not (found and whole)


def test_a_megabyte_of_brackets_is_not_walked_byte_by_byte():
    """Depth is measured in few steps, so that a long text costs no minute before its refusal."""
    steps = 0

    def count(*_):
        nonlocal steps
        steps += 1
        return count

    text = b'{"g":[' + b"[]," * 350_000 + b"1]}"
    before = sys.gettrace()
    sys.settrace(count)
    try:
        found = encoding._too_deep(text)
    finally:
        sys.settrace(before)
    assert not found and steps < 1_000


@pytest.mark.parametrize(
    "text", [b'{"photo":"her-template"', b'"her-template\xff"', b'["her-template", "\\ud800"]']
)
def test_no_error_carries_the_text(text):
    """Neither a refusal nor any error it came from holds the text: crash reports keep such chains."""
    with pytest.raises(ValueError, match=r"\w") as caught:
        parse_json(text, max_bytes=1000)
    error, seen = caught.value, []
    while error is not None:
        seen.append(repr((error, error.args, vars(error))))
        seen += [repr(getattr(error, name, "")) for name in ("doc", "object")]
        error = error.__cause__ or error.__context__
    assert "her-template" not in "".join(seen)


@given(st.binary(max_size=80))
def test_base64url_has_one_spelling(data):
    """Whatever decodes is what the encoder writes."""
    text = b64url_encode(data)
    assert b64url_decode(text) == data
    for sloppy in (text + "=", text + "\n", "+" + text, text + "A" * (1 + -len(text) % 4)):
        try:
            assert b64url_encode(b64url_decode(sloppy)) == sloppy
        except ValueError:
            continue


@pytest.mark.parametrize("text", ["A", "AA==", "AB", "AAB", "A+AA", "A/AA", "AA\n", "AAAé", " AAA"])
def test_foreign_base64url_is_refused(text):
    """Padding, the other alphabet, stray bits and white space are refused."""
    with pytest.raises(ValueError, match="base64url"):
        b64url_decode(text)
