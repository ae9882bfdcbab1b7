"""scFoundation: values of expressed genes and two read depths, read by an asymmetric autoencoder."""
