"""`melisma scale modal-app`: what would run on Modal, and how it gets there."""

from __future__ import annotations

import typer

from melisma.cli.program import AsJson, Verbose


def modal_app(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Tell what runs on Modal, under which names, and the commands that bring it there and use it.

    Nothing is connected to. What needs an account is said to.
    """
    from melisma.cli.summary import print_json
    from melisma.core.errors import MissingDependency
    from melisma.scale.modal.config import ModalConfig

    config = ModalConfig.of()
    try:
        from melisma.scale.modal.image import pinned
    except ModuleNotFoundError as error:
        raise MissingDependency("Modal needs an extra: pip install 'melisma[modal]'") from error

    packages = sorted(set(pinned("melisma", ("modal", *config.extras))))
    if as_json:
        facts = {"app": config.app, "volume": config.volume, "mount": config.mount, "root": str(config.root)}
        print_json({**facts, "folders": dict(config.folders), "gpu": config.gpu, "packages": packages})
        return
    typer.echo(f"app {config.app}, volume {config.volume} at {config.mount}, which mirrors {config.root}")
    for here, there in config.folders:
        typer.echo(f"  {here} is {there} on the volume")
    typer.echo(f"image: Python and {len(packages)} packages as installed here, ffmpeg, this package; GPU {config.gpu}")
    for package in packages if verbose else ():
        typer.echo(f"  {package}")
    typer.echo(_HOW)


_HOW = """
With an account at modal.com (`modal token new`):
  modal deploy -m melisma.scale.modal.app         once, and after every change of the package or of these names
  melisma scale upload data/segments              what stages are to read
  melisma … --executor modal --workers 50         any command over a manifest
  melisma scale download units/portuguese         what they wrote
  modal run --detach -m melisma.scale.modal.app -- units vocoder train units/portuguese --epochs 500
                                                  one long command on a GPU, that goes on when you leave; a corpus
                                                  finds its recordings there if MELISMA_MODAL_FOLDERS is set to nothing
Without one:
  MELISMA_MODAL_REHEARSAL=FOLDER melisma … --executor modal
                                                  the same functions in processes here, FOLDER as the volume"""
