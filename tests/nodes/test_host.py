"""What the nodes ask of ComfyUI, without it."""

from __future__ import annotations

import sys

import pytest

from tests.conftest import PACK


@pytest.fixture
def host(pack):
    return sys.modules[f"{PACK}.nodes.host"]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.3.3.3", "::1", "localhost"])
def test_loopback_addresses(host, address):
    assert host._is_loopback(address)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.0.7", "myhost"])
def test_other_addresses(host, address):
    assert not host._is_loopback(address)
