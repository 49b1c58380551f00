"""The dock widget Pick particles."""
