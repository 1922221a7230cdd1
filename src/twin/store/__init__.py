"""What is kept: PostGIS in production, one SQLite file embedded; the same tables in both."""
