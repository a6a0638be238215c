"""Patterns: names as a whole, texts component by component, and nothing that leads elsewhere."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as some

from holdfast.access.globs import MAX_ODD, MAX_PATTERN, name_pattern, text_pattern
from holdfast.errors import ConfigurationError


@pytest.mark.parametrize(
    "pattern, fit, others",
    [
        ("read_file", ["read_file"], ["read_files", "Read_file", "", "read_file\n"]),
        ("read_*", ["read_", "read_x", "read_a/b"], ["aread_x", "rea", "Read_x"]),
        ("note?", ["note1", "notes"], ["note", "note12"]),
        ("*", ["", "x", "a://b/{c}"], []),
        ("note://{user}/*", ["note://{user}/{id}"], ["note://ada/1"]),
        ("a.c", ["a.c"], ["abc"]),
        ("[ab]", ["[ab]"], ["a"]),
        ("**", ["x", "a/b"], []),
    ],
)
def test_a_name_fits_as_a_whole(pattern: str, fit: list[str], others: list[str]) -> None:
    matches = name_pattern(pattern)
    assert [name for name in [*fit, *others] if matches(name)] == fit


@pytest.mark.parametrize(
    "pattern, fit, others",
    [
        ("docs/**", ["docs/a", "docs/a/b/c", "docs/.hidden", "docs/..."],
         ["docs", "docs/", "docsx/a", "Docs/a", "a/docs/b"]),
        ("**", [".", "a", "a/b"], ["", "..", "/", "a/"]),
        ("*", ["a", "a b"], ["", "a/b", ".", ".."]),
        ("docs/*/x", ["docs/a/x"], ["docs/x", "docs/a/b/x", "docs//x", "docs/../x", "docs/./x"]),
        ("**/x", ["x", "a/x", "a/b/x"], ["y", "../x", "a/../x", "/x"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["a/b/c", "ab", "a/../b"]),
        ("*.md", ["a.md", ".md"], ["a/b.md", "md", "a.mdx"]),
        ("team-?", ["team-1"], ["team-", "team-12", "team-/"]),
        ("docs/../x", ["docs/../x"], ["x"]),
        ("https://api.example.com/**", ["https://api.example.com/a/b?c=d"],
         ["https://api.example.com/", "https://api.example.com.evil/a", "http://api.example.com/a",
          "https://api.example.com/a//b", "https://api.example.com/a/../b", "https://api.example.com/%2e%2e/b",
          "https://api.example.com/a%2f..%2fb"]),
        ("https://*.example.com/**", ["https://a.example.com/x"],
         ["https://evil/.example.com/x", "https://.example.org/x", "https://evil?.example.com/x",
          "https://evil#.example.com/x", "https://a@evil#.example.com/x"]),
        ("https://*/x", ["https://a/x", "https://a:8443/x"], ["https://a@evil/x", "https://evil?/x"]),
        ("mail/*", ["mail/ada@example.org", "mail/a?b", "mail/a#b"], []),
        ("in/mail/*", ["in/mail/ada@example.org"], []),
        ("urn:/mail/*", ["urn:/mail/ada@example.org"], []),
        ("in//*", ["in//ada@example.org"], ["in/ada@example.org"]),
    ],
)  # fmt: skip
def test_a_text_fits_component_by_component(pattern: str, fit: list[str], others: list[str]) -> None:
    matches = text_pattern(pattern)
    assert [text for text in [*fit, *others] if matches(text)] == fit


@pytest.mark.parametrize(
    "text",
    [
        "docs/..", "docs/../x", "docs/./x", "docs//x", "docs/", "docs/a\\..\\..\\x", "docs/%2e%2e/x", "docs/%2E%2E/x",
        "docs/%252e%252e/x", "docs/%25252e%25252e/x", "docs/..%2fx", "docs/%2e", "docs/a%5c..", "docs/a\0b",
        "docs/a\nb",
        "docs/a%00b", "docs/a\x7f", "docs/\ud800", "docs/%5C", "docs/%2f",
        "docs/..;/x", "docs/..;a=b/x", "docs/;/x", "docs/.. /x", "docs/. ./x", "docs/..%20/x", "docs/%2e%2e;/x",
        "docs/\uff0e\uff0e/x", "docs/\u2025/x", "docs/a\uff0f..\uff0fx", "docs/a\uff3c..\uff3cx", "docs/\u2100x",
        "docs/.\u200b./x", "docs/\u00ad../x", "docs/\u202e", "docs/%e2%80%a5/x", "docs/%u002e%u002e/x",
        "docs/a%U002Fb", "docs/%c0%ae%c0%ae/x",
    ],
)  # fmt: skip
def test_a_wildcard_fits_nothing_that_leads_elsewhere(text: str) -> None:
    assert not text_pattern("docs/**")(text)
    assert not text_pattern("docs/*")(text)
    assert not text_pattern("**")(text)


ODD = ["docs/100%", "docs/a%20b", "docs/%", "docs/a%zz", "docs/ä", "docs/a..b", "docs/ .."]
ALSO_ODD = ["docs/a;b", "docs/e\u0301", "docs/\u4e2d.md", "docs/.a", "docs/a.", "docs/.my notes", "docs/.. and more"]


@pytest.mark.parametrize("text", [*ODD, *ALSO_ODD])
def test_what_only_looks_odd_fits(text: str) -> None:
    assert text_pattern("docs/**")(text)


@pytest.mark.parametrize("pattern", ["", "x" * (MAX_PATTERN + 1)])
def test_an_empty_or_endless_pattern_is_the_operators_error(pattern: str) -> None:
    for read in (name_pattern, text_pattern):
        with pytest.raises(ConfigurationError, match="a pattern has 1 to"):
            read(pattern)


def test_a_pattern_may_be_as_long_as_is_said() -> None:
    longest = "x" * MAX_PATTERN
    assert name_pattern(longest)(longest)
    assert text_pattern(longest)(longest)


@pytest.mark.parametrize("pattern", ["../x/*", "a/./*", "%2e%2e/*", "a\\*", "a%2f*", "*\n"])
def test_a_pattern_with_wildcards_that_leads_elsewhere_is_the_operators_error(pattern: str) -> None:
    with pytest.raises(ConfigurationError, match="leads elsewhere"):
        text_pattern(pattern)


def test_a_long_text_is_looked_at_once() -> None:
    matches = text_pattern("**/*a*a*a*a*a*a*/**/*a*a*a*a*/b")
    begun = time.perf_counter()
    assert not matches("a" * 200_000 + "/" + "a/" * 50_000)
    assert time.perf_counter() - begun < 5


@given(some.lists(some.text("ab.%2e/\\", max_size=6), max_size=5).map("/".join))
def test_beneath_a_folder_no_text_resolves_to_outside_of_it(text: str) -> None:
    if text_pattern("docs/**")("docs/" + text):
        depth = 0
        for part in text.replace("%2e", ".").replace("%2E", ".").split("/"):
            depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
            assert depth > 0


def test_a_long_text_with_what_must_be_decoded_fits_no_wildcard() -> None:
    matches = text_pattern("docs/**")
    longest = ("docs/" + "%41/" * (MAX_ODD // 4)).ljust(MAX_ODD, "a")[:MAX_ODD]
    assert matches(longest)
    assert not matches(longest + "a")
    begun = time.perf_counter()
    assert not matches("docs/" + "%41/" * 250_000 + "a"), "in doubt, no"
    assert matches("docs/" + "a/" * 500_000 + "a"), "what is plain is looked at in one go"
    assert not matches("docs/" + "a/" * 500_000 + "../a")
    assert time.perf_counter() - begun < 1


@pytest.mark.parametrize(
    "pattern, text",
    [
        ("https://api.example.com/**", "https://api.example.com/a b"),  # its empty component is the pattern's own
        ("https://api.example.com/*", "https://api.example.com/%41"),
        ("docs/**", "docs/.../a b"),  # three dots are a name; with blanks they are none for Windows
        ("docs/**", "docs/.../%41"),
    ],
)
def test_what_has_to_be_decoded_and_leads_nowhere_else_fits(pattern: str, text: str) -> None:
    assert text_pattern(pattern)(text)
