"""Readers of other systems, one file each. They answer in quantities and never decide anything."""
