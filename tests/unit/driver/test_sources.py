"""apt's source files as apt reads them."""

from __future__ import annotations

import pytest

from rackwright.driver.sources import Source, read

STANZA = "Types: deb\nURIs: http://deb.example\nSuites: trixie\nComponents: main\n"
READ = Source(("http://deb.example",), ("trixie",), frozenset({"main"}))


def stanzas(text: str) -> list[Source]:
    return read({"/etc/apt/sources.list.d/debian.sources": text})


@pytest.mark.parametrize(
    "text",
    [
        STANZA,
        f"\n\n# The host's own.\n\n{STANZA}\n\n# The end.\n",
        STANZA.replace("\n", "\r\n"),
        STANZA.replace("URIs", "uris").replace("Types", "TYPES"),
        STANZA.replace("Types: deb", "Types: deb-src deb"),
        STANZA.replace("URIs: ", "URIs:\n "),
        STANZA.replace("Suites", "# not yet: http://other.example\nSuites"),
        STANZA.replace("Suites", " \nSuites"),  # to apt a line of blanks ends nothing
        f"Enabled: yes\n{STANZA}",
        f"{STANZA}\n{STANZA}Enabled: no\n",
        f"{STANZA}\n{STANZA.replace('Types: deb', 'Types: deb-src')}",
    ],
)
def test_a_stanza_however_it_is_written(text: str) -> None:
    assert stanzas(text) == [READ]


@pytest.mark.parametrize("said", ["no", "No", "false", "off", "0", "without", "disable"])
def test_a_stanza_that_is_switched_off_in_apts_words(said: str) -> None:
    assert stanzas(f"{STANZA}Enabled: {said}\n") == []


def test_a_key_in_the_file_is_kept_whole() -> None:
    key = (
        "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n -----END PGP PUBLIC KEY BLOCK-----"
    )
    (source,) = stanzas(f"{STANZA}Signed-By:{key}\n")
    assert source.signed_by == key


def test_a_file_without_stanzas_has_none() -> None:
    assert stanzas("") == stanzas("# nothing here\n") == []
