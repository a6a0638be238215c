"""Keeps half a megabyte for each session."""

from sound import Session, Sound, main

CASE = "http.session-flood"
TRANSPORT = "http"


class Faulty(Sound):
    def begin_session(self) -> Session:
        session = super().begin_session()
        self.buffers = {**getattr(self, "buffers", {}), session.id: b"x" * 524_288}
        return session


if __name__ == "__main__":
    main(Faulty)
