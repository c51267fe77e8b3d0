"""What the service is made of: `make audit` asks whether any of it is known to be weak, `make sbom` lists it."""
