from __future__ import annotations

import pytest

from rackwright import catalog
from rackwright.catalog import GpuType
from rackwright.models.spec import ModelSpec
from rackwright.sizing import GIB

GPUS = catalog.gpu_types()
MODELS = {name: ModelSpec(name=name, **entry) for name, entry in catalog.model_entries().items()}
JUDGED = [name for name, model in MODELS.items() if not model.unjudged]


@pytest.mark.parametrize("key", GPUS)
def test_a_gpu_type_is_whole_and_sourced(key: str) -> None:
    gpu = GPUS[key]
    assert set(gpu.sources) == {"memory", "bandwidth", "compute", "nvlink"}
    assert "none" in gpu.interconnects
    marketed = int(key.rpartition("-")[2].removesuffix("gb"))
    assert 0.85 * marketed < gpu.memory_bytes / 1e9 < 1.1 * marketed
    assert gpu.compute_capability >= (8, 0)  # bf16, which every model of the catalog needs


@pytest.mark.parametrize("key", GPUS)
def test_nvlink_is_claimed_only_where_there_are_links(key: str) -> None:
    gpu = GPUS[key]
    linked = gpu.interconnects & {"nvlink", "nvswitch"}
    assert bool(linked) == (gpu.nvlink is not None)
    if gpu.nvlink and "nvlink" in gpu.interconnects:
        assert gpu.nvlink.island >= 2


def test_the_h200_matches_what_was_measured() -> None:
    h200: GpuType = GPUS["h200-sxm-141gb"]
    assert h200.memory_mib * 1024**2 <= 150754820096 < (h200.memory_mib + 1) * 1024**2
    assert h200.memory_bytes / GIB == pytest.approx(139.8, abs=0.05)


@pytest.mark.parametrize("name", JUDGED)
def test_a_model_has_the_parameters_its_page_gives(name: str) -> None:
    model = MODELS[name]
    if model.published_parameters is None:
        pytest.skip(f"{name}: its page gives no count that could be trusted")
    extra = sum(model.published_extra.values())
    assert model.shape.parameters + extra == model.published_parameters


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_unpinned_and_sourced(name: str) -> None:
    model = MODELS[name]
    assert model.source.repo
    assert not model.source.pinned
    assert model.provenance


def test_at_least_25_models_can_be_judged() -> None:
    assert len(JUDGED) >= 25


@pytest.mark.parametrize("name", sorted(set(MODELS) - set(JUDGED)))
def test_a_model_that_cannot_be_judged_says_what_to_do(name: str) -> None:
    assert "cannot be judged" in MODELS[name].unjudged
    assert "figures" in MODELS[name].unjudged
