"""What pages and the API share: guarded routes, and what an error is over HTTP."""
