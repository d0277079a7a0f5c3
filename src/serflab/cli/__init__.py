"""The `serflab` command."""
