"""*Inspect*: one recommendation of a finished run, explained."""
