"""The tables of README.md and docs: what they were made of, how they are made anew, and where they depart."""
