"""Never answers when the name of a file is no UTF-8."""

from sound import Sound, main

CASE = "paths.non-utf8-name"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    def uncontrolled(self, text: str) -> str:
        return super().uncontrolled(text) + "".join(one for one in text if "\ud800" <= one <= "\udfff")


if __name__ == "__main__":
    main(Faulty)
