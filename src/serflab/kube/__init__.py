"""One API server: credentials, requests with retries, bulk writes and watch caches."""
