"""From decoded inputs to answers, and what they are worth: network, calibration, unusual inputs, drift."""
