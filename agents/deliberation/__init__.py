"""What stands between a language model and the engine: what it is shown, what it may ask, what it may answer."""
