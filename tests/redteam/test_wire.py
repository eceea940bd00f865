"""What a request can be made to look like on the wire.  Each of these byte
sequences has a defined answer, and what the recording upstream got is exactly
what was judged: the path, the listed headers, our own framing.  Behind each
one comes a plain request: a 404 at the end shows that it was seen as that."""

import base64
import contextlib
import re
import socket

import pytest

from attack import REFS, wait_until

R = b"/" + REFS.encode()
H = b"Host: 127.0.0.1:9169\r\n"
A = b"AUTHORITY"
T = b"/git/" + A + b"/acme/api.git" + R
P = b"/git/" + A + b"/acme/api.git/git-upload-pack"
G = b"GET " + T + b" HTTP/1.1\r\n" + H
GE = b"GET /git/" + A + b"/evil/x" + R + b" HTTP/1.1\r\n" + H + b"\r\n"
PO = (b"POST " + P + b" HTTP/1.1\r\n" + H +
      b"Content-Type: application/x-git-upload-pack-request\r\n")
LAST = b"GET /v1/last HTTP/1.1\r\nConnection: close\r\n" + H + b"\r\n"

# Bytes, the statuses of the answers, and the bodies that came upstream.  git
# sees a refusal of a POST as a 200 with an error in it.  (The HTTP server says
# the head of its own 400 for a bad Content-Length twice, and closes.)
WIRE = {
    "length, then chunked": (
        PO + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\n" + GE,
        [200], []),
    "chunked, then length": (
        PO + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
        b"0\r\n\r\n" + GE,
        [200], []),
    "cl0 + body": (
        PO + b"Content-Length: 0\r\n\r\n" + GE,
        [200, 403, 404], [b'']),
    "no length body": (
        PO + b"\r\n" + GE,
        [200, 403, 404], [b'']),
    "short cl": (
        PO + b"Content-Length: 4\r\n\r\n0000" + GE,
        [200, 403, 404], [b'0000']),
    "cl too long": (
        PO + b"Content-Length: 200\r\n\r\n0000" + GE,
        [], []),
    "chunked smuggle": (
        PO + b"Transfer-Encoding: chunked\r\n\r\n4\r\n0000\r\n0\r\n\r\n" + GE,
        [200, 403, 404], [b'0000']),
    "chunk ext": (
        PO + b"Transfer-Encoding: chunked\r\n\r\n4;a=b\r\n0000\r\n0\r\n\r\n",
        [200, 404], [b'0000']),
    "chunk ext lf": (
        PO + b"Transfer-Encoding: chunked\r\n\r\n4;a\n0000\r\n0\r\n\r\n",
        [200, 404], [b'0000']),
    "chunk lf": (
        PO + b"Transfer-Encoding: chunked\r\n\r\n4\n0000\n0\n\n" + GE,
        [200, 403, 404], [b'0000']),
    "chunk size space": (
        PO + b"Transfer-Encoding: chunked\r\n\r\n4 \r\n0000\r\n0\r\n\r\n",
        [400], []),
    "chunk size lead0": (
        PO + b"Transfer-Encoding: chunked\r\n\r\n0004\r\n0000\r\n0\r\n\r\n",
        [200, 404], [b'0000']),
    "chunk size 0x": (
        PO + b"Transfer-Encoding: chunked\r\n\r\n0x4\r\n0000\r\n0\r\n\r\n",
        [400], []),
    "chunk size -": (
        PO + b"Transfer-Encoding: chunked\r\n\r\n-4\r\n0000\r\n0\r\n\r\n",
        [400], []),
    "chunk size +": (
        PO + b"Transfer-Encoding: chunked\r\n\r\n+4\r\n0000\r\n0\r\n\r\n",
        [400], []),
    "chunk size ovfl": (
        PO + b"Transfer-Encoding: chunked\r\n\r\n10000000000000004\r\n"
        b"0000\r\n0\r\n\r\n",
        [413], []),
    "chunk size long0": (
        PO + b"Transfer-Encoding: chunked\r\n\r\n" + b"0"*100 + b"4\r\n"
        b"0000\r\n0\r\n\r\n",
        [200, 404], [b'0000']),
    "chunk data longer": (
        PO + b"Transfer-Encoding: chunked\r\n\r\n2\r\n0000\r\n0\r\n\r\n" + GE,
        [400], []),
    "chunk bare cr": (
        PO + b"Transfer-Encoding: chunked\r\n\r\n4\r0000\r\n0\r\n\r\n",
        [400], []),
    "chunk empty line": (
        PO + b"Transfer-Encoding: chunked\r\n\r\n\r\n4\r\n0000\r\n0\r\n\r\n",
        [400], []),
    "trailers": (
        PO + b"Transfer-Encoding: chunked\r\n\r\n4\r\n0000\r\n0\r\n"
        b"X-Evil: 1\r\nAuthorization: Basic eA==\r\nHost: evil\r\n"
        b"Content-Length: 3\r\n\r\n",
        [200, 404], [b'0000']),
    "trailer accept": (
        PO + b"Transfer-Encoding: chunked\r\n\r\n0\r\nAccept: evil\r\n"
        b"User-Agent: evil\r\n\r\n",
        [200, 404], [b'']),
    "te in caps": (
        PO + b"TRANSFER-ENCODING: CHUNKED\r\n\r\n4\r\n0000\r\n0\r\n\r\n",
        [200, 404], [b'0000']),
    "te folded": (
        PO + b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 4\r\n"
        b"\r\n0000" + GE,
        [200, 403, 404], [b'0000']),
    "te tab": (
        PO + b"Transfer-Encoding:\tchunked\r\n\r\n4\r\n0000\r\n0\r\n\r\n",
        [200, 404], [b'0000']),
    "te trailing sp": (
        PO + b"Transfer-Encoding: chunked \r\n\r\n4\r\n0000\r\n0\r\n\r\n",
        [200], []),
    "te space before colon": (
        PO + b"Transfer-Encoding : chunked\r\n\r\n4\r\n0000\r\n0\r\n\r\n" + GE,
        [200], []),
    "te lf": (
        PO + b"Transfer-Encoding: chunked\n\n4\r\n0000\r\n0\r\n\r\n",
        [200, 404], [b'0000']),
    "te cr hidden": (
        PO + b"X: a\rTransfer-Encoding: chunked\r\nContent-Length: 4\r\n"
        b"\r\n0000" + GE,
        [200], []),
    "cl hidden by NUL": (
        PO + b"X: a\0\r\nContent-Length: 4\r\n\r\n0000" + GE,
        [200, 403, 404], [b'0000']),
    "cl NUL": (
        PO + b"Content-Length: 4\0 \r\n\r\n0000" + GE,
        [200, 403, 404], [b'0000']),
    "cl sp": (
        PO + b"Content-Length: 4 \r\n\r\n0000",
        [400, 400], []),
    "cl 04": (
        PO + b"Content-Length: 04\r\n\r\n0000",
        [200, 404], [b'0000']),
    "cl 4,4": (
        PO + b"Content-Length: 4,4\r\n\r\n0000",
        [400, 400], []),
    "cl 4 4": (
        PO + b"Content-Length: 4 4\r\n\r\n0000",
        [400, 400], []),
    "cl folded": (
        PO + b"Content-Length:\r\n 4\r\n\r\n0000" + GE,
        [200, 405, 404], [b'']),
    "cl 0 and 4": (
        PO + b"Content-Length: 0\r\n\t4\r\n\r\n0000" + GE,
        [200, 405, 404], [b'']),
    "cl dup": (
        PO + b"Content-Length: 4\r\nContent-Length: 0\r\n\r\n0000",
        [200], []),
    "cl underscore": (
        PO + b"Content_Length: 40\r\n\r\n" + GE,
        [200], []),
    "lf only": (
        G.replace(b"\r\n",b"\n") + b"\n",
        [200, 404], [b'']),
    "lf only post": (
        PO.replace(b"\r\n",b"\n") + b"Content-Length: 4\n\n0000",
        [200, 404], [b'0000']),
    "cr only": (
        G.replace(b"\r\n",b"\r") + b"\r",
        [400], []),
    "mixed": (
        G.replace(b"\r\n",b"\n",1) + b"\r\n",
        [200, 404], [b'']),
    "leading crlf": (
        b"\r\n\r\n" + G + b"\r\n",
        [200, 404], [b'']),
    "leading lf": (
        b"\n" + G + b"\r\n",
        [200, 404], [b'']),
    "leading sp": (
        b" " + G + b"\r\n",
        [], []),
    "folded first": (
        b"GET " + T + b" HTTP/1.1\r\n X: a\r\n" + H + b"\r\n",
        [400], []),
    "folded host": (
        b"GET " + T + b" HTTP/1.1\r\nHost:\r\n 127.0.0.1\r\n\r\n",
        [400], []),
    "folded host2": (
        b"GET " + T + b" HTTP/1.1\r\nHost: evil\r\n 127.0.0.1:9169\r\n\r\n",
        [400], []),
    "two hosts": (
        G + b"Host: evil\r\n\r\n",
        [400], []),
    "host NUL": (
        b"GET " + T + b" HTTP/1.1\r\nHost: 127.0.0.1\0.evil\r\n\r\n",
        [200, 404], [b'']),
    "host evil": (
        b"GET " + T + b" HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        [403], []),
    "host upstream": (
        b"GET " + T + b" HTTP/1.1\r\nHost: " + A + b"\r\n\r\n",
        [403], []),
    "host none": (
        b"GET " + T + b" HTTP/1.1\r\n\r\n",
        [400], []),
    "host empty": (
        b"GET " + T + b" HTTP/1.1\r\nHost:\r\n\r\n",
        [403], []),
    "host user": (
        b"GET " + T + b" HTTP/1.1\r\nHost: a@127.0.0.1\r\n\r\n",
        [403], []),
    "host dot": (
        b"GET " + T + b" HTTP/1.1\r\nHost: localhost.\r\n\r\n",
        [403], []),
    "host v6 mapped": (
        b"GET " + T + b" HTTP/1.1\r\nHost: [::ffff:127.0.0.1]\r\n\r\n",
        [403], []),
    "target tab": (
        b"GET\t" + T + b"\tHTTP/1.1\r\n" + H + b"\r\n",
        [], []),
    "target 2sp": (
        b"GET  " + T + b"  HTTP/1.1\r\n" + H + b"\r\n",
        [400], []),
    "target NUL": (
        b"GET " + T + b"\0x HTTP/1.1\r\n" + H + b"\r\n",
        [200, 404], [b'']),
    "target NUL2": (
        b"GET " + T.replace(b"acme/api",b"acme/api\0/../evil") + b" HTTP/1.1\r\n"
        b"" + H + b"\r\n",
        [400, 404], []),
    "target vt": (
        b"GET " + T + b"\x0b HTTP/1.1\r\n" + H + b"\r\n",
        [400], []),
    "version trailing": (
        b"GET " + T + b" HTTP/1.1 \r\n" + H + b"\r\n",
        [400], []),
    "version lower": (
        b"GET " + T + b" http/1.1\r\n" + H + b"\r\n",
        [400], []),
    "version 1.10": (
        b"GET " + T + b" HTTP/1.10\r\n" + H + b"\r\n",
        [400], []),
    "version 11": (
        b"GET " + T + b" HTTP/11\r\n" + H + b"\r\n",
        [400], []),
    "HTTP/1.0": (
        b"GET " + T + b" HTTP/1.0\r\n" + H + b"\r\n",
        [200], [b'']),
    "0.9": (
        b"GET " + T + b"\r\n\r\n",
        [400], []),
    "split req line": (
        b"GET " + T + b" HTTP/1.1\r\n\r\n" + GE,
        [400], []),
    "auth in": (
        G + b"Authorization: Basic eDp5\r\n\r\n",
        [200, 404], [b'']),
    "proxy auth": (
        G + b"Proxy-Authorization: Basic eDp5\r\n\r\n",
        [200, 404], [b'']),
    "cookie": (
        G + b"Cookie: a=b\r\n\r\n",
        [200, 404], [b'']),
    "private-token": (
        G + b"Private-Token: abc\r\n\r\n",
        [200, 404], [b'']),
    "x-forwarded-host": (
        G + b"X-Forwarded-Host: evil\r\n\r\n",
        [403], []),
    "x-host": (
        G + b"X-Host: evil\r\n\r\n",
        [200, 404], [b'']),
    "sudo": (
        G + b"Sudo: root\r\n\r\n",
        [200, 404], [b'']),
    "range": (
        G + b"Range: bytes=0-5\r\n\r\n",
        [200, 404], [b'']),
    "te trailers": (
        G + b"TE: trailers\r\n\r\n",
        [200, 404], [b'']),
    "accept-enc": (
        G + b"Accept-Encoding: gzip\r\n\r\n",
        [200, 404], [b'']),
    "conn list": (
        G + b"Connection: authorization, close\r\n\r\n",
        [200], [b'']),
    "conn keepalive": (
        G + b"Connection: keep-alive, host\r\nKeep-Alive: 1\r\n\r\n",
        [200, 404], [b'']),
    "expect": (
        PO + b"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n0000",
        [100, 200, 404], [b'0000']),
    "upgrade h2c": (
        G + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
        [200, 404], [b'']),
    "upgrade ws": (
        G + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        [400], []),
    "accept crlf": (
        G + b"Accept: a\r\n\tX-Evil: b\r\n\r\n",
        [400], []),
    "ua ctrl": (
        G + b"User-Agent: \x1b[31mred\r\n\r\n",
        [400], []),
    "ua nl": (
        G + b"User-Agent: a\x85b\r\n\r\n",
        [400], []),
    "ua long": (
        G + b"User-Agent: " + b"a"*4000 + b"\r\n\r\n",
        [200, 404], [b'']),
    "ua 2": (
        G + b"User-Agent: a\r\nUser-Agent: b\r\n\r\n",
        [200, 404], [b'']),
    "git-protocol lf": (
        G + b"Git-Protocol: version=2\n x\r\n\r\n",
        [200, 404], [b'']),
    "get on POST": (
        b"GET " + P + b" HTTP/1.1\r\n" + H + b"\r\n",
        [400, 404], []),
    "post on refs": (
        b"POST " + T + b" HTTP/1.1\r\n" + H + b"Content-Length: 0\r\n\r\n",
        [400, 404], []),
    "post query": (
        b"POST " + P + b"?service=git-receive-pack HTTP/1.1\r\n"
        b"" + H + b"Content-Length: 0\r\n\r\n",
        [200, 404], []),
    "post emptyquery": (
        b"POST " + P + b"? HTTP/1.1\r\n" + H + b"Content-Length: 0\r\n\r\n",
        [200, 404], []),
    "post recv": (
        b"POST " + P.replace(b"upload",b"receive") + b" HTTP/1.1\r\n"
        b"" + H + b"Content-Length: 4\r\n\r\n0000",
        [200, 404], []),
    "put": (
        b"PUT " + P + b" HTTP/1.1\r\n" + H + b"Content-Length: 4\r\n\r\n0000",
        [405, 404], []),
    "delete": (
        b"DELETE " + T + b" HTTP/1.1\r\n" + H + b"\r\n",
        [405, 404], []),
    "head": (
        b"HEAD " + T + b" HTTP/1.1\r\n" + H + b"\r\n",
        [405, 404], []),
    "trace": (
        b"TRACE " + T + b" HTTP/1.1\r\n" + H + b"\r\n",
        [405], []),
    "options": (
        b"OPTIONS * HTTP/1.1\r\n" + H + b"\r\n",
        [405], []),
    "connect": (
        b"CONNECT " + A + b" HTTP/1.1\r\n" + H + b"\r\n",
        [405], []),
    "propfind": (
        b"PROPFIND " + T + b" HTTP/1.1\r\n" + H + b"\r\n",
        [405, 404], []),
    "method lower": (
        b"get " + T + b" HTTP/1.1\r\n" + H + b"\r\n",
        [405, 404], []),
    "method NUL": (
        b"GET\0X " + T + b" HTTP/1.1\r\n" + H + b"\r\n",
        [200, 404], [b'']),
    "method long": (
        b"G"*5000 + b" " + T + b" HTTP/1.1\r\n" + H + b"\r\n",
        [400], []),
    "override": (
        PO + b"X-HTTP-Method-Override: DELETE\r\nContent-Length: 0\r\n\r\n",
        [200], []),
    "get body": (
        G + b"Content-Length: 4\r\n\r\n0000",
        [400], []),
    "get chunked": (
        G + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        [400], []),
    "get body smuggle": (
        G + b"Content-Length: " + str(len(GE)).encode() + b"\r\n\r\n" + GE,
        [400], []),
    "pipeline": (
        G + b"\r\n" + GE+G + b"\r\n",
        [200, 403, 200, 404], [b'', b'']),
    "gzip bomb-ish": (
        PO + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n0000",
        [200, 404], [b'0000']),
    "content-encoding list": (
        PO + b"Content-Encoding: gzip, br\r\nContent-Length: 4\r\n\r\n0000",
        [200, 404], [b'0000']),
    "ce chunked": (
        PO + b"Content-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0000",
        [200, 404], [b'0000']),
    "chunk size 17 digits": (
        PO + b"Transfer-Encoding: chunked\r\n\r\n" + b"1"*17 + b"\r\n"
        b"0000\r\n0\r\n\r\n",
        [413], []),
    "trailers huge": (
        PO + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"
        b"X: " + b"a"*200000 + b"\r\n\r\n",
        [431], []),
    "many trailers": (
        PO + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: a\r\n"
        b""*5000 + b"\r\n",
        [431], []),
    "te quoted": (
        PO + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
        [200], []),
    "te params": (
        PO + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
        [200], []),
    "te empty": (
        PO + b"Transfer-Encoding:\r\n\r\n",
        [200], []),
    "te identity": (
        PO + b"Transfer-Encoding: identity\r\nContent-Length: 4\r\n\r\n0000",
        [200], []),
    "te deflate": (
        PO + b"Transfer-Encoding: deflate\r\n\r\n",
        [200], []),
    "cl huge": (
        PO + b"Content-Length: 9223372036854775808\r\n\r\n",
        [200], []),
    "cl float": (
        PO + b"Content-Length: 4.0\r\n\r\n0000",
        [400, 400], []),
    "cl exp": (
        PO + b"Content-Length: 4e0\r\n\r\n0000",
        [400, 400], []),
    "cl fullwidth": (
        PO + b"Content-Length: \xef\xbc\x94\r\n\r\n0000",
        [400, 400], []),
    "cl NBSP": (
        PO + b"Content-Length: 4\xa0\r\n\r\n0000",
        [400, 400], []),
    "header no name": (
        G + b": x\r\n\r\n",
        [200, 404], [b'']),
    "header no colon": (
        G + b"Evil\r\n\r\n",
        [400], []),
    "header DEL": (
        G + b"Accept: \x7f\r\n\r\n",
        [400], []),
    "header 8bit": (
        G + b"Accept: \xff\r\n\r\n",
        [400], []),
    "header name sp": (
        G + b"Acc ept: x\r\n\r\n",
        [400], []),
    "header name tab": (
        G + b"Accept\t: x\r\n\r\n",
        [400], []),
    "header name paren": (
        G + b"Acc(ept): x\r\n\r\n",
        [400], []),
    "header name NUL": (
        G + b"Acc\0ept: x\r\n\r\n",
        [400], []),
    "forwarded": (
        G + b"Forwarded: for=1\r\n\r\n",
        [403], []),
    "via": (
        G + b"Via: 1.1 x\r\n\r\n",
        [403], []),
    "x-original-url": (
        G + b"X-Original-URL: /evil\r\n\r\n",
        [403], []),
    "x-rewrite-url": (
        G + b"X-Rewrite-URL: /evil\r\n\r\n",
        [403], []),
    "x-real-ip": (
        G + b"X-Real-IP: 1\r\n\r\n",
        [403], []),
    "x_forwarded_host": (
        G + b"X_Forwarded_Host: evil\r\n\r\n",
        [400], []),
    "origin": (
        G + b"Origin: null\r\n\r\n",
        [403], []),
    "sec-fetch": (
        G + b"Sec-Fetch-Site: none\r\n\r\n",
        [403], []),
    "trailer": (
        PO + b"Trailer: X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        [200], []),
    "expect other": (
        PO + b"Expect: 200-ok\r\nContent-Length: 0\r\n\r\n",
        [200], []),
    "accept twice": (
        G + b"Accept: a\r\nAccept: b\r\n\r\n",
        [400], []),
    "content-type twice": (
        PO + b"Content-Type: a\r\nContent-Length: 0\r\n\r\n",
        [200], []),
    "git-protocol twice": (
        G + b"Git-Protocol: version=1\r\nGit-Protocol: version=2\r\n\r\n",
        [400], []),
    "65 headers": (
        G + b"X: a\r\n"*65 + b"\r\n",
        [431], []),
    "long header": (
        G + b"X: " + b"a"*9000 + b"\r\n\r\n",
        [431], []),
    "long name": (
        G + b"X"*9000 + b": a\r\n\r\n",
        [431], []),
    "close, then more": (
        G + b"Connection: close\r\n\r\n" + GE,
        [200], [b'']),
    "1.0 keep-alive": (
        G.replace(b"1.1",b"1.0",1) + b"Connection: keep-alive\r\n\r\n" + GE,
        [200], [b'']),
}

# Not ended: the client says so by closing its half.
OPEN = {"cl too long", "cr only"}
ALLOWED = {b"host", b"authorization", b"user-agent", b"content-type",
           b"content-length", b"content-encoding", b"transfer-encoding",
           b"accept", b"git-protocol"}


def exchange(endpoint, data, half_close):
    client, answer = endpoint.connect(), b""
    with client, contextlib.suppress(ConnectionError):
        with contextlib.suppress(ConnectionError):
            client.sendall(data)
        if half_close:
            client.shutdown(socket.SHUT_WR)
        while piece := client.recv(1 << 16):
            answer += piece
    return answer


def check_head(red, head, body):
    line, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert line in (b"GET /acme/api.git" + R + b" HTTP/1.1",
                    b"POST /acme/api.git/git-upload-pack HTTP/1.1")
    names = [l.split(b":")[0].lower() for l in lines]
    assert set(names) <= ALLOWED, head
    single = [n for n in names if n != b"user-agent"]
    assert len(single) == len(set(single)), head
    assert b"evil" not in head
    values = dict(zip(names, (l.split(b": ", 1)[1] for l in lines)))
    secret = base64.b64encode(b"robot:" + red.secret.encode())
    assert values[b"authorization"] == b"Basic " + secret
    assert values[b"host"] == red.upstream.authority.encode()
    if line.startswith(b"GET"):
        assert not {b"content-length", b"transfer-encoding"} & set(names)
    else:
        assert (values.get(b"transfer-encoding") == b"chunked" or
                values.get(b"content-length") == b"%d" % len(body))


@pytest.mark.parametrize("name", WIRE)
def test_on_the_wire(red, endpoint, upstream, name):
    data, statuses, bodies = WIRE[name]
    upstream.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    data = data.replace(A, upstream.authority.encode()) + LAST
    answer = exchange(endpoint, data, name in OPEN)
    assert [int(s) for s in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)
            ] == statuses, answer
    assert red.secret.encode() not in answer
    taken = upstream.taken()
    assert [body for _, body in taken] == bodies
    for head, body in taken:
        check_head(red, head, body)


def test_the_table_is_long():
    assert len(WIRE) >= 120


def ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return sum(int(f) for f in stat.read().rsplit(")", 1)[1].split()[11:13])


# What leaves a connection with nothing that could be done on it.
STUCK = {
    "a chunk extension without end":
        PO + b"Transfer-Encoding: chunked\r\n\r\n4;" + b"a" * 400000,
    "a request behind one under way": G + b"\r\n" + G + b"\r\n" * 100000,
    "a head without end": b"GET /",
    "a body that does not come": PO + b"Content-Length: 1000\r\n\r\n0000",
    "blank lines": b"\r\n" * 100000,
}


@pytest.mark.parametrize("name", STUCK)
def test_nothing_makes_the_gateway_spin(red, endpoint, upstream, name):
    upstream.answer = lambda head, connection: not connection.recv(1)
    gateway = red.pids()["gateway"]
    client = endpoint.connect(timeout=0.2)
    with client, contextlib.suppress(OSError):
        client.sendall(STUCK[name].replace(A, upstream.authority.encode()))
    client = endpoint.connect(timeout=0.3)
    with client:
        with contextlib.suppress(OSError):
            client.sendall(STUCK[name].replace(A, upstream.authority.encode()))
        before = ticks(gateway)
        # Bounded by the time-out of the socket: an answer, or nothing.
        for _ in range(3):
            with contextlib.suppress(OSError):
                client.recv(1 << 16)
        assert ticks(gateway) - before < 40
        got, _ = endpoint.ask("GET", "/v1/session", "Credbroker-Session: 1")
        assert got == 200
