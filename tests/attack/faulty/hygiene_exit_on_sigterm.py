"""Does not hear SIGTERM."""

import signal

from sound import Sound, main

CASE = "hygiene.exit-on-sigterm"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    SIGNALS = (signal.SIGINT,)

    async def start(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


if __name__ == "__main__":
    main(Faulty)
