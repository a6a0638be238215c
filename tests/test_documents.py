"""What the documents show runs as it stands there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from holdfast import Server

TOP = Path(__file__).parent.parent
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = [
    pytest.param(block, id=f"{name.rpartition('/')[2].partition('.')[0]}_{number}")
    for name in ("README.md", "docs/resilience.md")
    for number, block in enumerate(_BLOCK.findall((TOP / name).read_text("utf-8")))
]
CALLS: dict[str, tuple[dict[str, Any], str]] = {
    "read_note": ({"path": "note.md"}, "milk"),
    "digest": ({"text": "x", "rounds": 1}, "99fd8dc2"),
    "forecast": ({"city": "Rome"}, "sunny in Rome"),
    "book": ({"flight": "HF1"}, "booked"),
}
"""What each tool that is shown is sent, and what its answer begins with."""


@pytest.mark.parametrize("block", SHOWN)
async def test_each_tool_that_is_shown_answers(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "note.md").write_text("milk")
    monkeypatch.setenv("HOLDFAST_WORKSPACE", str(workspace))
    monkeypatch.setenv("HOLDFAST_STATE", str(tmp_path / "state"))
    name = f"shown_{request.node.callspec.id.lower()}"  # a module of its own, as a worker process imports it
    (tmp_path / f"{name}.py").write_text(block)
    monkeypatch.syspath_prepend(str(tmp_path))
    server = importlib.import_module(name).server
    assert isinstance(server, Server)
    async with server.client() as client:
        (tool,) = (await client.list_tools()).tools
        arguments, answer = CALLS[tool.name]
        given = await client.call_tool(tool.name, arguments)
    assert given.content[0].text.startswith(answer)
