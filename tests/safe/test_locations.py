"""One strict parser: what it yields is what every later step uses."""

from __future__ import annotations

import pytest

from holdfast.errors import ConfigurationError, UnsafeUrl
from holdfast.safe.locations import Location, UrlPolicy, parse

POLICY = UrlPolicy()


def code_of(text: str, policy: UrlPolicy = POLICY) -> str:
    with pytest.raises(UnsafeUrl) as caught:
        parse(text, policy)
    assert "evil" not in caught.value.message
    return str(caught.value.code)


@pytest.mark.parametrize(
    "text, normal",
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://EXAMPLE.com:443/a?b=c#d", "https://example.com/a?b=c"),
        ("http://example.com.:80/%2e/x", "http://example.com/%2e/x"),
        ("https://bücher.example/ü?q=ß", "https://xn--bcher-kva.example/%C3%BC?q=%C3%9F"),
        ("https://ex\u00adample.com/", "https://example.com/"),
        ("https://r3---sn.ex\u00adample.com/", "https://r3---sn.example.com/"),
        ("https://[2606:4700:0::1111]/", "https://[2606:4700::1111]/"),
        ("https://8.8.8.8/", "https://8.8.8.8/"),
        ("https://example.com?x", "https://example.com/?x"),
        ('https://example.com/"<>{}|^`', "https://example.com/%22%3C%3E%7B%7D%7C%5E%60"),
        ("https://a_b.example.com/", "https://a_b.example.com/"),
    ],
)
def test_a_proper_url_has_one_spelling(text: str, normal: str) -> None:
    assert parse(text, POLICY).url == normal
    assert parse(normal, POLICY).url == normal


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com",
        "//example.com/",
        "https:/example.com",
        "https:example.com",
        " https://example.com",
        "https://example.com/ evil",
        "https://exam\tple.com",
        "https://example.com\n.evil.com",
        "https://example.com\\@evil.com",
        "https://example.com\u200b/",
        "https://example.com/\u2028",
        "https://example.com/\u00a0",
        "https://example.com/\x85",
        "https://example.com/\ud800",
        "https://example.com/" + "a" * 2048,
    ],
)
def test_what_parsers_disagree_about_is_refused(text: str) -> None:
    assert code_of(text) == "url.syntax"


@pytest.mark.parametrize(
    "text", ["file:///etc/passwd", "ftp://example.com/", "gopher://x/", "javascript://x/%0a", "ws://x/"]
)
def test_other_schemes_are_refused(text: str) -> None:
    assert code_of(text) == "url.scheme"


@pytest.mark.parametrize(
    "text", ["https://a@evil.com/", "https://a:b@evil.com/", "https://@evil.com/", "http://a@127.0.0.1"]
)
def test_user_names_are_refused(text: str) -> None:
    assert code_of(text) == "url.userinfo"


@pytest.mark.parametrize(
    "text",
    [
        "https:///path",
        "https://:443/",
        "https://example.com:/",
        "https://example.com:80:80/",
        "https://example.com:8x/",
        "https://exa%6dple.com/",
        "https://example..com/",
        "https://.example.com/",
        "https://example.com../",
        "https://-example.com/",
        "https://example-.com/",
        "https://exa!mple.com/",
        "https://" + "a" * 64 + ".com/",
        "https://" + "a." * 127 + "com/",
        "https://[::1/",
        "https://::1]/",
        "https://[::1]evil.com/",
        "https://evil[::1]/",
        "https://[]/",
        "https://[:::]/",
        "https://[fe80::1%25eth0]/",
        "https://[example.com]/",
        "https://\u2488.com/",
        "https://\u0301a.com/",
    ],
)
def test_a_host_that_is_no_plain_name_or_address_is_refused(text: str) -> None:
    assert code_of(text) == "url.host"


def test_cve_2026_80347_brackets_do_not_skip_the_check() -> None:
    assert code_of("http://[::1]/") == "url.address"
    assert code_of("http://[127.0.0.1]/") == "url.host"
    assert code_of("http://[::ffff:127.0.0.1]/") == "url.address"


def test_cve_2026_49857_mapped_addresses_in_hexadecimal_are_refused() -> None:
    for host in (
        "[::ffff:7f00:1]",
        "[::ffff:a9fe:a9fe]",
        "[0:0:0:0:0:FFFF:7F00:0001]",
        "[::7f00:1]",
        "[64:ff9b::7f00:1]",
    ):
        assert code_of(f"http://{host}/") == "url.address"


def test_cve_2026_115751_a_trailing_dot_changes_nothing() -> None:
    policy = UrlPolicy(deny_hosts=frozenset({"evil.com"}), allow=frozenset({"localhost:8080"}))
    assert code_of("https://evil.com./", policy) == "url.host"
    assert code_of("https://sub.evil.com./", policy) == "url.host"
    assert code_of("https://127.0.0.1./", policy) == "url.address"
    assert parse("http://localhost.:8080/", policy).pair == "localhost:8080"


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "0x7f000001", "127.0.0.1.1", "1.2.3.0x4", "0x"]
)
def test_numbers_that_resolve_to_addresses_are_refused(host: str) -> None:
    assert code_of(f"http://{host}/") == "url.host"


