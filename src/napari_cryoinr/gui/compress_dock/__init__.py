"""The dock widget Compress map."""
