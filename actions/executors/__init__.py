"""Platforms that carry out effects, one file each; only the action worker's wiring imports them."""
