"""The page stands alone, obeys nothing that a server said, and reads well at a phone's width in a real browser."""

from __future__ import annotations

import json
import os
import re
import signal
import struct
import subprocess
import threading
import zlib
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from holdfast_attack.model.outcome import Finding, Report, Verdict
from holdfast_attack.report.harmless import plain
from holdfast_attack.report.html import as_html

CHROMIUM = Path("/usr/bin/chromium")
PICTURES = Path(__file__).resolve().parents[3] / ".cache" / "attack"
"""Where the screenshots are kept for people to look at."""
WIDTHS = (320, 360, 768, 1280)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-proxy-server",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--hide-scrollbars",
)  # fmt: skip


class Page(HTMLParser):
    """What a browser would find."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("kind", ["report", "hostile_report", "empty"])
def test_the_page_asks_for_nothing_and_runs_nothing(kind: str, request: pytest.FixtureRequest) -> None:
    page = Page(as_html(request.getfixturevalue(kind)))
    names = {name for name, _ in page.tags}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "form", "base", "audio", "video", "use"}
    for _, attributes in page.tags:
        assert not any(name.startswith("on") or name in ("src", "srcdoc", "style", "action") for name in attributes)
        assert (attributes.get("href") or "#").startswith("#")


def test_the_policy_lets_only_the_pages_own_style_sheet_through(report: Report) -> None:
    text = as_html(report)
    style = text.partition("<style>")[2].partition("</style>")[0]
    trusted = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{trusted}'; base-uri 'none'; form-action 'none'"
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in text
    assert text.index("Content-Security-Policy") < text.index("<style>")
    assert "url(" not in style
    assert "@import" not in style


def test_hostile_text_is_shown_and_nothing_of_it_is_obeyed(hostile_report: Report) -> None:
    text = as_html(hostile_report)
    assert all(plain(char) or char == "\n" for char in text)
    page = Page(text)
    assert "</script><script>alert(1)</script><img src=x onerror=alert(2)>" in page.text
    assert "\\x1b]0;owned" in page.text
    text.encode("utf-8")


def test_what_matters_stands_first(report: Report) -> None:
    told = Page(as_html(report)).text
    places = [
        told.index(part)
        for part in (
            "python examples/workspace.py",
            "4 of 30 cases failed; the worst is critical.",
            "tools that are not marked read-only were sent no valid arguments",
            "87 %",
            "2026-11-21 18:30:00 UTC",
            "23.4 s of at most 300 s",
            "Worst first.",
            "The title of paths.parent",
            "The title of load.memory",
            "readOnlyHint is missing",
            "Kept from being tried, or from being judged.",
            "Known to the baseline: not scored.",
            "What came of each, by class.",
            "Seed 7.",
        )
    ]
    assert places == sorted(places)


def test_every_link_leads_somewhere(report: Report) -> None:
    page = Page(as_html(report))
    anchors = {attributes.get("id") for _, attributes in page.tags}
    links = [attributes["href"] for name, attributes in page.tags if name == "a"]
    assert len(links) == 5
    assert {str(link)[1:] for link in links} <= anchors
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_a_run_without_failures_says_so(make: Any, empty: Report) -> None:
    good = Page(as_html(make.report(make.outcome(make.case())))).text
    assert "No case failed." in good
    assert "Worst first." not in good
    told = Page(as_html(empty)).text
    assert "Nothing was judged." in told
    assert "Nothing was played." in told
    one = make.report(make.outcome(make.case(), verdict=Verdict.FAILED, why="x"))
    assert "1 of 1 case failed" in Page(as_html(one)).text


def test_a_headline_is_never_a_page_long(make: Any) -> None:
    from holdfast_attack.model.outcome import Subject

    text = as_html(make.report(subject=Subject("x" * 5000)))
    assert f"<h1><bdi>{'x' * 160}... (5,000 characters)</bdi></h1>" in text


# -- in a real browser -----------------------------------------------------------------------------------------------


@pytest.fixture
def chromium(tmp_path: Path) -> list[str]:
    """The words that start a browser with a profile of its own."""
    if not CHROMIUM.exists():
        if os.environ.get("CI"):
            pytest.fail(f"CI has no browser at {CHROMIUM}")
        pytest.skip(f"there is no browser at {CHROMIUM}")
    return [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}"]


def browse(words: list[str], tmp_path: Path) -> str:
    """What the browser says on its standard output; it and its children are gone afterwards."""
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, start_new_session=True
    ) as browser:
        try:
            said, complained = browser.communicate(timeout=120)
        finally:
            with suppress(ProcessLookupError):  # it has ended by itself, and all of its children
                os.killpg(browser.pid, signal.SIGKILL)
    assert browser.returncode == 0, complained.decode()[-2000:]
    return said.decode()


@contextmanager
def served(pages: dict[str, str]) -> Iterator[tuple[str, list[str]]]:
    """An address beneath which ``pages`` stand, and what was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = pages.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write((body or "").encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


MEASURE = """<!DOCTYPE html><title>not yet</title><body><script>
// The page itself runs nothing: this one looks at it from outside, at each width, with everything unfolded.
const widths = %s, told = {};
for (const width of widths) {
  const frame = document.createElement("iframe");
  frame.width = width; frame.height = 900; frame.style.border = "0"; frame.src = "/report";
  frame.onload = () => {
    const page = frame.contentDocument, root = page.documentElement;
    for (const each of page.querySelectorAll("details")) each.open = true;
    const scrolls = (node) => node && node !== page.body
      && (/auto|hidden/.test(getComputedStyle(node).overflowX) || scrolls(node.parentElement));
    const seen = (node) => `${node.tagName}.${node.getAttribute("class") || ""}`;
    const wide = [...page.querySelectorAll("body *")].filter((node) => !scrolls(node)
      && node.getBoundingClientRect().right > root.clientWidth + 0.5).map(seen);
    told[width] = { room: root.clientWidth, needed: root.scrollWidth, wide: [...new Set(wide)],
      paper: getComputedStyle(page.body).backgroundColor, boxes: page.querySelectorAll("pre").length,
      small: Math.min(...[...page.querySelectorAll("dd, dt, p, li, text, pre")].map(
        (node) => parseFloat(getComputedStyle(node).fontSize))) };
    if (Object.keys(told).length === widths.length) document.title = JSON.stringify(told);
  };
  document.body.append(frame);
}
</script>"""


@pytest.mark.parametrize("kind", ["report", "hostile_report", "long", "empty"])
def test_at_no_width_does_anything_stick_out(
    kind: str, request: pytest.FixtureRequest, chromium: list[str], tmp_path: Path
) -> None:
    pages = {"/report": as_html(request.getfixturevalue(kind)), "/": MEASURE % json.dumps(WIDTHS)}
    with served(pages) as (address, asked):
        said = browse([*chromium, "--virtual-time-budget=20000", "--dump-dom", address + "/"], tmp_path)
    title = re.search(r"<title>(.*?)</title>", said)
    assert title is not None
    told = json.loads(unescape(title[1]))
    for width in WIDTHS:
        seen = told[str(width)]
        assert seen["room"] == width
        assert seen["needed"] <= seen["room"], seen
        assert seen["wide"] == []
        assert seen["paper"] == "rgb(246, 245, 241)"  # the style sheet passed the page's own policy
        assert seen["small"] >= 11
    assert set(asked) <= {"/", "/report", "/favicon.ico"}  # nothing of the page, nor of a server, asked for more


@pytest.fixture
def long(make: Any) -> Report:
    """Words without a place to break them, in every text of a server's choice."""
    word = "x" * 1500
    finding = Finding(word, word, word.encode(), b"\x00\xff" * 3000)
    outcome = make.outcome(make.case(), verdict=Verdict.FAILED, findings=(finding,))
    open_one = make.outcome(make.case("wire.deep"), verdict=Verdict.INCONCLUSIVE, why=word)
    return make.report(outcome, open_one, notes=(word,), reproduce=f"holdfast attack -- {word}", began=word)  # type: ignore[no-any-return]


LIGHT, DARK = bytes.fromhex("f6f5f1"), bytes.fromhex("15171b")
"""The paper of the page, as the style sheet has it."""


@pytest.mark.parametrize(
    "width, height, paper",
    [(360, 3200, LIGHT), (1280, 2600, LIGHT), (360, 3200, DARK)],
    ids=["360", "1280", "360-dark"],
)
def test_a_screenshot_is_kept_for_people_to_look_at(
    width: int, height: int, paper: bytes, report: Report, chromium: list[str], tmp_path: Path
) -> None:
    page, picture = tmp_path / "report.html", tmp_path / "report.png"
    page.write_text(as_html(report), encoding="utf-8")
    scheme = f"--blink-settings=preferredColorScheme={0 if paper == DARK else 1}"
    browse([*chromium, scheme, f"--window-size={width},{height}", f"--screenshot={picture}", page.as_uri()], tmp_path)
    data = picture.read_bytes()
    assert size_of(data) == (width, height)
    assert first_pixel(data) == paper
    assert different_lines(data) > 300  # a blank picture has a few
    PICTURES.mkdir(parents=True, exist_ok=True)
    (PICTURES / f"report-{width}{'-dark' if paper == DARK else ''}.png").write_bytes(data)


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The parts of a PNG (its specification, 5.3)."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at = 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length


def size_of(data: bytes) -> tuple[int, int]:
    width, height = struct.unpack(">II", next(body for name, body in chunks(data) if name == b"IHDR")[:8])
    return width, height


def pixels(data: bytes) -> bytes:
    """The lines of the picture, each behind the number of its filter (9.2)."""
    return zlib.decompress(b"".join(body for name, body in chunks(data) if name == b"IDAT"))


def first_pixel(data: bytes) -> bytes:
    """Which no filter changes: there is nothing to its left and nothing above it."""
    return pixels(data)[1:4]


def different_lines(data: bytes) -> int:
    """How many of the picture's lines, as they were filtered, are unlike each other."""
    raw = pixels(data)
    height = size_of(data)[1]
    length = len(raw) // height
    return len({raw[at : at + length] for at in range(0, len(raw), length)})
