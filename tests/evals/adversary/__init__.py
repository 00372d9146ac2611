"""A model that lies, beside recorded incidents, and an oracle that reads the recordings itself.

``python -m tests.evals.adversary --json --runs N --seed S`` counts what got through: none is the only good figure.
"""
