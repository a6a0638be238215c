"""What a tool without annotations is called tells whether it may be tried."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast_attack.tools import Toolbox
from holdfast_attack.tools.reading import ALWAYS_CHANGES, CHANGES, READS, reads

GIVE = """
read_note readFile list_open_issues search get-order git_show git_diff_unstaged findUsers fetch compare_texts
list_commits show_logs get_build_record echo ping describe_table count_words query_invoices convert_time
fetch_and_parse
"""
CHANGE = """
write_note create_order read_and_delete fetch_and_store git_commit git_checkout run_query execute_sql
update_status  mark_as_read search_replace get_or_create set_status delete send_mail build_index open_door
log_message  list_and_archive work do_it get_lock_and_run
"""


def test_no_verb_says_both() -> None:
    assert not READS & CHANGES
    assert ALWAYS_CHANGES < CHANGES


@pytest.mark.parametrize("name", GIVE.split())
def test_a_verb_that_gives_something_back_reads(name: str) -> None:
    assert reads(name, "", "", {})


@pytest.mark.parametrize("name", CHANGE.split())
def test_any_other_may_change_something(name: str) -> None:
    assert not reads(name, "", "", {})


@pytest.mark.parametrize(
    "description, expected",
    [
        ("Show the latest commits.", True),
        ("Stores the forecast", False),
        ("Returns the forecast", True),
        ("Lists what was created since", True),
        ("The forecast", False),
        ("Get the forecast and save it", False),
        ("Lists and deletes old entries", False),
        ("", False),
    ],
)
def test_where_the_name_has_no_verb_the_first_word_of_the_description_counts(description: str, expected: bool) -> None:
    assert reads("forecast", "", description, {}) is expected


def test_a_plural_is_no_verb() -> None:
    assert reads("recent_commits", "", "Show the latest.", {})
    assert not reads("recent_commit", "", "Show the latest.", {})


def test_a_title_and_a_description_that_admit_a_change_count_against_it() -> None:
    assert not reads("get_ticket", "Create a ticket", "", {})
    assert not reads("get_ticket", "", "Gets a ticket; this removes it from the queue.", {})


@pytest.mark.parametrize("annotations", [{"readOnlyHint": False}, {"destructiveHint": True}, {"readOnlyHint": None}])
def test_what_the_server_says_goes_before(annotations: dict[str, Any]) -> None:
    assert not reads("read_note", "", "", annotations)


def test_a_tool_that_is_called_so_promises_nothing() -> None:
    entries = [
        {"name": "read_note", "inputSchema": {}},
        {"name": "touch_note", "inputSchema": {}, "annotations": {"readOnlyHint": True}},
        {"name": "write_note", "inputSchema": {}},
    ]
    box = Toolbox.parse(entries)
    assert [(tool.read_only, tool.promises) for tool in box.tools] == [(True, False), (True, True), (False, False)]
    assert [tool.name for tool in box.callable(allow_writes=False)] == ["read_note", "touch_note"]
