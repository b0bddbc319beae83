"""The command line of the simulated crowds: ``python -m simulation``."""

from simulation.command import main

main()
