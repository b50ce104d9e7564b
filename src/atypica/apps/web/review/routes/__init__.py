"""What the page answers, by subject."""
