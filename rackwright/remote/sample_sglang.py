"""SGLang's sampler draws tokens; see ``sampling``. It runs in the release's own Python.

Its kernel is compiled here, by the release's own nvcc, into the folder that its replicas share.
"""

from __future__ import annotations

from pathlib import Path

ROWS, VOCABULARY = 4, 1024


def sample(folder: Path) -> int:
    """Draw a token for each row, by top-k and top-p, as SGLang's sampler does; returns how many."""
    import torch
    from sglang.srt.layers.sampler import top_k_top_p_sampling_from_probs

    shares = torch.softmax(torch.randn(ROWS, VOCABULARY, device="cuda"), dim=-1)
    top_k = torch.full((ROWS,), 20, dtype=torch.int32, device="cuda")
    top_p = torch.full((ROWS,), 0.9, device="cuda")
    drawn = top_k_top_p_sampling_from_probs(shares, top_k, top_p, filter_apply_order="joint")
    tokens = [int(token) for token in drawn.flatten()]
    if len(tokens) != ROWS or not all(0 <= token < VOCABULARY for token in tokens):
        raise RuntimeError(f"asked for {ROWS} tokens below {VOCABULARY}, got {tokens}")
    return len(tokens)
