"""The class that reads the layers of a family: each is loaded when a model asks for it.

There are many, and a run reads a model or two.
"""

from __future__ import annotations

from typing import cast

from rackwright.lazily import exports
from rackwright.models.decoder import Decoder
from rackwright.models.family import Family

OWN = {
    "AXK1ForCausalLM": "axk1.Axk1",
    "BailingMoeForCausalLM": "bailing.Bailing",
    "BailingMoeV2_5ForCausalLM": "bailing_hybrid.BailingHybrid",
    "BailingMoeV2ForCausalLM": "bailing.Bailing",
    "BailingMoeV3ForCausalLM": "bailing_hybrid.BailingV3",
    "BgeM3EmbeddingModel": "vectors.Roberta",
    "BloomForCausalLM": "bloom.Bloom",
    "ChatGLMModel": "chatglm.ChatGlm",
    "ColBERTJinaRobertaModel": "retrieving.Turned",
    "ColBERTLfm2Model": "lfm2.Lfm2",
    "ColModernVBertForRetrieval": "retrieving.ColModernVBert",
    "ColPaliForRetrieval": "retrieving.ColPali",
    "ColQwen3_5": "retrieving.ColQwen35",
    "DbrxForCausalLM": "dbrx.Dbrx",
    "DeciLMForCausalLM": "nas.Nas",
    "DeepseekV41ForCausalLM": "deepseek_v41.DeepseekV41",
    "DeepseekV4ForCausalLM": "deepseek_v4.DeepseekV4",
    "Dots3NoteForCausalLM": "dots3_note.Dots3Note",
    "EmbeddingGemma2Model": "embedding_gemma2.EmbeddingGemma2",
    "Ernie4_5_VLMoeForCausalLM": "ernie_vl.ErnieVl",
    "FalconForCausalLM": "falcon.Falcon",
    "FalconH1ForCausalLM": "beside.FalconH1",
    "FalconMambaForCausalLM": "states.StatesOnly",
    "Gemma3nForCausalLM": "gemma3n.Gemma3n",
    "Gemma3TextModel": "vectors.Gemma3Text",
    "Gemma4ForCausalLM": "gemma4.Gemma4",
    "Glm5NextForCausalLM": "delta.Glm5Next",
    "GPTBigCodeForCausalLM": "gpt_bigcode.GptBigCode",
    "GraniteMoeHybridForCausalLM": "mamba.GraniteHybrid",
    "GteModel": "vectors.Gte",
    "GteNewForSequenceClassification": "vectors.Gte",
    "GteNewModel": "vectors.Gte",
    "HF_ColBERT": "retrieving.ColBert",
    "HrmTextForCausalLM": "hrm.HrmText",
    "HyperCLOVAXForCausalLM": "hyperclovax.HyperClovaX",
    "HYV4ForCausalLM": "hy_v4.HyV4",
    "InklingForCausalLM": "inkling.Inkling",
    "IQuestLoopCoderForCausalLM": "looped.LoopCoder",
    "JambaForCausalLM": "beside.Jamba",
    "JinaEmbeddingsV5Model": "vectors.JinaV5",
    "K2HorizonForCausalLM": "k2_horizon.K2Horizon",
    "KimiLinearForCausalLM": "kimi_k3.KimiK3",
    "LagunaForCausalLM": "laguna.Laguna",
    "Lfm2ForCausalLM": "lfm2.Lfm2",
    "Lfm2MoeForCausalLM": "lfm2.Lfm2Moe",
    "LlamaBidirectionalForSequenceClassification": "vectors.BothWays",
    "LlamaBidirectionalModel": "vectors.BothWays",
    "LongcatFlashForCausalLM": "longcat.Longcat",
    "LongcatFlashNgramForCausalLM": "longcat.LongcatNgram",
    "Mamba2ForCausalLM": "states.Mamba2",
    "MambaForCausalLM": "states.StatesOnly",
    "MiMoV2FlashForCausalLM": "mimo.MiMoV2",
    "MiniCPM3ForCausalLM": "minicpm3.MiniCpm3",
    "MiniMaxM3SparseForCausalLM": "minimax_m3.MiniMaxM3",
    "Molmo2ForConditionalGeneration": "molmo2.Molmo2",
    "MolmoForCausalLM": "molmo.Molmo",
    "Moondream3ForCausalLM": "moondream3.Moondream3",
    "NanbeigeForCausalLM": "looped.Nanbeige",
    "NemotronHForCausalLM": "nemotron_h.NemotronH",
    "NemotronHPuzzleForCausalLM": "nemotron_h.Puzzle",
    "NomicBertModel": "vectors.NomicBert",
    "OPTForCausalLM": "opt.Opt",
    "PanguEmbeddedForCausalLM": "pangu.Pangu",
    "PanguProMoEV2ForCausalLM": "pangu.Pangu",
    "PanguUltraMoEForCausalLM": "pangu.Pangu",
    "Param2MoEForCausalLM": "param2.Param2",
    "Qwen4ExpForCausalLM": "qwen4_exp.Qwen4Exp",
    "RobertaForMaskedLM": "vectors.Roberta",
    "RobertaModel": "vectors.Roberta",
    "Step1ForCausalLM": "step1.Step1",
    "Step3p5ForCausalLM": "step3p5.Step3p5",
    "StableLmForCausalLM": "stablelm.StableLm",
    "Step3TextForCausalLM": "step3.Step3Text",
    "TeleChat2ForCausalLM": "telechat2.TeleChat2",
    "VoyageQwen3BidirectionalEmbedModel": "vectors.BothWays",
    "WhisperForConditionalGeneration": "whisper.Whisper",
    "XLMRobertaModel": "vectors.Roberta",
    "Zamba2ForCausalLM": "zamba2.Zamba2",
}
"""Families whose layers are read by a class of their own: module and class."""

_MODULES = {name: module for module, _, name in (each.partition(".") for each in OWN.values())}
_own = exports("rackwright.models", _MODULES)


def decoder_of(base: str, family: Family) -> type[Decoder]:
    """The class for models of ``family``, whose architecture is read as ``base``."""
    if base in OWN:
        return cast(type[Decoder], _own(OWN[base].partition(".")[2]))
    if not family.encoder:
        return Decoder
    from rackwright.models.encoder import Encoder

    return Encoder
