"""Says on its standard output that it is there."""

from sound import Sound, main

CASE = "hygiene.stdout-pollution"
TRANSPORT = "stdio"


class Faulty(Sound):
    async def start(self) -> None:
        print("sound is listening", flush=True)


if __name__ == "__main__":
    main(Faulty)
