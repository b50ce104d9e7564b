"""What answers over HTTP: the review page and the classification service."""
