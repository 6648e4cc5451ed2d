"""ComfyUI's door to the pack."""

# ruff: noqa: E402  # before all that older versions cannot import
from .adain_core.versions import check_versions

check_versions()

from .nodes.apply import Apply
from .nodes.channel_mask import ChannelMask
from .nodes.decode import Decode
from .nodes.encode import Encode
from .nodes.example_image import ExampleImage
from .nodes.fit_style import FitStyle
from .nodes.host import register_folders
from .nodes.input_checks import check_inputs_of
from .nodes.loaders import LoadDecoder, LoadEncoder
from .nodes.match_color import MatchColor
from .nodes.pick_style import PickStyle
from .nodes.preview_channels import PreviewChannels
from .nodes.refine import Refine
from .nodes.regions import Regions
from .nodes.style_arithmetic import StyleArithmetic
from .nodes.style_bank import StyleBank
from .nodes.style_files import LoadStyle, SaveStyle
from .nodes.style_from_images import StyleFromImages
from .nodes.style_grid import StyleGrid
from .nodes.style_mix import StyleMix
from .nodes.stylize import Stylize
from .nodes.stylize_frames import StylizeFrames
from .nodes.stylize_video import StylizeVideo
from .nodes.train import TrainDecoder

NODE_CLASS_MAPPINGS = {
    "AdaINEncoderLoader": LoadEncoder,
    "AdaINDecoderLoader": LoadDecoder,
    "AdaINVGGEncode": Encode,
    "AdaINApply": Apply,
    "AdaINRegions": Regions,
    "AdaINStyleMix": StyleMix,
    "AdaINStyleArithmetic": StyleArithmetic,
    "AdaINStyleFromImages": StyleFromImages,
    "AdaINStyleGrid": StyleGrid,
    "AdaINDecode": Decode,
    "AdaINChannelMask": ChannelMask,
    "AdaINPreviewChannels": PreviewChannels,
    "AdaINSaveStyle": SaveStyle,
    "AdaINLoadStyle": LoadStyle,
    "AdaINFitStyle": FitStyle,
    "AdaINStyleBank": StyleBank,
    "AdaINPickStyle": PickStyle,
    "AdaINMatchColor": MatchColor,
    "AdaINExampleImage": ExampleImage,
    "AdaINRefine": Refine,
    "AdaINStylize": Stylize,
    "AdaINStylizeFrames": StylizeFrames,
    "AdaINStylizeVideo": StylizeVideo,
    "AdaINTrainDecoder": TrainDecoder,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "AdaINEncoderLoader": "Load VGG Encoder",
    "AdaINDecoderLoader": "Load AdaIN Decoder",
    "AdaINVGGEncode": "VGG Encode",
    "AdaINApply": "AdaIN",
    "AdaINRegions": "AdaIN Regions",
    "AdaINStyleMix": "Style Mix",
    "AdaINStyleArithmetic": "Style Arithmetic",
    "AdaINStyleFromImages": "Style from Images",
    "AdaINStyleGrid": "AdaIN Style Grid",
    "AdaINDecode": "AdaIN Decode",
    "AdaINChannelMask": "AdaIN Channel Mask",
    "AdaINPreviewChannels": "AdaIN Preview Channels",
    "AdaINSaveStyle": "Save Style",
    "AdaINLoadStyle": "Load Style",
    "AdaINFitStyle": "Fit Style",
    "AdaINStyleBank": "Style Bank",
    "AdaINPickStyle": "Pick Style",
    "AdaINMatchColor": "Match Color",
    "AdaINExampleImage": "Example Image",
    "AdaINRefine": "AdaIN Refine",
    "AdaINStylize": "AdaIN Stylize",
    "AdaINStylizeFrames": "AdaIN Stylize Frames",
    "AdaINStylizeVideo": "AdaIN Stylize Video",
    "AdaINTrainDecoder": "Train AdaIN Decoder",
}
WEB_DIRECTORY = "./web"

register_folders()
check_inputs_of(NODE_CLASS_MAPPINGS)

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS", "WEB_DIRECTORY"]
