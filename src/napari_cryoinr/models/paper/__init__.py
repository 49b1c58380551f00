"""The model `paper`: a coordinate MLP with positional encoding and a latent vector per map.

C. Zou, "Application of Deep Learning in Biological Data Compression", arXiv 2512.12975. It is the
baseline and the method asked for; the documentation's page on the method says what it is good for.
"""
