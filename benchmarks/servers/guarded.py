"""holdfast with every default guard; a tool that states no facts counts as changing things, so each call is audited."""

from holdfast import Server

server = Server("guarded")


@server.tool
async def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


@server.tool
async def echo(text: str) -> str:
    """Give a text back."""
    return text


if __name__ == "__main__":
    server.main()
