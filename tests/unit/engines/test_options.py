"""An engine's table of options cannot lie: what it says is refused, understood and given."""

from __future__ import annotations

import pytest

from rackwright.engines import ENGINES, Engine
from rackwright.engines.options import Form, Kind, Option, refused
from rackwright.engines.vllm import Vllm
from tests.samples.engine_faults import KEYS, key_faults, option_faults
from tests.samples.launches import example, launches_of, said

VLLM = ENGINES["vllm"]


@pytest.fixture(params=ENGINES.values(), ids=ENGINES.keys())
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.param
    return found


def test_every_option_is_what_it_says(engine: Engine) -> None:
    faults = list(option_faults(engine))
    assert not faults, "\n".join(faults)


def test_every_key_of_a_service_is_understood_by_some_engine() -> None:
    faults = list(key_faults(ENGINES.values()))
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"max_model_len": 4096}, {"max_model_len": 8192}),
        ({"max_num_seqs": 1}, {"max_num_seqs": 2}),
        ({"served_model_name": "one"}, {"served_model_name": "two"}),
        ({"port": 9001}, {"port": 9002}),
    ],
    ids=["max_model_len", "max_num_seqs", "served_model_name", "port"],
)
def test_what_means_something_with_every_engine_is_told_to_each(
    engine: Engine, first: dict[str, object], second: dict[str, object]
) -> None:
    told = [said(engine, launches_of(engine, **more)[0]) for more in (first, second)]
    assert told[0] != told[1], f"engines/{engine.name}.py: carry {next(iter(first))} to the engine"


def test_each_kv_cache_dtype_that_is_allowed_is_told_to_the_engine(engine: Engine) -> None:
    told = {said(engine, launches_of(engine, kv_cache_dtype=dtype)[0]) for dtype in
            engine.kv_cache_dtypes if dtype != "f16"}  # fmt: skip
    allowed = set(engine.kv_cache_dtypes) - {"f16"}  # what "auto" is with GGUF
    assert len(told) == len(allowed)


def test_an_example_is_other_than_what_is_usual() -> None:
    assert example("enforce_eager") is True
    assert example("quantization") == "fp8"
    assert example("max_num_batched_tokens") == 2
    with pytest.raises(AssertionError, match="give example\\(\\) a value for 'gguf'"):
        example("gguf")


# --- that each mistake is found ----------------------------------------------------------------


def mistaken(monkeypatch: pytest.MonkeyPatch, *options: Option) -> list[str]:
    """Faults of vLLM with these options too."""

    class Mistaken(Vllm):
        """vLLM, with more in its table."""

    Mistaken.options = (*Vllm.options, *options)
    monkeypatch.setitem(ENGINES, "vllm", Mistaken())
    return list(option_faults(ENGINES["vllm"]))


@pytest.mark.parametrize(
    ("option", "fault"),
    [
        (
            Option("enforce-eagre", key="enforce_eager"),
            "engines/vllm.py: Option('enforce-eagre') is nearly its key, 'enforce-eager': is "
            "'enforce-eagre' misspelt?",
        ),
        (
            Option("seed", of=lambda _: None),
            "engines/vllm.py: Option('seed') is in no sample's command line: give it a value "
            "(key or of), or, if only a rare replica has it, add such a service to SERVICES in "
            "tests/samples/launches.py",
        ),
        (
            Option("eager", key="enforce_eager", of=lambda _: True),
            "engines/vllm.py: Option('eager') says the same whatever the service's enforce_eager "
            "is: mend its of",
        ),
        (
            Option("stages", key="pipeline_parallel_size"),
            "engines/vllm.py: Option('stages') has key='pipeline_parallel_size': leave it out, "
            "the engine's Splits says whether it can",
        ),
        (
            Option("port", kind=Kind.SECRET),
            "engines/vllm.py: two options have the name 'port', leave one out",
        ),
        (
            Option("other", of=lambda _: 1, aliases=("port",)),
            "engines/vllm.py: two options have the name 'port', leave one out",
        ),
        (
            Option("token", of=lambda _: 1, kind=Kind.SECRET),
            "engines/vllm.py: Option('token') is given, so its kind must be PLAN or SHARED, or it "
            "must have no key and no of",
        ),
        (
            Option("--my_seed", of=lambda _: 1),
            "engines/vllm.py: Option('--my_seed') is named '--my_seed': write it without leading "
            "dashes, and with - for _",
        ),
    ],
    ids=lambda value: value.flag if isinstance(value, Option) else "",
)
def test_a_mistake_in_a_table_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, option: Option, fault: str
) -> None:
    assert mistaken(monkeypatch, option) == [fault]


def test_a_key_that_is_misspelt_is_refused_where_it_is_written() -> None:
    with pytest.raises(ValueError) as caught:
        Option("quant", key="quantizatoin")
    assert str(caught.value) == (
        "Option('quant'): key='quantizatoin' is not a known key, did you mean 'quantization'? "
        "Correct it, or declare it in ServiceSpec, rackwright/spec/services.py"
    )


def test_a_key_that_no_engine_understands_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.samples.engine_faults.KEYS", KEYS - {"port"} | {"enable_x"})
    faults = list(key_faults(ENGINES.values()))
    assert (
        "spec/services.py: no engine understands 'enable_x': give one an Option with "
        "key='enable_x', or list it in COMMON_KEYS (engines/keys.py) if it means something with "
        "every engine"
    ) in faults
    assert (
        "engines/keys.py: COMMON_KEYS has 'port', which is not a known key, did you mean 'path'?"
    ) in faults


# --- what an option becomes --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "form", "words"),
    [
        (7, Form.EQUALS, ("--flag=7",)),
        (7, Form.WORDS, ("--flag", "7")),
        (0, Form.EQUALS, ("--flag=0",)),
        ("", Form.EQUALS, ("--flag=",)),
        (True, Form.WORDS, ("--flag",)),
        (False, Form.EQUALS, ("--no-flag",)),
        (None, Form.EQUALS, ()),
    ],
)
def test_a_value_is_words(value: object, form: Form, words: tuple[str, ...]) -> None:
    (launch, *_) = launches_of(VLLM)
    assert Option("flag", of=lambda _: value, form=form).words(launch) == words


def test_an_option_with_a_key_carries_what_the_service_says() -> None:
    option = Option("quantization", key="quantization")
    plain, quantized = launches_of(VLLM)[0], launches_of(VLLM, quantization="fp8")[0]
    assert (option.words(plain), option.words(quantized)) == ((), ("--quantization=fp8",))


def test_an_option_that_is_only_refused_is_never_given() -> None:
    (launch, *_) = launches_of(VLLM)
    (option,) = refused(Kind.SECRET, "api-key")
    assert not option.can_be_given and option.words(launch) == ()


def test_a_shared_option_is_the_operators_too() -> None:
    assert not list(VLLM.flag_faults({"disable-custom-all-reduce": True}))
