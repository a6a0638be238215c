"""Follows redirects for as long as there are any; and it reaches 127.0.0.1."""

import http.client

from sound import Sound, Target, main

CASE = "urls.redirect-loop"
TRANSPORT = "stdio"
SLOW = True
TWIN = False


class Faulty(Sound):
    def page(self, target: Target) -> str:
        if target.host != "127.0.0.1":
            return super().page(target)
        for _ in range(200):
            connection = http.client.HTTPConnection(target.host, target.port, timeout=self.PATIENCE)
            connection.request("GET", target.path)
            answer = connection.getresponse()
            if answer.status != 302:
                break
            target = target._replace(path=answer.headers["Location"])
        return answer.read(self.PAGE).decode("utf-8", "replace")


if __name__ == "__main__":
    main(Faulty)
