"""The front door: proof first, stored before it is answered, read after."""
