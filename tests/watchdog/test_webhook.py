"""Alerts are posted from a thread of their own: in order, bounded, and whatever the operator's end does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from support.operators import Operator

from holdfast.errors import ConfigurationError
from holdfast.watchdog import webhook as module
from holdfast.watchdog.webhook import WAITING, Webhook


@pytest.fixture
def operator() -> Iterator[Operator]:
    made = Operator()
    yield made
    made.hold.set()
    made.server.shutdown()
    made.server.server_close()


def test_what_is_told_arrives_in_order_with_the_servers_name(operator: Operator) -> None:
    hook = Webhook(operator.url, "mine")
    hook.post({"event": "watchdog.alert", "probe": "memory"})
    hook.post({"event": "watchdog.recovered", "probe": "memory"})
    hook.close(10)
    hook.post({"event": "too late"})
    assert [path for path, _ in operator.got] == ["/hook?key=s3cr3t"] * 2
    assert operator.got[0][1] == {"server": "mine", "event": "watchdog.alert", "probe": "memory"}
    assert operator.got[1][1]["event"] == "watchdog.recovered"
    assert (hook.sent, hook.lost) == (2, 0)


async def test_it_works_while_the_loop_stands_still(operator: Operator) -> None:
    hook = Webhook(operator.url, "mine")
    hook.post({"event": "watchdog.alert"})
    while not operator.got:  # the loop does nothing meanwhile
        threading.Event().wait(0.005)
    hook.close(10)
    await asyncio.sleep(0)


def test_a_slow_end_loses_the_oldest_and_holds_up_nobody(operator: Operator) -> None:
    operator.hold.clear()
    hook = Webhook(operator.url, "mine")
    for number in range(WAITING + 10):
        hook.post({"number": number})
    operator.hold.set()
    hook.close(10)
    numbers = [body["number"] for _, body in operator.got]
    assert numbers == sorted(numbers)
    assert numbers[-1] == WAITING + 9
    assert hook.lost in (9, 10)
    assert hook.sent == WAITING + 10 - hook.lost


@pytest.mark.parametrize("status", [500, 404, 302])
def test_an_end_that_refuses_is_told_of_once_and_its_address_is_not(
    operator: Operator, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    operator.status = status
    hook = Webhook(operator.url, "mine")
    for _ in range(3):
        hook.post({"event": "x"})
    hook.close(10)
    assert (hook.sent, hook.lost) == (0, 3)
    assert caplog.text.count("could not be posted") == 1
    assert "s3cr3t" not in caplog.text


def test_an_end_that_is_not_there_hurts_nobody(operator: Operator, caplog: pytest.LogCaptureFixture) -> None:
    hook = Webhook("http://127.0.0.1:1/nobody", "mine")
    hook.post({"event": "x"})
    hook.close(10)
    assert hook.lost == 1
    assert "ToolError" in caplog.text
    module.Webhook("https://[::1]:8443/x", "mine").close(0)


@pytest.mark.parametrize(
    "url", ["", "ftp://host/x", "host/x", "http://user:word@host/x", "http://host:99999/x", "http://a b/", "http:///x"]
)
def test_what_is_no_url_is_refused_by_the_settings_name_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="HOLDFAST_WATCHDOG__WEBHOOK") as refused:
        Webhook(url, "mine")
    assert url == "" or url not in str(refused.value)
