"""Has git do as the repository's own configuration says, which names programs."""

from sound import Sound, Tool, annotated, main, text

CASE = "commands.hooks"
TRANSPORT = "stdio"


class Mended(Sound):
    def tools(self) -> tuple[Tool, ...]:
        told = "Say which files of the git repository have changed since a commit."
        return (*super().tools(), Tool("git_changes", told, {"ref": text("a commit", 200)}, (), annotated()))

    async def git_changes(self, ref: str) -> str:
        await self.git_log(ref, 1)
        words = ("diff-tree", "-r", "--name-only", "--no-ext-diff", "--no-textconv", "--end-of-options", ref, "HEAD")
        return await self.printed(*self.git_words(*words))


class Faulty(Mended):
    def git_words(self, *words: str) -> list[str]:
        return ["git", "--no-pager", *words]


if __name__ == "__main__":
    main(Faulty, Mended)
