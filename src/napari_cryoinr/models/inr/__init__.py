"""The model `inr`: latents on a pyramid of lattices, trained on the map with their cost in bits.

See `inr_model`.
"""
