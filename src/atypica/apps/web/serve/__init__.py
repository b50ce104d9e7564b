"""`atypica serve`: figures over HTTP, typed in batches that concurrent callers share."""
