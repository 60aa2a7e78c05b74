"""Speed, side by side with a naive loop and with Keras."""
