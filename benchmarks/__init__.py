"""Each figure that serflab claims, measured beside a peer in one run: `python -m benchmarks`."""
