"""The few Keras layers that had to be written: registered, so that saved models reload in safe mode."""
