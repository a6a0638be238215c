"""Does not hear SIGINT."""

import signal

from sound import Sound, main

CASE = "hygiene.exit-on-sigint"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    SIGNALS = (signal.SIGTERM,)

    async def start(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    main(Faulty)
