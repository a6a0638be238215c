"""The lexical rules: what is refused on the text alone, and what stays an ordinary name."""

from __future__ import annotations

import time

import pytest

from holdfast.errors import ConfigurationError, UnsafePath
from holdfast.safe.names import DEFAULT_DENY, MAX_DEPTH, MAX_TEXT, Deny, admits, fold, parse

RULES = Deny()


def code_of(text: str, rules: Deny = RULES) -> str:
    with pytest.raises(UnsafePath) as caught:
        parse(text, rules)
    for word in filter(None, text.split("/")):
        assert len(word) < 4 or word not in caught.value.message  # nothing that was sent comes back
    return caught.value.code


@pytest.mark.parametrize(
    "text, parts",
    [
        ("notes.txt", ("notes.txt",)),
        ("a/b/c.txt", ("a", "b", "c.txt")),
        ("./a//b/", ("a", "b")),
        ("a/../b", ("b",)),
        ("a/b/../../c", ("c",)),
        (".", ()),
        ("", ()),
        ("a/..", ()),
        ("%2e%2e/%2fetc", ("%2e%2e", "%2fetc")),
        ("~/x", ("~", "x")),
        ("überblick ½.md", ("überblick ½.md",)),
        ("family 👩‍👩‍👧.jpg", ("family 👩‍👩‍👧.jpg",)),
        ("console.log", ("console.log",)),
        ("com10.txt", ("com10.txt",)),
        ("file~", ("file~",)),
        ("longer-name~1", ("longer-name~1",)),
        ("a..b", ("a..b",)),
        ("x" * 255, ("x" * 255,)),
    ],
)
def test_an_acceptable_text_becomes_its_components(text: str, parts: tuple[str, ...]) -> None:
    assert parse(text, RULES) == parts


@pytest.mark.parametrize(
    "text",
    [
        "..",
        "../x",
        "a/../../x",
        "a/b/../../../x",
        "/",
        "/etc/passwd",
        "//server/share",
        "\\\\server\\share",
        "\\x",
        "C:/x",
        "c:x",
        "C:\\x",
        "\\\\?\\C:\\x",
        "\\\\.\\pipe\\x",
    ],
)
def test_a_path_that_leaves_the_root_is_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(UnsafePath, match="send a path relative to the workspace") as caught:
        parse(text, RULES)
    assert caught.value.code == "path.outside"


@pytest.mark.parametrize(
    "text",
    [
        "a\0b",
        "a\nb",
        "a\x7f",
        "a\x9bb",
        "a\u2028b",
        "a\ud800b",
        "a\\b",
        "a\\..\\b",
        "notes.txt::$DATA",
        "ab:stream",
        "a/b\0/../c",
    ],
)
def test_control_characters_surrogates_and_windows_separators_are_refused(text: str) -> None:
    assert code_of(text) == "path.name"


@pytest.mark.parametrize(
    "name",
    [
        "CON",
        "nul",
        "Prn.txt",
        "aux .log",
        "COM1",
        "com9.tar.gz",
        "LPT0",
        "COM¹",
        "lpt².txt",
        "CONIN$",
        "clock$",
        "ＮＵＬ",
    ],
)
def test_device_names_are_refused_in_every_segment_with_any_ending(name: str) -> None:
    assert code_of(name) == "path.name"
    assert code_of(f"a/{name}/b") == "path.name"


@pytest.mark.parametrize("name", ["a.", "a ", "a. .", "...", "…", "\u200d", " "])
def test_names_that_end_with_a_dot_or_a_space_or_are_nothing_else_are_refused(name: str) -> None:
    assert code_of(name) == "path.name"
    assert code_of(f"{name}/b") == "path.name"


