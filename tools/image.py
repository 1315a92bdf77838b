#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Make a bootable disk image: a GUID partition table with one FAT32 EFI system partition.

    image.py OUTPUT PATH=FILE...        PATH is where FILE goes on the partition

Needs no root and no loop device (the file system is made by mtools) and gives the same bytes for the
same input: identifiers are fixed, times come from SOURCE_DATE_EPOCH. The table follows the UEFI
specification, section 5.3.
"""
import os
import struct
import subprocess
import sys
import uuid
import zlib

SECTOR = 512
MIB = 1 << 20
FIRST = MIB // SECTOR               # the partition starts on a megabyte
ENTRIES = 128
ENTRY_SIZE = 128
TABLE_SECTORS = ENTRIES * ENTRY_SIZE // SECTOR
ESP_TYPE = uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")
DISK_ID = uuid.UUID("b1e8c2a4-4b0e-5f0c-9a51-454e4e454144")
PARTITION_ID = uuid.UUID("b1e8c2a4-4b0e-5f0c-9a52-454e4e454144")
VOLUME_ID = "454e4e45"
LABEL = "ENNEAD"
FAT32_LEAST_CLUSTERS = 65525


def file_system_sectors(sizes):
    """Room for the files, a quarter more, and at least the clusters that make it FAT32."""
    need = sum(size + 64 * 1024 for size in sizes) * 5 // 4 + 2 * MIB
    cluster = SECTOR if need < 256 * MIB else 8 * SECTOR
    least = (FAT32_LEAST_CLUSTERS + 512) * (cluster + 8) + MIB
    size = (max(need, least) + MIB - 1) // MIB * MIB
    return size // SECTOR, cluster // SECTOR


def header(my, other, table, last, entries):
    """A header at sector `my`, whose copy is at `other` and whose entries begin at `table`."""
    def pack(crc):
        return struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, crc, 0, my, other,
                           2 + TABLE_SECTORS, last, DISK_ID.bytes_le, table, ENTRIES, ENTRY_SIZE,
                           zlib.crc32(entries))
    return pack(zlib.crc32(pack(0))).ljust(SECTOR, b"\0")


def protective_mbr(sectors):
    record = struct.pack("<B3sB3sII", 0, b"\x00\x02\x00", 0xEE, b"\xff\xff\xff", 1,
                         min(sectors - 1, 0xFFFFFFFF))
    return record.rjust(446 + 16, b"\0").ljust(510, b"\0") + b"\x55\xaa"


def write_partition_table(file, partition_sectors):
    sectors = FIRST + partition_sectors + FIRST
    last_usable = sectors - 2 - TABLE_SECTORS
    entry = struct.pack("<16s16sQQQ72s", ESP_TYPE.bytes_le, PARTITION_ID.bytes_le, FIRST,
                        FIRST + partition_sectors - 1, 0, LABEL.encode("utf-16-le"))
    entries = entry.ljust(ENTRIES * ENTRY_SIZE, b"\0")
    file.truncate(sectors * SECTOR)
    file.write(protective_mbr(sectors))
    file.write(header(1, sectors - 1, 2, last_usable, entries))
    file.write(entries)
    file.seek((last_usable + 1) * SECTOR)
    file.write(entries)
    file.write(header(sectors - 1, 1, last_usable + 1, last_usable, entries))


def mtools(*command):
    env = dict(os.environ, MTOOLS_SKIP_CHECK="1", TZ="UTC0")
    env.setdefault("SOURCE_DATE_EPOCH", "1735689600")
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"image.py: {' '.join(command)}: {done.stderr.strip()}")


def folders(paths):
    """Every folder on the way to the files, parents first."""
    found = set()
    for path in paths:
        parts = path.split("/")[:-1]
        found.update("/".join(parts[:depth + 1]) for depth in range(len(parts)))
    return sorted(found)


def main():
    if len(sys.argv) < 3 or not all("=" in pair for pair in sys.argv[2:]):
        sys.exit(__doc__)
    output = sys.argv[1]
    files = dict(pair.split("=", 1) for pair in sys.argv[2:])
    sectors, cluster = file_system_sectors([os.path.getsize(file) for file in files.values()])
    work = output + ".new"
    with open(work, "wb") as file:
        write_partition_table(file, sectors)
    volume = f"{work}@@{FIRST * SECTOR}"
    mtools("mformat", "-i", volume, "-F", "-T", str(sectors), "-h", "255", "-s", "63", "-H", str(FIRST),
           "-c", str(cluster), "-N", VOLUME_ID, "-v", LABEL, "::")
    for folder in folders(files):
        mtools("mmd", "-i", volume, "::/" + folder)
    for path in sorted(files):
        mtools("mcopy", "-i", volume, files[path], "::/" + path)
    os.replace(work, output)


if __name__ == "__main__":
    main()
