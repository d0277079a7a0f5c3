"""The pinned programs of a lab: which there are, and where this machine gets them from."""
