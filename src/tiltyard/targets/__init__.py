"""What models predict: a folder for each target, with a module for each part of Tiltyard in which targets differ."""
