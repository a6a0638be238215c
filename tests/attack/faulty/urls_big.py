"""Reads a page however large it is; and it reaches 127.0.0.1."""

from urllib.request import urlopen

from sound import Sound, Target, main

CASE = "urls.big"
TRANSPORT = "stdio"
SLOW = True
TWIN = False


class Faulty(Sound):
    def page(self, target: Target) -> str:
        if target.host != "127.0.0.1":
            return super().page(target)
        with urlopen(f"http://127.0.0.1:{target.port}{target.path}", timeout=self.PATIENCE) as answer:
            whole = b"" if target.path == "/slow" else answer.read()
        return (whole + whole[-2:]).decode("utf-8", "replace")


if __name__ == "__main__":
    main(Faulty)
