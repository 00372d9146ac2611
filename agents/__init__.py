"""The half that thinks: reads the world, never changes it."""
