"""The dock widget Quality."""
