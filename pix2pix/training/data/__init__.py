"""The batches of training: sampling, loading and augmentation of pairs."""
