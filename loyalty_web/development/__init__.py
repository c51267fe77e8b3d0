"""What `loyalty dev` runs: every process of the service on this machine, started in order and kept alive."""
