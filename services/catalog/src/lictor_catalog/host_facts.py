"""`agent/host`: what the machine says of itself, read from Linux's `/proc` and `/sys` (proc(5)).

The shapes are those of Consul's `agent/host`: memory in bytes, one entry per processor, the system, one disk. What
cannot be read is left out and named in `Errors`. It blocks for a few milliseconds: call it from a thread.
"""

import os
import platform
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

KIB = 1024
_PROC = Path("/proc")
_MEMORY = {
    "total": "MemTotal", "available": "MemAvailable", "free": "MemFree", "active": "Active", "inactive": "Inactive",
    "buffers": "Buffers", "cached": "Cached", "writeBack": "Writeback", "dirty": "Dirty",
    "writeBackTmp": "WritebackTmp",
    "shared": "Shmem", "slab": "Slab", "sreclaimable": "SReclaimable", "sunreclaim": "SUnreclaim",
    "pageTables": "PageTables", "swapCached": "SwapCached", "commitLimit": "CommitLimit", "committedAS": "Committed_AS",
    "swapTotal": "SwapTotal", "swapFree": "SwapFree", "mapped": "Mapped", "vmallocTotal": "VmallocTotal",
    "vmallocUsed": "VmallocUsed", "vmallocChunk": "VmallocChunk", "hugePageSize": "Hugepagesize",
}  # fmt: skip


def collect(disk: str, now_ns: int) -> dict[str, Any]:
    """Everything, with the time of collection in Unix nanoseconds; `disk` is a path on the disk to tell of."""
    parts: dict[str, tuple[Any, Callable[[], Any]]] = {
        "Memory": (None, memory),
        "CPU": (None, processors),
        "Host": (None, system),
        "Disk": (None, lambda: disk_of(disk)),
    }
    shown: dict[str, Any] = {}
    errors: list[str] = []
    for name, (absent, read) in parts.items():
        try:
            shown[name] = read()
        except (OSError, ValueError, KeyError, IndexError) as error:
            shown[name] = absent
            errors.append(f"{name}: {error}")
    return shown | {"CollectionTime": now_ns, "Errors": errors or None}


def memory() -> dict[str, Any]:
    """`/proc/meminfo`, in bytes."""
    found = {}
    for line in (_PROC / "meminfo").read_text().splitlines():
        name, _, rest = line.partition(":")
        found[name] = int(rest.split()[0]) * KIB
    shown: dict[str, Any] = {name: found.get(given, 0) for name, given in _MEMORY.items()}
    total = shown["total"]
    shown["used"] = total - found["MemFree"] - found.get("Buffers", 0) - found.get("Cached", 0)
    shown["usedPercent"] = 100 * shown["used"] / total if total else 0.0
    return shown


def processors() -> list[dict[str, Any]]:
    """`/proc/cpuinfo`, one entry per logical processor."""
    shown = []
    for block in (_PROC / "cpuinfo").read_text().strip().split("\n\n"):
        found = {}
        for line in block.splitlines():
            name, _, value = line.partition(":")
            found[name.strip()] = value.strip()
        if "processor" not in found:
            continue
        cache = found.get("cache size", "0").split()
        shown.append(
            {
                "cpu": int(found["processor"]),
                "vendorId": found.get("vendor_id", ""),
                "family": found.get("cpu family", ""),
                "model": found.get("model", ""),
                "stepping": int(found.get("stepping", "0")),
                "physicalId": found.get("physical id", ""),
                "coreId": found.get("core id", ""),
                "cores": 1,
                "modelName": found.get("model name", ""),
                "mhz": float(found.get("cpu MHz", "0")),
                "cacheSize": int(cache[0]) if cache else 0,
                "flags": found.get("flags", "").split(),
                "microcode": found.get("microcode", ""),
            }
        )
    return shown


def system() -> dict[str, Any]:
    """The system and how long it has been up."""
    uptime_s = float((_PROC / "uptime").read_text().split()[0])
    booted = next(line for line in (_PROC / "stat").read_text().splitlines() if line.startswith("btime "))
    release = platform.freedesktop_os_release()
    machine = Path("/etc/machine-id")
    raw = machine.read_text().strip() if machine.exists() else ""
    parts = (raw[:8], raw[8:12], raw[12:16], raw[16:20], raw[20:])
    return {
        "hostname": socket.gethostname(),
        "uptime": int(uptime_s),
        "bootTime": int(booted.split()[1]),
        "procs": sum(entry.name.isdigit() for entry in os.scandir(_PROC)),
        "os": "linux",
        "platform": release.get("ID", ""),
        "platformFamily": release.get("ID_LIKE", release.get("ID", "")).split(" ")[0],
        "platformVersion": release.get("VERSION_ID", ""),
        "kernelVersion": platform.release(),
        "kernelArch": platform.machine(),
        "virtualizationSystem": "",
        "virtualizationRole": "",
        "hostId": "-".join(parts) if raw else "",
    }


def disk_of(path: str) -> dict[str, Any]:
    """The file system that holds a path."""
    found = os.statvfs(path)
    total, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
    used = (found.f_blocks - found.f_bfree) * found.f_frsize
    inodes_used = found.f_files - found.f_ffree
    return {
        "path": path,
        "fstype": _file_system(Path(path).stat().st_dev),
        "total": total,
        "free": free,
        "used": used,
        "usedPercent": 100 * used / (used + free) if used + free else 0.0,
        "inodesTotal": found.f_files,
        "inodesUsed": inodes_used,
        "inodesFree": found.f_ffree,
        "inodesUsedPercent": 100 * inodes_used / found.f_files if found.f_files else 0.0,
    }


def _file_system(device: int) -> str:
    """The kind of file system on a device, from this process's mounts."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in (_PROC / "self" / "mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        if fields.split()[2] == wanted:
            return rest.split()[0]
    return ""
