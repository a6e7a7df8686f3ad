"""The classes of diffusers that are refused, each for a reason; a class in no list here is refused too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class RefusedClasses:
    """Classes that share the reason they are refused for.

    Attributes:
        reason: Why.
        classes: Their names.
        tier: 2 where they are to be covered before and after the run; 0 where nothing is planned.
    """

    reason: str
    classes: frozenset[str]
    tier: int = 0


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


REFUSED_CLASSES: Final = (
    RefusedClasses(
        "covered later, before and after the run only: it cannot be watched step by step",
        _names("""
            DreamLiteMobilePipeline DreamLitePipeline IFImg2ImgPipeline
            IFImg2ImgSuperResolutionPipeline IFInpaintingPipeline
            IFInpaintingSuperResolutionPipeline IFSuperResolutionPipeline LongCatImageEditPipeline
        """),
        tier=2,
    ),
    RefusedClasses(
        "video: nothing looks at moving pictures yet",
        _names("""
            AllegroPipeline AnimateDiffControlNetPipeline AnimateDiffPAGPipeline AnimateDiffPipeline
            AnimateDiffSDXLPipeline AnimateDiffSparseControlNetPipeline
            AnimateDiffVideoToVideoControlNetPipeline AnimateDiffVideoToVideoPipeline
            AnyFlowFARPipeline AnyFlowPipeline ChronoEditPipeline CogVideoXFunControlPipeline
            CogVideoXImageToVideoPipeline CogVideoXPipeline CogVideoXVideoToVideoPipeline
            ConsisIDPipeline Cosmos2TextToImagePipeline Cosmos2VideoToWorldPipeline
            Cosmos2_5_PredictBasePipeline Cosmos2_5_TransferPipeline Cosmos3OmniPipeline
            CosmosTextToWorldPipeline CosmosVideoToWorldPipeline EasyAnimateControlPipeline
            EasyAnimateInpaintPipeline EasyAnimatePipeline HeliosPipeline HeliosPyramidPipeline
            HunyuanSkyreelsImageToVideoPipeline HunyuanVideo15ImageToVideoPipeline
            HunyuanVideo15Pipeline HunyuanVideoFramepackPipeline HunyuanVideoImageToVideoPipeline
            HunyuanVideoPipeline I2VGenXLPipeline Kandinsky5I2VPipeline Kandinsky5T2VPipeline
            Kandinsky6SRPipeline Kandinsky6TI2VAPipeline LTX2ConditionPipeline LTX2DFRPipeline
            LTX2DFRTemporalRefinePipeline LTX2HDRPipeline LTX2ImageToVideoPipeline
            LTX2InContextPipeline LTX2LatentUpsamplePipeline LTX2Pipeline
            LTX2VideoDiffusionDecodePipeline LTXConditionPipeline LTXI2VLongMultiPromptPipeline
            LTXImageToVideoPipeline LTXLatentUpsamplePipeline LTXPipeline LattePipeline
            LucyEditPipeline MochiPipeline MotifVideoImage2VideoPipeline MotifVideoPipeline
            PIAPipeline SanaImageToVideoPipeline SanaVideoPipeline SanaWMLTX2Refiner SanaWMPipeline
            SkyReelsV2DiffusionForcingImageToVideoPipeline SkyReelsV2DiffusionForcingPipeline
            SkyReelsV2DiffusionForcingVideoToVideoPipeline SkyReelsV2ImageToVideoPipeline
            SkyReelsV2Pipeline StableVideoDiffusionPipeline TextToVideoSDPipeline
            TextToVideoZeroPipeline TextToVideoZeroSDXLPipeline VideoToVideoSDPipeline
            WanAnimatePipeline WanImageToVideoPipeline WanPipeline WanVACEPipeline
            WanVideoToVideoPipeline
        """),
    ),
    RefusedClasses(
        "a control picture steers it, and nobody has classified it argument by argument yet",
        _names("""
            BlipDiffusionControlNetPipeline CogView4ControlPipeline FluxControlImg2ImgPipeline
            FluxControlInpaintPipeline FluxControlNetImg2ImgPipeline FluxControlNetInpaintPipeline
            FluxControlNetPipeline FluxControlPipeline HunyuanDiTControlNetPipeline
            KandinskyV22ControlnetImg2ImgPipeline KandinskyV22ControlnetPipeline
            QwenImageControlNetInpaintPipeline QwenImageControlNetPipeline SanaControlNetPipeline
            StableDiffusion3ControlNetPipeline StableDiffusionAdapterPipeline
            StableDiffusionControlNetPAGInpaintPipeline StableDiffusionControlNetPAGPipeline
            StableDiffusionControlNetPipeline StableDiffusionControlNetXSPipeline
            StableDiffusionXLAdapterPipeline StableDiffusionXLControlNetPAGImg2ImgPipeline
            StableDiffusionXLControlNetPAGPipeline StableDiffusionXLControlNetPipeline
            StableDiffusionXLControlNetUnionPipeline StableDiffusionXLControlNetXSPipeline
            ZImageControlNetInpaintPipeline ZImageControlNetPipeline
        """),
    ),
    RefusedClasses(
        "it draws who is in a reference picture, and nobody has classified it argument by argument yet",
        _names("""
            BlipDiffusionPipeline GlmImagePipeline JoyImageEditPlusPipeline OmniGenPipeline
            PaintByExamplePipeline StableCascadeCombinedPipeline StableDiffusionGLIGENPipeline
            StableDiffusionGLIGENTextImagePipeline StableDiffusionImageVariationPipeline
            StableUnCLIPImg2ImgPipeline UnCLIPImageVariationPipeline
            VersatileDiffusionDualGuidedPipeline VersatileDiffusionImageVariationPipeline
            VersatileDiffusionPipeline VisualClozeGenerationPipeline VisualClozePipeline
            ZImageOmniPipeline
        """),
    ),
    RefusedClasses(
        "it inverts a picture into latents and edits those, where nobody can look",
        _names("""
            CycleDiffusionPipeline LEditsPPPipelineStableDiffusion LEditsPPPipelineStableDiffusionXL
            RePaintPipeline StableDiffusionDiffEditPipeline StableDiffusionModelEditingPipeline
            StableDiffusionPix2PixZeroPipeline
        """),
    ),
    RefusedClasses(
        "it enlarges: places in what goes in and what comes out are not compared yet",
        _names("""
            HunyuanImageRefinerPipeline LDMSuperResolutionPipeline
            StableDiffusionLatentUpscalePipeline StableDiffusionUpscalePipeline
        """),
    ),
    RefusedClasses(
        "an editing family that nobody has classified argument by argument yet",
        _names("""
            AltDiffusionImg2ImgPipeline AmusedImg2ImgPipeline AmusedInpaintPipeline
            BriaFibo2Pipeline BriaFiboEditPipeline ChromaImg2ImgPipeline ChromaInpaintPipeline
            JoyImageEditPipeline Kandinsky3Img2ImgPipeline Kandinsky5I2IPipeline
            KandinskyImg2ImgCombinedPipeline KandinskyImg2ImgPipeline
            KandinskyInpaintCombinedPipeline KandinskyInpaintPipeline
            KandinskyV22Img2ImgCombinedPipeline KandinskyV22Img2ImgPipeline
            KandinskyV22InpaintCombinedPipeline KandinskyV22InpaintPipeline KolorsImg2ImgPipeline
            LatentConsistencyModelImg2ImgPipeline QwenImage21Pipeline QwenImageLayeredPipeline
            SanaSprintImg2ImgPipeline StableDiffusion3PAGImg2ImgPipeline
            StableDiffusionDepth2ImgPipeline StableDiffusionInpaintPipelineLegacy
            StableDiffusionPAGImg2ImgPipeline StableDiffusionPAGInpaintPipeline
            StableDiffusionXLPAGImg2ImgPipeline StableDiffusionXLPAGInpaintPipeline
        """),
    ),
    RefusedClasses(
        "its networks run outside torch, where no hook is laid",
        _names("""
            OnnxStableDiffusionImg2ImgPipeline OnnxStableDiffusionInpaintPipeline
            OnnxStableDiffusionInpaintPipelineLegacy OnnxStableDiffusionPipeline
            OnnxStableDiffusionUpscalePipeline StableDiffusionOnnxPipeline
        """),
    ),
    RefusedClasses(
        "it makes pictures from words alone: there is no picture whose people could be asked",
        _names("""
            AltDiffusionPipeline AmusedPipeline AuraFlowPipeline BriaFiboPipeline BriaPipeline
            ChromaPipeline CogView3PlusPipeline CogView4Pipeline ConsistencyModelPipeline
            DDIMPipeline DDPMPipeline DiTPipeline ErnieImagePipeline FluxPipeline
            HiDreamImagePipeline HunyuanDiTPAGPipeline HunyuanDiTPipeline HunyuanImagePipeline
            IFPipeline Ideogram4Pipeline Kandinsky3Pipeline Kandinsky5T2IPipeline
            KandinskyCombinedPipeline KandinskyPipeline KandinskyV22CombinedPipeline
            KandinskyV22Pipeline KarrasVePipeline KolorsPAGPipeline KolorsPipeline Krea2Pipeline
            LDMPipeline LDMTextToImagePipeline LatentConsistencyModelPipeline LongCatImagePipeline
            Lumina2Pipeline LuminaPipeline NucleusMoEImagePipeline OvisImagePipeline PNDMPipeline
            PRXPipeline PRXPixelPipeline PixArtAlphaPipeline PixArtSigmaPAGPipeline
            PixArtSigmaPipeline QwenImagePipeline SanaPAGPipeline SanaPipeline SanaSprintPipeline
            ScoreSdeVePipeline SemanticStableDiffusionPipeline StableCascadeDecoderPipeline
            StableDiffusion3PAGPipeline StableDiffusion3Pipeline
            StableDiffusionAttendAndExcitePipeline StableDiffusionLDM3DPipeline
            StableDiffusionPAGPipeline StableDiffusionPanoramaPipeline
            StableDiffusionParadigmsPipeline StableDiffusionPipeline StableDiffusionPipelineSafe
            StableDiffusionSAGPipeline StableDiffusionXLPAGPipeline StableDiffusionXLPipeline
            StableUnCLIPPipeline UnCLIPPipeline VQDiffusionPipeline
            VersatileDiffusionTextToImagePipeline WuerstchenCombinedPipeline
            WuerstchenDecoderPipeline ZImagePipeline
        """),
    ),
    RefusedClasses(
        "what comes out of it is no edited picture: sound, text, maps, shapes or parts of another pipeline",
        _names("""
            AceStepPipeline AudioDiffusionPipeline AudioLDM2Pipeline AudioLDMPipeline
            DanceDiffusionPipeline DiffusionGemmaPipeline FluxPriorReduxPipeline
            KandinskyPriorPipeline KandinskyV22PriorEmb2EmbPipeline KandinskyV22PriorPipeline
            LLaDA2Pipeline LongCatAudioDiTPipeline MarigoldDepthPipeline MarigoldIntrinsicsPipeline
            MarigoldNormalsPipeline MusicLDMPipeline RFD4ProteinaPipeline ShapEImg2ImgPipeline
            ShapEPipeline SpectrogramDiffusionPipeline StableAudio3AudioToAudioPipeline
            StableAudio3InpaintPipeline StableAudio3Pipeline StableAudioPipeline
            StableCascadePriorPipeline UniDiffuserPipeline WuerstchenPriorPipeline
        """),
    ),
)

MODULAR: Final = "a modular pipeline takes blocks and a state of the caller's own making"
UNKNOWN: Final = "nobody has classified it"


def why_refused(module: str, name: str) -> str:
    """Why a class that is no covered one is refused.

    Args:
        module: Its module's name, as the class tells it; only words depend on it.
        name: Its own.
    """
    if module.startswith("diffusers.modular_pipelines"):
        return MODULAR
    known = (one.reason for one in REFUSED_CLASSES if name in one.classes)
    return next(known, UNKNOWN) if module.startswith("diffusers.") else UNKNOWN
