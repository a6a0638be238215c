"""What a server is made of before it runs: settings, tools, the registry, the call and its chain."""
