"""A stand-in for NVIDIA's apt repository: its layout, signature, names and relations; no driver.

``packages.py`` reads what is in it (``*.control``, ``tree/``), ``repository.py`` builds and signs
it, ``server.py`` serves it on the lab's bridge for as long as a host that wants it is up. Packages
are tiny and say in their description that they are stand-ins; what they do where there is no GPU
(``nvidia-smi``, the daemons) is what the real ones do there. Their ``libnvidia-ml.so.1`` is the
lab's NVML stand-in, which answers "driver not loaded" where no profile says otherwise.
"""
