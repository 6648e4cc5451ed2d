"""The nodes: widgets in, core call, tensors out."""
