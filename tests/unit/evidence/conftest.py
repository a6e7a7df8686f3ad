"""The release of :mod:`evidence_world` as fixtures."""

from __future__ import annotations

import functools

import evidence_world
import pytest

from consent_edit.intake.canonical import CanonicalImage


@pytest.fixture
def picture() -> CanonicalImage:
    return evidence_world.noise()


@pytest.fixture
def make_release(picture):
    """Makes releases: by default a production one of one consent, third in its log."""
    return functools.partial(evidence_world.make_release, picture)


@pytest.fixture
def release(make_release) -> evidence_world.Release:
    return make_release()
