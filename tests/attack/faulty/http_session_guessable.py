"""Counts its sessions, and calls them by their number."""

from sound import Sound, main

CASE = "http.session-guessable"
TRANSPORT = "http"


class Faulty(Sound):
    count = 0

    def session_id(self) -> str:
        self.count += 1
        return f"{self.count:032x}"


if __name__ == "__main__":
    main(Faulty)
