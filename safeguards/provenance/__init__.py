"""Marks, credentials, and the examination of found files."""
