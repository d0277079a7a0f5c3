"""Many serfs: topology, inventory, runtimes, pinned tools and their processes."""
