"""Both chats through the real receiver process: stubs of the platforms on one side, a journal on the other."""
