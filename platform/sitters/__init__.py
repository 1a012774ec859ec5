"""How the portraits of invented sitters are modelled, lit and drawn."""
