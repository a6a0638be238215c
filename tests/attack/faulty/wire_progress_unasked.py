"""Tells of progress whether or not it was asked to."""

from sound import Call, Sound, Stdio, main

CASE = "wire.progress-unasked"
TRANSPORT = "stdio"


class Telling(Stdio):
    async def complete(self, call: Call) -> None:
        told = {"progressToken": call.id, "progress": 1}
        await self.send({"jsonrpc": "2.0", "method": "notifications/progress", "params": told})
        await super().complete(call)


class Faulty(Sound):
    over_pipes = Telling


if __name__ == "__main__":
    main(Faulty)
