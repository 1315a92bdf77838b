# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Secure Boot with Debian's snakeoil keys: a loader signed by 'make sign' starts, an unsigned one is refused by the firmware."""
import os
import subprocess

import pytest

from conftest import TOP

FIRMWARE = TOP / "build/deps/firmware"
HOSTS = {
    "x86_64": {
        "machine": "q35,smm=on", "firmware": FIRMWARE / "OVMF/OVMF_CODE_4M.snakeoil.fd",
        "variables": FIRMWARE / "OVMF/OVMF_VARS_4M.snakeoil.fd",
        "extra": ("-global", "driver=cfi.pflash01,property=secure,value=on"),
    },
    "aarch64": {
        "firmware": FIRMWARE / "AAVMF/AAVMF_CODE.snakeoil.fd", "variables": FIRMWARE / "AAVMF/AAVMF_VARS.snakeoil.fd",
    },
}


@pytest.fixture(scope="session")
def key(tmp_path_factory):
    """The snakeoil key without its pass phrase."""
    output = tmp_path_factory.mktemp("key") / "key.pem"
    subprocess.run(["openssl", "rsa", "-in", FIRMWARE / "snakeoil/PkKek-1-snakeoil.key", "-passin", "pass:snakeoil",
                    "-out", output], check=True, capture_output=True)
    return output


@pytest.mark.parametrize("arch", sorted(HOSTS))
def test_signed_loader_starts(boot, key, arch):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    subprocess.run(["make", "sign", f"ARCHES={arch}", "GUESTS=", f"KEY={key}",
                    f"CERT={FIRMWARE / 'snakeoil/PkKek-1-snakeoil.pem'}"], cwd=TOP, check=True, env=environment)
    machine = boot(arch, build="signed", **HOSTS[arch])
    machine.prompt(timeout=240)
    assert "Secure Boot on" in machine.run("host")


@pytest.mark.parametrize("arch", sorted(HOSTS))
def test_unsigned_loader_is_refused(boot, arch):
    machine = boot(arch, **HOSTS[arch])
    refused = machine.expect(["Access Denied", "Security Violation", "loader for"], timeout=240)
    assert refused[0] != "loader for"
