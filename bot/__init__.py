"""The shell: everything that listens, queues, stores or starts."""
