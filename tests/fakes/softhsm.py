"""A PKCS#11 token made of software: SoftHSM, with its files in a folder of the test's own."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

LIBRARIES = tuple(
    Path(folder, "libsofthsm2.so")
    for folder in ("/usr/lib/softhsm", "/usr/lib/x86_64-linux-gnu/softhsm", "/usr/lib64/softhsm")
)
PIN = "1234"


@dataclass(frozen=True)
class SoftHsm:
    """Tokens below one folder."""

    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs to find the tokens."""
        library = next(path for path in LIBRARIES if path.exists())
        return {"SOFTHSM2_CONF": str(self.home / "softhsm2.conf"), "PYKCS11LIB": str(library)}

    def start(self) -> None:
        tokens = self.home / "tokens"
        tokens.mkdir(parents=True)
        config = f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
        (self.home / "softhsm2.conf").write_text(config)

    def token(self, label: str) -> None:
        """Make a token."""
        self._run("--init-token", "--free", "--label", label, "--so-pin", "0000", "--pin", PIN)

    def import_key(self, label: str, keyid: str, pem: Path) -> None:
        """Put a key into a token; ``keyid`` is two hexadecimal digits."""
        words = ["--import", str(pem), "--token", label, "--id", keyid, "--label", "updog"]
        self._run(*words, "--pin", PIN)

    def _run(self, *words: str) -> None:
        environment = {**self.environment, "PATH": "/usr/bin:/bin"}
        subprocess.run(["softhsm2-util", *words], env=environment, check=True, capture_output=True)
