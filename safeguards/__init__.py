"""What decides, and what marks."""
