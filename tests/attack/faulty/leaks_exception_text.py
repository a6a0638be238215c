"""Sends the text of an exception when a file cannot be opened."""

import os

from sound import Sound, ToolFailed, main

CASE = "leaks.exception-text"
TRANSPORT = "stdio"


class Faulty(Sound):
    def content(self, path: str) -> str:
        self.names(path)
        whole = os.path.join(os.getcwd(), path)
        if os.path.exists(whole):
            return super().content(path)
        try:
            open(whole).close()
        except (OSError, ValueError) as error:
            raise ToolFailed(f"{type(error).__name__}: {error}") from None
        return ""


if __name__ == "__main__":
    main(Faulty)
