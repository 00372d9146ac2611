"""What the queue calls. Paths and names here are a wire format."""