def test_lengths_are_bounded_in_bytes_characters_and_components() -> None:
    assert code_of("x" * 256) == "path.name"
    assert code_of("ü" * 128) == "path.name"  # 256 bytes
    assert code_of("x/" * (MAX_TEXT // 2 + 1)) == "path.name"
    assert code_of("/".join("x" * (MAX_DEPTH + 1))) == "path.name"
    assert len(parse("/".join("x" * MAX_DEPTH), RULES)) == MAX_DEPTH


@pytest.mark.parametrize("name", [".git", ".env", ".GIT", ".ssh", ".gitmodules", "..hidden", ".holdfast-0.tmp"])
def test_dotfiles_are_hidden_by_default(name: str) -> None:
    assert code_of(name) == "path.hidden"
    assert code_of(f"a/{name}/config") == "path.hidden"
    assert code_of(f"{name}/../ok.txt") == "path.hidden"  # also when taken back


@pytest.mark.parametrize(
    "name",
    [
        ".g\u200cit",
        "\u200d.git",
        ".\ufeffgit",
        ".gi\u206ft",
        "\u202e.git",
        "GIT~1",
        "git~1",
        "GI7EB1~1",
        "GITMOD~1.TXT",
        "．git",
        "․git",
    ],
)
def test_cve_2014_9390_spellings_that_a_file_system_takes_for_dot_git_are_hidden(name: str) -> None:
    assert code_of(name) == "path.hidden"


def test_cve_2025_66689_a_deny_rule_covers_what_lies_beneath_it() -> None:
    """The blacklist compared for equality: /etc was refused and /etc/passwd was not."""
    rules = Deny(["secrets", "team/private"])
    for text in ("secrets", "secrets/key", "a/secrets/key", "SECRETS/key", "team/private", "team/private/a/b"):
        assert code_of(text, rules) == "path.hidden"
    assert parse("team/public", rules) == ("team", "public")
    assert parse("secrets.md", rules) == ("secrets.md",)


def test_patterns_match_components_or_whole_paths_and_ignore_case() -> None:
    rules = Deny(["*.Key", "/Build/*.o/"])
    assert code_of("a/b.KEY", rules) == "path.hidden"
    assert code_of("build/x.O", rules) == "path.hidden"
    assert parse("x.o", rules) == ("x.o",)
    assert parse(".git", rules) == (".git",)


def test_without_deny_rules_only_our_own_temporary_files_stay_hidden() -> None:
    rules = Deny(())
    assert parse(".git/photo~1", rules) == (".git", "photo~1")
    assert code_of(".HOLDFAST-x", rules) == "path.hidden"


@pytest.mark.parametrize("patterns", [".*", "secret", [""], ["/"], ["./"]])
def test_senseless_deny_rules_are_configuration_errors(patterns: list[str]) -> None:
    with pytest.raises(ConfigurationError):
        Deny(patterns)


def test_what_a_listing_admits_is_what_could_be_asked_for() -> None:
    rules = Deny([*DEFAULT_DENY, "a/hidden"])
    assert admits(("a",), "shown", rules)
    assert not admits(("a",), "hidden", rules)
    assert admits((), "hidden", rules)
    assert not admits((), "nul", rules)
    assert not admits((), "caf\udce9", rules)  # a name that is not UTF-8, as os.listdir gives it
    assert not admits(tuple("x" * MAX_DEPTH), "y", rules)
    assert not admits(("x" * 200,) * 21, "y", rules)


def test_folding_is_idempotent_and_ignores_case_width_and_ignorables() -> None:
    for name in (".Git ", "ＧＩＴ", "STRASSE", "straße", "ﬁle", "a\u200bb"):
        assert fold(fold(name)) == fold(name)
    assert fold("straße") == fold("STRASSE")


def test_the_longest_hostile_texts_are_refused_quickly() -> None:
    rules = Deny([*DEFAULT_DENY, "*a*a*a*a*b", "x/*a*a*a*b"])
    start = time.monotonic()
    for text in (
        "a" * 255,
        "x/" + "a" * 255,
        "../" * 1300,
        "a/../" * 800,
        "é/" * 127,
        "～" * 85,
        "/".join(["aaaa"] * 128),
    ):
        try:
            parse(text, rules)
        except UnsafePath:
            continue
    assert time.monotonic() - start < 1.0


@pytest.mark.parametrize(
    "pattern, hidden, shown",
    [
        ("**/secrets", ["secrets", "a/secrets", "a/b/secrets/x"], ["a/secret"]),
        ("**/*.pem", ["x.pem", "a/b/x.PEM"], ["x.pen"]),
        ("./team/private", ["team/private", "team/private/x"], ["team"]),
        ("/team/private/", ["team/private"], ["a/team/private"]),
        ("team/**", ["team", "team/x", "TEAM/x/y"], ["teams/x"]),
        ("**/a/**/b", ["a/b", "x/a/b", "a/y/b", "x/a/y/z/b"], ["b/a"]),
        ("a/**/b", ["a/b", "a/x/b"], ["b"]),
        ("**", ["x", "a/b"], []),
        ("STRASSE", ["straße", "a/Straße"], ["stras"]),
        ("ＴＥＡＭ", ["team", "t\u200beam", "te\ufe0fam"], []),
        ("[st]ecret", ["secret", "TECRET/x"], ["ecret"]),
        ("a*b", ["ab", "x/axb"], ["ax/yb"]),
    ],
)
def test_deny_patterns_mean_what_their_author_believes(pattern: str, hidden: list[str], shown: list[str]) -> None:
    rules = Deny([pattern])
    for text in hidden:
        assert code_of(text, rules) == "path.hidden"
    for text in shown:
        assert parse(text, rules)


@pytest.mark.parametrize(
    "pattern",
    ["", "/", "a//b", "..", "../x", "a/..", "./", "a\\b", "C:/x", "a:b", "name.", "name ", "a./b", "a\0b", 7,
     "**/**/**/**/**/a"],
)  # fmt: skip
def test_a_pattern_that_could_never_match_is_a_configuration_error(pattern: str) -> None:
    with pytest.raises(ConfigurationError):
        Deny([pattern])


@pytest.mark.parametrize(
    "ignored",
    ["\u00ad", "\u034f", "\u115f", "\u17b4", "\u180b", "\u200b", "\u2060", "\u3164", "\ufe0f", "\uffa0", "\U000e0100"],
)
def test_every_default_ignorable_character_is_ignored_in_what_is_denied(ignored: str) -> None:
    """Unicode's Default_Ignorable_Code_Point, which a case-folding ext4 directory ignores; half of it is not Cf."""
    for name in (f".g{ignored}it", f"{ignored}.git", f".{ignored}g{ignored}it", f"sec{ignored}ret"):
        assert code_of(name, Deny([".*", "secret"])) == "path.hidden"
    assert fold(f"a{ignored}b") == "ab"


@pytest.mark.parametrize("unseen", ["\u0600", "\u06dd", "\ufff9", "\U000110bd", "\U00013430"])
def test_format_characters_that_unicode_does_not_ignore_are_ignored_as_well(unseen: str) -> None:
    assert code_of(f".g{unseen}it", Deny()) == "path.hidden"
    assert fold(f"a{unseen}b") == "ab"


def test_the_patterns_that_name_one_path_each_are_known() -> None:
    rules = Deny(["secret", "*.pem", "Team/private", "/a/**/b/", "c/**", "d/*", "e/[fg]", "h/i?"])
    assert rules.fixed == ("Team/private", "a/b")
    assert Deny(["secret"]).fixed == ()


@pytest.mark.parametrize("unit", ["./", "/", "a/../"], ids=["dots", "slashes", "there and back"])
def test_a_path_is_bounded_as_it_was_sent_however_little_is_left_of_it(unit: str) -> None:
    times = (MAX_TEXT - len("b/b")) // len(unit)
    assert parse("b/" + unit * times + "b", Deny()) == ("b", "b")
    assert code_of("b/" + unit * (times + 1) + "b") == "path.name"


def test_a_path_and_a_pattern_are_as_long_as_they_may_be() -> None:
    longest = "/".join(["x" * 255] * 16)
    assert len(longest) == MAX_TEXT - 1  # PATH_MAX counts the NUL at the end
    assert len(parse(longest, RULES)) == 16
    assert code_of("a/" + longest[: MAX_TEXT - 2]) == "path.name"
    assert Deny(["**/" * 4 + "x"]).hides("x")
    with pytest.raises(ConfigurationError):
        Deny(["**/" * 5 + "x"])
