"""The page that compares strategies on one log."""
