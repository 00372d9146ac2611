"""From an approval to its outcome, in one process: a real journal, real locks, a platform that counts."""
