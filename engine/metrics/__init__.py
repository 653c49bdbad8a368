"""What is measured and how surely, of scores alone: places of the true items, agreement, intervals. Knows no model."""
