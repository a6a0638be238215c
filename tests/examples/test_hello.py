"""The smallest server: what a newcomer starts with works over a real pipe."""

from __future__ import annotations

from pathlib import Path

from support.peers import StdioPeer, code_of, text_of

SERVER = Path(__file__).parents[2] / "examples" / "hello.py"


def test_hello_greets_and_refuses_what_is_no_name(tmp_path: Path) -> None:
    with StdioPeer(SERVER, tmp_path / "state") as peer:
        assert peer.initialize()["result"]["serverInfo"]["name"] == "hello"
        assert text_of(peer.call("greet", name="Ada")) == "Hello, Ada!"
        assert code_of(peer.call("greet", name=5)) == "arguments.invalid"
        assert [tool["name"] for tool in peer.ask("tools/list")["result"]["tools"]] == ["greet"]
