"""65
tests/data/inventories/wrong/error_without_words.py: Speechless
"""


class Speechless(Exception):
    def __str__(self) -> str:
        raise ValueError


raise Speechless
