"""What makes frames; it opens only to a permit."""
