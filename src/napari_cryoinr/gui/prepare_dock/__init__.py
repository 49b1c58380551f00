"""The dock widget Prepare map."""
