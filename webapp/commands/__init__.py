"""One file per shell command; each holds its click command as ``command``."""
