"""The front ends: the command line (`cli`), the HTTP API and the canvas (`http`)."""
