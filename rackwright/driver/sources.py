"""apt's source files: those of the host read, those of the driver's archive written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files

FOLDER = "/etc/apt/sources.list.d"
NVIDIA_FILE = "rackwright-nvidia.sources"
DEBIAN_FILE = "rackwright-debian.sources"
PIN_FILE = "/etc/apt/preferences.d/rackwright-driver.pref"
OURS = (f"{FOLDER}/{NVIDIA_FILE}", f"{FOLDER}/{DEBIAN_FILE}", PIN_FILE)
MARK = "Written by Rackwright"
HEAD = f"# {MARK}; change driver_source and driver_repository in group data.\n"
SWITCHED_OFF = ("no", "false", "without", "off", "disable", "0")
"""What apt takes for a no, in letters of any case."""


@dataclass(frozen=True)
class Source:
    """One entry of apt's configuration; ``signed_by`` is a path, a key or empty."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: frozenset[str]
    signed_by: str = ""


def read(texts: Mapping[str, str]) -> list[Source]:
    """The binary entries of source files, path -> text, in one-line or in deb822 format."""
    found: list[Source] = []
    for path, text in texts.items():
        found += _stanzas(text) if path.endswith(".sources") else _lines(text)
    return found


def _lines(text: str) -> Iterator[Source]:
    for line in text.splitlines():
        words = line.partition("#")[0].replace("[ ", "[").replace(" ]", "]").split()
        if len(words) < 3 or words[0] != "deb":
            continue
        options = []
        if words[1].startswith("["):
            end = next((i for i, word in enumerate(words) if word.endswith("]")), 1)
            options, words = words[1 : end + 1], [words[0], *words[end + 1 :]]
        keys = [option.strip("[]").partition("=") for option in options]
        signed = next((value for key, _, value in keys if key == "signed-by"), "")
        if len(words) >= 3:
            yield Source((words[1],), (words[2],), frozenset(words[3:]), signed)


def _stanzas(text: str) -> Iterator[Source]:
    """As apt reads them: a line of blanks alone does not end a stanza."""
    from debian.deb822 import Deb822  # only where there is a driver to install

    strict = {"whitespace-separates-paragraphs": False}
    for fields in Deb822.iter_paragraphs(text.splitlines(), strict=strict):
        enabled = fields.get("Enabled", "yes").lower() not in SWITCHED_OFF
        if "deb" in fields.get("Types", "").split() and enabled:
            yield Source(
                uris=tuple(fields.get("URIs", "").split()),
                suites=tuple(fields.get("Suites", "").split()),
                components=frozenset(fields.get("Components", "").split()),
                signed_by=fields.get("Signed-By", ""),
            )


def nvidia(url: str, debian_architecture: str, key: str) -> str:
    """NVIDIA's repository or a mirror of it, trusted by the one key written here."""
    return HEAD + _stanza(Source((url,), ("/",), frozenset(), _embedded(key)), debian_architecture)


def _embedded(key: str) -> str:
    """A key inside a source file (sources.list(5)): indented, empty lines as dots."""
    return "".join(f"\n {line or '.'}" for line in key.strip().splitlines())


def more_of_debian(texts: Mapping[str, str], codename: str, wanted: frozenset[str]) -> str:
    """Components that the host's own Debian archives have and its sources lack; "" for none.

    ``texts`` are the host's source files without the ones written here.
    """
    ours = [source for source in read(texts) if _is_of(source, codename)]
    have = frozenset[str]().union(*[source.components for source in ours])
    missing = wanted - have
    main = [replace(source, components=missing) for source in ours if "main" in source.components]
    if not missing or not main:
        return ""
    return HEAD + "\n".join(_stanza(source) for source in main)


def pin(version: str) -> str:
    """A preference for archives without a pinning package: all of the driver, at one version."""
    fields = {
        "Explanation": MARK,
        "Package": "src:*nvidia*:any src:fabric-manager*:any",
        "Pin": f"version {version}-*",
        "Pin-Priority": "1000",
    }
    return _paragraph(fields)


def _is_of(source: Source, codename: str) -> bool:
    return any(suite.partition("-")[0] == codename for suite in source.suites)


def _stanza(source: Source, architecture: str = "") -> str:
    fields = {
        "Types": "deb",
        "URIs": " ".join(source.uris),
        "Suites": " ".join(source.suites),
        "Components": " ".join(sorted(source.components)),
        "Architectures": architecture,
        "Signed-By": source.signed_by,
    }
    return _paragraph({name: value for name, value in fields.items() if value})


def _paragraph(fields: Mapping[str, str]) -> str:
    from debian.deb822 import Deb822

    return str(Deb822(fields))


def key_of(name: str) -> str:
    """A signing key that comes with Rackwright, by its name in ``drivers.yaml``."""
    return (files(__package__) / "keys" / f"{name}.asc").read_text(encoding="ascii")
