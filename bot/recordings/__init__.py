"""Recorded incidents: the value, and the folder of readable files that holds it."""
