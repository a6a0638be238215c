"""Lets a program take a name for a flag, which names another server (CVE-2026-61459)."""

import sys

from sound import Sound, Tool, annotated, main, text

CASE = "commands.flag-server"
TRANSPORT = "stdio"


PROGRAM = """
import argparse, os, urllib.request
parser = argparse.ArgumentParser()
parser.add_argument("--server", default="http://127.0.0.1:9/")
parser.add_argument("service", nargs="?")
try:
    print(urllib.request.urlopen(parser.parse_args().server, timeout=2).status)
except OSError:
    print("unknown")
"""


class Mended(Sound):
    def tools(self) -> tuple[Tool, ...]:
        service = {"service": text("its name", 200)}
        return (*super().tools(), Tool("status", "Say whether a service runs.", service, (), annotated()))

    async def status(self, service: str) -> str:
        return await self.printed(sys.executable, "-c", PROGRAM, "--", service)


class Faulty(Mended):
    async def status(self, service: str) -> str:
        return await self.printed(sys.executable, "-c", PROGRAM, service)


if __name__ == "__main__":
    main(Faulty, Mended)
