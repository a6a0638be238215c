"""Waits for a page for as long as a little of it comes; and it reaches 127.0.0.1."""

from urllib.request import urlopen

from sound import Sound, Target, main

CASE = "urls.slow"
TRANSPORT = "stdio"
SLOW = True
TWIN = False
CALL_DEADLINE = 8


class Faulty(Sound):
    DEADLINE = 3_600.0

    def page(self, target: Target) -> str:
        if target.host != "127.0.0.1":
            return super().page(target)
        with urlopen(f"http://127.0.0.1:{target.port}{target.path}", timeout=self.PATIENCE) as answer:
            return answer.read(self.PAGE).decode("utf-8", "replace")


if __name__ == "__main__":
    main(Faulty)
