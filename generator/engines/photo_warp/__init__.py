"""Animates one photo by moving its own pixels; only mouth, eyeballs and lids are painted."""
