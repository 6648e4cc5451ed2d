"""Makes the style library, weights/styles, and its contact sheet, examples/styles.jpg.

    python -m benchmarks.make_style_library PAINTINGS   everything, from pictures of the paintings in a folder
    python -m benchmarks.make_style_library             thumbnails and contact sheet alone, with another decoder

PAINTINGS has a picture of each painting under the name in `PAINTED`, short side at least 512 pixels. Only statistics of
them are kept; the thumbnail is a photo of examples/ in that style. The drawings are of `procedural_art`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from adain_core import Style, Stylizer, load_style, save_style
from adain_core.images.files import load_picture, scaled, to_image, to_tensor
from adain_core.images.labelled_grid import labelled_grid
from adain_core.images.resize import center_crop, scale_short_side
from adain_core.inference.stylize_file import DEFAULT_STYLE_SIZE
from adain_core.models.style_library import ENDING, LIBRARY

from .procedural_art import DRAWINGS, drawn

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
PHOTO = EXAMPLES / "content_astronaut.jpg"
SIDE = 320  # pixels, of the photo that is stylized
CELL = 128  # pixels, in the contact sheet
COLUMNS = 8
QUALITY = 82
# File: picture, title, painter and the year of death.
PAINTED = {
    "aivazovsky_wave": ("r239.jpg", "The Wave", "Ivan Aivazovsky", 1900),
    "boccioni_street_pavers": ("m127.jpg", "The Street Pavers", "Umberto Boccioni", 1916),
    "bosch_earthly_delights": ("m063.jpg", "The Garden of Earthly Delights", "Hieronymus Bosch", 1516),
    "bruegel_hunters": ("r151.jpg", "The Hunters in the Snow", "Pieter Bruegel the Elder", 1569),
    "goya_third_of_may": ("m032.jpg", "The Third of May", "Francisco de Goya", 1828),
    "kandinsky_composition_8": ("r105.jpg", "Composition VIII", "Wassily Kandinsky", 1944),
    "kandinsky_cossacks": ("m130.jpg", "Cossacks", "Wassily Kandinsky", 1944),
    "klimt_adele": ("m052.jpg", "Portrait of Adele Bloch-Bauer", "Gustav Klimt", 1918),
    "klimt_kiss": ("m053.jpg", "The Kiss", "Gustav Klimt", 1918),
    "marc_horses": ("m039.jpg", "Red and Blue Horse", "Franz Marc", 1916),
    "mondrian_gray_tree": ("m104.jpg", "Gray Tree", "Piet Mondrian", 1944),
    "monet_impression": ("r204.jpg", "Impression, Sunrise", "Claude Monet", 1926),
    "monet_japanese_bridge": ("m014.jpg", "The Japanese Bridge", "Claude Monet", 1926),
    "munch_melancholy": ("m022.jpg", "Melancholy", "Edvard Munch", 1944),
    "munch_scream": ("m023.jpg", "The Scream", "Edvard Munch", 1944),
    "petrov_vodkin_red_horse": ("r096.jpg", "Bathing of a Red Horse", "Kuzma Petrov-Vodkin", 1939),
    "rembrandt_night_watch": ("m111.jpg", "The Night Watch", "Rembrandt van Rijn", 1669),
    "renoir_moulin": ("m102.jpg", "Bal du moulin de la Galette", "Pierre-Auguste Renoir", 1919),
    "roerich_remember": ("r227.jpg", "Remember!", "Nicholas Roerich", 1947),
    "schiele_beer": ("m024.jpg", "Portrait of Miss Beer", "Egon Schiele", 1918),
    "seurat_port_en_bessin": ("m046.jpg", "Port-en-Bessin", "Georges Seurat", 1891),
    "uccello_tolentino": ("m092.jpg", "Niccolo da Tolentino leading the Florentines", "Paolo Uccello", 1475),
    "van_gogh_irises": ("m128.jpg", "Irises", "Vincent van Gogh", 1890),
    "van_gogh_sunflowers": ("r117.jpg", "Sunflowers", "Vincent van Gogh", 1890),
    "van_gogh_wheat_field": ("r208.jpg", "Wheat Field with Cypresses", "Vincent van Gogh", 1890),
}


def main() -> None:
    stylizer = Stylizer.load(device="cpu", pair="fine")  # its styles are VGG-19's, too
    photo = center_crop(load_picture(PHOTO).pixels[0, :, :448], SIDE)[None]
    paintings = Path(sys.argv[1]) if sys.argv[1:] else None
    styles = dict(read() if paintings is None else encoded(stylizer, paintings))
    pictures = []
    for name, style in tqdm(styles.items(), "thumbnails"):
        pictures.append(stylizer.stylize(photo, style))
        save_style(LIBRARY / f"{name}{ENDING}", style, to_image(pictures[-1][0]))
    labels = [style.info["name"] for style in styles.values()]
    sheet = labelled_grid(pictures, labels, COLUMNS, CELL)
    to_image(sheet[0]).save(EXAMPLES / "styles.jpg", quality=QUALITY, optimize=True)


def read() -> Iterator[tuple[str, Style]]:
    """The library as it is."""
    for path in sorted(LIBRARY.glob(f"*{ENDING}")):
        yield path.stem, load_style(path)


def encoded(stylizer: Stylizer, paintings: Path) -> Iterator[tuple[str, Style]]:
    """All styles, anew, sorted by file."""
    for name in tqdm(sorted([*PAINTED, *DRAWINGS]), "styles"):
        if name in PAINTED:
            file, title, painter, died = PAINTED[name]
            pixels = scaled(load_picture(paintings / file), DEFAULT_STYLE_SIZE).pixels
            info = {"name": title, "author": painter, "license": f"public domain; the painter died in {died}"}
        else:
            pixels = scale_short_side(to_tensor(drawn(name)), DEFAULT_STYLE_SIZE)
            info = {"name": name.replace("_", " ").capitalize(), "author": "AdaIN Style Transfer", "license": "CC0"}
        yield name, replace(stylizer.style(pixels, layers=True), info=info)


if __name__ == "__main__":
    main()
