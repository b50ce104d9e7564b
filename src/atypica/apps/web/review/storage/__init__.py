"""What readers said, kept in a database: every vote is a row, and no row is ever changed."""
