"""Tests inside a real ComfyUI."""
