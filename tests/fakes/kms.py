"""AWS KMS as moto's server plays it, completed by what our signers ask of the real one.

Signers send the digest of what is to be signed (``MessageType=DIGEST``). moto takes it for the
message and hashes it again; the real service signs the digest as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from moto.kms import utils
from moto.server import ThreadedMotoServer


def _sign_ecdsa(key: utils.ECDSAPrivateKey, message: bytes, _algorithm: str) -> bytes:
    return key.private_key.sign(message, ECDSA(Prehashed(SHA256())))


def _sign_rsa(key: utils.RSAPrivateKey, message: bytes, _algorithm: str) -> bytes:
    padding = PSS(mgf=MGF1(SHA256()), salt_length=PSS.DIGEST_LENGTH)
    return key.private_key.sign(message, padding, Prehashed(SHA256()))


@contextmanager
def serving_kms() -> Iterator[str]:
    """The URL of a key service, for as long as the block runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils.ECDSAPrivateKey, "sign", _sign_ecdsa)
        patch.setattr(utils.RSAPrivateKey, "sign", _sign_rsa)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        try:
            host, port = server.get_host_and_port()
            yield f"http://{host}:{port}"
        finally:
            server.stop()


def environment(url: str) -> dict[str, str]:
    """What an operator's environment would say."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }


def kms_key(spec: str) -> str:
    """Make a key in the service; its URI."""
    made = boto3.client("kms").create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")
    return f"awskms:{made['KeyMetadata']['KeyId']}"
