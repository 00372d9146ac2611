"""The vocabulary both halves share: pure values, standard library only."""
