"""holdfast with every default guard and as many tools as BENCH_TOOLS says, to show what a call costs among many."""

import os

from holdfast import Server

server = Server("many-tools")


async def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


for number in range(int(os.environ.get("BENCH_TOOLS", "1"))):
    server.tool(name=f"add_{number}" if number else "add")(add)

if __name__ == "__main__":
    server.main()
