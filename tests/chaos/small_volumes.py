"""Small file systems of the kernel that really run full, mounted where a test says; needs root."""

import contextlib
import gc
import os
import shutil
import subprocess
import time

KINDS = ("tmpfs", "ext4")
UNMOUNT_S = 20.0


def missing():
    """Why nothing can be mounted here, or nothing."""
    return "" if os.geteuid() == 0 and shutil.which("mount") else "mounting needs root"


@contextlib.contextmanager
def mounted(kind, folders, image_folder, mib):
    """A file system of `kind` and `mib` MiB on each folder; yields why it cannot be had here, or an empty string."""
    done = []
    try:
        reason = ""
        for folder in folders:
            folder.mkdir(parents=True)
            reason = _mount(kind, folder, image_folder / f"{folder.name}.img", mib)
            if reason:
                break
            done.append(folder)
        yield reason
    finally:
        for folder in done:
            _unmount(folder)


def _mount(kind, folder, image, mib):
    if kind == "tmpfs":
        command = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "none", str(folder)]
    elif not shutil.which("mkfs.ext4"):
        return "mkfs.ext4 is not here"
    else:
        with image.open("wb") as file:
            file.truncate(mib * 1024 * 1024)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
        command = ["mount", "-o", "loop", str(image), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"cannot mount {kind}: {done.stderr.strip()}" if done.returncode else ""


def _unmount(folder):
    """A member that was killed within this process holds its files until the last reference to them is gone."""
    deadline = time.monotonic() + UNMOUNT_S
    while True:
        gc.collect()
        done = subprocess.run(["umount", str(folder)], capture_output=True, text=True, check=False)
        if not done.returncode:
            return
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.1)


def fill(folder):
    """Take every byte of a file system that is left."""
    with (folder / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def make_room(folder):
    """Give it back."""
    (folder / "filler").unlink()
