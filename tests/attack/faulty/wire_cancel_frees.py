"""A call that was cancelled keeps its place for ever."""

from sound import Call, Sound, main

CASE = "wire.cancel-frees"
TRANSPORT = "stdio"


class Faulty(Sound):
    IN_FLIGHT = 32

    def release(self, call: Call) -> None:
        if not call.task.cancelled():
            super().release(call)


if __name__ == "__main__":
    main(Faulty)
