"""The incident page: read-only, for people with a session. It decides nothing and changes nothing but sessions."""
