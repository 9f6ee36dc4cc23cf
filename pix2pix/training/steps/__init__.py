"""What happens in a training step: losses, discriminators, and the updates of each GAN."""
