"""The argument type: sealed, picklable, refused where the server fetches nothing."""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import TypeAdapter, ValidationError

from holdfast.errors import ConfigurationError, ToolError, UnsafeUrl
from holdfast.safe.sandbox import Sandbox
from holdfast.safe.urls import PublicUrl, UrlPolicy, fill


class Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello " * 10 if "X-Own" not in self.headers else self.headers["X-Own"].encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def served() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_argument_becomes_a_handle_that_can_be_sent_elsewhere() -> None:
    sandbox = Sandbox(urls=UrlPolicy())
    adapter = TypeAdapter(PublicUrl)
    handle = adapter.validate_python("HTTPS://Example.com/a#b", context=sandbox)
    assert handle.text == "https://example.com/a"
    assert handle.host == "example.com"
    assert pickle.loads(pickle.dumps(handle)) == handle  # noqa: S301  # our own bytes
    assert "example" not in repr(handle)
    assert adapter.json_schema()["format"] == "uri"


@pytest.mark.parametrize("value", ["http://127.0.0.1/", "x" * 3000, 7, "file:///etc/passwd"])
def test_an_unacceptable_argument_is_a_validation_error(value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(PublicUrl).validate_python(value, context=Sandbox(urls=UrlPolicy()))


@pytest.mark.parametrize("sandbox", [None, Sandbox()])
def test_without_a_policy_nothing_is_fetched(sandbox: Sandbox | None) -> None:
    with pytest.raises(UnsafeUrl) as caught:
        PublicUrl.from_text("https://example.com", sandbox)
    assert caught.value.code == "url.disabled"


def test_the_synchronous_twin_and_its_bounds(served: str) -> None:
    url = PublicUrl.from_text(f"http://{served}/x", Sandbox(urls=UrlPolicy(allow=frozenset({served}), max_bytes=12)))
    fetched = url.fetch_sync()
    assert (fetched.status, fetched.text(), fetched.truncated) == (200, "hello hello ", True)
    assert url.fetch_sync(max_bytes=5, timeout=5).text() == "hello"
    assert url.fetch_sync(max_bytes=500).body == b"hello hello "


def test_a_shorter_time_than_the_policys_holds(served: str) -> None:
    url = PublicUrl.from_text(f"http://{served}/x", Sandbox(urls=UrlPolicy(allow=frozenset({served}))))
    with pytest.raises(ToolError) as caught:
        url.fetch_sync(timeout=0)
    assert caught.value.retryable


@pytest.mark.parametrize("sandbox", [None, Sandbox()])
async def test_a_url_that_was_made_without_a_policy_is_not_fetched(sandbox: Sandbox | None) -> None:
    for going in (PublicUrl("http://127.0.0.1/", sandbox).fetch(), PublicUrl("http://127.0.0.1/", sandbox).send(b"")):
        with pytest.raises(UnsafeUrl) as caught:
            await going
        assert caught.value.code == "url.disabled"


def test_the_synchronous_way_to_send(served: str) -> None:
    url = PublicUrl.from_text(f"http://{served}/x", Sandbox(urls=UrlPolicy(allow=frozenset({served}))))
    assert url.send_sync(None, method="DELETE").status == 501  # as that server answers


async def test_the_asynchronous_fetch_from_a_thread_and_a_wrong_method(served: str) -> None:
    url = PublicUrl.from_text(f"http://{served}/x", Sandbox(urls=UrlPolicy(allow=frozenset({served}))))
    assert (await url.fetch()).text() == "hello " * 10
    assert (await url.fetch(headers={"X-Own": "mine"})).text() == "mine"
    with pytest.raises(UnsafeUrl) as caught:
        await url.fetch(headers={"Host": "evil.example"})
    assert caught.value.code == "url.header"
    assert (await asyncio.to_thread(url.fetch_sync)).status == 200
    with pytest.raises(UnsafeUrl) as caught:
        await url.fetch(method="POST")  # type: ignore[arg-type]
    assert caught.value.code == "url.method"


def test_filled_places_are_encoded() -> None:
    template = "https://api.example.com/users/{user}/posts?q={q}"
    assert fill(template, {"user": "a/b c", "q": "x&y=ü"}) == (
        "https://api.example.com/users/a%2Fb%20c/posts?q=x%26y%3D%C3%BC"
    )


@pytest.mark.parametrize(
    "value",
    [
        "..", ".", "", "%2e%2E", "%2e.", ".%252e", "a\nb", "\0", "\x7f", "\udc00", "../admin", "a/../b", "a/.", "/a",
        "a//b", "..\\admin", "..%2fadmin", "..%252Fadmin", "%2e%2e%5cadmin", "a/%2e%2e/b", "/", "%2f",
    ],
)  # fmt: skip
@pytest.mark.parametrize("template", ["https://api.example.com/users/{user}/posts", "https://api.example.com/{user}"])
def test_a_path_parameter_cannot_climb(value: str, template: str) -> None:
    with pytest.raises(UnsafeUrl) as caught:
        fill(template, {"user": value})
    assert caught.value.code == "url.parameter"
    assert "admin" not in caught.value.message


@pytest.mark.parametrize(
    "template, values", [("https://x.example/{a}{b}/z", {"a": ".", "b": "."}), ("https://x.example/.{a}", {"a": "."})]
)
def test_two_values_that_climb_together_are_refused(template: str, values: dict[str, str]) -> None:
    with pytest.raises(UnsafeUrl):
        fill(template, values)


def test_dots_that_two_values_would_make_are_seen_in_the_filled_path() -> None:
    with pytest.raises(UnsafeUrl) as caught:
        fill("https://x.example/a/.{rest}/b", {"rest": "%2e"})
    assert caught.value.code == "url.parameter"
    with pytest.raises(UnsafeUrl, match="its path"):
        fill("https://x.example/a/./{rest}", {"rest": "b"})


def test_dots_at_the_end_of_the_filled_path_are_seen_too() -> None:
    """Neither ``%`` nor ``2e`` is dots, and a server that decodes twice reads both of them as one."""
    for template, values in (
        ("https://x.example/{a}{b}", {"a": "%", "b": "2e"}),
        ("https://x.example/{a}/..", {"a": "b"}),
    ):
        with pytest.raises(UnsafeUrl, match="its path") as caught:
            fill(template, values)
        assert caught.value.code == "url.parameter"


def test_a_segment_may_hold_dots_and_slashes_that_do_not_climb() -> None:
    assert fill("https://x.example/f/{name}/", {"name": "a..b/..c"}) == "https://x.example/f/a..b%2F..c/"
    assert fill("https://x.example/{n}", {"n": 7}) == "https://x.example/7"


@pytest.mark.parametrize("value", ["", "..", "../a", "a&b=c", "#x", "a?b"])
def test_in_the_query_a_value_is_only_encoded(value: str) -> None:
    filled = fill("https://x.example/s?q={q}&page=1", {"q": value})
    assert urlsplit(filled).path == "/s"
    assert parse_qs(urlsplit(filled).query, keep_blank_values=True) == {"q": [value], "page": ["1"]}


def test_a_template_with_a_place_in_its_host_or_without_a_value_is_an_authors_error() -> None:
    with pytest.raises(ConfigurationError):
        fill("https://{host}/x", {"host": "evil.com"})
    with pytest.raises(ConfigurationError):
        fill("https://example.com/{a}", {})
    with pytest.raises(ConfigurationError):
        fill("https://example.com/{a}", {"a": None})
