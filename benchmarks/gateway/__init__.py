"""What a door costs: this gateway beside plain Nginx, LiteLLM's proxy and vllm-router.

`python -m benchmarks.gateway` measures them in one run on one machine; `.endurance` and `.prefixes`
prove the gateway under load and with real prefix caches.
"""
