"""The promised rates, one module for each part of the product that makes a promise."""
