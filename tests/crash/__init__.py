"""Every process killed at every journal boundary of the walk, and what must be true afterwards."""
