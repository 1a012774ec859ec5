"""The web console and the JSON API."""
