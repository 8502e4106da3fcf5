"""The library: recordings on the service's machine that need no upload."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from melisma.server import library
from melisma.server.deps import Shared
from melisma.server.openapi import Cursor, Limit, errors
from melisma.server.schemas.songs import LibraryEntry, LibraryPage

router = APIRouter(prefix="/v1/library", tags=["library"])


@router.get("", summary="List the library", response_model=LibraryPage, responses=errors(404))
def list_library(
    context: Shared,
    folder: Annotated[str, Query(max_length=1000, description="Path of a folder in it; empty for all of it.")] = "",
    search: Annotated[str, Query(max_length=300, description="Words that paths hold, in all folders below.")] = "",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> LibraryPage:
    """List a folder of the library, folders first, or search it. 404 where the service has no library."""
    found, more = library.listing(context.settings.library, folder, search, limit=limit, cursor=cursor)
    items = [LibraryEntry(path=e.path, name=e.name, size_bytes=e.size_bytes, is_folder=e.is_folder) for e in found]
    return LibraryPage(items=items, next=more)
