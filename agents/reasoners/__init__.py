"""Language models behind the ``Reasoner`` port, each in a file of its own."""
