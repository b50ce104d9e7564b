"""Networks in PyTorch: building them and finding their weights."""
