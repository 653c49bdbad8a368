"""Six tests that could show that nothing was distilled, with the prompts they compare with, and what they found."""
