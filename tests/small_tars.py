"""Tar files with given members."""

from __future__ import annotations

import io
import tarfile


def tar(members: list[tuple[str, bytes]]) -> bytes:
    """An archive whose names are taken as they are, the longest of them in PAX headers."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return file.getvalue()
