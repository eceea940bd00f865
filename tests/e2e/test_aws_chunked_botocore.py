"""Bodies as SDKs frame them come out of our decoder as they went in, and what
was changed on the way never comes out whole.

CRB_CHUNKED_SEED repeats a run.
"""

import base64
import hashlib
import hmac
import io
import os
import random
import subprocess

import pytest

from conftest import BUILD

httpchecksum = pytest.importorskip("botocore.httpchecksum")

DECODE = BUILD / "tests" / "contract" / "decode_aws_chunked"
SEED = int(os.environ.get("CRB_CHUNKED_SEED", random.randrange(1 << 32)))
CHECKSUMS = {
    "x-amz-checksum-crc32": httpchecksum.Crc32Checksum,
    "x-amz-checksum-sha1": httpchecksum.Sha1Checksum,
    "x-amz-checksum-sha256": httpchecksum.Sha256Checksum,
}
LENGTHS = (0, 1, 2, 15, 16, 17, 255, 4096, 65537, 300_000)


def decode(framed, length, trailer, piece):
    return subprocess.run([DECODE, str(length), trailer, str(piece)],
                          input=framed, capture_output=True, timeout=60)


def by_botocore(body, header, size):
    return httpchecksum.AwsChunkedWrapper(
        io.BytesIO(body), checksum_cls=CHECKSUMS[header],
        checksum_name=header, chunk_size=size).read()


def with_signatures(body, header, size):
    """As the SDKs do that sign each chunk; of whose key does not matter."""
    def signature(data):
        return hmac.new(b"any", data, hashlib.sha256).hexdigest().encode()

    out = b""
    pieces = [body[i:i + size] for i in range(0, len(body), size)]
    for piece in [*pieces, b""]:
        out += b"%x;chunk-signature=%s\r\n" % (len(piece), signature(piece))
        out += piece + b"\r\n" if piece else b""
    checksum = CHECKSUMS[header]()
    checksum.update(body)
    out += f"{header}:{checksum.b64digest()}\r\n".encode()
    return out + b"x-amz-trailer-signature:" + signature(out) + b"\r\n\r\n"


@pytest.mark.parametrize("frame", [by_botocore, with_signatures])
@pytest.mark.parametrize("header", CHECKSUMS)
def test_what_an_sdk_frames_is_decoded(frame, header):
    print(f"CRB_CHUNKED_SEED={SEED}")
    rng = random.Random(f"{SEED} {frame.__name__} {header}")
    for length in LENGTHS:
        body = rng.randbytes(length)
        framed = frame(body, header, rng.choice((1000, 8192, 1 << 20)))
        done = decode(framed, length, header, rng.choice((7, 4096, 65536)))
        assert done.returncode == 0, (SEED, length, done.stderr)
        assert done.stdout == body, (SEED, length)


@pytest.mark.parametrize("header", CHECKSUMS)
def test_what_was_changed_never_comes_out_whole(header):
    print(f"CRB_CHUNKED_SEED={SEED}")
    rng = random.Random(f"{SEED} {header}")
    for _ in range(40):
        body = rng.randbytes(rng.randrange(1, 3000))
        framed = bytearray(by_botocore(body, header, 1000))
        at = rng.randrange(len(framed))
        framed[at] ^= 1 << rng.randrange(8)
        done = decode(bytes(framed), len(body), header, 4096)
        # A letter in the other case changes nothing in a size or a name.
        if done.returncode == 0:
            assert done.stdout == body, (SEED, at)
        else:
            assert len(done.stdout) < len(body), (SEED, at)


@pytest.mark.parametrize("algorithm", ["crc64nvme", "md5", "sha512"])
def test_a_checksum_that_cannot_be_verified_is_named(algorithm):
    done = decode(b"0\r\n\r\n", 0, f"x-amz-checksum-{algorithm}", 10)
    assert done.returncode == 1
    assert f"{algorithm} cannot be checked".encode() in done.stderr


def test_a_crc32c_is_verified():
    framed = b"9\r\n123456789\r\n0\r\nx-amz-checksum-crc32c:%s\r\n\r\n"
    value = base64.b64encode(0xe3069283.to_bytes(4, "big"))
    done = decode(framed % value, 9, "x-amz-checksum-crc32c", 100)
    assert (done.returncode, done.stdout) == (0, b"123456789")
