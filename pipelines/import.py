"""`python -m pipelines.import SOURCE --name NAME --out DIR --images DIR`: a model of others becomes a bundle.

SOURCE is a local file of DenseNet-121 weights in torchvision's or torchxrayvision's names, or a MONAI Bundle directory.
Nothing in it is executed. For torchxrayvision: `--input-range -1024 1024`; for torchvision: `--imagenet`. Every finding
is experimental until pipelines.evaluate has measured it.
"""
# ruff: noqa: N999  # the command's name; nothing imports this file

from pathlib import Path
from typing import Annotated

import typer

from data_schemas.errors import TriageError
from pipelines.input_range import IMAGENET, InputRange, from_to
from pipelines.take_in_model import Wish, take_in


def main(
    source: Annotated[Path, typer.Argument(help="File of weights, or MONAI Bundle directory; local.")],
    name: Annotated[str, typer.Option(help="Name of the bundle.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle.")],
    images: Annotated[
        Path, typer.Option(help="Folder of local images of the kind, without labels: they set the distribution gate.")
    ],
    labels: Annotated[
        str | None, typer.Option(help="Names of the outputs in order, with commas; an empty one leaves it out.")
    ] = None,
    input_range: Annotated[
        tuple[float, float] | None, typer.Option(help="What black and white become: -1024 1024, or 0 255.")
    ] = None,
    imagenet: Annotated[bool, typer.Option("--imagenet", help="ImageNet's mean and deviation instead.")] = False,
    side: Annotated[int | None, typer.Option(help="Side of the input in pixels, a multiple of 32.")] = None,
    modalities: Annotated[str, typer.Option(help="Accepted modalities, with commas.")] = "CR,DX",
    body_parts: Annotated[str, typer.Option(help="Accepted body parts, with commas; empty for any.")] = "CHEST",
    views: Annotated[str, typer.Option(help="Accepted view positions, with commas; empty for any.")] = "PA,AP",
    min_age: Annotated[float, typer.Option(help="Youngest patient in years.")] = 18.0,
    licence: Annotated[str | None, typer.Option(help="Of the weights.")] = None,
    origin: Annotated[str, typer.Option(help="Where the weights come from.")] = "",
) -> None:
    """Import a model that others trained, or say in one sentence why not."""
    try:
        wish = Wish(
            name=name,
            images=images,
            labels=tuple(label.strip() for label in labels.split(",")) if labels else None,
            stated=_stated(input_range, imagenet=imagenet),
            side=side,
            modalities=_listed(modalities),
            body_parts=_listed(body_parts),
            views=_listed(views),
            min_age_years=min_age,
            licence=licence,
            origin=origin,
        )
        manifest = take_in(source, out, wish)
    except TriageError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{out} holds {manifest.name}: {len(manifest.findings)} findings, all experimental.")


def _stated(ends: tuple[float, float] | None, *, imagenet: bool) -> InputRange | None:
    if imagenet and ends is not None:
        raise TriageError("State either --input-range or --imagenet.")
    if imagenet:
        return IMAGENET
    return from_to(*ends) if ends is not None else None


def _listed(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(",") if name.strip())


if __name__ == "__main__":
    typer.run(main)
