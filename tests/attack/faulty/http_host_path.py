"""Looks only at how the Host begins."""

from sound import Sound, main

CASE = "http.host-path"
TRANSPORT = "http"


class Faulty(Sound):
    def check_host(self, host: str | None) -> None:
        own = next((name for name in self.own_names() if host and host.startswith(name)), host)
        super().check_host(own)


if __name__ == "__main__":
    main(Faulty)
