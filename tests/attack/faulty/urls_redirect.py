"""Follows a redirect without looking where it leads."""

import http.client
import os
from urllib.parse import urlsplit

from sound import Sound, Target, main

CASE = "urls.redirect"
TRANSPORT = "stdio"


class Mended(Sound):
    def page(self, target: Target) -> str:
        own = urlsplit(os.environ.get("API_BASE_URL", ""))
        if (target.host, target.port) != (own.hostname, own.port):
            return super().page(target)
        connection = http.client.HTTPConnection(target.host, target.port, timeout=self.PATIENCE)
        try:
            connection.request("GET", target.path)
            answer = connection.getresponse()
            leads = answer.headers.get("Location", "")
            return self.followed(leads) if leads.startswith("http") else answer.read(self.PAGE).decode()
        except OSError:
            return "the page cannot be fetched"
        finally:
            connection.close()

    def followed(self, url: str) -> str:
        return self.page(self.target(url))


class Faulty(Mended):
    def followed(self, url: str) -> str:
        target = self.target(url)
        return self.got(target, target.host)


if __name__ == "__main__":
    main(Faulty, Mended)
