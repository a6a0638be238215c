"""Scopes are asked for before anything about the call is looked at."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.calls import ask, audited, code, living, server_in, text

from holdfast.testing import principal


@pytest.mark.parametrize(
    "held, allowed",
    [(("*",), True), (("notes:read",), False), (("notes:read", "notes:write"), True), (("notes", "write"), False)],
)
async def test_a_principal_needs_every_scope_of_the_operation(
    tmp_path: Path, held: tuple[str, ...], allowed: bool
) -> None:
    server = server_in(tmp_path)

    @server.tool(scopes={"notes:read", "notes:write"})
    async def write() -> str:
        return "written"

    async with living(server) as live:
        answer = await ask(live, "write", who=principal("ada", *held))
    assert code(answer) == ("" if allowed else "access.denied")
    assert ("notes:read, notes:write" in text(answer)) is not allowed


async def test_who_may_not_call_learns_nothing_about_its_arguments_and_is_on_record(tmp_path: Path) -> None:
    server = server_in(tmp_path)

    @server.tool(read_only=True, scopes={"secret"})
    async def look(where: int) -> str:
        return "found"

    async with living(server) as live:
        answer = await ask(live, "look", {"where": "s3cret", "what": 1}, who=principal("eve", "other"))
    assert code(answer) == "access.denied"
    assert "where" not in text(answer)
    (record,) = audited(tmp_path)
    assert (record["principal"], record["outcome"], record["code"]) == ("eve", "refused", "access.denied")
    assert "s3cret" not in str(record)
