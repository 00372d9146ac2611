"""Where people meet it. A surface shows the journal; no decision is ever read back out of one."""
