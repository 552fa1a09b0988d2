"""What is in a checkpoint, and what in it looks wrong."""
