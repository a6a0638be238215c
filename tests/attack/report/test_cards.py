"""A card tells one case so that it can be understood and mended, however much a server said."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast_attack.model.outcome import Finding, Report, Verdict
from holdfast_attack.report import cards
from holdfast_attack.report.gathered import failed


def card_of(make: Any, *findings: Finding, **more: Any) -> str:
    report = make.report(make.outcome(make.case(), verdict=Verdict.FAILED, findings=findings), **more)
    return cards.card(failed(report)[0], report)


def test_a_card_has_all_its_parts(report: Report) -> None:
    told = cards.card(failed(report)[0], report)
    for part in (
        '<article class="card" id="paths.parent">',
        '<span class="badge critical">critical</span><code>paths.parent</code>',
        "<bdi>stdio/2025-11-25, stdio/2026-07-28</bdi>",
        "<h3>The title of paths.parent</h3>",
        '<code class="tool"><bdi>search_files</bdi></code><bdi>content from beyond the root came back</bdi>'
        '<span class="lanes"> (stdio/2025-11-25)</span>',
        "<dt>Tried</dt><dd>a path that climbs out of the root: ../../outside/secret.txt</dd>",
        "<dt>Sound</dt><dd>refuses the path, and says nothing about what stands there</dd>",
        "<dt>Reference</dt><dd>CVE-2025-53110 (advisory)</dd>",
        "<dt>Remedy</dt><dd>hold the root as a descriptor",
        "<span>--case</span> <span>paths.parent</span> <span>--</span>",
    ):
        assert part in told


def test_only_the_first_bytes_of_a_card_are_unfolded(report: Report) -> None:
    told = cards.card(failed(report)[0], report)
    assert told.count('<details open="">') == 1
    assert told.count("<details>") == 1
    assert "<summary>122 bytes sent and 101 bytes got</summary>" in told


def test_text_is_shown_as_text_and_the_rest_in_hexadecimal(make: Any) -> None:
    told = card_of(make, Finding("bad", None, b'{"a":"\x1b"}\n', bytes(range(256))))
    assert '<p>Sent</p><pre tabindex="0">{&quot;a&quot;:&quot;<i>\\x1b</i>&quot;}<i>\\n</i>\n</pre>' in told
    assert '<p>Got</p><pre class="hex" tabindex="0">0000 00 01 02' in told


def test_long_bytes_are_cut_and_say_so(make: Any) -> None:
    told = card_of(make, Finding("bad", None, b"a" * 100_000, b"\x00" * 100_000))
    assert "<p>Sent (the first 6,000 bytes)</p>" in told
    assert "<p>Got (the first 1,024 bytes)</p>" in told
    assert "100,000 bytes sent and 100,000 bytes got" in told
    assert len(told) < 20_000


def test_a_thousand_findings_are_cut_with_their_number(make: Any) -> None:
    told = card_of(make, *(Finding("bad", f"tool_{number}", b"x" * 5000, b"y" * 5000) for number in range(1000)))
    assert "<li>... and 900 more</li>" in told
    assert told.count("<details") == 10


def test_long_text_of_a_server_is_cut_and_says_so(make: Any) -> None:
    told = card_of(make, Finding("x" * 5000))
    assert f"<bdi>{'x' * 2000}... (5,000 characters)</bdi>" in told


def test_without_a_command_line_or_bytes_those_parts_are_left_out(make: Any) -> None:
    told = card_of(make, Finding("bad"), reproduce="")
    assert "Reproduce" not in told
    assert "<details" not in told


@pytest.mark.parametrize("make_part", [cards.brief, cards.advice])
def test_the_short_forms_hold_title_and_finding(report: Report, make_part: Any) -> None:
    told = make_part(failed(report)[0])
    assert "<h3>The title of paths.parent</h3>" in told
    assert "content from beyond the root came back" in told


def test_what_was_not_found_wrong_has_no_alarming_badge(report: Report) -> None:
    assert '<span class="badge quiet">critical</span>' in cards.brief(failed(report)[0])
