"""Parts of the generator of the practice city."""
