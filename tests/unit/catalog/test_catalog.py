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
    gpu, where = GPUS[key], f"catalog/gpus.yaml: {key}"
    sources = {"memory", "bandwidth", "compute", "nvlink"}
    assert set(gpu.sources) == sources, (
        f"{where}.sources: say where {sorted(set(gpu.sources) ^ sources)} is from; it must have "
        f"{', '.join(sorted(sources))} and no other"
    )
    assert "none" in gpu.interconnects, f"{where}.interconnects: add none, which is one GPU alone"
    marketed = int(key.rpartition("-")[2].removesuffix("gb"))
    assert 0.85 * marketed < gpu.memory_bytes / 1e9 < 1.1 * marketed, (
        f"{where}: correct memory_mib, or the key, which says {marketed} GB"
    )
    assert gpu.compute_capability >= (5, 0), f"{where}: leave it out, no engine runs on it"


@pytest.mark.parametrize("key", GPUS)
def test_nvlink_is_claimed_only_where_there_are_links(key: str) -> None:
    gpu, where = GPUS[key], f"catalog/gpus.yaml: {key}"
    linked = gpu.interconnects & {"nvlink", "nvswitch"}
    assert bool(linked) == (gpu.nvlink is not None), (
        f"{where}: its interconnects say {sorted(linked) or 'no NVLink'}: correct them, or nvlink"
    )
    if gpu.nvlink and "nvlink" in gpu.interconnects:
        assert gpu.nvlink.island >= 2, (
            f"{where}.nvlink.island: say how many GPUs its links join without a switch, or leave "
            "nvlink out of its interconnects"
        )


@pytest.mark.parametrize("key", GPUS)
def test_a_switch_is_claimed_only_for_modules_on_a_board(key: str) -> None:
    """Cards are joined by bridges; an inventory that claims a switch of them must be refused."""
    gpu = GPUS[key]
    on_a_board = "-sxm" in key or key.startswith("gb")  # or in a rack, whose trays have switches
    assert "nvswitch" not in gpu.interconnects or on_a_board, (
        f"catalog/gpus.yaml: {key}.interconnects: leave nvswitch out, only SXM boards have one"
    )


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
    counted = model.shape.parameters + extra
    assert counted == model.published_parameters, (
        f"catalog/models: {name}: its config makes {counted:,} parameters, its page says "
        f"{model.published_parameters:,}: correct one of them, or name what the page counts beside "
        "the weights in published_extra"
    )


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_unpinned_and_sourced(name: str) -> None:
    model, where = MODELS[name], f"catalog/models: {name}"
    assert model.source.repo, f"{where}: give its repo, as OWNER/NAME"
    assert not model.source.pinned, f"{where}: leave out revision, an inventory pins it"
    assert model.provenance, f"{where}: give its source, where the figures of its config are from"


def test_at_least_25_models_can_be_judged() -> None:
    assert len(JUDGED) >= 25


@pytest.mark.parametrize("name", sorted(set(MODELS) - set(JUDGED)))
def test_a_model_that_cannot_be_judged_says_why(name: str) -> None:
    assert MODELS[name].unjudged