@pytest.mark.parametrize("host", ["①②⑦.⓪.⓪.①", "１２７．０．０．１", "127。0。0。1"])
def test_circled_and_full_width_digits_are_digits(host: str) -> None:
    assert code_of(f"http://{host}/") == "url.address"


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "169.254.169.254", "100.100.100.200", "0.0.0.0", "[fd00:ec2::254]", "[fe80::1]"]
)
def test_private_literals_are_refused_at_once(host: str) -> None:
    assert code_of(f"http://{host}/") == "url.address"


@pytest.mark.parametrize("port", ["22", "0", "65536", "99999", "6379"])
def test_other_ports_are_refused(port: str) -> None:
    assert code_of(f"https://example.com:{port}/") == "url.port"


def test_no_policy_makes_a_port_of_what_is_none() -> None:
    policy = UrlPolicy(ports=frozenset({0, 65535, 65536}), allow=frozenset({"localhost:0", "localhost:99999"}))
    assert parse("https://example.com:65535/", policy).port == 65535
    for pair in ("example.com:0", "example.com:65536", "localhost:0", "localhost:99999"):
        assert code_of(f"https://{pair}/", policy) == "url.port"


@pytest.mark.parametrize(
    "host", ["localhost", "intranet", "printer.home.arpa", "a.b.local", "metadata.google.internal", "x.onion"]
)
def test_names_of_a_local_network_are_not_even_asked_for(host: str) -> None:
    assert code_of(f"http://{host}/") == "url.host"
    assert code_of(f"http://{host}./") == "url.host"
    assert parse(f"http://{host}.example.com/", POLICY).host == f"{host}.example.com"


def test_the_operators_pairs_are_admitted_and_nothing_beside_them() -> None:
    policy = UrlPolicy(allow=frozenset({"127.0.0.1:8080", "LOCALHOST:9", "[::1]:8080"}))
    assert parse("http://127.0.0.1:8080/", policy).port == 8080
    assert parse("http://localhost:9/", policy).host == "localhost"
    assert parse("http://[0::1]:8080/", policy).name == "::1"
    assert code_of("http://127.0.0.1/", policy) == "url.address"
    assert code_of("http://127.0.0.2:8080/", policy) == "url.port"


def test_denied_hosts_cover_the_domains_below_them_only() -> None:
    policy = UrlPolicy(deny_hosts=frozenset({".Evil.com"}))
    assert code_of("https://a.evil.com/", policy) == "url.host"
    assert parse("https://notevil.com/", policy).host == "notevil.com"


@pytest.mark.parametrize("entry", ["localhost", "localhost:", "http://localhost:80", "a b:80", "127.1:80", "[::1]"])
def test_a_pair_that_is_none_is_an_error_at_build(entry: str) -> None:
    with pytest.raises(ConfigurationError):
        UrlPolicy(allow=frozenset({entry}))


def test_a_scheme_that_cannot_be_fetched_is_an_error_at_build() -> None:
    with pytest.raises(ConfigurationError):
        UrlPolicy(schemes=frozenset({"ftp"}))


def test_https_only_is_a_policy() -> None:
    assert code_of("http://example.com/", UrlPolicy(schemes=frozenset({"https"}))) == "url.scheme"


def test_host_header_and_origin() -> None:
    location = Location("http", "[::1]", 8080, "/x")
    assert location.host_header == "[::1]:8080"
    assert location.origin == ("http", "[::1]", 8080)


def test_a_url_and_a_host_are_as_long_as_they_may_be() -> None:
    url = "https://example.com/".ljust(2_048, "a")
    assert parse(url, POLICY).url == url
    assert code_of(url + "a") == "url.syntax"
    host = ".".join(["a" * 63] * 3 + ["b" * 57, "com"])
    assert len(host) == 253
    assert parse(f"https://{host}/", POLICY).host == host
    assert code_of(f"https://b{host}/") == "url.host"


@pytest.mark.parametrize("address", ["203.1.113.9", "[::ffff:203.1.113.9]", "[2606:4700::1]"])
def test_an_address_in_a_network_that_is_denied_is_refused_also_where_it_is_allowed(address: str) -> None:
    policy = UrlPolicy(deny_hosts=frozenset({"203.1.113.0/24", "2606:4700::/32"}), allow=frozenset({f"{address}:443"}))
    assert code_of(f"https://{address}/", policy) == "url.host"


def test_a_name_is_looked_for_among_denied_names_and_not_among_denied_networks() -> None:
    policy = UrlPolicy(deny_hosts=frozenset({"203.1.113.0/24"}))
    assert parse("https://example.com/", policy).host == "example.com"
