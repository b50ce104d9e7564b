"""A leaderboard as tables, plots and one page; the terminal's form is the command line's own."""
