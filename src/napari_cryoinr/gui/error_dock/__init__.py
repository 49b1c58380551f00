"""The dock widget Error overlay."""
