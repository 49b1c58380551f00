"""The dock widget Compare maps."""
