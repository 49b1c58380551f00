"""The model `field`: quantised latents of a lapped basis, and a small network that prices them.

Source: this project; the measurements behind it are in the documentation, "The method".
"""
