"""The viewer: the REST API and the page on port 8080."""
