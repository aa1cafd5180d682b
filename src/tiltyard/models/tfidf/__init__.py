"""TF-IDF of words and n-grams by compiled kernels, equal to scikit-learn to the bit."""
