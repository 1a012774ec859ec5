"""How the weights under generator/weights are made again; nothing here is needed to run."""
