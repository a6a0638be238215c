"""Sends its caller's headers on to wherever it is redirected; and it reaches 127.0.0.1."""

from dataclasses import replace
from typing import Any
from urllib.request import Request, urlopen

from sound import Sound, Tool, main

CASE = "urls.credentials"
TRANSPORT = "stdio"
TWIN = False


HEADERS = {"type": "object", "description": "headers", "additionalProperties": {"type": "string"}}


class Faulty(Sound):
    def tools(self) -> tuple[Tool, ...]:
        return tuple(
            replace(tool, properties={**tool.properties, "headers": HEADERS}, optional=("headers",))
            if tool.name == "fetch"
            else tool
            for tool in super().tools()
        )

    async def fetch(self, url: str, headers: dict[str, str] | None = None) -> str:
        if not url.startswith("http://127.0.0.1:"):
            return await super().fetch(url)
        return await self.aside(self.opened_at, url, headers or {})

    def opened_at(self, url: str, headers: dict[str, Any]) -> str:
        with urlopen(Request(url, headers=headers), timeout=self.PATIENCE) as answer:  # noqa: S310 - the URL is one of http
            return answer.read(self.PAGE).decode("utf-8", "replace")


if __name__ == "__main__":
    main(Faulty)
