"""Puts a name into the path of its own API as it is (CVE-2026-61462)."""

import os
from urllib.parse import quote, urlsplit

from sound import Sound, Target, Tool, ToolFailed, annotated, main, text

CASE = "urls.traversal"
TRANSPORT = "stdio"


class Mended(Sound):
    def tools(self) -> tuple[Tool, ...]:
        name = {"name": text("its name", 100)}
        return (*super().tools(), Tool("item", "Look an item up.", name, (), annotated(reaches_out=True)))

    async def item(self, name: str) -> str:
        return await self.looked_up(quote(name.replace(".", "_"), safe=""))

    async def looked_up(self, name: str) -> str:
        base = urlsplit(os.environ.get("API_BASE_URL", "http://127.0.0.1:9/"))
        target = Target("http", base.hostname or "", base.port or 80, os.path.normpath(f"{base.path}/items/{name}"))
        try:
            return await self.aside(self.got, target, target.host)
        except ToolFailed:
            return "nothing is known of it"


class Faulty(Mended):
    async def item(self, name: str) -> str:
        return await self.looked_up(name)


if __name__ == "__main__":
    main(Faulty, Mended)
