"""`python -m triage` is the same as the installed `triage`."""

from triage.cli import main

main()
