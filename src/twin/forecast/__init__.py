"""What will happen in the next hour, and how sure that is."""
