"""The model: its configuration, its networks in PyTorch and as ONNX graphs, its bundle files."""
