"""Performance without labels: confidence-based estimation and its calibration."""
