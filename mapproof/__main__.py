"""`python -m mapproof` is the command `mapproof`."""

from mapproof.cli import main

main()
