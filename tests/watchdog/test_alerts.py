"""An alarm is a log line, an event, a count and a post; from any thread, and each alarm until it is over."""

from __future__ import annotations

import asyncio
import threading

from support.telling import Told

from holdfast.core.events import Event


async def test_an_alarm_is_logged_counted_posted_and_active_until_it_is_over() -> None:
    told = Told()
    told.alerts.alert("memory", 1, value=0.7)
    told.alerts.alert("memory", 3, value=0.96)
    told.alerts.recovered("memory", 1, value=0.8)
    assert told.alerts.active == {"memory": 1}
    told.alerts.recovered("memory", value=0.5)
    told.alerts.recovered("memory", value=0.5)
    assert told.alerts.active == {}
    assert [(level, name, said["stage"]) for level, name, said in told.lines] == [
        ("warning", "watchdog.alert", 1), ("error", "watchdog.alert", 3), ("info", "watchdog.recovered", 1),
        ("info", "watchdog.recovered", 0),
    ]  # fmt: skip
    assert told.counts == ["watchdog.alert"] * 2 + ["watchdog.recovered"] * 2
    assert told.posts[0] == {"event": "watchdog.alert", "probe": "memory", "stage": 1, "value": 0.7}


async def test_stacks_are_logged_and_leave_the_machine_on_no_other_way() -> None:
    told = Told()
    heard: list[Event] = []
    told.events.subscribe("watchdog.*", heard.append)
    told.alerts.alert("loop", 2, stacks="File secret.py", tool="slow")
    await asyncio.sleep(0)
    assert told.lines[0][2]["stacks"] == "File secret.py"
    assert heard[0].fields == {"probe": "loop", "stage": 2, "tool": "slow"}
    assert "stacks" not in told.posts[0]
    await told.events.close()


async def test_what_another_thread_tells_is_heard_on_the_loop() -> None:
    told = Told()
    heard: list[tuple[str, int]] = []
    told.events.subscribe("watchdog.*", lambda event: heard.append((event.name, threading.get_ident())))
    thread = threading.Thread(target=lambda: told.alerts.seen("watchdog.blocked", seconds=1))
    thread.start()
    thread.join()
    for _ in range(5):
        await asyncio.sleep(0)
    assert heard == [("watchdog.blocked", threading.get_ident())]
    assert told.lines == [], "whoever saw it has logged it"
    await told.events.close()


def test_what_is_told_after_the_loop_has_gone_is_still_logged() -> None:
    async def made() -> Told:
        told = Told()
        told.events.subscribe("*", lambda _: None)
        return told

    told = asyncio.run(made())
    thread = threading.Thread(target=lambda: told.alerts.action("none", "too late", why="closed"))
    thread.start()
    thread.join()
    assert told.actions() == [{"action": "none", "reason": "too late", "why": "closed"}]
    assert told.posts == [], "actions are not posted"
