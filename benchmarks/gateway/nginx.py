"""Nginx's configurations of the benchmark, from the templates beside this file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jinja2

from lab.local_nginx import LocalNginx

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def rendered(template: str, **values: Any) -> str:
    """One of the templates, filled in."""
    return _TEMPLATES.get_template(template).render(values)


def written(nginx: LocalNginx, folder: Path, site: str) -> Path:
    """A whole configuration of a site, in its folder; judged by Nginx."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.conf").write_text(site)
    config = folder / "nginx.conf"
    root = os.geteuid() == 0
    values = {"modules": nginx.modules, "folder": folder, "root": root}
    config.write_text(rendered("nginx.conf.j2", **values))
    nginx.test(config)
    return config
