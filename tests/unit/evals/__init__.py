"""The tools that make what ships are tested as what ships is."""
