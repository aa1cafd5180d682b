"""What the columns of an unknown table mean, each with a reason: label, text, time, feature, or left out."""
