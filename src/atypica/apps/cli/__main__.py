"""`python -m atypica.apps.cli`: the command line where the script is not on the path."""

from atypica.apps.cli.main import run

run()
