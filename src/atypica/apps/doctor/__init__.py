"""The checks of `atypica doctor`: one noun a file, each check a function that gives findings."""
