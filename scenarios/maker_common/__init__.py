"""What the generators of more than one scenario use."""
