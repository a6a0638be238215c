"""Takes a change of the terminal's size for its end."""

import signal

from sound import Sound, main

CASE = "wire.signals"
TRANSPORT = "stdio"


class Faulty(Sound):
    SIGNALS = (*Sound.SIGNALS, signal.SIGWINCH)


if __name__ == "__main__":
    main(Faulty)
