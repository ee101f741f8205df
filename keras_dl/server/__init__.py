"""The server: runs and exported models behind TensorFlow Serving's REST protocol, routes of our own, and a web page."""
