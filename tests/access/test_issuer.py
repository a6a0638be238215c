"""An issuer's keys, fetched from a real server: found by its metadata, never from elsewhere, never without end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.issuing import Publisher, usual_keys

from holdfast.access.issuer import Issuer, Unreachable, _place, checked_url, metadata_addresses
from holdfast.access.jwks import MAX_BYTES
from holdfast.errors import ConfigurationError, HoldfastError, UnsafeUrl


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as found:
        yield found


async def test_keys_are_fetched_from_where_the_operator_says(publisher: Publisher) -> None:
    publisher.pages["/keys"] = usual_keys()
    assert len(await Issuer("https://issuer.example", f"{publisher.url}/keys").keys()) == 3
    assert publisher.asked == ["/keys"]


@pytest.mark.parametrize("at", range(3))
async def test_keys_are_found_by_the_issuers_own_metadata(publisher: Publisher, at: int) -> None:
    issuer = f"{publisher.url}/tenant"
    place = metadata_addresses(issuer)[at].removeprefix(publisher.url)
    publisher.pages[place] = json.dumps({"issuer": issuer, "jwks_uri": f"{publisher.url}/keys"})
    publisher.pages["/keys"] = usual_keys()
    assert len(await Issuer(issuer).keys()) == 3
    assert publisher.asked[-2:] == [place, "/keys"]


def test_metadata_is_where_the_standards_put_it() -> None:
    root = "https://i.example/.well-known"
    assert metadata_addresses("https://i.example") == [
        f"{root}/oauth-authorization-server",
        f"{root}/openid-configuration",
    ]
    assert metadata_addresses("https://i.example/t/") == [
        f"{root}/oauth-authorization-server/t",
        f"{root}/openid-configuration/t",
        "https://i.example/t/.well-known/openid-configuration",
    ]


@pytest.mark.parametrize("other", ["{url}", "{url}/tenant/", "https://evil.example", "", None])
async def test_metadata_of_another_issuer_is_not_used(publisher: Publisher, other: str | None) -> None:
    issuer = f"{publisher.url}/tenant"
    said = None if other is None else other.format(url=publisher.url)
    for address in metadata_addresses(issuer):
        page = json.dumps({"issuer": said, "jwks_uri": f"{publisher.url}/keys"})
        publisher.pages[address.removeprefix(publisher.url)] = page
    publisher.pages["/keys"] = usual_keys()
    with pytest.raises(Unreachable, match="HOLDFAST_AUTH__JWKS"):
        await Issuer(issuer).keys()
    assert "/keys" not in publisher.asked


@pytest.mark.parametrize("said", [[], "text", None, {"jwks_uri": 5}, {}])
async def test_metadata_that_says_no_address_is_none(publisher: Publisher, said: Any) -> None:
    page = json.dumps({"issuer": publisher.url, **said} if isinstance(said, dict) else said)
    for address in metadata_addresses(publisher.url):
        publisher.pages[address.removeprefix(publisher.url)] = page
    with pytest.raises(Unreachable, match="HOLDFAST_AUTH__JWKS"):
        await Issuer(publisher.url).keys()
    assert len(publisher.asked) == 2


async def test_an_issuer_whose_name_is_no_address_is_nowhere() -> None:
    with pytest.raises(Unreachable, match="HOLDFAST_AUTH__JWKS"):
        await Issuer("https://[::1").keys()


@pytest.mark.parametrize(
    "jwks",
    [
        "http://169.254.169.254/latest/meta-data", "https://169.254.169.254/keys", "https://10.0.0.1/keys",
        "http://issuer.example/keys", "https://localhost:{port}/keys", "file:///etc/passwd", "gopher://x/", "",
        "https://[::ffff:10.0.0.1]/keys",
    ],
)  # fmt: skip
async def test_metadata_leads_nowhere_inward(publisher: Publisher, jwks: str) -> None:
    issuer = publisher.url
    port = issuer.rpartition(":")[2]
    place = metadata_addresses(issuer)[0].removeprefix(issuer)
    publisher.pages[place] = json.dumps({"issuer": issuer, "jwks_uri": jwks.format(port=port)})
    with pytest.raises(HoldfastError):
        await Issuer(issuer).keys()
    assert "/keys" not in publisher.asked


def test_without_https_only_this_machine_is_asked() -> None:
    local = Issuer("http://127.0.0.1:8080")
    assert local._reach("http://127.0.0.1:8080/keys")[0].scheme == "http"
    with pytest.raises(Unreachable, match="https only"):
        local._reach("http://93.184.216.34:8080/keys")
    with pytest.raises(Unreachable, match="https only"):
        Issuer("https://i.example", None, ("10.1.2.3:80",))._reach("http://10.1.2.3/keys")


def test_what_is_private_is_reached_only_where_the_operator_says_so_and_only_at_its_port() -> None:
    with pytest.raises(Unreachable, match="https only"):
        Issuer("http://93.184.216.34:8080")._reach("http://93.184.216.34:8080/keys")
    with pytest.raises(UnsafeUrl) as refused:
        Issuer("https://10.1.2.3")._reach("https://10.1.2.3/keys")
    assert refused.value.code == "url.address"
    _, policy = Issuer("https://i.example:8443", "https://k.example/keys")._reach("https://k.example/keys")
    assert (policy.allow, policy.ports) == (frozenset(), {443, 8443}), "an issuer's own name allows nothing"
    _, policy = Issuer("https://i.example:8443")._reach("https://i.example:8443/keys")
    assert (policy.allow, policy.ports) == (frozenset(), {443, 8443})
    location, policy = Issuer("http://localhost")._reach("http://localhost/keys")
    assert (location.pair, policy.allow, policy.ports) == ("localhost:80", {"localhost:80"}, {443, 80})


@pytest.mark.parametrize(
    "host, local",
    [
        ("127.0.0.1", True), ("127.255.255.254", True), ("localhost", True), ("[::1]", True),
        ("127.evil.example.com", False), ("127.0.evil.example", False), ("127", False), ("127.1", False),
        ("127.0.0.0.1", False), ("127.0.0.\u0661", False), ("127.0.0.\u00b9", False), ("126.0.0.1", False),
        ("1.127.0.0", False), ("127.0.0.x", False), ("127.0.0.", False), ("[::2]", False), ("localhost.evil", False),
    ],
)  # fmt: skip
def test_this_machine_is_four_numbers_of_which_the_first_is_127(host: str, local: bool) -> None:
    place = _place(f"http://{host}:9/keys")
    assert (place is not None and place.local) is local
    if not local:
        with pytest.raises(ConfigurationError):
            checked_url(f"http://{host}:9/keys", "X")


async def test_a_redirect_is_not_followed(publisher: Publisher) -> None:
    publisher.pages["/keys"] = (302, "", {"location": f"{publisher.url}/other"})
    publisher.pages["/other"] = usual_keys()
    with pytest.raises(UnsafeUrl):
        await Issuer("https://issuer.example", f"{publisher.url}/keys").keys()
    assert publisher.asked == ["/keys"]


@pytest.mark.parametrize(
    "page",
    [
        (500, usual_keys(), {}),
        (404, "", {}),
        "not json",
        json.dumps({"keys": []}),
        json.dumps({"keys": [], "pad": "x" * (MAX_BYTES + 1)}),
        usual_keys() + " " * MAX_BYTES,
    ],
    ids=["500", "404", "text", "none", "large", "cut off behind its end"],
)
async def test_an_answer_that_is_no_key_set_is_none(
    publisher: Publisher, page: str | tuple[int, str, dict[str, str]]
) -> None:
    publisher.pages["/keys"] = page
    with pytest.raises((Unreachable, ConfigurationError)):
        await Issuer("https://issuer.example", f"{publisher.url}/keys").keys()


async def test_a_private_issuer_has_to_be_allowed() -> None:
    with pytest.raises(UnsafeUrl):
        await Issuer("https://issuer.example", "https://10.1.2.3/keys").keys()
    location, policy = Issuer("https://i.example", "https://10.1.2.3:8443/k", ("10.1.2.3:8443",))._reach(
        "https://10.1.2.3:8443/k"
    )
    assert (location.pair, policy.max_redirects) == ("10.1.2.3:8443", 0)


@pytest.mark.parametrize(
    "url",
    [
        "https://issuer.example", "https://issuer.example:8443/t/", "http://127.0.0.1:9/x", "http://localhost:9",
        "http://[::1]:9/", "https://10.0.0.1/x",
    ],
)  # fmt: skip
def test_addresses_of_issuers_are_https(url: str) -> None:
    assert checked_url(url, "X") == url


@pytest.mark.parametrize(
    "url",
    [
        "", "issuer.example", "http://issuer.example", "https://i.example/?a", "https://i.example/#a", "ftp://i.example",
        "https://user:pw@i.example", "https://i.example:99999", "https://[::1", 'https://i.example/"x', "http://127.1/",
        "http://localhost.evil.example", "http://128.0.0.1", "https://i example",
    ],
)  # fmt: skip
def test_and_nothing_else(url: str) -> None:
    with pytest.raises(ConfigurationError, match="HOLDFAST_X is an https URL"):
        checked_url(url, "HOLDFAST_X")
