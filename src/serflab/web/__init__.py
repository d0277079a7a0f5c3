"""The viewer: its REST API and its page, thin over `serflab.lab`."""
