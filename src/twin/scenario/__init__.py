"""What if: a base map version, edits, demand and seeds; run, compared and reported."""
