"""Only http, and only this machine."""

from __future__ import annotations

import pytest

from holdfast.errors import ConfigurationError
from holdfast_attack.target.address import Address, parse_url


@pytest.mark.parametrize(
    "url, address",
    [
        ("http://127.0.0.1:8000/mcp", Address("127.0.0.1", 8000, "/mcp")),
        ("http://localhost:8000", Address("127.0.0.1", 8000, "/mcp")),
        ("http://127.8.9.1/x?y=1", Address("127.8.9.1", 80, "/x?y=1")),
        ("http://[::1]:5/mcp", Address("::1", 5, "/mcp")),
        ("http://127.0.0.1:{port}/mcp", Address("127.0.0.1", 0, "/mcp")),
    ],
)
def test_addresses_of_this_machine_are_taken(url: str, address: Address) -> None:
    assert parse_url(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/mcp",
        "http://10.0.0.1/mcp",
        "http://0.0.0.0:8000/mcp",
        "http://127.0.0.1.example.com/",
        "http://[::ffff:8.8.8.8]/",
        "http://2130706433/",
        "http://169.254.169.254/",
        "http://127.1/",
    ],
)
def test_every_other_address_is_refused_with_the_reason(url: str) -> None:
    with pytest.raises(ConfigurationError, match="on this machine"):
        parse_url(url)


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/", "ftp://127.0.0.1/", "127.0.0.1:8000", "", "http://", "http://[/"]
)
def test_what_is_no_plain_http_url_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"http://127\.0\.0\.1:8000/mcp"):
        parse_url(url)


def test_a_password_in_a_url_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigurationError, match="--token") as caught:
        parse_url("http://me:hunter2@127.0.0.1/")
    assert "hunter2" not in str(caught.value)
