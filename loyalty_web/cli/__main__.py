"""`python -m loyalty_web.cli`: the same as `loyalty`, whatever the PATH says."""

from loyalty_web.cli import main

main(prog_name="loyalty")
