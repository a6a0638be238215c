"""Makes a file's name of a user's, whatever that holds."""

from sound import NO_FILE, Sound, Tool, ToolFailed, annotated, main, text

CASE = "paths.parent"
TRANSPORT = "stdio"


class Mended(Sound):
    def tools(self) -> tuple[Tool, ...]:
        told = "Show what is known of a user."
        return (*super().tools(), Tool("profile", told, {"user": text("who", 200)}, (), annotated()))

    async def profile(self, user: str) -> str:
        if not self.is_user(user):
            raise ToolFailed(NO_FILE)
        try:
            with open(f"names/{user}.json", encoding="utf-8") as file:
                return file.read()
        except (OSError, ValueError):
            raise ToolFailed(NO_FILE) from None

    def is_user(self, user: str) -> bool:
        return user.isalnum()


class Faulty(Mended):
    def is_user(self, user: str) -> bool:
        return not user.startswith("/")


if __name__ == "__main__":
    main(Faulty, Mended)
