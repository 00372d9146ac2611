"""A small shop of real processes on loopback that really breaks, for an incident responder to practise on."""
