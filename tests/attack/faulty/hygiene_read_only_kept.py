"""Says that reading a file changes nothing, and keeps a list of who read what beside it."""

from sound import Sound, main

CASE = "hygiene.read-only-kept"
TRANSPORT = "stdio"


class Faulty(Sound):
    async def read_file(self, path: str) -> str:
        with open("read.txt", "a") as read:
            read.write("once more\n")
        return await super().read_file(path)


if __name__ == "__main__":
    main(Faulty)
