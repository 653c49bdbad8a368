"""What *Inspect* shows, drawn from answers alone."""
