"""65
services[chat].gguf.file: must be a path without . and .. in it (got '../../../x.gguf')
"""

from tests.data.inventories.wrong._sound import fleet, host

_file = {"repo": "owner/name", "revision": "0" * 40, "sha256": "a" * 64, "size_bytes": 5_000_000_000}
_build = {"llamacpp_version": "10434", "llamacpp_sha256": "a" * 64}
_build["llamacpp_url"] = "https://a.example/{version}-{arch}.tgz"
_gguf = _file | {"file": "../../../x.gguf"}
all = fleet(host(**_build), chat={"engine": "llamacpp", "revision": ..., "gguf": _gguf})
