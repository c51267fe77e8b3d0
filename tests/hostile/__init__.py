"""Input that means harm, or is merely strange, against the service as a process of its own."""
