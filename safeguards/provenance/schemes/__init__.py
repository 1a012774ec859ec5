"""One file per watermark scheme; schemes do not know each other."""
