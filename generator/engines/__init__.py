"""One file per engine; engines do not know each other."""
