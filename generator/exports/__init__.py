"""Motion as data for games, avatars and film: JSON, Live Link Face CSV, glTF 2.0."""
