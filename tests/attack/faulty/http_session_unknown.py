"""Makes a session of whatever id a client names."""

from sound import Peer, Session, Sound, main

CASE = "http.session-unknown"
TRANSPORT = "http"


class Faulty(Sound):
    def session(self, given: str | None) -> Session:
        if given is not None and given not in self.sessions:
            self.make_room()
            self.sessions[given] = Session(given, Peer("2025-11-25"))
        return super().session(given)


if __name__ == "__main__":
    main(Faulty)
