"""Speech understood as far as a face needs it: when somebody speaks, which phones, how stressed."""
