"""What the headers of safetensors files say: names, dtypes, shapes, places. Weights stay unread."""
